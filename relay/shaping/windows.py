"""Windows: exact sliding counts of RCPTs written, and the spacing within the shortest window.

Law (a property test holds it): over any schedule of calls, restarts and settings back of the clock,
never more than `count` units are admitted in any window of its length. A clock that was set back
grants nothing: up to BACK, time here stands still until the clock has caught up; after a greater
step what was counted moves back with the clock as if no time had passed, so that a wrong year never
stops the mail for a year.

A count of at most EXACT keeps every unit's time. A greater one keeps times in slices of the window,
BUCKETS to a window, each at its latest unit: rounded against us, so still never over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from relay.mail.instant import MINUTE, SECOND, Instant, millis
from relay.shaping.destination import Rate

EXACT: Final = 2_000  # units whose times are kept one by one
BUCKETS: Final = 200
BACK: Final = 10 * MINUTE  # how far back the clock may be set before counts move with it
WIDEST: Final = MINUTE  # spacing: 10/day may go a minute apart, not one in two hours
SLACK: Final = (100, SECOND)  # milliseconds that a late letter may catch up, in the spacing only


class Window:
    """One sliding count."""

    __slots__ = ("_grain", "_slices", "_total", "rate", "span")

    def __init__(self, rate: Rate) -> None:
        """Nothing is counted yet."""
        self.rate = rate
        self.span = millis(rate.window)
        self._grain = 0 if rate.count <= EXACT else max(1, self.span // BUCKETS)
        self._slices: deque[list[int]] = deque()  # [latest, units, first], oldest first
        self._total = 0

    def free_at(self, units: int, now: Instant) -> Instant:
        """The first moment, not before `now`, at which so many more units fit."""
        self._forget(now)
        excess = self._total + units - self.rate.count
        if excess <= 0:
            return now
        for latest, counted, _ in self._slices:
            excess -= counted
            if excess <= 0:
                return latest + self.span + 1
        return now + self.span + 1  # more units than the window ever holds: asked again later

    def add(self, units: int, now: Instant) -> None:
        """Count units written now; `now` never goes back from call to call."""
        self._total += units
        if self._slices and now - self._slices[-1][2] <= self._grain:
            last = self._slices[-1]
            last[0] = now
            last[1] += units
        else:
            self._slices.append([now, units, now])

    def take_back(self, units: int, at: Instant) -> None:
        """Units counted at `at` whose RCPT was never written. What is forgotten already stays."""
        for n in range(len(self._slices) - 1, -1, -1):
            latest, counted, first = self._slices[n]
            if latest < at:
                return
            if first <= at:
                taken = min(units, counted)
                self._slices[n][1] -= taken
                self._total -= taken
                if counted == taken:
                    del self._slices[n]
                return

    def shift(self, by: int) -> None:
        """Move every time."""
        self._slices = deque(
            [latest + by, units, first + by] for latest, units, first in self._slices
        )

    def _forget(self, now: Instant) -> None:
        while self._slices and self._slices[0][0] < now - self.span:
            self._total -= self._slices.popleft()[1]

    def is_empty(self, now: Instant) -> bool:
        """True where nothing is counted any more."""
        self._forget(now)
        return not self._slices

    def dump(self) -> list[list[int]]:
        """What is counted, for the store: pairs of time and units."""
        return [[latest, units] for latest, units, _ in self._slices]

    def load(self, pairs: Sequence[Sequence[int]]) -> Instant:
        """Take back what :meth:`dump` gave; returns the latest time in it. Raises ValueError,
        TypeError on anything else."""
        slices = sorted([int(at), int(units), int(at)] for at, units in pairs)
        self._slices = deque(slices)
        self._total = sum(units for _, units, _ in slices)
        return slices[-1][0] if slices else 0


class Meter:
    """All windows of one key, and the spacing (GCRA) within the shortest; one unit is one RCPT."""

    def __init__(self, rates: Sequence[Rate]) -> None:
        """Without rates everything fits."""
        self.windows = [Window(rate) for rate in rates]
        shortest = min(rates, key=lambda rate: rate.window, default=None)
        interval = millis(shortest.window) / shortest.count if shortest else 0.0
        self._interval = min(interval, float(WIDEST))
        least, most = SLACK
        self._slack = max(least, min(most, self._interval))
        self._next_at = 0.0
        self._latest: Instant = 0
        self.is_dirty = False

    @property
    def rates(self) -> tuple[Rate, ...]:
        """The limits that are counted."""
        return tuple(window.rate for window in self.windows)

    def is_empty(self, now: Instant) -> bool:
        """True where nothing is counted any more, so that a new meter would say the same."""
        now = self._forward(now)
        return self._next_at <= now and all(window.is_empty(now) for window in self.windows)

    def free_at(self, units: int, now: Instant, ahead: int = 0) -> Instant:
        """When so many units may be written, after `ahead` others; `now` or earlier: at once."""
        told, now = now, self._forward(now)
        at = now
        for window in self.windows:
            at = max(at, window.free_at(units + ahead, now))
        next_at = self._next_at
        if ahead:
            next_at = max(next_at, float(now)) + ahead * self._interval
        if next_at - self._slack > at:
            at = int(next_at - self._slack) + 1
        return at if at > now else told

    def binding(self, units: int, now: Instant) -> Rate | None:
        """The limit that is full now, if one is; None where only the spacing says wait."""
        now = self._forward(now)
        full = [(window.free_at(units, now), window.rate) for window in self.windows]
        at, rate = max(full, key=lambda pair: pair[0], default=(now, None))
        return rate if at > now else None

    def add(self, units: int, now: Instant) -> Instant:
        """Count units written now; returns the time they stand under, for :meth:`take_back`."""
        now = self._latest = self._forward(now)
        for window in self.windows:
            window.add(units, now)
        self._next_at = max(self._next_at, float(now)) + units * self._interval
        self.is_dirty = bool(self.windows)
        return now

    def take_back(self, units: int, at: Instant | None = None) -> None:
        """Units that :meth:`add` counted at `at` (None: last) come back; the spacing stays."""
        for window in self.windows:
            window.take_back(units, self._latest if at is None else at)
        self.is_dirty = bool(self.windows)

    def _forward(self, now: Instant) -> Instant:
        """The time that counts: it never goes back; after a great step everything else does."""
        if now < self._latest - BACK:
            by = now - self._latest
            for window in self.windows:
                window.shift(by)
            self._next_at += by
            self._latest = now
        return max(now, self._latest)

    def dump(self) -> dict[str, Any]:
        """For the store."""
        return {str(window.rate): window.dump() for window in self.windows}

    def load(self, kept: Mapping[str, Any]) -> None:
        """Take back what another meter dumped, also under other limits: each window counts from
        the shortest kept one that covers it, else from the longest. Raises ValueError, TypeError.
        """
        by_span = sorted((_span(name), pairs) for name, pairs in kept.items())
        for window in self.windows:
            covering = [pairs for span, pairs in by_span if span >= window.span]
            if by_span:
                latest = window.load(covering[0] if covering else by_span[-1][1])
                self._latest = max(self._latest, latest)


_SPANS: Final = {"s": SECOND, "min": MINUTE, "hour": 60 * MINUTE, "day": 1440 * MINUTE}


def _span(name: str) -> int:
    """The window of a rate as :meth:`Rate.__str__` writes it, in milliseconds."""
    unit = name.partition("/")[2]
    if unit in _SPANS:
        return _SPANS[unit]
    return int(unit.removesuffix("s")) * SECOND
