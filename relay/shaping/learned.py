"""Learned: how much a provider bears, by what it bore before it refused.

A provider keeps its quotas to itself, and there may be several: a minute's, an hour's, a day's.
Counted are the units written in six spans. When it refuses, that span is blamed whose count stands
at a record while those of the shorter ones do not: a steady rate leaves the minute's count where it
was a while ago, and the hour's growing. What was borne in that span is its ceiling from then on,
and the counts are held somewhat below it. Where nothing stands at a record the quota has fallen,
and the ceilings give way. After clean hours in which a ceiling was in the way it rises again, in
small steps, sooner below what was borne once than above it; a step that is refused doubles the
patience.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from relay.mail.instant import DAY, HOUR, MINUTE, Instant

SPANS: Final = (MINUTE, 4 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY)
FIRST: Final = 8  # letters of a destination before its spans are made
SLICES: Final = 60  # to a span; a slice counts until it is over as a whole
BELOW: Final = 0.95  # of a ceiling: how far it is used
GIVE_WAY: Final = 0.7  # of what was written, where a quota has fallen
PARTS: Final = 6  # of a span: what was borne in the last two of them is no record yet
ALIKE: Final = 0.07  # of a count: as good as the same
SOME: Final = 3  # units: fewer are alike by chance
RECORD: Final = 1.03  # of the counts before: from there on it is a record
LEAST: Final = (
    1,
    2,
    4,
    12,
    40,
    100,
)  # in each span: below it no ceiling ever goes, since who refuses so
# few does not do it for their number
PACED: Final = 4  # of the spans: the longer ones say how many, not how fast
CALM: Final = 3 * HOUR  # clean time before a ceiling rises
MOST_CALM: Final = 6 * HOUR  # but no more than this
COSTS: Final = 15  # clean time in lengths of what the last refusal had cost
UP: Final = 1.05  # a step above what was ever borne
BACK_UP: Final = 1.25  # a step below it
SOONER: Final = 3  # times as soon below it
PATIENCE: Final = 8.0  # at most so many times the calm
PRESSED: Final = 0.9  # of what may be used: a ceiling that was in the way


@dataclass(slots=True)
class Track:
    """One span: units by slices, what it bore before, and its ceiling."""

    span: int
    least: int
    slices: list[list[int]] = field(default_factory=list)  # [slice, units], oldest first
    total: int = 0
    peaks: list[list[int]] = field(default_factory=list)  # [part of the span, peak]: the last two
    record: int = 0  # of all earlier ones
    cap: float | None = None
    top: float = 0.0  # the highest ceiling so far
    is_pressed: bool = False  # it was in the way since the last step

    def count(self, now: Instant) -> int:
        """Units that count now."""
        grain = self.span // SLICES
        gone = 0
        for at, units in self.slices:
            if (at + 1) * grain + self.span > now:
                break
            self.total -= units
            gone += 1
        if gone:
            del self.slices[:gone]
        return self.total

    def add(self, units: int, now: Instant) -> None:
        """Units written now."""
        self.count(now)
        at = now // (self.span // SLICES)
        if self.slices and self.slices[-1][0] >= at:
            self.slices[-1][1] += units
        else:
            self.slices.append([at, units])
        self.total += units
        self._turn(now)
        self.peaks[-1][1] = max(self.peaks[-1][1], self.total)
        if self.cap is not None and self.total >= PRESSED * BELOW * self.cap:
            self.is_pressed = True

    def _turn(self, now: Instant) -> None:
        part = now * PARTS // self.span
        if not self.peaks or self.peaks[-1][0] < part:
            self.peaks.append([part, 0])
            while self.peaks[0][0] < part - 1:
                self.record = max(self.record, self.peaks.pop(0)[1])

    def is_record(self, now: Instant) -> bool:
        """Does the count stand above all that it was until a while ago?"""
        self._turn(now)
        return self.count(now) > max(self.record * RECORD, self.record + 1)

    def room_at(self, units: int, share: float, now: Instant) -> Instant:
        """When so many more fit below the ceiling; `now`: at once."""
        if self.cap is None:
            return now
        excess = self.count(now) + units - max(self.least, int(self.cap * BELOW * share))
        if excess <= 0:
            return now
        grain = self.span // SLICES
        for at, counted in self.slices:
            excess -= counted
            if excess <= 0:
                return (at + 1) * grain + self.span
        return now + self.span

    def dump(self) -> list[Any]:
        """For the store."""
        return [self.slices, self.peaks, self.record, self.cap, self.top]

    def load(self, kept: list[Any]) -> None:
        """What :meth:`dump` gave. Raises ValueError, TypeError."""
        slices, peaks, self.record, self.cap, self.top = kept
        self.peaks = [[int(part), int(peak)] for part, peak in peaks]
        self.slices = [[int(at), int(units)] for at, units in slices]
        self.total = sum(units for _, units in self.slices)


class Learned:
    """All spans of one destination."""

    __slots__ = (
        *("_first", "_scale", "_tracks"),
        *("blamed", "blamed_at", "calm_since", "cost", "counts", "patience"),
    )

    def __init__(self, scale: float = 1.0) -> None:
        """`scale`: of all times here, for a laboratory whose pauses are short."""
        self._scale = scale
        self._tracks: tuple[Track, ...] = ()
        self._first: list[tuple[int, Instant]] = []  # the first few; most sites never have more
        self.blamed = -1  # which track the last refusal was put down to
        self.blamed_at: Instant = 0
        self.calm_since: Instant = 0
        self.counts: list[int] = []  # of each span, at the last refusal
        self.cost = 0  # milliseconds from the last refusal until it was over
        self.patience = 1.0

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The spans; made when they are first needed."""
        if not self._tracks:
            self._tracks = tuple(
                Track(max(SLICES, int(span * self._scale)), least)
                for span, least in zip(SPANS, LEAST, strict=True)
            )
            for units, at in self._first:
                self._add(units, at)
            self._first = []
        return self._tracks

    def add(self, units: int, now: Instant) -> None:
        """Units written now."""
        if not self._tracks and len(self._first) < FIRST:
            self._first.append((units, now))
        else:
            self._add(units, now)

    def _add(self, units: int, now: Instant) -> None:
        for track in self.tracks:
            track.add(units, now)

    def room_at(self, units: int, share: float, now: Instant) -> Instant:
        """When so many more fit below all ceilings."""
        at = now
        for track in self.tracks:
            if track.cap is not None:
                at = max(at, track.room_at(units, share, now))
        return at

    def interval(self, share: float) -> float:
        """Milliseconds between units that keep the pace of the ceilings up to an hour; 0: none."""
        paces = [
            track.span / max(track.least, track.cap * BELOW * share)
            for track in self.tracks[:PACED]
            if track.cap is not None
        ]
        return max(paces, default=0.0)

    def rate(self, share: float = 1.0) -> float | None:
        """RCPTs a minute that the ceilings allow over time; None: nothing was learned."""
        rates = [
            MINUTE * track.cap * BELOW * share / track.span
            for track in self.tracks
            if track.cap is not None
        ]
        return min(rates, default=None)

    def ceiling(self) -> float | None:
        """RCPTs a minute that were borne before the last refusal."""
        rates = [MINUTE * track.cap / track.span for track in self.tracks if track.cap is not None]
        return min(rates, default=None)

    def refused(self, now: Instant) -> None:
        """The first refusal after clean time: find what it is about."""
        self._doubt(now)
        counts = [track.count(now) for track in self.tracks]
        again = self._as_before(counts)
        at_record = [n for n, track in enumerate(self.tracks) if track.is_record(now)]
        if again is not None:
            if 0 <= self.blamed < again:
                self.tracks[self.blamed].cap = None  # it was not that one
            self._blame(again, now)
        elif at_record:
            self._blame(at_record[0], now)
        else:
            self._give_way(now)
        self.counts = counts
        self.blamed_at = self.calm_since = now
        for track in self.tracks:
            track.is_pressed = False

    def _as_before(self, counts: list[int]) -> int | None:
        """The span whose count stands where it stood at the refusal before: it explains both. The
        one that was blamed then, else the shortest; None: none does."""
        alike = [
            n
            for n, (now, before) in enumerate(zip(counts, self.counts, strict=False))
            if before > SOME and abs(now - before) <= ALIKE * before
        ]
        return self.blamed if self.blamed in alike else min(alike, default=None)

    def _doubt(self, now: Instant) -> None:
        """A refusal soon after a step up was its answer."""
        if self.blamed >= 0 and now - self.calm_since < CALM * self._scale:
            self.patience = min(PATIENCE, 2 * self.patience)

    def _blame(self, n: int, now: Instant) -> None:
        track = self.tracks[n]
        cap = float(max(track.least, track.count(now) - 1))
        if track.cap is not None:
            lower = GIVE_WAY if n == self.blamed else BELOW
            cap = max(float(track.least), lower * min(cap, track.cap))
        track.cap = cap
        track.top = max(track.top, track.cap)
        self.blamed = n

    def _give_way(self, now: Instant) -> None:
        """No count stands at a record: the quota has fallen."""
        capped = [track for track in self.tracks if track.cap is not None]
        for track in capped or (self.tracks[0], self.tracks[3]):
            low = GIVE_WAY * track.count(now)
            if track.cap is not None:
                low = min(GIVE_WAY * track.cap, max(low, 0.5 * track.cap))
            track.cap = max(float(track.least), low)
            track.top = max(track.top, track.cap)

    def refused_too(self) -> None:
        """One more of the same moment: it was not borne either."""
        if self.blamed >= 0:
            track = self.tracks[self.blamed]
            if track.cap is not None:
                track.cap = max(float(track.least), track.cap - 1)

    def borne_again(self, since: Instant, now: Instant) -> None:
        """The refusal that began at `since` is over."""
        self.cost = now - since
        self.calm_since = now

    def rise(self, now: Instant) -> bool:
        """What clean time alone does; True where a ceiling moved."""
        calm = min(max(CALM, COSTS * self.cost), MOST_CALM) * self._scale * self.patience
        moved = False
        for track in self.tracks:
            if track.cap is None or not track.is_pressed:
                continue
            is_known = track.cap * BACK_UP <= track.top
            if now - self.calm_since >= (calm / SOONER if is_known else calm):
                track.cap *= BACK_UP if is_known else UP
                track.top = max(track.top, track.cap)
                track.is_pressed = False
                moved = True
        if moved:
            self.calm_since = now
            self.patience = max(1.0, self.patience / 2)
        return moved

    def lift(self, allowed: dict[int, int]) -> None:
        """Forget ceilings that the limits keep anyway: span → the limit's own count."""
        for track in self.tracks:
            limit = allowed.get(track.span)
            if track.cap is not None and limit is not None and track.cap * BELOW >= limit:
                track.cap = None

    @property
    def is_capped(self) -> bool:
        """True where anything was learned."""
        if not self._tracks:
            return False
        return any(track.cap is not None for track in self._tracks)

    def is_empty(self, now: Instant) -> bool:
        """True where nothing counts and nothing was learned."""
        if not self._tracks:
            return not self._first or now - self._first[-1][1] >= DAY * self._scale
        return not self.is_capped and not any(track.count(now) for track in self.tracks)

    def dump(self) -> dict[str, Any]:
        """For the store."""
        return {
            "tracks": [track.dump() for track in self.tracks],
            "blamed": self.blamed,
            "blamed_at": self.blamed_at,
            "calm_since": self.calm_since,
            "cost": self.cost,
            "counts": self.counts,
            "patience": self.patience,
        }

    @classmethod
    def load(cls, kept: dict[str, Any], scale: float = 1.0) -> Learned:
        """What :meth:`dump` gave. Raises KeyError, TypeError, ValueError."""
        made = cls(scale)
        for track, text in zip(made.tracks, kept["tracks"], strict=True):
            track.load(text)
        for name in ("blamed", "blamed_at", "calm_since", "cost", "counts", "patience"):
            setattr(made, name, kept[name])
        return made
