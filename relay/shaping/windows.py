"""Windows: exact sliding counts of RCPTs written, and the spacing within the shortest window.

Law (a property test holds it): over any schedule of calls and settings back of the clock, never
more than `count` units are admitted in any window of its length. A clock that was set back grants
nothing: up to BACK, time here stands still until the clock has caught up; after a greater step what
was counted moves back with the clock as if no time had passed, so that a wrong year never stops the
mail for a year. What holds it over a restart is aside.py.

A count of at most EXACT keeps every unit's time. A greater one keeps times in slices of the window,
BUCKETS to a window, each at its latest unit: rounded against us, so still never over.

A tenth of each window is closed to massal. Where more urgent mail fills the rest, a massal unit may
take every tenth slot of it all the same, so that no class starves; massal as a whole never has more
of a window than the nine tenths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from relay.mail.instant import MINUTE, SECOND, Instant, millis
from relay.mail.urgency import Urgency
from relay.shaping.destination import Rate

EXACT: Final = 2_000  # units whose times are kept one by one
BUCKETS: Final = 200
BACK: Final = 10 * MINUTE  # how far back the clock may be set before counts move with it
WIDEST: Final = MINUTE  # spacing: 10/day may go a minute apart, not one in two hours
SLACK: Final = (100, SECOND)  # milliseconds that a late letter may catch up, in the spacing only
LATE: Final = 4  # and a quarter of an interval, where that is more: a slow host costs no slot
CLOSED: Final = 10  # a tenth of each window is closed to massal
FROM: Final = 5  # limits from which on at least one is
TURN: Final = 9  # units of the other classes for which massal gets one of the closed tenth


def closed_to_massal(count: int) -> int:
    """How many units of a window are kept for the other classes: a tenth, rounded up."""
    return -(-count // CLOSED) if count >= FROM else 0


class Window:
    """One sliding count."""

    __slots__ = ("_first", "_grain", "_massal", "_slices", "_total", "rate", "span")

    def __init__(self, rate: Rate) -> None:
        """Nothing is counted yet."""
        self.rate = rate
        self.span = millis(rate.window)
        self._grain = 0 if rate.count <= EXACT else max(1, self.span // BUCKETS)
        self._slices: list[list[int]] = []  # [latest, units, first, massal], oldest first
        self._first = 0  # of the slices, the oldest that still counts
        self._total = 0
        self._massal = 0  # units of it that are known to be massal

    def free_at(self, units: int, now: Instant, closed: int = 0) -> Instant:
        """The first moment, not before `now`, at which so many more units fit; `closed` units of
        the window are kept for others."""
        self._forget(now)
        excess = self._total + units - (self.rate.count - closed)
        if excess <= 0:
            return now
        for at in range(self._first, len(self._slices)):
            latest, counted, _, _ = self._slices[at]
            excess -= counted
            if excess <= 0:
                return latest + self.span + 1
        return now + self.span + 1  # more units than the window ever holds: asked again later

    def used(self, now: Instant) -> int:
        """How many units count now."""
        self._forget(now)
        return self._total

    def has_share(self, units: int, now: Instant) -> bool:
        """True where massal with so many more has no more than what is open to it."""
        self._forget(now)
        most = self.rate.count - closed_to_massal(self.rate.count)
        return self._massal + units <= most

    def add(self, units: int, now: Instant, massal: int = 0) -> None:
        """Count units written now, so many of them massal. What was set aside before a restart may
        stand a moment ahead: these stand there, too."""
        self._total += units
        self._massal += massal
        last = self._slices[-1] if len(self._slices) > self._first else None
        if last is not None and now - last[2] <= self._grain:
            last[0] = max(now, last[0])
            last[1] += units
            last[3] += massal
        else:
            self._slices.append([now, units, now, massal])

    def take_back(self, units: int, at: Instant) -> None:
        """Units counted at `at` whose RCPT was never written. What is forgotten already stays."""
        for n in range(len(self._slices) - 1, self._first - 1, -1):
            latest, counted, first, massal = self._slices[n]
            if latest < at:
                return
            if first <= at:
                taken = min(units, counted)
                self._slices[n][1] -= taken
                self._total -= taken
                more = max(0, massal - self._slices[n][1])
                self._slices[n][3] -= more
                self._massal -= more
                return

    def shift(self, by: int) -> None:
        """Move every time."""
        self._slices = [
            [latest + by, units, first + by, massal]
            for latest, units, first, massal in self._slices[self._first :]
        ]
        self._first = 0

    def _forget(self, now: Instant) -> None:
        at, slices, last = self._first, self._slices, now - self.span
        while at < len(slices) and slices[at][0] < last:
            self._total -= slices[at][1]
            self._massal -= slices[at][3]
            at += 1
        if at > self._first:
            self._first = at
            if at > 32 and at * 2 > len(slices):
                del slices[:at]
                self._first = 0

    def is_empty(self, now: Instant) -> bool:
        """True where nothing is counted any more."""
        self._forget(now)
        return self._total == 0


class Meter:
    """All windows of one key, and the spacing (GCRA) within the shortest; one unit is one RCPT.

    `burst` units may go back to back; the windows hold them all the same.
    """

    __slots__ = (
        *("_interval", "_latest", "_massal", "_massal_at", "_next_at", "_passed", "_slack"),
        *("burst", "rates", "windows"),
    )

    def __init__(self, rates: Sequence[Rate], burst: int = 1) -> None:
        """Without rates everything fits."""
        self.rates = tuple(rates)
        self.windows = [Window(rate) for rate in rates]
        self.burst = burst
        shortest = min(rates, key=lambda rate: rate.window, default=None)
        self._interval = self._massal = 0.0
        if shortest is not None:
            span, kept = millis(shortest.window), closed_to_massal(shortest.count)
            self._interval = min(span / shortest.count, float(WIDEST))
            self._massal = min(span / (shortest.count - kept), float(WIDEST))
        least, most = SLACK
        late = max(least, min(most, self._interval), self._interval / LATE)
        self._slack = max(late, (burst - 1) * self._interval)
        self._next_at = self._massal_at = 0.0
        self._latest: Instant = 0
        self._passed = 0  # units of other classes since the last massal one

    def is_empty(self, now: Instant) -> bool:
        """True where nothing is counted any more, so that a new meter would say the same."""
        now = self.forward(now)
        is_paced = max(self._next_at, self._massal_at) > now
        return not is_paced and all(window.is_empty(now) for window in self.windows)

    def free_at(
        self, units: int, now: Instant, ahead: int = 0, urgency: Urgency = Urgency.TRANSAKSI
    ) -> Instant:
        """When so many units may be written, after `ahead` others; `now` or earlier: at once."""
        told, now = now, self.forward(now)
        at = now
        is_massal = urgency is Urgency.MASSAL and not self._has_turn(units, ahead, now)
        for window in self.windows:
            closed = closed_to_massal(window.rate.count) if is_massal else 0
            at = max(at, window.free_at(units + ahead, now, closed))
        next_at = max(self._next_at, self._massal_at) if is_massal else self._next_at
        if ahead:
            next_at = max(next_at, float(now)) + ahead * self._interval
        if next_at - self._slack > at:
            at = int(next_at - self._slack) + 1
        return at if at > now else told

    def binding(self, units: int, now: Instant, urgency: Urgency) -> Rate | None:
        """The limit that is full now, if one is; None where only the spacing says wait."""
        now = self.forward(now)
        is_massal = urgency is Urgency.MASSAL and not self._has_turn(units, 0, now)
        full = [
            (
                w.free_at(units, now, closed_to_massal(w.rate.count) if is_massal else 0),
                w.rate,
            )
            for w in self.windows
        ]
        at, rate = max(full, key=lambda pair: pair[0], default=(now, None))
        return rate if at > now else None

    def add(self, units: int, now: Instant, urgency: Urgency = Urgency.TRANSAKSI) -> Instant:
        """Count units written now; returns the time they stand under, for :meth:`take_back`."""
        now = self._latest = self.forward(now)
        is_massal = urgency is Urgency.MASSAL
        for window in self.windows:
            window.add(units, now, units if is_massal else 0)
        self._next_at = max(self._next_at, float(now)) + units * self._interval
        self._passed = 0 if is_massal else self._passed + units
        if is_massal:
            self._massal_at = max(self._massal_at, float(now)) + units * self._massal
        return now

    def _has_turn(self, units: int, ahead: int, now: Instant) -> bool:
        """True where so many massal units may go although a tenth is closed to them."""
        if self._passed < TURN * units:
            return False
        return all(window.has_share(units + ahead, now) for window in self.windows)

    def take_back(self, units: int, at: Instant | None = None) -> None:
        """Units that :meth:`add` counted at `at` (None: last) come back; the spacing stays."""
        for window in self.windows:
            window.take_back(units, self._latest if at is None else at)

    def forward(self, now: Instant) -> Instant:
        """The time that counts: it never goes back; after a great step everything else does."""
        if now < self._latest - BACK:
            by = now - self._latest
            for window in self.windows:
                window.shift(by)
            self._next_at += by
            self._massal_at += by
            self._latest = now
        return max(now, self._latest)

    def load(self, rows: Iterable[tuple[Instant, int]]) -> None:
        """Count what was spent before a restart: moments and units, oldest first."""
        for at, units in rows:
            for window in self.windows:
                window.add(units, at)
