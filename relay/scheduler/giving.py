"""Giving: leases go back to the store, tried until it is done, while others are served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from relay.mail.delivery import Delivery
from relay.scheduler.parts import Parts
from relay.store.base import StoreError

logger = logging.getLogger(__name__)


class Giving:
    """What goes back of one scheduler's lanes."""

    def __init__(self, parts: Parts, given: Callable[[], None]) -> None:
        """`given` is called whenever some are back."""
        self._parts = parts
        self._given = given
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, out: Sequence[Delivery]) -> None:
        """Give these back; nobody waits for it."""
        task = asyncio.create_task(self.give_back(out), name="give back")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def end(self) -> None:
        """Return when all that was begun is done."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def give_back(self, out: Sequence[Delivery]) -> None:
        """Raises StoreError only where it is dead: else it is tried until it is done."""
        while out:
            try:
                await self._parts.store.give_back(out)
            except StoreError as error:
                if self._parts.store.dead.is_set():
                    raise
                logger.error("leases could not be given back yet: %s", error)
                await asyncio.sleep(1)
            else:
                return

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("leases could not be given back: %s", error)
        self._given()
