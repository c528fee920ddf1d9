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

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
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


SURE: Final = 64  # units at most that are known to fit before the windows are looked at again


SLICE: Final = 4  # numbers to a slice, and where in it these are; its latest moment is the first
UNITS, FIRST, MASSAL = range(1, SLICE)
_NONE: Final = array("q")
MASSAL_CLASS: Final = Urgency.MASSAL  # asked for with each letter: a name is found sooner


def closed_to_massal(count: int) -> int:
    """How many units of a window are kept for the other classes: a tenth, rounded up."""
    return -(-count // CLOSED) if count >= FROM else 0


@dataclass(frozen=True, slots=True)
class _Width:
    """What all windows of one rate have in common."""

    rate: Rate
    span: int
    grain: int  # milliseconds that one slice may hold
    closed: int  # units that are kept for the other classes


@lru_cache(1024)
def _width(rate: Rate) -> _Width:
    span = millis(rate.window)
    grain = 0 if rate.count <= EXACT else max(1, span // BUCKETS)
    return _Width(rate, span, grain, closed_to_massal(rate.count))


class Window:
    """One sliding count."""

    __slots__ = ("_first", "_massal", "_slices", "_total", "_width")

    def __init__(self, rate: Rate) -> None:
        """Nothing is counted yet."""
        self._width = _width(rate)
        self._slices = _NONE  # latest, units, first, massal; and again, oldest first
        self._first = 0  # where in the slices the oldest is that still counts
        self._total = 0
        self._massal = 0  # units of it that are known to be massal

    @property
    def rate(self) -> Rate:
        """What it holds to."""
        return self._width.rate

    @property
    def span(self) -> int:
        """Its length in milliseconds."""
        return self._width.span

    @property
    def closed(self) -> int:
        """How many units of it are kept for the other classes than massal."""
        return self._width.closed

    def __len__(self) -> int:
        """How many slices it keeps."""
        return len(self._slices) // SLICE

    def free_at(self, units: int, now: Instant, closed: int = 0) -> Instant:
        """The first moment, not before `now`, at which so many more units fit; `closed` units of
        the window are kept for others."""
        self._forget(now)
        excess = self._total + units - (self._width.rate.count - closed)
        if excess <= 0:
            return now
        for at in range(self._first, len(self._slices), SLICE):
            excess -= self._slices[at + UNITS]
            if excess <= 0:
                return self._slices[at] + self._width.span + 1
        return now + self._width.span + 1  # more than the window ever holds: asked again later

    def used(self, now: Instant) -> int:
        """How many units count now."""
        self._forget(now)
        return self._total

    def room(self, now: Instant) -> int:
        """How many more fit now."""
        return self._width.rate.count - self.used(now)

    def lasting(self, until: Instant) -> int:
        """How many of the units counted so far count then still."""
        slices, since = self._slices, until - self._width.span
        return sum(
            slices[at + UNITS]
            for at in range(self._first, len(slices), SLICE)
            if slices[at] >= since
        )

    def has_share(self, units: int, now: Instant) -> bool:
        """True where massal with so many more has no more than what is open to it."""
        self._forget(now)
        return self._massal + units <= self._width.rate.count - self._width.closed

    def add(self, units: int, now: Instant, massal: int = 0) -> None:
        """Count units written now, so many of them massal. What was set aside before a restart may
        stand a moment ahead: these stand there, too."""
        self._total += units
        slices = self._slices
        last = len(slices) - SLICE
        if massal:
            self._massal += massal
        if last >= self._first and now - slices[last + FIRST] <= self._width.grain:
            if now > slices[last]:
                slices[last] = now
            slices[last + UNITS] += units
            if massal:
                slices[last + MASSAL] += massal
        elif last >= 0:
            slices.extend((now, units, now, massal))
        else:  # the first fits exactly: of most slow limits there never is a second
            self._slices = array("q", (now, units, now, massal))

    def add_all(self, rows: Sequence[int]) -> None:
        """Count what was written since the last time: slices of one moment each, oldest first."""
        slices = self._slices
        last = len(slices) - SLICE
        is_later = last < self._first or slices[last + FIRST] < rows[0]
        if self._width.grain or not is_later:
            self._join(rows)
            return
        if last < 0:
            self._slices = array("q", rows)
        else:
            slices.extend(rows)
        self._total += sum(rows[UNITS::SLICE])
        self._massal += sum(rows[MASSAL::SLICE])

    def _join(self, rows: Sequence[int]) -> None:
        """The same, where several of them may be one slice."""
        at, end, grain = 0, len(rows), self._width.grain
        while at < end:
            last = len(self._slices) - SLICE
            first = self._slices[last + FIRST] if last >= self._first else rows[at]
            if rows[at] - first > grain:
                first = rows[at]
            next_at, units, massal = at, 0, 0
            while next_at < end and rows[next_at] - first <= grain:
                units += rows[next_at + UNITS]
                massal += rows[next_at + MASSAL]
                next_at += SLICE
            self.add(units, rows[at], massal)
            slices = self._slices
            slices[-SLICE] = max(slices[-SLICE], rows[next_at - SLICE])
            at = next_at

    def take_back(self, units: int, at: Instant) -> None:
        """Units counted at `at` whose RCPT was never written. What is forgotten already stays."""
        slices = self._slices
        for n in range(len(slices) - SLICE, self._first - 1, -SLICE):
            if slices[n] < at:
                return
            if slices[n + FIRST] <= at:
                taken = min(units, slices[n + UNITS])
                slices[n + UNITS] -= taken
                self._total -= taken
                more = max(0, slices[n + MASSAL] - slices[n + UNITS])
                slices[n + MASSAL] -= more
                self._massal -= more
                return

    def shift(self, by: int) -> None:
        """Move every time."""
        for n in range(self._first, len(self._slices), SLICE):
            self._slices[n] += by
            self._slices[n + FIRST] += by

    def _forget(self, now: Instant) -> None:
        at, slices, last = self._first, self._slices, now - self._width.span
        while at < len(slices) and slices[at] < last:
            self._total -= slices[at + UNITS]
            self._massal -= slices[at + MASSAL]
            at += SLICE
        if at > self._first:
            self._first = at
            if at > 32 * SLICE and at * 2 > len(slices):
                del slices[:at]
                self._first = 0

    def is_empty(self, now: Instant) -> bool:
        """True where nothing is counted any more."""
        self._forget(now)
        return self._total == 0


@dataclass(frozen=True, slots=True)
class _Pace:
    """The spacing of all meters with the same rates, in milliseconds."""

    burst: int
    interval: float
    massal: float  # the interval of that class
    slack: float


@lru_cache(1024)
def _pace(rates: tuple[Rate, ...], burst: int) -> _Pace:
    shortest = min(rates, key=lambda rate: rate.window, default=None)
    interval = massal = 0.0
    if shortest is not None:
        span, kept = millis(shortest.window), closed_to_massal(shortest.count)
        interval = min(span / shortest.count, float(WIDEST))
        massal = min(span / (shortest.count - kept), float(WIDEST))
    least, most = SLACK
    late = max(least, min(most, interval), interval / LATE)
    return _Pace(burst, interval, massal, max(late, (burst - 1) * interval))


class Meter:
    """All windows of one key, and the spacing (GCRA) within the shortest; one unit is one RCPT.

    `burst` units may go back to back; the windows hold them all the same.
    """

    __slots__ = (
        *("_latest", "_massal_at", "_next_at", "_open", "_pace", "_passed", "_room", "_untold"),
        *("_windows", "rates"),
    )

    def __init__(self, rates: Sequence[Rate], burst: int = 1) -> None:
        """Without rates everything fits."""
        self.rates = tuple(rates)
        self._windows = tuple(Window(rate) for rate in rates)
        self._untold: list[int] | None = None  # slices that the windows were not told of yet
        self._pace = _pace(self.rates, burst)
        self._next_at = self._massal_at = 0.0
        self._latest: Instant = 0
        self._passed = 0  # units of other classes since the last massal one
        # So many fit for sure, and so many beside what is kept for others: time only adds to it.
        self._room = self._open = 0

    @property
    def burst(self) -> int:
        """How many may go back to back."""
        return self._pace.burst

    @property
    def windows(self) -> tuple[Window, ...]:
        """Its windows, which know all that was written by now."""
        if self._untold:
            rows, self._untold = self._untold, None
            for window in self._windows:
                window.add_all(rows)
        return self._windows

    def is_empty(self, now: Instant) -> bool:
        """True where nothing is counted any more, so that a new meter would say the same."""
        now = self.forward(now)
        is_paced = max(self._next_at, self._massal_at) > now
        return not is_paced and all(window.is_empty(now) for window in self.windows)

    def free_at(
        self, units: int, now: Instant, ahead: int = 0, urgency: Urgency = Urgency.TRANSAKSI
    ) -> Instant:
        """When so many units may be written, after `ahead` others; `now` or earlier: at once."""
        told = now
        at = now = self.forward(now)
        is_massal = urgency is MASSAL_CLASS and not self._has_turn(units, ahead, now)
        if units + ahead > (self._open if is_massal else self._room):
            at = self._looked_at(units + ahead, now, is_massal)
        next_at = max(self._next_at, self._massal_at) if is_massal else self._next_at
        if ahead:
            next_at = max(next_at, float(now)) + ahead * self._pace.interval
        if next_at - self._pace.slack > at:
            at = int(next_at - self._pace.slack) + 1
        return at if at > now else told

    def _looked_at(self, units: int, now: Instant, is_massal: bool) -> Instant:
        """When so many more fit into all windows; and how many are sure to, from now on."""
        at, room, within = now, SURE, SURE
        for window in self.windows:
            at = max(at, window.free_at(units, now, window.closed if is_massal else 0))
            left = window.room(now)
            room, within = min(room, left), min(within, left - window.closed)
        self._room, self._open = room, within
        return at

    def binding(self, units: int, now: Instant, urgency: Urgency) -> Rate | None:
        """The limit that is full now, if one is; None where only the spacing says wait."""
        now = self.forward(now)
        is_massal = urgency is MASSAL_CLASS and not self._has_turn(units, 0, now)
        full = [
            (window.free_at(units, now, window.closed if is_massal else 0), window.rate)
            for window in self.windows
        ]
        at, rate = max(full, key=lambda pair: pair[0], default=(now, None))
        return rate if at > now else None

    def add(self, units: int, now: Instant, urgency: Urgency = Urgency.TRANSAKSI) -> Instant:
        """Count units written now; returns the time they stand under, for :meth:`take_back`."""
        now = self._latest = self.forward(now)
        self._room -= units
        self._open -= units
        if self._next_at < now:
            self._next_at = float(now)
        self._next_at += units * self._pace.interval
        if urgency is MASSAL_CLASS:
            self._tell(units, now, units)
            self._passed = 0
            self._massal_at = max(self._massal_at, float(now)) + units * self._pace.massal
        else:
            self._tell(units, now, 0)
            self._passed += units
        return now

    def _tell(self, units: int, now: Instant, massal: int) -> None:
        """Nobody looks at the windows while units are sure to fit: they are told of many at once.
        Of a slow limit none are."""
        rows = self._untold
        if self._room <= 0:
            for window in self.windows:
                window.add(units, now, massal)
        elif not rows:
            self._untold = [now, units, now, massal]
        elif rows[-SLICE] == now:
            rows[UNITS - SLICE] += units
            rows[MASSAL - SLICE] += massal
        else:
            rows += (now, units, now, massal)

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
        if now >= self._latest:
            return now
        if now < self._latest - BACK:
            by = now - self._latest
            for window in self.windows:
                window.shift(by)
            self._next_at += by
            self._massal_at += by
            self._latest = now
        return self._latest

    def load(self, rows: Iterable[tuple[Instant, int]]) -> None:
        """Count what was spent before a restart: moments and units, oldest first."""
        self._room = self._open = 0
        for at, units in rows:
            for window in self.windows:
                window.add(units, at)
