"""Memory: what a backlog took is given back to the machine once the backlog is gone.

The caches of letters and bodies are bounded, and empty again when their letters are delivered. But
glibc keeps freed memory that lies below something still in use: after an hour in which a provider
refused, a relay would stay some 80 MB larger for ever. `malloc_trim(3)` gives it back. Nothing
says when memory became free: so after each growth it is tried again and again, ever more rarely.

And Python's look through objects for rings (objects that know each other, and nobody knows them):
an ended session, of clients and to servers, is no ring, and what a page or a command leaves is
little, so it may wait.

Both happen while nobody waits. With a hundred thousand letters of ten thousand destinations under
way the look through all holds the loop for half a second, and one through the young alone for 65 ms
where two thousand letters are under way: all that is alive of them is young, and Python looks when
three thousand more were made than went. And malloc_trim, though in a thread, keeps all others from
any memory while it works, 30 ms for each 80 MB that it gives back.
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
QUIET: Final = 10.0  # seconds without an event: nobody waits; a client that begins takes one or two
BUSY: Final = 6 * 3600.0  # seconds: then it happens although somebody waits
DUE: Final = 20_000  # objects made, less those gone, since the last look: it may find something
MANY: Final = 2_000_000  # of them, some 200 MB: then it is done although somebody waits
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


class Rest:
    """Whether anybody waits: `on_event` is told each event."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Nothing has moved so far."""
        self.monotonic = monotonic
        self._moved = monotonic()

    def on_event(self) -> None:
        """A letter moved: somebody may wait for the next thing."""
        self._moved = self.monotonic()

    def is_now(self, done_at: float) -> bool:
        """True where nobody waits, or it was so long ago, on the same clock, that it must be."""
        now = self.monotonic()
        return now - self._moved >= QUIET or now - done_at >= BUSY


class Trimming:
    """`run` as a task."""

    def __init__(
        self,
        rest: Rest,
        resident: Callable[[], int] = resident,
        trim: Callable[[], None] = trim,
    ) -> None:
        """`trim` is called in a thread: it takes milliseconds for each hundred MB."""
        self._rest = rest
        self._resident = resident
        self._trim = trim
        self._after = resident()
        self._trimmed_at = rest.monotonic()
        self._pause = self._left = 1  # looks to the next time: of how many, and how many are left
        self._is_put_off = False

    async def run(self, every: float = EVERY) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(min(LOOK, every) if self._is_put_off else every)
            await self.look()

    async def look(self) -> bool:
        """Trim where the process has grown, or where it is time again, once nobody waits; True
        where it did."""
        before = self._resident()
        is_grown = before >= self._after + GROWN
        self._left -= 1
        if self._left > 0 and not is_grown:
            return False
        self._is_put_off = not self._rest.is_now(self._trimmed_at)
        if self._is_put_off:
            return False
        await asyncio.to_thread(self._trim)
        self._after, self._trimmed_at = self._resident(), self._rest.monotonic()
        is_worth = is_grown or before - self._after >= GIVEN
        self._pause = self._left = 1 if is_worth else min(2 * self._pause, RAREST)
        return True


def stand() -> None:
    """The start is over. What it made stays: no look goes through it; each held the loop for 150 ms
    more."""
    gc.freeze()


class Rings:
    """`run` as a task; Python's own looks are off (`gc.disable`)."""

    def __init__(
        self,
        rest: Rest,
        collect: Callable[[], object] = gc.collect,
        made: Callable[[], int] = lambda: gc.get_count()[0],
    ) -> None:
        """`made`: objects that can be in a ring, made since the last look, less those gone."""
        self._rest = rest
        self._collect = collect
        self._made = made
        self._looked_at = rest.monotonic()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            self.look()

    def look(self) -> bool:
        """Go through all where that is due and nobody waits; True where it did."""
        made = self._made()
        if made < MANY and (made < DUE or not self._rest.is_now(self._looked_at)):
            return False
        self._collect()
        self._looked_at = self._rest.monotonic()
        return True
