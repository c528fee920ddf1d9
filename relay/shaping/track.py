"""Track: the units written in one span, what the provider bore in it before, and its ceiling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from relay.mail.instant import Instant

SLICES: Final = 60  # to a span; a slice counts until it is over as a whole
BELOW: Final = 0.95  # of a ceiling: how far it is used; what is left is for urgent classes
PARTS: Final = 6  # of a span: what was borne in the last two of them is no record yet
RECORD: Final = 1.07  # of the counts before: from there on it is a record
PRESSED: Final = 0.9  # of what may be used: a ceiling that was in the way


@dataclass(slots=True)
class Peaks:
    """The highest count so far, but for what is too new to be known as borne."""

    parts: list[list[int]] = field(default_factory=list)  # [part of the span, peak]: the last two
    record: int = 0  # of all earlier ones

    def turn(self, part: int) -> None:
        """Another part of the span begins."""
        if not self.parts or self.parts[-1][0] < part:
            self.parts.append([part, 0])
            while self.parts[0][0] < part - 1:
                self.record = max(self.record, self.parts.pop(0)[1])

    def note(self, part: int, count: int) -> None:
        """So many are counted in that part."""
        if not self.parts or self.parts[-1][0] < part:
            self.turn(part)
        last = self.parts[-1]
        if last[1] < count:
            last[1] = count


class Ceiling(NamedTuple):
    """What a track knows beyond the units written in it; its fields have the same names."""

    cap: float | None
    top: float
    is_weak: bool
    tried_from: float | None
    is_beyond: bool
    high: int
    is_pressed: bool

    @property
    def is_any(self) -> bool:
        """True where there is or was one."""
        return self.cap is not None or self.top > 0 or self.is_weak


@dataclass(slots=True)
class Track:
    """One span: units by slices, what it bore before, and its ceiling."""

    span: int
    least: int
    slices: list[list[int]] = field(default_factory=list)  # [slice, units], oldest first
    total: int = 0
    ever: Peaks = field(default_factory=Peaks)
    lately: Peaks = field(default_factory=Peaks)  # since the last refusal was over
    cap: float | None = None
    top: float = 0.0  # the highest ceiling so far
    is_weak: bool = False  # it was set before the span was full: more may well be borne
    tried_from: float | None = None  # the ceiling before the steps above it that are tried
    is_beyond: bool = False  # the last step went above all that was borne
    high: int = 0  # the highest count since then
    is_pressed: bool = False  # it was in the way since the last step

    @property
    def ceiling(self) -> Ceiling:
        """Its ceiling, to be put to the same track made anew."""
        return Ceiling(*(getattr(self, name) for name in Ceiling._fields))

    def put(self, ceiling: Ceiling) -> None:
        """See `ceiling`."""
        for name, value in zip(Ceiling._fields, ceiling, strict=True):
            setattr(self, name, value)

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

    def lasting(self, until: Instant) -> int:
        """How many of the units counted so far count then still."""
        grain = self.span // SLICES
        return sum(units for at, units in self.slices if (at + 1) * grain + self.span > until)

    def add(self, units: int, now: Instant) -> None:
        """Units written now."""
        slices, span = self.slices, self.span
        grain = span // SLICES
        if slices and (slices[0][0] + 1) * grain + span <= now:
            self.count(now)
        at = now // grain
        if slices and slices[-1][0] >= at:
            slices[-1][1] += units
        else:
            slices.append([at, units])
        total = self.total = self.total + units
        part = now * PARTS // span
        self.ever.note(part, total)
        self.lately.note(part, total)
        if self.high < total:
            self.high = total
        if self.cap is not None and total >= PRESSED * BELOW * self.cap:
            self.is_pressed = True

    def renew(self, now: Instant) -> None:
        """A refusal is over: records count anew."""
        self.lately = Peaks(record=self.count(now))

    def is_record(self, now: Instant) -> bool:
        """Is the count above all that it was, since the last refusal, until a while ago?"""
        self.lately.turn(now * PARTS // self.span)
        record = self.lately.record
        return self.count(now) > max(record * RECORD, record + 1)

    def share(self, now: Instant) -> float:
        """The count, of the most that was borne or is its ceiling."""
        self.ever.turn(now * PARTS // self.span)
        return self.count(now) / max(self.ever.record, self.cap or 0, self.least)

    @property
    def is_borne(self) -> bool:
        """Was more written since the last step than was refused before it?"""
        return self.tried_from is not None and self.high > RECORD * self.tried_from

    def step(self, up: float) -> None:
        """The ceiling rises."""
        self.tried_from = self.cap
        self.cap = up * (self.cap or 0)
        self.is_beyond = self.cap > self.top
        self.top = max(self.top, self.cap)
        self.high, self.is_pressed = 0, False

    def room_at(self, units: int, part: float, now: Instant) -> Instant:
        """When so many more fit into that part of the ceiling; `now`: at once."""
        if self.cap is None:
            return now
        excess = self.count(now) + units - max(self.least, int(self.cap * part))
        if excess <= 0:
            return now
        grain = self.span // SLICES
        for at, counted in self.slices:
            excess -= counted
            if excess <= 0:
                return (at + 1) * grain + self.span
        return now + self.span

    def gone_at(self, units: int, now: Instant) -> Instant:
        """When so many of those that count now count no more."""
        grain = self.span // SLICES
        for at, counted in self.slices:
            units -= counted
            if units <= 0:
                return max(now, (at + 1) * grain + self.span)
        return now

    def dump(self) -> list[Any]:
        """For the store."""
        peaks = [[one.parts, one.record] for one in (self.ever, self.lately)]
        return [self.slices, peaks, self.cap, self.top, self.tried_from, self.is_weak]

    def load(self, kept: list[Any], ratio: float, now: Instant) -> None:
        """What :meth:`dump` gave, when the span was shorter or longer by that ratio: then the
        counts are none of it any more. What was counted in a future that the clock has taken back
        counts as of now. Raises ValueError, TypeError."""
        slices, peaks, cap, top, tried_from, self.is_weak = kept
        self.cap = None if cap is None else cap * ratio
        self.tried_from = None if tried_from is None else tried_from * ratio
        self.top = top * ratio
        if ratio != 1:
            return
        part, at_most = now * PARTS // self.span, now // (self.span // SLICES)
        self.ever, self.lately = (
            Peaks([[min(int(at), part), int(peak)] for at, peak in parts], int(record))
            for parts, record in peaks
        )
        self.slices = [[min(int(at), at_most), int(units)] for at, units in slices]
        self.total = sum(units for _, units in self.slices)
