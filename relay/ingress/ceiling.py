"""Ceiling: how many recipients were accepted in the last hour, counted in seconds that slide."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW: Final = 3_600.0  # seconds


class Ceiling:
    """Holds at most 3,601 numbers, however many letters come."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()  # [second, recipients], oldest first
        self._total = 0

    def add(self, recipients: int, now: float) -> int:
        """Count these too; returns the last hour's number. `now`: monotonic seconds."""
        second = int(now)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1][1] += recipients
        else:
            self._seconds.append([second, recipients])
        self._total += recipients
        while self._seconds[0][0] <= now - WINDOW:
            self._total -= self._seconds.popleft()[1]
        return self._total
