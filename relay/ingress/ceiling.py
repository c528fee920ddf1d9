"""Ceiling: how many recipients were accepted in the last hour, counted in seconds that slide."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from relay.mail.instant import Instant

WINDOW: Final = 3_600.0  # seconds


class Ceiling:
    """Holds at most 3,601 numbers, however many letters come."""

    def __init__(
        self, recent: Iterable[tuple[Instant, int]] = (), at: Instant = 0, now: float = 0.0
    ) -> None:
        """`recent`: what was accepted before this start, as moments and recipients, in any order;
        `at` and `now` are this moment by the wall clock and in monotonic seconds. A moment that
        lies ahead, since the clock was set back, counts as now."""
        self._seconds: deque[list[int]] = deque()  # [second, recipients], oldest first
        self._total = 0
        for moment, recipients in sorted(recent):
            self.add(recipients, now - max(at - moment, 0) / 1000)

    def add(self, recipients: int, now: float) -> int:
        """Count these too; returns the last hour's number. `now`: monotonic seconds."""
        second = math.floor(now)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1][1] += recipients
        else:
            self._seconds.append([second, recipients])
        self._total += recipients
        while self._seconds[0][0] <= now - WINDOW:
            self._total -= self._seconds.popleft()[1]
        return self._total
