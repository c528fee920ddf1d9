"""Ledger: outcomes wait here for one commit, and are told to the world only after it.

A commit that fails is tried again until it is done or the process ends: a lease is never taken
back meanwhile, and the next start finds it. Nothing else is lost by it: a group that fails twice is
written one by one, what cannot be written then waits by itself while the others go on, and what
turns out to be settled already (two ends of one letter met) is left as it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Final

from relay.clock import Clock
from relay.mail.events import Emit, Event
from relay.store.base import Queue, Settlement, StoreDead, StoreError

AT_ONCE: Final = 500
AGAIN: Final = 1.0  # seconds after a commit that failed
TOGETHER: Final = 2  # tries of a whole group before it is written one by one

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A settlement, and what is told when it is safe."""

    settlement: Settlement
    events: tuple[Event, ...]
    written: asyncio.Future[None]


class Ledger:
    """Settles in groups: what came while one commit ran goes into the next."""

    def __init__(self, store: Queue, clock: Clock, emit: Emit) -> None:
        """`emit` is called in the order of the settlements."""
        self._store = store
        self._clock = clock
        self._emit = emit
        self._waiting: list[Entry] = []
        self._stuck: deque[Entry] = deque()  # could not be written, not even alone
        self._task: asyncio.Task[None] | None = None

    def write(self, settlement: Settlement, told: tuple[Event, ...]) -> asyncio.Future[None]:
        """Take it; done when it is safe and told. Fails with StoreDead."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Entry(settlement, told, written))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="ledger")
        return written

    async def flush(self) -> None:
        """Return when all that was taken is written. Raises StoreDead."""
        while self._task is not None and not self._task.done():
            await asyncio.shield(self._task)
        if self._task is not None:
            self._task.result()

    async def _run(self) -> None:
        batch: list[Entry] = []
        try:
            while self._waiting or self._stuck:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._commit(batch)
                if self._stuck and not self._waiting:
                    await asyncio.sleep(AGAIN)
                await self._unstick()
        except StoreDead as error:
            for entry in (*batch, *self._waiting, *self._stuck):
                if not entry.written.done():
                    entry.written.set_exception(error)
                    entry.written.exception()  # whoever waits gets it; nobody has to
            raise

    async def _commit(self, batch: list[Entry]) -> None:
        for _ in range(TOGETHER if batch else 0):
            if await self._settled(batch):
                return
            await asyncio.sleep(AGAIN)
        for entry in batch:
            if not await self._is_written(entry):
                self._stuck.append(entry)

    async def _unstick(self) -> None:
        """Those that were stuck, up to the first that still is: it goes to the end."""
        for _ in range(len(self._stuck)):
            if not await self._is_written(self._stuck[0]):
                self._stuck.rotate(-1)
                return
            self._stuck.popleft()

    async def _is_written(self, entry: Entry) -> bool:
        """True once it is safe, or was settled already."""
        if await self._settled([entry]):
            return True
        if not await self._is_over(entry):
            return False
        logger.error("%s was settled already", entry.settlement.delivery.ref)
        _done(entry)
        return True

    async def _settled(self, batch: list[Entry]) -> bool:
        try:
            await self._store.settle([entry.settlement for entry in batch], self._clock.now())
        except StoreDead:
            raise
        except StoreError as error:
            logger.error("%d outcomes could not be written yet: %s", len(batch), error)
            return False
        for entry in batch:
            for event in entry.events:
                self._emit(event)
            _done(entry)
        return True

    async def _is_over(self, entry: Entry) -> bool:
        """True where the delivery has reached an end, or is not there at all."""
        delivery = entry.settlement.delivery
        try:
            rows = await self._store.find(delivery.message_id, delivery.n)
        except StoreDead:
            raise
        except StoreError:
            return False
        return all(row.delivery.state.is_final for row in rows)


def _done(entry: Entry) -> None:
    if not entry.written.done():
        entry.written.set_result(None)
