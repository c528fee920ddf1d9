"""Lanes: what may fly now flies; what must wait is woken in time; nobody starves for another.

A lane claims only when shaping would let a letter go, and few at first: what waits long in memory
goes back to the store, where it can be seen, held and removed. A lane that finds no room (see
room.py) queues up and has its turn in order, so ten thousand destinations share what there is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Final

from relay.mail.delivery import Delivery
from relay.mail.instant import SECOND, Instant
from relay.mail.urgency import Urgency
from relay.scheduler.alarms import Alarms
from relay.scheduler.fallback import Fallback
from relay.scheduler.flight import Unwritten
from relay.scheduler.giving import Giving
from relay.scheduler.identity import not_of
from relay.scheduler.lane import APPETITE, LANE_ROWS, LEASE, NONE, Lane, lane_key
from relay.scheduler.parts import Parts
from relay.scheduler.room import Room
from relay.scheduler.round import Round
from relay.scheduler.share import is_fresh
from relay.scheduler.steady import Steady
from relay.transports.base import Route

MAX_UNITS: Final = 1_000  # recipients of one job; more than any transaction may carry
FLOOR: Final = 0.02  # seconds: no timer is shorter
NO_NEW: Final = 600 * SECOND  # between two looks for a letter that was not refused yet
AGAIN: Final = 10.0  # seconds between two looks whether more connections may be open
PATIENT: Final = 60 * SECOND  # a lane that waits longer gives its leases back

Carry = Callable[[Lane, Sequence[Delivery]], Coroutine[Any, Any, None]]
LookUp = Callable[[str, Urgency], None]

logger = logging.getLogger(__name__)


class Lanes:
    """All lanes of one scheduler. While `is_halted` nothing is claimed and nothing starts."""

    def __init__(
        self, parts: Parts, steady: Steady, carry: Carry, look_up: LookUp, fallback: Fallback
    ) -> None:
        """`carry` flies one job; `look_up` takes a domain whose route is no longer known."""
        self._parts = parts
        self._steady = steady
        self._carry = carry
        self._look_up = look_up
        self._fallback = fallback
        self._lanes: dict[str, Lane] = {}
        self._room = Room()
        self._giving = Giving(parts, self._feed)
        self._alarms = Alarms(self.pump)
        self._round = Round(self._pump_anew)
        self.is_halted = False

    @property
    def flying(self) -> int:
        """How many jobs are being carried."""
        return self._room.flights

    @property
    def rows(self) -> int:
        """How many leased deliveries wait in memory."""
        return self._room.rows

    def __len__(self) -> int:
        return len(self._lanes)

    def note(self, route: Route, domain: str, urgency: Urgency) -> None:
        """There is ready mail for a domain, and it goes there; kritis by the fallback, too, where
        its own way has been closed for long enough."""
        self._noted(route, domain, urgency, is_fallback=False)
        if urgency is Urgency.KRITIS:
            other = self._fallback.instead_of(route.destination)
            if other is not None:
                self._noted(other, domain, urgency, is_fallback=True)

    def _noted(self, route: Route, domain: str, urgency: Urgency, is_fallback: bool) -> None:
        key = lane_key(route.destination, is_fallback)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(route.destination, is_fallback)
        lane.destination = route.destination
        lane.note(domain, urgency)
        self.pump(lane)

    def fall_back(self) -> None:
        """Look for kritis whose way has been closed for long enough meanwhile."""
        if not self._fallback.is_due():
            return
        for lane in list(self._lanes.values()):
            other = None if lane.is_fallback else self._fallback.instead_of(lane.destination)
            if other is not None:
                for domain, urgency in list(lane.domains.items()):
                    if urgency is Urgency.KRITIS:
                        self._noted(other, domain, urgency, is_fallback=True)

    def forget(self) -> None:
        """After `give_back`, when destinations may have changed: lanes that do nothing are made
        anew when their mail is noted."""
        for key, lane in list(self._lanes.items()):
            if not (lane.leased or lane.flying or lane.claiming):
                self._alarms.call_off(lane)
                del self._lanes[key]

    def pump_all(self) -> None:
        """Look for work everywhere, a few lanes to a turn of the loop."""
        self._round.begin(self._lanes)

    def _pump_anew(self, key: str) -> None:
        if (lane := self._lanes.get(key)) is not None:
            lane.not_before, lane.shut = 0, NONE
            self.pump(lane)

    def pump(self, lane: Lane) -> None:
        """Start what may start now; else arrange to be called again."""
        if not (lane.leased or lane.domains or lane.beside) and (lane.flying or lane.claiming):
            return None  # nothing to start; it is looked at again when that has ended
        while not self.is_halted:
            now = self._steady.now()
            refused = self._parts.shaper.shut_names(lane.destination, now)
            if (refused or lane.passed_over) and lane.pass_over(refused, now) and lane.leased:
                self._send_back(lane)
            urgency = lane.next_urgency(now)
            if lane.not_before > now and urgency >= lane.holds_from:
                return self._later(lane, lane.not_before)
            if len(lane.flying) >= self._parts.shaper.connections(lane.destination, now, urgency):
                return self._alarms.set_by(lane, AGAIN)  # one of them lands, or one more may fly
            if not self._room.may_fly(urgency):
                return self._room.grounded.add(lane.key, urgency)
            if self._claim(lane, now) or not self._start_one(lane, now):
                return None
        return None

    def _start_one(self, lane: Lane, now: Instant) -> bool:
        """True where it may go on: a job flies, or others can be claimed. Else it sleeps."""
        shaper = self._parts.shaper
        only_new = shaper.wants_new(lane.destination, now)
        if not only_new and self._start_behind(lane, now):
            return True
        pick = lane.likeliest if shaper.is_probing(lane.destination, now) else lane.first
        while (first := pick(only_new)) is not None:
            ahead, urgency = lane.unadmitted, first.urgency
            wait = shaper.peek(lane.destination, first.domain, 1, now, ahead, urgency)
            if wait is None:
                self._fly(lane, self._job(lane, first, now))
                return True
            if wait.domain is None:
                self._later(lane, wait.until)
                return False
            lane.shut_until(first.domain, max(wait.looked_at(now), now + 1))
        if (lane.shut or only_new) and lane.claiming is None and lane.open_domains(now):
            return True  # what is leased waits for its own limits, or was refused: claim others
        if lane.shut:
            self._later(lane, min(lane.shut.values()))
        elif only_new and lane.leased:
            lane.wait_for_new(now + NO_NEW, now)
            self._later(lane, now + NO_NEW)
        elif lane.beside:
            self._later(lane, min(lane.passed_over.values()))
        elif lane.is_idle:
            self._alarms.call_off(lane)
            if not lane.refused:
                self._lanes.pop(lane.key, None)
        return False

    def _start_behind(self, lane: Lane, now: Instant) -> bool:
        """True where a letter flies whose class has its turn before more urgent mail."""
        head = lane.first()
        urgency = None if head is None else lane.share.turn_of(head.urgency, now)
        if head is None or urgency is None or lane.claiming is not None or lane.is_fallback:
            return False
        to, shaper = lane.destination, self._parts.shaper
        if is_fresh(head, to.profile, now):
            return False
        if urgency is Urgency.MASSAL and lane.massal >= shaper.connections(to, now, urgency):
            return False
        behind = lane.first_of(urgency)
        if behind is None:
            self._look(lane, urgency, now)
            return False
        if shaper.peek(to, behind.domain, 1, now, lane.unadmitted, urgency) is not None:
            return False
        self._fly(lane, self._job(lane, behind, now, lane.share.units(urgency)))
        lane.share.took()
        return True

    def _job(
        self, lane: Lane, first: Delivery, now: Instant, most: int = MAX_UNITS
    ) -> tuple[Delivery, ...]:
        """As many of one letter as one transaction may carry and the limits allow now."""
        most = min(most, lane.destination.profile.recipients_per_transaction)
        if self._parts.tuning.return_domain:
            most = 1  # each has an envelope sender of its own
        while most > 1 and self._parts.shaper.peek(
            lane.destination, first.domain, most, now, lane.unadmitted, first.urgency
        ):
            most //= 2
        taken = lane.take(first, most)
        self._room.rows -= len(taken)
        return taken

    # --- waiting

    def _feed(self) -> None:
        """There may be room. Those that may fly come first, however much is leased: it frees it."""
        room = self._room
        for queue, following in (
            (room.grounded, room.next_to_fly),
            (room.hungry, room.next_to_claim),
        ):
            for _ in range(len(queue)):
                if self.is_halted or (key := following()) is None:
                    break
                if (lane := self._lanes.get(key)) is not None:
                    self.pump(lane)

    def _later(self, lane: Lane, until: Instant) -> None:
        """Pump again at `until`; leases that would wait long go back to the queue."""
        now = self._steady.now()
        look_at = min(until, *lane.passed_over.values()) if lane.beside else until
        self._alarms.set(lane, max(FLOOR, (look_at - now) / 1000))
        if lane.leased:
            lane.appetite = max(APPETITE, lane.appetite // 2)
            is_long = until - now > PATIENT
            if is_long or self._parts.shaper.is_paused(lane.destination.key, now):
                self._send_back(lane)

    async def give_back(self, domains: Collection[str] | None = None) -> None:
        """What is leased for these domains (None: for all) and does not fly is ready again."""
        claims = [lane.claiming for lane in self._lanes.values() if lane.claiming]
        await asyncio.gather(*claims, return_exceptions=True)
        await self._giving.end()
        out = [d for lane in self._lanes.values() for d in lane.take_out(domains)]
        self._room.rows -= len(out)
        await self._giving.give_back(out)

    def _send_back(self, lane: Lane) -> None:
        """What is leased for the lane is ready again, before long."""
        out = lane.take_out(None)
        self._room.rows -= len(out)
        self._giving.begin(out)

    # --- claiming

    def _claim(self, lane: Lane, now: Instant) -> bool:
        """True where a claim is needed and either runs, queues up, or must wait for shaping."""
        ready = lane.open_domains(now)
        if lane.claiming is not None:
            return lane.first() is None
        shaper, to = self._parts.shaper, lane.destination
        if not ready or min(ready.values()) >= lane.best_of(shaper.wants_new(to, now)):
            return False
        domain = min(ready, key=ready.__getitem__)
        wait = shaper.peek(to, domain, 1, now, lane.unadmitted, ready[domain])
        if wait is not None and wait.domain is None:
            self._later(lane, wait.until)
            return True
        if not self._room.may_claim(ready[domain]):
            self._room.hungry.add(lane.key, ready[domain])
            return lane.first() is None
        wanted = lane.wanted(self._room.is_scarce, shaper.is_probing(to, now))
        limit = min(wanted, self._room.rows_left(ready[domain]))
        chosen = {domain: ready[domain] for domain in sorted(ready, key=ready.__getitem__)}
        self._begin(lane, chosen, limit)
        return True

    def _look(self, lane: Lane, urgency: Urgency, now: Instant) -> None:
        """For letters of that class, though more urgent ones are there."""
        ready = dict(lane.open_domains(now))
        if not ready:
            lane.share.found_none(urgency, now)
        elif self._room.may_claim(urgency):
            self._begin(lane, ready, APPETITE // 4, urgency)

    def _begin(
        self, lane: Lane, chosen: dict[str, Urgency], limit: int, least: Urgency = Urgency.KRITIS
    ) -> None:
        for domain in chosen:
            del lane.domains[domain]
        self._room.claims += 1
        lane.claiming = asyncio.create_task(self._lease(lane, chosen, limit, least), name="claim")
        lane.claiming.add_done_callback(partial(self._claimed, lane))

    async def _lease(
        self, lane: Lane, ready: dict[str, Urgency], limit: int, least: Urgency
    ) -> None:
        """Domains whose route is no longer known are looked up again."""
        known = []
        for domain, urgency in ready.items():
            route = self._parts.router.known(domain)
            leads = self._fallback.leads(route, lane) if route is not None else None
            if leads is not None:
                known.append(domain)
                lane.destination = leads.destination
            elif not (lane.is_fallback and route is not None):
                self._look_up(domain, urgency)
        now, passed = self._parts.clock.now(), lane.passed_over
        others = not_of(passed, self._parts.tuning.return_domain) if passed else None
        try:
            claim, until = self._parts.store.claim, now + LEASE
            asked = (known, limit, now, until, least, lane.down_to, others)
            found = await claim(*asked) if known else []
        except BaseException:
            for domain in known:
                lane.note(domain, ready[domain])
            raise
        lane.push(found)
        self._room.rows += len(found)
        if passed:
            lane.leave({domain: ready[domain] for domain in known}, passed)
        if least:  # what is more urgent is there still
            for domain in known:
                lane.note(domain, ready[domain])
            if not any(delivery.urgency is least for delivery in found):
                lane.share.found_none(least, self._steady.now())
        elif len(found) == limit or (passed and found):
            if len(found) == limit:
                lane.appetite = min(LANE_ROWS, lane.appetite * 2)
            for domain in known:  # there may be more, but none more urgent than the last
                lane.note(domain, max(ready[domain], found[-1].urgency))

    def _claimed(self, lane: Lane, task: asyncio.Task[None]) -> None:
        lane.claiming = None
        self._room.claims -= 1
        if not task.cancelled() and (error := task.exception()):
            logger.error("claiming for %s failed: %s", lane.destination.key, error)
            lane.hold(self._steady.now() + SECOND)
        self.pump(lane)
        self._feed()

    # --- flying

    def _fly(self, lane: Lane, deliveries: Sequence[Delivery]) -> None:
        lane.unadmitted += len(deliveries)
        lane.share.flew(deliveries[0].urgency, len(deliveries))
        lane.massal += deliveries[0].urgency is Urgency.MASSAL
        self._room.flights += 1
        task = asyncio.create_task(self._carry(lane, deliveries), name="carry")
        lane.flying = (*lane.flying, task)
        task.add_done_callback(partial(self._landed, lane, deliveries))

    def _landed(self, lane: Lane, deliveries: Sequence[Delivery], task: asyncio.Task[None]) -> None:
        lane.flying = tuple(other for other in lane.flying if other is not task)
        lane.massal -= deliveries[0].urgency is Urgency.MASSAL
        self._room.flights -= 1
        error = None if task.cancelled() else task.exception()
        if self._parts.store.dead.is_set():
            self.is_halted = True  # nothing that flies from now on could be written down
        if task.cancelled() or (error is not None and not isinstance(error, Unwritten)):
            # The transport raises only before the letter's dot: it goes back as it was.
            self.put_back(lane, deliveries)
        if error is not None:
            logger.error("carrying %s failed", deliveries[0].ref, exc_info=error)
            lane.hold(self._steady.now() + SECOND)
        self.pump(lane)
        self._feed()

    def put_back(self, lane: Lane, deliveries: Iterable[Delivery], until: Instant = 0) -> None:
        """Not tried: leased still, and not before `until`."""
        back = list(deliveries)
        lane.push(back)
        self._room.rows += len(back)
        if until and back:
            lane.wait(until, min(delivery.urgency for delivery in back), self._steady.now())

    def admitted(self, lane: Lane, units: int) -> None:
        """Units under way are spent now: there may be room for the next."""
        lane.unadmitted -= units
        if lane.leased or lane.domains:
            asyncio.get_running_loop().call_soon(self.pump, lane)

    async def land(self, grace: float) -> None:
        """Wait for what flies; after `grace` seconds take what the transport knows by then."""
        flying = [task for lane in self._lanes.values() for task in lane.flying]
        if not flying:
            return
        _, late = await asyncio.wait(flying, timeout=grace)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
