"""Scheduler: beginning, end and clockwork of the lanes, and what an operator's change needs.

Promises
- A delivery is leased while it is in memory, and each leased one ends in exactly one of: settled,
  given back. `stop` leaves none behind, save where the store can no longer write: those the next
  `start` finds. No lease runs out by time, so no letter flies twice because something took long.
- `recall` returns when no claimed delivery of those domains is in memory but the flying ones; no
  new one is claimed until `nudge` (or a minute has passed).
- A letter whose time is over is never handed to the transport, and never written to a session.
- Where letters are accepted that will miss their deadline, an alert says so within seconds.
- What shaping learned is kept once a second and at `stop`.
- Once a day senders hear of what failed and has no report of its own (`digests`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Sequence
from typing import Final, TypeVar

from relay.mail.delivery import Delivery
from relay.mail.events import by_the_wall
from relay.mail.instant import SECOND, Instant
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.scheduler.deadlines import Deadlines, waited_for
from relay.scheduler.digests import Digests
from relay.scheduler.fallback import Fallback
from relay.scheduler.flight import Flights
from relay.scheduler.lane import Lane
from relay.scheduler.lanes import Lanes
from relay.scheduler.ledger import Ledger
from relay.scheduler.outcomes import OTHER, Outcomes
from relay.scheduler.parts import Parts
from relay.scheduler.routing import Routing
from relay.scheduler.steady import Steady
from relay.shaping.keeping import CLOCK, step_of
from relay.store.base import Ready, StoreDead, StoreError
from relay.transports.base import Route

FLOOR: Final = 0.02  # seconds: no timer is shorter
SWEEP: Final = 1.0  # seconds between two looks at what is due or over
LAST_WRITES: Final = 15.0  # seconds that the last outcomes are waited for
LAST_TRIES: Final = 3  # to keep what was learned, at the end
RECALLED: Final = 60.0  # seconds after which a recall ends by itself
NOTED: Final = 500  # domains with ready mail, to a turn of the loop
WOKEN: Final = 5_000  # deliveries woken in one step
OVER: Final = 500  # deliveries whose time is over, ended in one step

T = TypeVar("T")

__all__ = ["Parts", "Scheduler"]

logger = logging.getLogger(__name__)


class Scheduler:
    """One a process. `start`, then `run` until cancelled, then `stop`."""

    def __init__(self, parts: Parts) -> None:
        """Nothing happens before `start`."""
        self.parts = parts
        self.steady = Steady(parts.clock)
        self._ledger = Ledger(parts.store, parts.clock, parts.emit)
        self._outcomes = Outcomes(parts, self.steady, self._ledger, self._keep_pause)
        self._routing = Routing(parts, self._outcomes, self._on_route)
        self.fallback = Fallback(parts, self.steady)
        self._lanes = Lanes(parts, self.steady, self._carry, self._routing.look_up, self.fallback)
        self._flights = Flights(
            parts,
            self.steady,
            self._outcomes,
            self._lanes.put_back,
            self._lanes.admitted,
            self.fallback,
        )
        self._deadlines = Deadlines(parts, self.steady)
        self._digests = Digests(parts)
        self._kick = asyncio.Event()
        self._unsaved: dict[str, str] = {}
        self._uncorrected: list[Spent] = []
        self._keeping = asyncio.Lock()
        self._step = 0  # by so much the clock was set forward, as the store knows it
        self._ending: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._is_stopping = False
        self._recalled_until = 0.0

    # --- beginning and end

    async def start(self) -> None:
        """Give back a crash's leases, restore what was learned, find the ready mail."""
        store, now = self.parts.store, self.parts.clock.now()
        await store.recover(now)
        try:
            kept, spent = await store.load_shaping(), await store.load_spent()
            self._step = step_of(kept)
            self.parts.shaper.restore(kept, now, spent)
        except ValueError as error:
            logger.error("%s", error)
        store.subscribe(self._on_ready)
        await self._find_ready()

    async def run(self) -> None:
        """Keep what was learned, wake what is due, end what is over; until cancelled.

        A store that could not do it is asked again. Raises StoreDead.
        """
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
        """One look at everything; when the next is due. A step that fails keeps no other from
        being done. Raises StoreDead."""
        store, now = self.parts.store, self.parts.clock.now()
        self._digests.look(now)
        if self._recalled_until and self.parts.clock.monotonic() > self._recalled_until:
            self.nudge()
        for event in self.parts.shaper.lapsed(self.steady.now()):
            self.parts.emit(by_the_wall(event, self.steady.step))
        await _tried(self._keep_learned(), "what was learned could not be kept")
        # Those that could not be ended yet come first, and must hide no others. What is due just
        # as it ends must not be woken: a lane would take it, and end it too.
        most = OVER + len(self._ending)
        over = await _tried(store.overdue(now, most), "what is over could not be found") or []
        await self._end(over)
        self._lanes.fall_back()
        woken = await _tried(store.wake(now, WOKEN), "what is due could not be woken")
        await _tried(self._deadlines.look(), "whether deadlines will be missed is not known")
        if len(over) == most and not self._ending:
            return now
        if woken is None:
            return None  # what is due stays due: the next look is soon enough
        return await _tried(store.next_due_at(), "what is due next could not be found")

    async def _end(self, over: Sequence[Delivery]) -> None:
        """Those whose time is over, each by itself; one that takes long is not waited for."""
        for delivery in over:
            key = (delivery.message_id, delivery.n)
            if key not in self._ending:
                expiring = _tried(self._expire(delivery), f"{delivery.ref} did not end")
                self._ending[key] = asyncio.create_task(expiring, name="expire")
        if self._ending:
            await asyncio.wait(self._ending.values(), timeout=SWEEP)
        done = [key for key, task in self._ending.items() if task.done()]
        for task in [self._ending.pop(key) for key in done]:
            task.result()

    async def _expire(self, delivery: Delivery) -> None:
        now, identity = self.steady.now(), self._outcomes.identity
        label, cause = await waited_for(delivery, self.parts, now, identity)
        await self._outcomes.expire(delivery, label or OTHER, cause)

    async def _keep_pause(self) -> None:
        """Before the letter is settled that a pause began with: a crash must not forget it."""
        await _tried(self._keep_learned(), "a pause could not be kept")

    async def _keep_learned(self, is_last: bool = False) -> None:
        """One at a time: what could not be written must not come after what is newer."""
        async with self._keeping:
            await self._keep_now(is_last)

    async def _keep_now(self, is_last: bool) -> None:
        now = self.steady.now()
        self._uncorrected += self.parts.shaper.corrections(now)
        if self._uncorrected:
            correcting, self._uncorrected = self._uncorrected, []
            try:
                await self.parts.store.save_spent(correcting)
            except BaseException:
                self._uncorrected = correcting + self._uncorrected
                raise
        self._unsaved.update(self.parts.shaper.dirty(now, is_last))
        if abs(self.steady.step - self._step) >= SECOND:
            self._step = self.steady.step
            self._unsaved[CLOCK] = str(self._step)
        if self._unsaved:
            saving, self._unsaved = self._unsaved, {}
            try:
                await self.parts.store.save_shaping(saving, self.parts.clock.now())
            except BaseException:
                self._unsaved = saving | self._unsaved
                raise

    async def stop(self, grace: float) -> None:
        """Nothing new; wait `grace` seconds for what flies, then take what the transport knows
        (a letter after its dot is ambiguous); give the rest back; keep what was learned."""
        self._is_stopping = True
        self._lanes.is_halted = True
        await self._digests.stop()
        await self._routing.stop()
        await self._lanes.give_back()
        await self._lanes.land(grace)
        await self._flush_last()
        await self._lanes.give_back()
        await self._keep_last()

    async def _flush_last(self) -> None:
        """Outcomes that a store cannot write do not stop the end: as after a crash, the next start
        finds those letters leased, and tries them again. Raises StoreDead."""
        if self._ending:
            await asyncio.wait(self._ending.values(), timeout=LAST_WRITES)
        try:
            async with asyncio.timeout(LAST_WRITES):
                await self._ledger.flush()
        except TimeoutError:
            logger.error("some outcomes could not be written before the end")

    async def _keep_last(self) -> None:
        """What was learned, for the next start; a store that cannot keep it does not stop the end.
        Raises StoreDead."""
        for _ in range(LAST_TRIES):
            try:
                return await self._keep_learned(is_last=True)
            except StoreDead:
                raise
            except StoreError as error:
                logger.error("what was learned could not be kept: %s", error)
                await asyncio.sleep(SWEEP)

    # --- what an operator's change needs

    async def recall(self, domains: Collection[str] | None = None) -> None:
        """Give claimed deliveries back to the queue, and claim none until `nudge`."""
        self._recalled_until = self.parts.clock.monotonic() + RECALLED
        self._lanes.is_halted = self._routing.is_halted = True
        await self._lanes.give_back(domains)

    async def reroute(self) -> None:
        """Routes or limits are new: what is claimed goes back, and each lane learns anew where its
        mail goes and how fast. Raises StoreError."""
        await self.recall()
        self._lanes.forget()
        self.nudge()
        await self._find_ready()

    def nudge(self) -> None:
        """Look for work everywhere, now."""
        if self._is_stopping:
            return
        self._recalled_until = 0.0
        self._lanes.is_halted = self._routing.is_halted = False
        self._lanes.pump_all()
        self._routing.more()
        self._kick.set()

    async def keep(self) -> None:
        """Write down what shaping knows by now. Raises StoreError: then it is tried again."""
        await self._keep_learned()

    async def hang_up(self, destinations: Collection[str]) -> None:
        """A pause: end their idle sessions, all at once, and busy ones after their letter."""
        await self.parts.transport.hang_up(*destinations)

    def flying(self) -> int:
        """How many jobs are being carried."""
        return self._lanes.flying

    async def flush(self) -> None:
        """Return when every outcome so far is written."""
        await self._ledger.flush()

    # --- between the parts

    async def _find_ready(self) -> None:
        """All that the store has, a few domains to a turn of the loop."""
        ready = list(await self.parts.store.ready())
        for n in range(0, len(ready), NOTED):
            if n:
                await asyncio.sleep(0)
            self._on_ready(ready[n : n + NOTED])

    def _on_ready(self, where: Collection[Ready]) -> None:
        if not self._is_stopping:
            self._deadlines.note(where)
            for ready in where:
                self._routing.note(ready.domain, ready.urgency)

    def _on_route(self, route: Route, domain: str, urgency: Urgency) -> None:
        self._lanes.note(route, domain, urgency)

    async def _carry(self, lane: Lane, deliveries: Sequence[Delivery]) -> None:
        await self._flights.carry(lane, deliveries)


async def _tried(step: Awaitable[T], otherwise: str) -> T | None:
    """What came of it; None, and a line in the log, where it failed. Raises StoreDead."""
    try:
        return await step
    except StoreDead:
        raise
    except StoreError as error:
        logger.error("%s, trying again: %s", otherwise, error)
    except Exception:
        logger.exception("%s, trying again", otherwise)
    return None
