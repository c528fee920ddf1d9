"""Spans: what was written to one destination in a minute, an hour, a day, and what may be."""

from __future__ import annotations

from typing import Final

from relay.mail.instant import DAY, HOUR, MINUTE, Instant
from relay.shaping.track import BELOW, SLICES, Track

SPANS: Final = (MINUTE, 4 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY)
FIRST: Final = 8  # letters of a destination before its spans are made
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


class Spans:
    """All spans of one destination, and their ceilings."""

    __slots__ = ("_first", "_scale", "_tracks", "flow_since")

    def __init__(self, scale: float = 1.0) -> None:
        """`scale`: of all times here, for a laboratory whose pauses are short."""
        self._scale = scale
        self._tracks: tuple[Track, ...] = ()
        self._first: list[tuple[int, Instant]] = []  # the first few; most sites never have more
        self.flow_since: Instant | None = None  # what was written since the last refusal began then

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
        if self.flow_since is None:
            self.flow_since = now
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
