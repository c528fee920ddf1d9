"""Spans: what was written to one destination in a minute, an hour, a day, and what may be.

Most destinations get a few letters a day, and there may be ten thousand of them. Their letters are
kept one by one, and their spans are made of these when they are asked for; `fold` gives them up.
Where they are many, those of one second reach the spans together, since no span tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant
from relay.shaping.track import BELOW, SLICES, Ceiling, Track

SPANS: Final = (MINUTE, 4 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY)
FIRST: Final = 8  # letters that are kept as they were written
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


@lru_cache(4096)
def shared(*parts: Any) -> tuple[Any, ...]:
    """One tuple for all destinations that had the same: most had one letter, refused or not."""
    return parts


class Spans:
    """All spans of one destination, and their ceilings."""

    __slots__ = ("_ceilings", "_first", "_scale", "_told_at", "_tracks", "_untold", "flow_since")

    def __init__(self, scale: float = 1.0) -> None:
        """`scale`: of all times here, for a laboratory whose pauses are short."""
        self._scale = scale
        self._tracks: tuple[Track, ...] = ()  # empty: as the next two have it
        # All there ever was: units (0: a refusal was over), moment, units …; None: it is too much
        self._first: tuple[int, ...] | None = ()
        self._untold = 0  # units that the spans were not told of yet, and when the last was written
        self._told_at: Instant = 0
        self._ceilings: tuple[tuple[int, Ceiling], ...] = ()  # of the spans that ever had one
        self.flow_since: Instant | None = None  # what was written since the last refusal began then

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The spans; made when they are needed."""
        if self._untold:
            units, self._untold = self._untold, 0
            _tell(self._tracks, units, self._told_at)
        if not self._tracks:
            self._tracks = tuple(Track(self._length(n), least) for n, least in enumerate(LEAST))
            first = self._first or ()
            for units, at in zip(first[::2], first[1::2], strict=True):
                _tell(self._tracks, units, at)
            for n, ceiling in self._ceilings:
                self._tracks[n].put(ceiling)
        return self._tracks

    def _length(self, n: int) -> int:
        return max(SLICES, int(SPANS[n] * self._scale))

    def fold(self) -> None:
        """Give the spans up where they can be made again."""
        if self._tracks and self._first is not None:
            ceilings = ((n, track.ceiling) for n, track in enumerate(self.tracks))
            self._ceilings = shared(*((n, one) for n, one in ceilings if one.is_any))
            self._tracks = ()

    def add(self, units: int, now: Instant) -> None:
        """Units written now."""
        if self.flow_since is None:
            self.flow_since = now
        self._note(units, now)

    def renew(self, now: Instant) -> None:
        """A refusal is over: what is borne from now on counts by itself."""
        self._note(0, now)

    def _note(self, units: int, now: Instant) -> None:
        is_many = self._first is None or len(self._first) == 2 * FIRST
        if self._tracks or self._ceilings or is_many:
            self._tell_of(units, now)
        if self._first is not None:
            self._first = None if is_many else (*self._first, units, now)

    def _tell_of(self, units: int, now: Instant) -> None:
        """Now, or with what follows in the same second: the grains and parts of all spans are whole
        seconds, unless they were scaled."""
        if self._untold and self._told_at // SECOND != now // SECOND:
            _tell(self._tracks, self._untold, self._told_at)
            self._untold = 0
        if units and self._tracks and self._scale == 1.0:
            self._untold += units
            self._told_at = now
        else:
            _tell(self.tracks, units, now)

    def room_at(self, units: int, share: float, now: Instant, is_urgent: bool = False) -> Instant:
        """When so many more fit below all ceilings. Of the long spans, which nothing paces, urgent
        letters have the whole of what was borne: what others leave of it, and what `share` keeps
        back, is theirs."""
        at = now
        for n, track in enumerate(self.tracks if self.is_capped else ()):
            if track.cap is not None:
                part = 1.0 if is_urgent and n >= PACED else BELOW * share
                at = max(at, track.room_at(units, part, now))
        return at

    def interval(self, share: float) -> float:
        """Milliseconds between units that keep the pace of the ceilings up to an hour; 0: none."""
        longest = 0.0
        for track in self.tracks[:PACED] if self.is_capped else ():
            if track.cap is not None:
                longest = max(longest, track.span / max(track.least, track.cap * BELOW * share))
        return longest

    def caps(self) -> list[tuple[int, float]]:
        """The ceilings, each with the length of its span."""
        if self._tracks:
            return [(track.span, track.cap) for track in self._tracks if track.cap is not None]
        return [(self._length(n), one.cap) for n, one in self._ceilings if one.cap is not None]

    def rate(self, share: float = 1.0) -> float | None:
        """RCPTs a minute that the ceilings allow over time; None: nothing was learned."""
        return min((MINUTE * cap * BELOW * share / span for span, cap in self.caps()), default=None)

    def ceiling(self) -> float | None:
        """RCPTs a minute that were borne before the last refusal."""
        return min((MINUTE * cap / span for span, cap in self.caps()), default=None)

    def lift(self, allowed: dict[int, int]) -> None:
        """Forget ceilings that the limits keep anyway: span → the limit's own count."""
        for track in self.tracks:
            limit = allowed.get(track.span)
            if track.cap is not None and limit is not None and track.cap * BELOW >= limit:
                track.cap = None

    @property
    def is_capped(self) -> bool:
        """True where anything was learned."""
        for track in self._tracks:  # asked for each letter: any() would cost twice as much
            if track.cap is not None:
                return True
        return not self._tracks and any(one.cap is not None for _, one in self._ceilings)

    def is_empty(self, now: Instant) -> bool:
        """True where nothing counts and nothing was learned."""
        if self.is_capped:
            return False
        if not self._tracks and self._first is not None:
            return not self._first or now - self._first[-1] >= DAY * self._scale
        return not any(track.count(now) for track in self.tracks)


def _tell(tracks: Iterable[Track], units: int, at: Instant) -> None:
    for track in tracks:
        if units:
            track.add(units, at)
        else:
            track.renew(at)
