"""Scheduler: lanes woken by notice, time and outcome; claims, carries, settles, gives back.

Promises
- A delivery is leased while it is in memory, and each leased one ends in exactly one of: settled,
  given back. `stop` leaves none behind.
- `recall` returns when no claimed delivery of those domains is in memory but the flying ones; no
  new one is claimed until `nudge` (or a minute has passed).
- A letter whose time is over is never handed to the transport.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from relay.clock import Clock
from relay.mail.classification import Classification
from relay.mail.delivery import Delivery, Failure
from relay.mail.events import Emit
from relay.mail.ids import Ids
from relay.mail.instant import SECOND, Instant
from relay.mail.reply import Reply
from relay.mail.urgency import Urgency
from relay.scheduler.lane import Lane
from relay.scheduler.ledger import Ledger
from relay.scheduler.outcomes import Outcomes, Tuning
from relay.scheduler.permits import DestinationPermits
from relay.scheduler.steady import Steady
from relay.shaping.shaper import Shaper
from relay.store.base import Queue, Ready
from relay.transports.base import Job, NotYet, Route, Router, Transport

__all__ = ["Scheduler", "Tuning"]

LANE_ROWS: Final = 200
ALL_ROWS: Final = 5_000
LOOKUPS: Final = 100  # domains looked up at once
LEASE: Final = 3600 * SECOND
FLOOR: Final = 0.02  # seconds: no timer is shorter
SWEEP: Final = 1.0  # seconds between two looks at what is due or over
RECALLED: Final = 60.0  # seconds after which a recall ends by itself
PATIENT: Final = 5 * SECOND  # a lane that waits longer gives its leases back

logger = logging.getLogger(__name__)


class Classifier(Protocol):
    """What reads replies."""

    def classify(self, reply: Reply, mx: str = "", provider: str | None = None) -> Classification:
        """See replies.classify."""
        ...

    def classify_failure(self, failure: Failure) -> Classification:
        """See replies.classify."""
        ...


@dataclass(slots=True)
class Parts:
    """What a scheduler works with; `classifier` and `tuning` are replaced by a reload."""

    store: Queue
    router: Router
    transport: Transport
    shaper: Shaper
    classifier: Classifier
    clock: Clock
    names: Ids
    emit: Emit
    tuning: Tuning


class Scheduler:
    """One a process. `start`, then `run` until cancelled, then `stop`."""

    def __init__(self, parts: Parts) -> None:
        """Nothing happens before `start`."""
        self.parts = parts
        self.steady = Steady(parts.clock)
        self._ledger = Ledger(parts.store, parts.clock, parts.emit)
        self._outcomes = Outcomes(parts, self.steady, self._ledger)
        self._lanes: dict[str, Lane] = {}
        self._unrouted: dict[str, Urgency] = {}
        self._routing: dict[str, asyncio.Task[None]] = {}
        self._kick = asyncio.Event()
        self._rows = 0
        self._is_stopping = False
        self._recalled_until = 0.0

    # --- beginning and end

    async def start(self) -> None:
        """Give back a crash's leases, restore what was learned, find the ready mail."""
        now = self.parts.clock.now()
        await self.parts.store.recover(now)
        try:
            self.parts.shaper.restore(await self.parts.store.load_shaping(), now)
        except ValueError as error:
            logger.error("%s", error)
        self.parts.store.subscribe(self._on_ready)
        self._on_ready(await self.parts.store.ready())

    async def run(self) -> None:
        """Wake what is due, end what is over, keep what was learned; until cancelled."""
        while True:
            due_at = await self._sweep()
            wait = SWEEP
            if due_at is not None:
                wait = min(SWEEP, max(FLOOR, (due_at - self.parts.clock.now()) / 1000))
            try:
                async with asyncio.timeout(wait):
                    await self._kick.wait()
            except TimeoutError:
                pass
            self._kick.clear()

    async def _sweep(self) -> Instant | None:
        store, now = self.parts.store, self.parts.clock.now()
        await store.wake(now)
        for delivery in await store.overdue(now):
            await self._outcomes.expire(delivery, "its time was over")
        await self._keep_learned()
        if self._recalled_until and self.parts.clock.monotonic() > self._recalled_until:
            self.nudge()
        return await store.next_due_at()

    async def _keep_learned(self) -> None:
        changed = self.parts.shaper.dirty(self.steady.now())
        if changed:
            await self.parts.store.save_shaping(changed, self.parts.clock.now())

    async def stop(self, grace: float) -> None:
        """Nothing new; wait `grace` seconds for what flies, then take what the transport knows
        (a letter after its dot is ambiguous); give the rest back; keep what was learned."""
        self._is_stopping = True
        for task in self._routing.values():
            task.cancel()
        await asyncio.gather(*self._routing.values(), return_exceptions=True)
        claims = [lane.claiming for lane in self._lanes.values() if lane.claiming]
        await asyncio.gather(*claims, return_exceptions=True)
        await self._give_back(None)
        flying = [task for lane in self._lanes.values() for task in lane.flying]
        if flying:
            _, late = await asyncio.wait(flying, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._ledger.flush()
        await self._give_back(None)
        await self._keep_learned()

    # --- what an operator's change needs

    async def recall(self, domains: Collection[str] | None = None) -> None:
        """Give claimed deliveries back to the queue, and claim none until `nudge`."""
        self._recalled_until = self.parts.clock.monotonic() + RECALLED
        claims = [lane.claiming for lane in self._lanes.values() if lane.claiming]
        await asyncio.gather(*claims, return_exceptions=True)
        await self._give_back(domains)

    def nudge(self) -> None:
        """Look for work everywhere, now."""
        self._recalled_until = 0.0
        for lane in list(self._lanes.values()):
            lane.not_before = 0
            self._pump(lane)
        self._route_more()
        self._kick.set()

    async def _give_back(self, domains: Collection[str] | None) -> None:
        out: list[Delivery] = []
        for lane in self._lanes.values():
            out += lane.take_out(domains)
        self._rows -= len(out)
        if out:
            await self.parts.store.give_back(out)

    async def hang_up(self, destinations: Collection[str]) -> None:
        """End idle sessions: a pause, or limits that changed."""
        for key in destinations:
            await self.parts.transport.hang_up(key)

    # --- where mail is ready

    def _on_ready(self, where: Collection[Ready]) -> None:
        for ready in where:
            self._note(ready.domain, ready.urgency)

    def _note(self, domain: str, urgency: Urgency) -> None:
        if self._is_stopping:
            return
        route = self.parts.router.known(domain)
        if route is None:
            self._unrouted[domain] = min(urgency, self._unrouted.get(domain, urgency))
            self._route_more()
            return
        lane = self._lane(route)
        lane.domains[domain] = min(urgency, lane.domains.get(domain, urgency))
        self._pump(lane)

    def _lane(self, route: Route) -> Lane:
        lane = self._lanes.get(route.destination.key)
        if lane is None:
            lane = self._lanes[route.destination.key] = Lane(route.destination)
        lane.destination = route.destination
        return lane

    def _route_more(self) -> None:
        for domain in sorted(self._unrouted, key=self._unrouted.__getitem__):
            if len(self._routing) >= LOOKUPS or self._is_stopping or self._recalled_until:
                return
            if domain not in self._routing:
                task = asyncio.create_task(self._route(domain), name=f"route {domain}")
                self._routing[domain] = task
                task.add_done_callback(partial(self._routed, domain))

    def _routed(self, domain: str, task: asyncio.Task[None]) -> None:
        self._routing.pop(domain, None)
        if not task.cancelled() and task.exception() is not None:
            logger.error("looking up %s failed", domain, exc_info=task.exception())
        self._route_more()

    async def _route(self, domain: str) -> None:
        found = await self.parts.router.route(domain)
        urgency = self._unrouted.pop(domain, None)
        if urgency is None:
            return
        if isinstance(found, Route):
            lane = self._lane(found)
            lane.domains[domain] = min(urgency, lane.domains.get(domain, urgency))
            self._pump(lane)
            return
        now = self.parts.clock.now()
        claimed = await self.parts.store.claim([domain], LANE_ROWS, now, now + LEASE)
        for delivery in claimed:
            await self._outcomes.failed(delivery, found)
        await self._ledger.flush()
        if len(claimed) == LANE_ROWS:
            self._unrouted[domain] = urgency

    # --- a lane

    def _pump(self, lane: Lane) -> None:
        """Start what may start now; else arrange to be called again."""
        if self._is_stopping or self._recalled_until:
            return
        shaper, now = self.parts.shaper, self.steady.now()
        while lane.leased:
            if lane.not_before > now:
                return self._later(lane, lane.not_before)
            if len(lane.flying) >= shaper.connections(lane.destination, now):
                return None
            domain = lane.leased[0][1].domain
            wait = shaper.peek(lane.destination, domain, lane.unadmitted + 1, now)
            if wait is not None:
                return self._later(lane, wait.until)
            limit = lane.destination.profile.recipients_per_transaction
            deliveries = lane.pop(limit)
            self._rows -= len(deliveries)
            self._fly(lane, deliveries)
        self._claim_more(lane)
        if lane.is_idle:
            self._lanes.pop(lane.destination.key, None)
        return None

    def _claim_more(self, lane: Lane) -> None:
        if lane.claiming is not None or not lane.domains or self._rows >= ALL_ROWS:
            return
        now = self.steady.now()
        some = next(iter(lane.domains))
        wait = self.parts.shaper.peek(lane.destination, some, 1, now)
        if wait is not None and wait.until - now > PATIENT:
            return self._later(lane, wait.until)
        lane.claiming = asyncio.create_task(self._claim(lane), name="claim")
        lane.claiming.add_done_callback(lambda _: self._claimed(lane))

    def _claimed(self, lane: Lane) -> None:
        task, lane.claiming = lane.claiming, None
        if task is not None and not task.cancelled() and (error := task.exception()):
            logger.error("claiming for %s failed: %s", lane.destination.key, error)
            self._later(lane, self.steady.now() + SECOND)
            return
        self._pump(lane)

    async def _claim(self, lane: Lane) -> None:
        """Lease up to LANE_ROWS; domains whose route is no longer known are looked up again."""
        domains, lane.domains = lane.domains, {}
        known = []
        for domain, urgency in domains.items():
            route = self.parts.router.known(domain)
            if route is not None and route.destination.key == lane.destination.key:
                known.append(domain)
                lane.destination = route.destination
            else:
                self._note(domain, urgency)
        limit = min(LANE_ROWS, ALL_ROWS - self._rows)
        now = self.parts.clock.now()
        try:
            claimed = await self.parts.store.claim(known, limit, now, now + LEASE)
        except BaseException:
            for domain in known:
                lane.domains.setdefault(domain, domains[domain])
            raise
        for delivery in claimed:
            lane.push(delivery)
        self._rows += len(claimed)
        if len(claimed) == limit:
            for domain in known:  # there may be more
                lane.domains.setdefault(domain, Urgency.MASSAL)

    def _later(self, lane: Lane, until: Instant) -> None:
        """Pump again at `until`; leases that would wait long go back to the queue."""
        now = self.steady.now()
        if lane.timer is not None:
            lane.timer.cancel()
        loop = asyncio.get_running_loop()
        delay = max(FLOOR, (until - now) / 1000)
        lane.timer = loop.call_later(delay, self._pump, lane)
        if until - now > PATIENT and lane.leased:
            out = lane.take_out(None)
            self._rows -= len(out)
            asyncio.create_task(self.parts.store.give_back(out)).add_done_callback(_said)

    # --- a flight

    def _fly(self, lane: Lane, deliveries: Sequence[Delivery]) -> None:
        lane.unadmitted += len(deliveries)
        permits = DestinationPermits(self.parts.shaper, lane.destination, self.steady)
        task = asyncio.create_task(self._carry(lane, deliveries, permits), name="carry")
        lane.flying.add(task)
        task.add_done_callback(partial(self._landed, lane, deliveries, permits))

    def _landed(
        self,
        lane: Lane,
        deliveries: Sequence[Delivery],
        permits: DestinationPermits,
        task: asyncio.Task[None],
    ) -> None:
        lane.flying.discard(task)
        error = None if task.cancelled() else task.exception()
        if (task.cancelled() or error is not None) and not permits.has_answer:
            # Before its dot: it was not delivered, and goes back as it was. After it the lease
            # stays: a letter that was perhaps delivered is not sent again by a fault of ours.
            for delivery in deliveries:
                lane.push(delivery)
            self._rows += len(deliveries)
        if error is not None:
            logger.error("carrying %s failed", deliveries[0].ref, exc_info=error)
            lane.not_before = self.steady.now() + SECOND
        self._pump(lane)

    async def _carry(
        self, lane: Lane, deliveries: Sequence[Delivery], permits: DestinationPermits
    ) -> None:
        try:
            alive = [d for d in deliveries if d.expires_at > self.parts.clock.now()]
            for delivery in deliveries:
                if delivery not in alive:
                    await self._outcomes.expire(delivery, "its time was over")
            if not alive:
                return
            route = self.parts.router.known(alive[0].domain)
            if route is None:
                found = await self.parts.router.route(alive[0].domain)
                if isinstance(found, Failure):
                    for delivery in alive:
                        await self._outcomes.failed(delivery, found)
                    return
                route = found
            letter = await self.parts.store.letter(alive[0].message_id)
            job = Job(letter, tuple(alive), route)
            permits.on_admitted = lambda: self._admitted(lane, len(deliveries))
            made = await self.parts.transport.deliver(job, permits)
            permits.has_answer = not isinstance(made, NotYet)
        finally:
            if not permits.is_admitted:
                lane.unadmitted -= len(deliveries)
        if isinstance(made, NotYet):
            self._put_off(lane, alive, made)
        else:
            await self._outcomes.attempted(lane.destination, letter, alive, made)

    def _admitted(self, lane: Lane, count: int) -> None:
        lane.unadmitted -= count

    def _put_off(self, lane: Lane, deliveries: Sequence[Delivery], made: NotYet) -> None:
        for delivery in deliveries:
            lane.push(delivery)
        self._rows += len(deliveries)
        lane.not_before = max(lane.not_before, min(made.until, self.steady.now() + PATIENT))

    def flying(self) -> int:
        """How many deliveries are being carried."""
        return sum(len(lane.flying) for lane in self._lanes.values())

    async def flush(self) -> None:
        """Return when every outcome so far is written; for tests and the end."""
        await self._ledger.flush()


def _said(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("giving leases back failed: %s", task.exception())
