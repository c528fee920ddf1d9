"""Flight: one job's way through the transport, from its route to its written outcome."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from relay.mail.classification import Action, Classification, Scope
from relay.mail.delivery import Attempt, Delivery, Failure, is_over
from relay.mail.instant import Instant
from relay.mail.letter import Letter
from relay.scheduler.fallback import Fallback
from relay.scheduler.identity import identity_of
from relay.scheduler.in_time import InTime
from relay.scheduler.lane import NONE, Lane
from relay.scheduler.outcomes import Outcomes
from relay.scheduler.parts import Parts
from relay.scheduler.permits import DestinationPermits
from relay.scheduler.setting_aside import SettingAside
from relay.scheduler.steady import Steady
from relay.store.base import StoreDead, StoreError
from relay.suppression import Skip
from relay.transports.base import Job, NotYet, Route

LOG: Final = logging.getLogger(__name__)

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
        fallback: Fallback,
    ) -> None:
        """`put_back` takes what was not tried; `admitted` is told once units are spent."""
        self._parts = parts
        self._steady = steady
        self._outcomes = outcomes
        self._aside = SettingAside(parts.store, parts.shaper, steady)
        self._put_back = put_back
        self._admitted = admitted
        self._fallback = fallback

    async def carry(self, lane: Lane, deliveries: Sequence[Delivery]) -> None:
        """One job, to its end. Raises StoreError where it could not be given back, StoreDead, and
        CancelledError before the final dot, each with nothing sent; Unwritten after it."""
        permits = DestinationPermits(
            self._parts.shaper, lane.destination, self._steady, self._aside, deliveries[0].urgency
        )
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
        found = await self._handed_over(lane, alive, route, permits)
        if found is None:
            return
        letter, made = found
        if isinstance(made, NotYet):
            if permits.waits_for_name:  # others go on: it waits where it is passed over
                await self._parts.store.give_back(alive)
            else:
                self._put_back(lane, alive, made.until)
            return
        try:
            to, began_at = lane.destination, permits.began_at
            readings = await self._outcomes.attempted(to, letter, alive, made, began_at)
        except Exception as error:
            raise Unwritten(f"the outcome of {alive[0].ref} could not be written") from error
        for delivery, read in zip(alive, readings, strict=True):
            self._remember(lane, delivery, read)

    async def _handed_over(
        self, lane: Lane, alive: Sequence[Delivery], route: Route, permits: DestinationPermits
    ) -> tuple[Letter, Sequence[Attempt] | NotYet] | None:
        """The letter and what the transport made of it; None where it could not be read or carried
        and was set aside: put back it would come first again, and stop its whole lane."""
        message_id = alive[0].message_id
        try:
            letter = await self._parts.store.letter(message_id)
            permits.identity = identity_of(letter, "", self._parts.tuning.return_domain)
            made = await self._delivered(lane, Job(letter, tuple(alive), route), permits)
        except StoreDead:
            raise
        except Exception as error:  # nothing was sent, whatever was raised
            is_unreadable = isinstance(error, StoreError) or error.args == (message_id,)
            what = "read" if is_unreadable else "carried"
            why = f"cannot be {what}: {type(error).__name__}: {error}"
            LOG.exception("%s %s", alive[0].ref, why)
            for delivery in alive:
                await self._outcomes.set_aside(delivery, why, lane.destination.label)
            return None
        return letter, made

    async def _delivered(
        self, lane: Lane, job: Job, permits: DestinationPermits
    ) -> Sequence[Attempt] | NotYet:
        """What the transport made of it; where a name of ours is refused, one letter asks for it
        at a time, and no other is dialled for."""
        names = permits.names_to_ask(lane)
        if names is None:
            return NotYet(self._steady.now(), "a name of ours is refused there")
        lane.asking += names
        try:
            in_time = InTime(permits, job.deliveries, self._parts.clock)
            return await self._parts.transport.deliver(job, in_time)
        finally:
            lane.asking = tuple(name for name in lane.asking if name not in names)

    async def _alive(self, lane: Lane, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those whose time is not over and whose address is not on the list, the others being
        ended; and not limited, the others being put off."""
        now = self._parts.clock.now()
        for delivery in deliveries:
            if is_over(delivery, now):
                await self._outcomes.expire(delivery, lane.destination.label)
        alive = [delivery for delivery in deliveries if not is_over(delivery, now)]
        tried = [one for one in alive if not await self._is_suppressed(lane, one)]
        return [one for one in tried if not await self._is_put_off(lane, one)]

    async def _is_put_off(self, lane: Lane, delivery: Delivery) -> bool:
        """True where its address is limited for now: it waits, and costs no unit."""
        wait = self._parts.recipients.wait(delivery, self._parts.clock.now())
        if wait is not None:
            await self._outcomes.put_off(delivery, *wait, lane.destination.label)
        return wait is not None

    async def _is_suppressed(self, lane: Lane, delivery: Delivery) -> bool:
        """True where its address is on the list: it is ended so."""
        settings = self._parts.tuning.suppression
        await self._parts.fuses.box()  # what a blown one doubts is not in force
        decision = await self._parts.suppressing.decision(delivery, settings)
        if not isinstance(decision, Skip):
            return False
        await self._outcomes.suppress(delivery, decision, lane.destination)
        return True

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
        leads = self._fallback.leads(found, lane)
        if leads is None:
            await self._parts.store.give_back(deliveries)
        elif lane.is_fallback:
            self._fallback.tell(found.destination)
        return leads

    def _remember(self, lane: Lane, delivery: Delivery, read: Classification | None) -> None:
        """After a refusal for our sake another letter goes first; after an acceptance any, unless
        it came late, and the door is shut still."""
        if read is None:
            if self._parts.shaper.closed_since(lane.destination.key, self._steady.now()) is None:
                lane.refused = NONE
        elif read.action in (Action.SLOW_DOWN_PROVIDER, Action.FIX_CONFIG) and read.scope not in (
            Scope.RECIPIENT,
            Scope.MESSAGE,
        ):
            lane.refuse(delivery)
