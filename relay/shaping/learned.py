"""Learned: how much a provider bears, by what it bore before it refused.

A provider keeps its quotas to itself, and there may be several: a minute's, an hour's, a day's.
Counted are the units written in six spans. When it refuses, that span is blamed whose count stands
at a record while those of the shorter ones do not: a steady rate leaves the minute's count where it
was a while ago, and the hour's growing. What was borne in that span is its ceiling from then on,
and the counts are held somewhat below it. What follows may clear a span: it bears as many again
while the count has not gone down, or it refuses for hours although there is room. Where nothing
stands at a record the quota has fallen, and the ceilings are halved. After clean hours in which a
ceiling was in the way one step above it is tried; what is borne there is followed by larger steps,
and what is refused costs no more than the step, and doubles the patience.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from relay.mail.instant import DAY, HOUR, MINUTE, Instant
from relay.shaping.spans import PACED, Spans, shared
from relay.shaping.track import BELOW, RECORD, Track

GIVE_WAY: Final = 0.5  # of what was written, where a quota has fallen
GIVE_MORE: Final = 0.35  # of the ceilings, where we were blocked below them
ALIKE: Final = 0.07  # of a count: as good as the same
MANY: Final = 3  # times the least of a span: from there on room is waited for
SOME: Final = 3  # units: fewer are alike by chance
HOURLY: Final = 3  # the hour's place among the spans
DAILY: Final = 5  # the day's
CALM: Final = (
    10 * HOUR
)  # clean time before a step above a ceiling is tried: another half of the day
COSTS: Final = 12  # at least so many lengths of what the last refusal had cost
MOST_CALM: Final = DAY  # but no more than this
BACK_CALM: Final = 4 * HOUR  # the same below what was borne once
BACK_COSTS: Final = 3  # and so many lengths of what the last refusal had cost
NEAR: Final = 0.95  # of that: from there on the next step is above it
TRIED: Final = 1.2  # the first step: what is used of it is clearly above what was refused
UP: Final = 1.25  # each further one, and those below what was borne once
FAR: Final = 1.5  # where the ceiling is a guess
STRIKES: Final = 2  # refusals within a day, from which on nothing above a ceiling is tried
OFTEN: Final = 2  # refused probes: it is no short penalty
SURE: Final = 2 * HOUR  # after a step, or two spans: then it is borne
SOON: Final = 30 * MINUTE  # between steps while all is borne; half a span where that is more
PATIENCE: Final = 8.0  # at most so many times the calm
COSTLY: Final = 30 * MINUTE  # a refusal that cost so much is not risked again to tell two spans
TOLD_APART: Final = 1.5  # times the count of the shorter span: else the longer one says nothing
ROOMY: Final = 0.75  # of the count that was refused: what is refused below it has another reason
PLAUSIBLE: Final = 0.2  # of what was borne once: no quota falls by more at a time
DOUBT: Final = 4 * HOUR  # of refusals with room, until another span is blamed


class Learned(Spans):
    """What the refusals of one destination have taught."""

    __slots__ = (
        *("before", "blamed", "blamed_at", "calm_since", "cost", "counts"),
        *("patience", "records", "roomy_since", "strikes"),
    )

    def __init__(self, scale: float = 1.0) -> None:
        """`scale`: of all times here, for a laboratory whose pauses are short."""
        super().__init__(scale)
        self.blamed = -1  # which track the last refusal was put down to
        self.blamed_at: Instant = 0
        self.before: float | None = None  # its ceiling until then
        self.records: tuple[int, ...] = ()  # which stood at a record then
        self.counts: tuple[int, ...] = ()  # of each span then
        self.roomy_since: Instant = 0  # refused since then although the blamed one has room
        self.calm_since: Instant = 0
        self.cost = 0  # milliseconds from the last refusal until it was over
        self.patience = 1.0
        self.strikes: tuple[Instant, ...] = ()  # refusals of the last day, the first of each time

    def relief_at(self, now: Instant) -> Instant:
        """When it is worth asking again: there is room below all ceilings, and in each span up to
        an hour that the refusal may have been about."""
        at = self.room_at(1, 1.0, now)
        for n in self.records:
            track = self.tracks[n]
            if n < PACED and self.counts[n] > MANY * track.least:
                excess = track.count(now) - int(BELOW * self.counts[n])
                at = max(at, track.gone_at(excess, now))
        return at

    # --- refusals

    def refused(self, now: Instant, is_block: bool = False) -> None:
        """The first refusal after clean time: find what it is about. `is_block`: it says more than
        *not so fast*, so that another one is not risked."""
        counts = [track.count(now) for track in self.tracks]
        again, tried = self._as_before(counts), self._tried()
        plausible = [n for n, track in enumerate(self.tracks) if track.share(now) >= PLAUSIBLE]
        self.records = shared(*(n for n in plausible if self.tracks[n].is_record(now)))
        highest = [n for n in plausible if counts[n] > self.tracks[n].lately.record]
        if tried is not None:
            self._blame(tried, counts[tried])
        elif again is not None:
            if 0 <= self.blamed < again:
                self.tracks[self.blamed].cap = None  # it was not that one
            self._blame(again, counts[again])
        elif self.records or highest:
            n = _natural(self.records or highest)
            self._blame(n, counts[n])
            self.tracks[n].is_weak = now - (self.flow_since or 0) < self.tracks[n].span
        else:
            self._give_way(counts, now)
        if is_block and tried is None:
            self._give_more()
        self.counts, self.blamed_at, self.calm_since = shared(*counts), now, now
        self.roomy_since, self.flow_since = 0, None
        self.strikes = (*(at for at in self.strikes if now - at < DAY * self._scale), now)
        for track in self.tracks:
            track.tried_from, track.is_pressed = None, False

    def _tried(self) -> int | None:
        """The span in which a step is being tried."""
        tried = (n for n, track in enumerate(self.tracks) if track.tried_from is not None)
        return next(tried, None)

    def _give_more(self) -> None:
        """Blocked below the other ceilings: they may have fallen, too."""
        for n, track in enumerate(self.tracks[:PACED]):
            if track.cap is not None and n != self.blamed:
                track.cap = max(float(track.least), GIVE_MORE * track.cap)

    def _as_before(self, counts: list[int]) -> int | None:
        """The span whose count stands where it stood at the refusal before, and above what it
        bore since: it explains both. The one that was blamed then, else the shortest."""
        alike = [
            n
            for n, (now, before) in enumerate(zip(counts, self.counts, strict=False))
            if before > SOME
            and abs(now - before) <= ALIKE * before
            and now > self.tracks[n].lately.record * (1 if n == self.blamed else RECORD)
        ]
        return self.blamed if self.blamed in alike else min(alike, default=None)

    def _blame(self, n: int, count: int) -> None:
        """Its count is what was not borne; a step that was tried is taken back."""
        track = self.tracks[n]
        cap = float(max(track.least, count - 1))
        self.before = track.cap
        if track.tried_from is not None:
            cap = track.top = min(cap, track.tried_from)
            self.patience = min(PATIENCE, 2 * self.patience)
        elif track.cap is not None:
            lower = GIVE_WAY if n == self.blamed else BELOW
            cap = max(float(track.least), lower * min(cap, track.cap))
        track.cap, track.is_weak = cap, False
        track.top = max(track.top, track.cap)
        self.blamed = n

    def _give_way(self, counts: list[int], now: Instant) -> None:
        """No count stands at a record: the quota has fallen. That span is blamed which was nearest
        to what it had borne; what had been a ceiling is one no more."""
        capped = [n for n, track in enumerate(self.tracks) if track.cap is not None]
        self.blamed = max(
            capped or range(len(self.tracks)), key=lambda n: self.tracks[n].share(now)
        )
        self.before = self.tracks[self.blamed].cap
        for n, (track, count) in enumerate(zip(self.tracks, counts, strict=True)):
            if n == self.blamed:
                low = GIVE_WAY * count
            elif track.cap is not None:
                low = GIVE_WAY * track.cap
            else:
                continue
            track.cap = track.top = max(float(track.least), low)

    def refused_too(self) -> None:
        """One more of the same moment: it was not borne either."""
        if self.blamed >= 0:
            track = self.tracks[self.blamed]
            if track.cap is not None:
                track.cap = max(float(track.least), track.cap - 1)

    def refused_again(self, now: Instant) -> None:
        """It was asked, and refuses still. For hours, although the blamed span has room: then a
        longer one is it, whose count has hardly gone down."""
        if self.blamed < 0 or not self.counts:
            return
        if self.tracks[self.blamed].count(now) >= ROOMY * self.counts[self.blamed]:
            return
        self.roomy_since = self.roomy_since or now
        if now - self.roomy_since < DOUBT * self._scale:
            return
        longer = [
            n
            for n in range(self.blamed + 1, len(self.tracks))
            if self.tracks[n].count(now) > max(SOME, ROOMY * self.counts[n])
        ]
        if longer:
            self._blame_instead(longer[0])

    def _blame_instead(self, n: int) -> None:
        self.tracks[self.blamed].cap = self.before
        track = self.tracks[n]
        self.before = track.cap
        cap = float(max(track.least, self.counts[n] - 1))
        track.cap = cap if track.cap is None else min(cap, track.cap)
        track.top = max(track.top, track.cap)
        self.blamed, self.roomy_since = n, 0

    def borne_again(self, since: Instant, now: Instant, asked: int = 0) -> None:
        """The refusal that began at `since` is over, after so many refused probes. What bears as
        many as were refused is not what refused them."""
        self.cost = now - since
        self.calm_since = self.flow_since = now
        for track in self.tracks:
            track.is_pressed = False
        self.renew(now)
        if self.blamed < 0 or not self.counts:
            return
        counts = [track.count(now) for track in self.tracks]
        if counts[self.blamed] >= self.counts[self.blamed] > SOME:
            others = [n for n in self.records if counts[n] < self.counts[n]]
            if others:
                self._blame_instead(others[0])
            else:
                self.tracks[self.blamed].cap = self.before
                self.blamed = -1
        elif asked >= OFTEN and self.blamed == HOURLY and self._is_quarterly():
            self._blame_instead(HOURLY - 1)
        elif self.cost >= COSTLY * self._scale:
            self._play_safe()

    def _is_quarterly(self) -> bool:
        """Of a flow that was too young to tell, and where the refusal itself lasts long: who counts
        by minutes is likelier than who counts hours."""
        return self.tracks[HOURLY].is_weak and HOURLY - 1 in self.records

    def _play_safe(self) -> None:
        """In a flow that had just begun the next longer span may be it as well."""
        n = self.blamed + 1
        if n >= PACED - 1 or n not in self.records or self.tracks[n].cap is not None:
            return
        if self.counts[n] < TOLD_APART * self.counts[n - 1]:
            return  # all of it was written within the shorter one
        track = self.tracks[n]
        track.cap, track.is_weak = float(max(track.least, self.counts[n] - 1)), True
        track.top = max(track.top, track.cap)

    # --- clean time

    def rise(self, now: Instant) -> bool:
        """What clean time alone does; True where a ceiling moved."""
        clean, moved = now - self.calm_since, False
        sure, patience = clean >= SURE * self._scale, self.patience
        for track in self.tracks:  # for each letter: mostly there is nothing to do
            if sure and clean >= 2 * track.span:
                track.tried_from = None
            if track.cap is None or not track.is_pressed:
                continue
            calm = min(max(CALM, COSTS * self.cost), MOST_CALM) * self._scale * patience
            is_back = track.cap < NEAR * track.top
            is_soon = track.is_borne and (is_back or track.is_beyond)
            if clean < self._wait(track, calm, is_back, is_soon):
                continue
            if is_soon:
                self.patience = 1.0
            elif not is_back and not track.is_weak and self._is_warned(now):
                continue
            track.step(self._up(track, is_back, is_soon))
            moved = True
        if moved:
            self.calm_since = now
        return moved

    def _wait(self, track: Track, calm: float, is_back: bool, is_soon: bool) -> float:
        """Clean time before its next step."""
        if is_soon:
            return max(SOON * self._scale, track.span / 2)
        if track.is_weak:
            return min(calm, BACK_CALM * self._scale)
        return min(calm, max(BACK_CALM * self._scale, BACK_COSTS * self.cost)) if is_back else calm

    @staticmethod
    def _up(track: Track, is_back: bool, is_soon: bool) -> float:
        """By how much."""
        if track.is_weak:
            return FAR
        if is_back:
            return min(UP, track.top / (track.cap or 1))
        return UP if is_soon else TRIED

    def _is_warned(self, now: Instant) -> bool:
        """Refused so often within a day that one more could cost much."""
        return sum(now - at < DAY * self._scale for at in self.strikes) >= STRIKES

    def dump(self) -> dict[str, Any]:
        """For the store."""
        kept = {name: getattr(self, name) for name in (*_MOMENTS, *_KEPT)}
        tracks = [track.dump() for track in self.tracks]
        kept |= {"scale": self._scale, "strikes": self.strikes, "tracks": tracks}
        return kept if self._first is None else kept | {"first": self._first}

    @classmethod
    def load(cls, kept: dict[str, Any], scale: float, now: Instant) -> Learned:
        """What :meth:`dump` gave, perhaps under another scale, or at a later time than the clock
        shows now. Raises KeyError, TypeError, ValueError."""
        made, ratio = cls(scale), scale / kept["scale"]
        for track, text in zip(made.tracks, kept["tracks"], strict=True):
            track.load(text, ratio, now)
        for name in _KEPT:
            setattr(made, name, kept[name])
        made.counts, made.records = shared(*kept["counts"]), shared(*kept["records"])
        for name in _MOMENTS:
            at = kept[name]
            setattr(made, name, None if at is None else min(at, now))
        made.strikes = tuple(min(at, now) for at in kept["strikes"])
        first = kept.get("first") if ratio == 1 else ()  # None: an older version had no such thing
        made._first = None if first is None else _believed(first, now)
        made.fold()
        if ratio != 1:
            made.counts, made.records, made.blamed, made.before = (), (), -1, None
        return made


def _natural(spans: Sequence[int]) -> int:
    """The shortest of several that it may be; but who would count quarters of an hour, or of a day,
    counts hours and days."""
    n = spans[0]
    return n + 1 if n in (HOURLY - 1, DAILY - 1) and n + 1 in spans else n


def _believed(first: Sequence[int], now: Instant) -> tuple[int, ...]:
    """Units and moments, of which none lies in the future."""
    pairs = zip(first[::2], first[1::2], strict=True)
    return tuple(part for units, at in pairs for part in (int(units), min(int(at), now)))


_MOMENTS: Final = ("blamed_at", "calm_since", "flow_since", "roomy_since")
_KEPT: Final = ("before", "blamed", "cost", "counts", "patience", "records")
