"""CalmScheduler: the real one, that looks around every few seconds instead of every one.

In two days there are 172,800 seconds, and a look costs as much as a letter. What is due is woken in
time all the same; only what was learned is kept a little later, and what is over ends so.
"""

from __future__ import annotations

import asyncio
from typing import Final

from relay.scheduler import Scheduler
from relay.scheduler.scheduler import FLOOR

SWEEP: Final = 10.0  # seconds between two looks


class CalmScheduler(Scheduler):
    """See Scheduler."""

    async def run(self) -> None:
        """See Scheduler.run."""
        loop = asyncio.get_running_loop()
        while True:
            due_at = await self._sweep()
            wait = SWEEP
            if due_at is not None:
                wait = min(SWEEP, max(FLOOR, (due_at - self.parts.clock.now()) / 1000))
            timer = loop.call_later(wait, self._kick.set)
            await self._kick.wait()
            timer.cancel()
            self._kick.clear()
