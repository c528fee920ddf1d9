"""Flight: one job's way through the transport, from its route to its written outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from relay.mail.classification import Action, Classification, Scope
from relay.mail.delivery import Delivery, Failure
from relay.mail.instant import Instant
from relay.scheduler.lane import Lane
from relay.scheduler.outcomes import Outcomes
from relay.scheduler.parts import Parts
from relay.scheduler.permits import DestinationPermits
from relay.scheduler.steady import Steady
from relay.transports.base import Job, NotYet, Route

MAX_REFUSED: Final = 1_000  # letters of a lane that are remembered as refused for our sake

PutBack = Callable[[Lane, Sequence[Delivery], Instant], None]
Admitted = Callable[[Lane, int], None]


class Unwritten(Exception):
    """The letter was carried, and what came of it could not be written: it must not fly again
    in this process. Its lease ends with the process, as after a crash."""


class Flights:
    """Carries jobs. A flight ends when its outcome is written, so that no more copies than flights
    are at stake in a crash."""

    def __init__(
        self,
        parts: Parts,
        steady: Steady,
        outcomes: Outcomes,
        put_back: PutBack,
        admitted: Admitted,
    ) -> None:
        """`put_back` takes what was not tried; `admitted` is told once units are spent."""
        self._parts = parts
        self._steady = steady
        self._outcomes = outcomes
        self._put_back = put_back
        self._admitted = admitted

    async def carry(self, lane: Lane, deliveries: Sequence[Delivery]) -> None:
        """One job, to its end. Raises StoreError, and CancelledError before the final dot, both
        with nothing sent; Unwritten after it."""
        permits = DestinationPermits(self._parts.shaper, lane.destination, self._steady)
        permits.on_admitted = lambda: self._admitted(lane, len(deliveries))
        try:
            await self._carry(lane, deliveries, permits)
        finally:
            if not permits.is_admitted:
                lane.unadmitted -= len(deliveries)

    async def _carry(
        self, lane: Lane, deliveries: Sequence[Delivery], permits: DestinationPermits
    ) -> None:
        alive = await self._alive(lane, deliveries)
        route = await self._route(lane, alive) if alive else None
        if route is None:
            return
        letter = await self._parts.store.letter(alive[0].message_id)
        made = await self._parts.transport.deliver(Job(letter, tuple(alive), route), permits)
        if isinstance(made, NotYet):
            self._put_back(lane, alive, made.until)
            return
        try:
            readings = await self._outcomes.attempted(lane.destination, letter, alive, made)
        except Exception as error:
            raise Unwritten(f"the outcome of {alive[0].ref} could not be written") from error
        for delivery, read in zip(alive, readings, strict=True):
            _remember(lane, delivery, read)

    async def _alive(self, lane: Lane, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those whose time is not over; the others are ended."""
        now = self._parts.clock.now()
        for delivery in deliveries:
            if delivery.expires_at <= now:
                await self._outcomes.expire(delivery, lane.destination.label)
        return [delivery for delivery in deliveries if delivery.expires_at > now]

    async def _route(self, lane: Lane, deliveries: Sequence[Delivery]) -> Route | None:
        """The route of today; None where there is none, or where it leads somewhere else now."""
        domain = deliveries[0].domain
        found: Route | Failure | None = self._parts.router.known(domain)
        if found is None:
            found = await self._parts.router.route(domain)
        if isinstance(found, Failure):
            for delivery in deliveries:
                await self._outcomes.failed(delivery, found)
            return None
        if found.destination.key != lane.destination.key:
            await self._parts.store.give_back(deliveries)
            return None
        return found


def _remember(lane: Lane, delivery: Delivery, read: Classification | None) -> None:
    """After a refusal for our sake another letter goes first; after an acceptance any."""
    if read is None:
        lane.refused.clear()
    elif (
        read.action in (Action.SLOW_DOWN_PROVIDER, Action.FIX_CONFIG)
        and read.scope not in (Scope.RECIPIENT, Scope.MESSAGE)
        and len(lane.refused) < MAX_REFUSED
    ):
        lane.refused.add((delivery.message_id, delivery.n))
