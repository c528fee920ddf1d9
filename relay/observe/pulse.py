"""Pulse: is the loop on time, is the store's writer alive; feeds the watchdog and /healthz.

A dead writer or a stuck loop stops the beat; systemd then restarts the process, and nothing that
was acknowledged is lost, because it was on disk before its 250.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from relay.clock import Clock

TICK: Final = 0.02  # seconds between two looks at the loop; a stall is seen short by this at most
BEAT: Final = 5.0  # seconds between two beats of the writer
PATIENCE: Final = 30.0  # seconds without a beat after which the process counts as ill

logger = logging.getLogger(__name__)


class Pulse:
    """`run` as a task; `is_alive` and `take_lag` from the loop's thread."""

    def __init__(
        self,
        beat: Callable[[], Awaitable[None]],
        clock: Clock,
        fed: Callable[[], None] = lambda: None,
        every: float = BEAT,
        patience: float = PATIENCE,
    ) -> None:
        """`beat` returns when the writer answered; `fed` is called after each (the watchdog)."""
        self._beat = beat
        self._clock = clock
        self._fed = fed
        self._every = every
        self._patience = patience
        self._beaten_at = clock.monotonic()
        self._lag = 0.0

    @property
    def is_alive(self) -> bool:
        """True where the writer answered lately."""
        return self._clock.monotonic() - self._beaten_at < self._patience

    def take_lag(self) -> float:
        """The longest, in seconds, that the loop was late since the last call."""
        lag, self._lag = self._lag, 0.0
        return lag

    async def run(self) -> None:
        """Look and beat until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_lag(), name="loop lag")
            tasks.create_task(self._keep_beating(), name="writer beat")

    async def _watch_lag(self) -> None:
        while True:
            before = self._clock.monotonic()
            await asyncio.sleep(TICK)
            self._lag = max(self._lag, self._clock.monotonic() - before - TICK)

    async def _keep_beating(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(self._every)

    async def beat(self) -> None:
        """One beat. A writer that does not answer is said once a beat, and feeds nobody."""
        try:
            async with asyncio.timeout(self._patience):
                await self._beat()
        except Exception as error:
            logger.error("the store's writer does not answer: %r", error)
            return
        self._beaten_at = self._clock.monotonic()
        self._fed()
