"""Scheduler: beginning, end and clockwork of the lanes, and what an operator's change needs.

Promises
- A delivery is leased while it is in memory, and each leased one ends in exactly one of: settled,
  given back. `stop` leaves none behind.
- `recall` returns when no claimed delivery of those domains is in memory but the flying ones; no
  new one is claimed until `nudge` (or a minute has passed).
- A letter whose time is over is never handed to the transport.
- What shaping learned is kept once a second and at `stop`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import Final

from relay.mail.delivery import Delivery
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency
from relay.scheduler.flight import Flights
from relay.scheduler.lane import Lane
from relay.scheduler.lanes import Lanes
from relay.scheduler.ledger import Ledger
from relay.scheduler.outcomes import Outcomes
from relay.scheduler.parts import Parts
from relay.scheduler.routing import Routing
from relay.scheduler.steady import Steady
from relay.store.base import Ready, StoreDead, StoreError
from relay.transports.base import Route

FLOOR: Final = 0.02  # seconds: no timer is shorter
SWEEP: Final = 1.0  # seconds between two looks at what is due or over
LAST_TRIES: Final = 3  # to keep what was learned, at the end
RECALLED: Final = 60.0  # seconds after which a recall ends by itself
WOKEN: Final = 5_000  # deliveries woken in one step
OVER: Final = 500  # deliveries whose time is over, ended in one step

__all__ = ["Parts", "Scheduler"]

logger = logging.getLogger(__name__)


class Scheduler:
    """One a process. `start`, then `run` until cancelled, then `stop`."""

    def __init__(self, parts: Parts) -> None:
        """Nothing happens before `start`."""
        self.parts = parts
        self.steady = Steady(parts.clock)
        self._ledger = Ledger(parts.store, parts.clock, parts.emit)
        self._outcomes = Outcomes(parts, self.steady, self._ledger)
        self._routing = Routing(parts, self._outcomes, self._on_route)
        self._lanes = Lanes(parts, self.steady, self._carry, self._routing.look_up)
        self._flights = Flights(
            parts, self.steady, self._outcomes, self._lanes.put_back, self._lanes.admitted
        )
        self._kick = asyncio.Event()
        self._unsaved: dict[str, str] = {}
        self._is_stopping = False
        self._recalled_until = 0.0

    # --- beginning and end

    async def start(self) -> None:
        """Give back a crash's leases, restore what was learned, find the ready mail."""
        store, now = self.parts.store, self.parts.clock.now()
        await store.recover(now)
        try:
            self.parts.shaper.restore(await store.load_shaping(), now)
        except ValueError as error:
            logger.error("%s", error)
        store.subscribe(self._on_ready)
        self._on_ready(await store.ready())

    async def run(self) -> None:
        """Wake what is due, end what is over, keep what was learned; until cancelled.

        A store that could not do it is asked again. Raises StoreDead.
        """
        while True:
            wait = SWEEP
            try:
                due_at = await self._sweep()
                if due_at is not None:
                    wait = min(SWEEP, max(FLOOR, (due_at - self.parts.clock.now()) / 1000))
            except StoreDead:
                raise
            except StoreError as error:
                logger.error("the store could not be asked, trying again: %s", error)
            try:
                async with asyncio.timeout(wait):
                    await self._kick.wait()
            except TimeoutError:
                pass
            self._kick.clear()

    async def _sweep(self) -> Instant | None:
        store, now = self.parts.store, self.parts.clock.now()
        await store.wake(now, WOKEN)
        over = await store.overdue(now, OVER)
        await asyncio.gather(*(self._outcomes.expire(delivery) for delivery in over))
        await self._keep_learned()
        if self._recalled_until and self.parts.clock.monotonic() > self._recalled_until:
            self.nudge()
        return now if len(over) == OVER else await store.next_due_at()

    async def _keep_learned(self) -> None:
        self._unsaved.update(self.parts.shaper.dirty(self.steady.now()))
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
        await self._routing.stop()
        await self._lanes.give_back()
        await self._lanes.land(grace)
        await self._ledger.flush()
        await self._lanes.give_back()
        await self._keep_last()

    async def _keep_last(self) -> None:
        """What was learned, for the next start; a store that cannot keep it does not stop the end.
        Raises StoreDead."""
        for _ in range(LAST_TRIES):
            try:
                return await self._keep_learned()
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

    def nudge(self) -> None:
        """Look for work everywhere, now."""
        if self._is_stopping:
            return
        self._recalled_until = 0.0
        self._lanes.is_halted = self._routing.is_halted = False
        self._lanes.pump_all()
        self._routing.more()
        self._kick.set()

    async def hang_up(self, destinations: Collection[str]) -> None:
        """End idle sessions: a pause, or limits that changed."""
        for key in destinations:
            await self.parts.transport.hang_up(key)

    def flying(self) -> int:
        """How many jobs are being carried."""
        return self._lanes.flying

    async def flush(self) -> None:
        """Return when every outcome so far is written."""
        await self._ledger.flush()

    # --- between the parts

    def _on_ready(self, where: Collection[Ready]) -> None:
        if not self._is_stopping:
            for ready in where:
                self._routing.note(ready.domain, ready.urgency)

    def _on_route(self, route: Route, domain: str, urgency: Urgency) -> None:
        self._lanes.note(route, domain, urgency)

    async def _carry(self, lane: Lane, deliveries: Sequence[Delivery]) -> None:
        await self._flights.carry(lane, deliveries)
