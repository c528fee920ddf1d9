"""Memory: what a backlog took is given back to the machine once the backlog is gone.

The caches of letters and bodies are bounded, and empty again when their letters are delivered. But
glibc keeps freed memory that lies below something still in use: after an hour in which a provider
refused, a relay would stay some 80 MB larger for ever. `malloc_trim(3)` gives it back. Nothing
says when memory became free: so after each growth it is tried again and again, ever more rarely.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

EVERY: Final = 60.0  # seconds between two looks
GROWN: Final = 16 << 20  # octets more than after the last time: it is worth some ms
GIVEN: Final = 4 << 20  # octets given back: more may become free soon
RAREST: Final = 4  # looks from one time to the next, where nothing changes
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
