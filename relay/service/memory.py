"""Memory: what a backlog took is given back to the machine once the backlog is gone.

The caches of letters and bodies are bounded, and empty again when their letters are delivered. But
glibc keeps freed memory that lies below something still in use: after an hour in which a provider
refused, a relay would stay some 80 MB larger for ever. `malloc_trim(3)` gives it back. Nothing
says when memory became free: so after each growth it is tried again and again, ever more rarely.

And Python's look through all objects for rings (objects that know each other, and nobody knows
them) happens while nobody waits: with a hundred thousand letters of ten thousand destinations under
way it holds the loop for half a second. It may wait: an ended session, of clients and to servers,
is no ring, and what a page or a command leaves is found while it is young.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

EVERY: Final = 60.0  # seconds between two looks
GROWN: Final = 16 << 20  # octets more than after the last time: it is worth some ms
GIVEN: Final = 4 << 20  # octets given back: more may become free soon
RAREST: Final = 4  # looks from one time to the next, where nothing changes
LOOK: Final = 10.0  # seconds between two looks whether nobody waits
QUIET: Final = 1.0  # seconds without an event: nobody waits
BUSY: Final = 6 * 3600.0  # seconds: then it happens although somebody waits
DUE: Final = 10  # looks through the young since the last through all: Python's own number
_STATM: Final = Path("/proc/self/statm")


def resident() -> int:
    """Octets of this process in memory; 0 where the system does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def trim() -> None:
    """Hand free memory back; nothing happens where the C library has no such call (musl)."""
    call = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if call is not None:
        call(0)


class Trimming:
    """`run` as a task."""

    def __init__(
        self, resident: Callable[[], int] = resident, trim: Callable[[], None] = trim
    ) -> None:
        """`trim` is called in a thread: it takes milliseconds for each hundred MB."""
        self._resident = resident
        self._trim = trim
        self._after = resident()
        self._pause = self._left = 1  # looks to the next time: of how many, and how many are left

    async def run(self, every: float = EVERY) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(every)
            await self.look()

    async def look(self) -> bool:
        """Trim where the process has grown, or where it is time again; True where it did."""
        before = self._resident()
        is_grown = before >= self._after + GROWN
        self._left -= 1
        if self._left > 0 and not is_grown:
            return False
        await asyncio.to_thread(self._trim)
        self._after = self._resident()
        is_worth = is_grown or before - self._after >= GIVEN
        self._pause = self._left = 1 if is_worth else min(2 * self._pause, RAREST)
        return True


class Rings:
    """`run` as a task, `on_event` at each event; Python's own full look is off (`NEVER`)."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        collect: Callable[[], object] = gc.collect,
        waiting: Callable[[], int] = lambda: gc.get_count()[2],
    ) -> None:
        """`waiting`: looks through the young since the last one through all."""
        self._monotonic = monotonic
        self._collect = collect
        self._waiting = waiting
        self._moved = self._looked = monotonic()

    def stand(self) -> None:
        """The start is over. What it made stays: no look goes through it, and each held the loop
        for 150 ms more."""
        gc.freeze()
        gc.enable()

    def on_event(self) -> None:
        """A letter moved: somebody may wait for the next thing."""
        self._moved = self._monotonic()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            self.look()

    def look(self) -> bool:
        """Go through all where that is due and nobody waits; True where it did."""
        now = self._monotonic()
        is_quiet = now - self._moved >= QUIET or now - self._looked >= BUSY
        if not is_quiet or self._waiting() < DUE:
            return False
        self._collect()
        self._looked = now
        return True
