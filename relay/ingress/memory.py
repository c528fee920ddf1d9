"""Memory: one bound for the letters of all sessions; over it reading pauses, nothing is refused.

One session, the first that had to wait, may always go on, whatever it needs: so there is always
one that finishes, and a bound that is too small slows the door down but never stops it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType


class Memory:
    """The bound. Called from the loop's thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._waiting: deque[tuple[Share, asyncio.Future[None]]] = deque()
        self._favoured: Share | None = None

    def share(self) -> Share:
        """A session's part, to be used with `with`: it is given back at the end."""
        return Share(self)

    def _may_take(self, share: Share, size: int) -> bool:
        return share is self._favoured or self.used + size <= self.limit

    async def _take(self, share: Share, size: int) -> None:
        while not self._may_take(share, size):
            if self._favoured is None:
                self._favoured = share
                break
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append((share, waiter))
            await waiter
        self.used += size
        share.size += size

    def _give_back(self, share: Share, is_done: bool) -> None:
        self.used -= share.size
        share.size = 0
        if is_done and share is self._favoured:
            self._favoured = None
        # All are asked again: who still finds no room waits again, at the end of the line.
        waiting, self._waiting = self._waiting, deque()
        for _, waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


class Share:
    """What one session holds."""

    def __init__(self, memory: Memory) -> None:
        self.size = 0
        self._memory = memory

    async def take(self, size: int) -> None:
        """Wait until so many octets more may be held."""
        memory = self._memory
        if memory.used + size <= memory.limit:
            memory.used += size
            self.size += size
        else:
            await memory._take(self, size)

    def give_back(self) -> None:
        """All of it, though more may be taken later."""
        self._memory._give_back(self, is_done=False)

    def __enter__(self) -> Share:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._memory._give_back(self, is_done=True)
