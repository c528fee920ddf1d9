"""Spread: how long things took, in bounded memory: counts by steps of 4 %, and their quantiles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

SMALLEST: Final = 0.05  # seconds; what is faster counts as this
_STEP: Final = math.log(1.04)


def step(seconds: float) -> int:
    """The number of the step that a duration falls into."""
    return 0 if seconds <= SMALLEST else math.ceil(math.log(seconds / SMALLEST) / _STEP)


class Spread:
    """Durations in seconds, known to 2 %."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._of: dict[float, int] = {}  # a log says the same delays again and again

    def add(self, seconds: float) -> None:
        """One more."""
        at = self._of.get(seconds)
        if at is None:
            if len(self._of) >= 4096:
                self._of.clear()
            at = self._of[seconds] = step(seconds)
        self._counts[at] = self._counts.get(at, 0) + 1

    def add_steps(self, counts: Mapping[int, int]) -> None:
        """Many more, by their steps."""
        for at, count in counts.items():
            self._counts[at] = self._counts.get(at, 0) + count

    def take(self, other: Spread) -> None:
        """All of another's."""
        self.add_steps(other._counts)

    def quantile(self, share: float) -> float | None:
        """The duration that a ``share`` of them did not exceed, in seconds; None of nothing."""
        total = sum(self._counts.values())
        if not total:
            return None
        wanted, seen, at = max(1, math.ceil(share * total)), 0, 0
        for at in sorted(self._counts):
            seen += self._counts[at]
            if seen >= wanted:
                break
        return SMALLEST * math.exp((at - 0.5) * _STEP) if at else SMALLEST
