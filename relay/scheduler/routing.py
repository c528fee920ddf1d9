"""Routing: domains with ready mail → their lanes; where no host can be asked, the failure counts as
an attempt of each letter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, islice
from typing import Final

from relay.mail.delivery import Delivery, Failure
from relay.mail.urgency import Urgency
from relay.scheduler.lane import LEASE
from relay.scheduler.outcomes import Outcomes
from relay.scheduler.parts import Parts
from relay.store.base import StoreDead, StoreError
from relay.transports.base import Route

AT_ONCE: Final = 100  # domains looked up at once
ROWS: Final = 200  # letters of a missing domain that are settled in one go
LAST: Final = 15.0  # seconds that the last failures are waited for
AGAIN: Final = 1.0  # seconds after a store that could not be asked

Found = Callable[[Route, str, Urgency], None]

logger = logging.getLogger(__name__)


class Wanted:
    """Domains to be looked up, the most urgent first; none of them is looked at to find the
    first."""

    def __init__(self) -> None:
        """None is wanted yet."""
        self._by_class: dict[Urgency, dict[str, None]] = {urgency: {} for urgency in Urgency}

    def add(self, domain: str, urgency: Urgency) -> None:
        """Wanted, as urgently as it ever was said."""
        for one, domains in self._by_class.items():
            if domain in domains:
                if one <= urgency:
                    return
                del domains[domain]
        self._by_class[urgency][domain] = None

    def take(self, domain: str) -> Urgency:
        """No longer wanted; how urgent it was."""
        for urgency, domains in self._by_class.items():
            if domain in domains:
                del domains[domain]
                return urgency
        return Urgency.MASSAL

    def first(self, most: int) -> list[str]:
        """So many of them."""
        return list(islice(chain(*self._by_class.values()), most))


class Routing:
    """Looks domains up, the most urgent first, each once at a time."""

    def __init__(self, parts: Parts, outcomes: Outcomes, found: Found) -> None:
        """`found` is told where a domain's mail goes."""
        self._parts = parts
        self._outcomes = outcomes
        self._found = found
        self._wanted = Wanted()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failing: set[asyncio.Task[bool]] = set()  # these hold leases
        self.is_halted = False

    def note(self, domain: str, urgency: Urgency) -> None:
        """There is ready mail for a domain."""
        route = self._parts.router.known(domain)
        if route is not None:
            self._found(route, domain, urgency)
        else:
            self.look_up(domain, urgency)

    def look_up(self, domain: str, urgency: Urgency) -> None:
        """Its route is not known, or no longer."""
        self._wanted.add(domain, urgency)
        if len(self._tasks) < AT_ONCE:
            self.more()

    def more(self) -> None:
        """Begin as many look-ups as may run."""
        if self.is_halted or len(self._tasks) >= AT_ONCE:
            return
        for domain in self._wanted.first(AT_ONCE + len(self._tasks)):
            if len(self._tasks) >= AT_ONCE:
                return
            if domain not in self._tasks:
                task = asyncio.create_task(self._route(domain), name=f"route {domain}")
                self._tasks[domain] = task
                task.add_done_callback(partial(self._routed, domain))

    async def stop(self) -> None:
        """End the look-ups; what was leased for a failure is settled first."""
        self.is_halted = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._failing:
            await asyncio.wait(self._failing, timeout=LAST)

    def _routed(self, domain: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(domain, None)
        if not task.cancelled() and (error := task.exception()):
            logger.error("mail for %s could not be routed: %s", domain, error)
            self._wanted.add(domain, Urgency.MASSAL)
            asyncio.get_running_loop().call_later(AGAIN, self.more)
            return
        self.more()

    async def _route(self, domain: str) -> None:
        found = await self._parts.router.route(domain)
        urgency = self._wanted.take(domain)
        if isinstance(found, Route):
            self._found(found, domain, urgency)
        elif not self.is_halted:
            failing = asyncio.create_task(self._fail(domain, found), name=f"fail {domain}")
            self._failing.add(failing)
            failing.add_done_callback(self._failing.discard)
            if await asyncio.shield(failing):
                self._wanted.add(domain, urgency)

    async def _fail(self, domain: str, failure: Failure) -> bool:
        """An attempt for each ready letter of the domain; True where there may be more. What comes
        of no attempt, for whatever reason, is given back. Raises StoreDead."""
        now = self._parts.clock.now()
        claimed = await self._parts.store.claim([domain], ROWS, now, now + LEASE)
        ending = [self._outcomes.failed(delivery, failure) for delivery in claimed]
        made = await asyncio.gather(*ending, return_exceptions=True)
        left = []
        for delivery, error in zip(claimed, made, strict=True):
            if isinstance(error, StoreDead):
                raise error
            if error is not None:
                logger.error("%s could not be settled", delivery.ref, exc_info=error)
                left.append(delivery)
        await self._give_back(left)
        return len(claimed) == ROWS and not left

    async def _give_back(self, left: Sequence[Delivery]) -> None:
        """Raises StoreDead: else it is tried until it is done."""
        while left:
            await asyncio.sleep(AGAIN)  # nor are they claimed again at once
            try:
                return await self._parts.store.give_back(left)
            except StoreDead:
                raise
            except StoreError as error:
                logger.error("leases could not be given back yet: %s", error)
