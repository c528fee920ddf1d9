"""The only reader of time: wall clock for what is written down, monotonic clock for durations."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the house asks for the time; the lab hands in a virtual one."""

    def now(self) -> int:
        """The wall clock in milliseconds since the epoch; may step back."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, from no particular start."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> int:
        """See Clock.now."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """See Clock.monotonic."""
        return time.monotonic()
