"""Ledger: outcomes wait here for one commit, and are told to the world only after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from relay.clock import Clock
from relay.mail.events import Emit, Event
from relay.store.base import Queue, Settlement, StoreDead, StoreError

AT_ONCE: Final = 500
AGAIN: Final = 1.0  # seconds after a commit that failed; the leases are ours meanwhile

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A settlement, what is told when it is safe, and what follows."""

    settlement: Settlement
    events: tuple[Event, ...]
    then: Callable[[], None]


class Ledger:
    """Settles in groups: what came while one commit ran goes into the next."""

    def __init__(self, store: Queue, clock: Clock, emit: Emit) -> None:
        """`emit` is called in the order of the settlements."""
        self._store = store
        self._clock = clock
        self._emit = emit
        self._waiting: list[Entry] = []
        self._task: asyncio.Task[None] | None = None

    def write(self, entry: Entry) -> None:
        """Take it; it is written soon, in its turn."""
        self._waiting.append(entry)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="ledger")

    async def flush(self) -> None:
        """Return when all that was taken is written. Raises StoreDead."""
        while self._task is not None and not self._task.done():
            await asyncio.shield(self._task)
        if self._task is not None:
            self._task.result()

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            await self._commit(batch)

    async def _commit(self, batch: list[Entry]) -> None:
        while True:
            try:
                await self._store.settle([e.settlement for e in batch], self._clock.now())
                break
            except StoreDead:
                raise
            except StoreError as error:
                logger.error("outcomes could not be written, trying again: %s", error)
                await asyncio.sleep(AGAIN)
        for entry in batch:
            for event in entry.events:
                self._emit(event)
            entry.then()
