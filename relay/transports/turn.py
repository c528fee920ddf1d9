"""Turn: a few pieces of work to a turn of the loop, the others in the next ones, in their order.

What comes many at once (an announcement's letters, all woken by one answer of the store) would
hold the loop for as long as all of it takes together.
"""

from __future__ import annotations

import asyncio
from collections import deque


class LoopTurn:
    """`await take()` before a piece of work; for one loop only."""

    def __init__(self, most: int) -> None:
        """`most` pieces of work to a turn of the loop."""
        self._most = most
        self._taken = 0  # in this turn
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Returns at once where this turn has room, and nobody waits."""
        if self._taken < self._most:
            self._take()
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _take(self) -> None:
        if self._taken == 0:
            asyncio.get_running_loop().call_soon(self._turned)
        self._taken += 1

    def _turned(self) -> None:
        self._taken = 0
        while self._waiting and self._taken < self._most:
            waiter = self._waiting.popleft()
            if not waiter.done():  # only a cancelled one is
                self._take()
                waiter.set_result(None)
