"""Steady: the wall clock at the start, moved on by the monotonic one: no step of the clock counts.

Shaping goes by it, so that a clock that is set forward grants no letters.
"""

from __future__ import annotations

from relay.clock import Clock
from relay.mail.instant import Instant


class Steady:
    """Milliseconds since the epoch that never jump."""

    def __init__(self, clock: Clock) -> None:
        """Begins at the wall clock's now."""
        self._clock = clock
        self._monotonic = clock.monotonic
        self._wall = clock.now()
        self._start = clock.monotonic()

    def now(self) -> Instant:
        """The steady moment."""
        return self._wall + int((self._monotonic() - self._start) * 1000)

    @property
    def step(self) -> int:
        """How many milliseconds the wall clock was set forward by since the start."""
        return self._clock.now() - self.now()
