"""Warm-up: how many letters a new address may send to a provider on each sending day.

`start` on the first day, times `growth` on each following day on which at least half of it was
used, until `end`; then it is over. A day begins with its first letter and lasts 24 hours. Urgent
classes are exempt, but count. A block freezes it (a throttle does not): the day that it falls on
does not make the next one larger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from relay.mail.instant import DAY, Instant

USED: Final = 0.5  # of a day's letters: then the next day is larger
FAR: Final = 3650 * DAY  # later than that nobody reckons
AHEAD: Final = 50  # units, and a twentieth of a day's at most, that are kept before they are spent


@dataclass(frozen=True, slots=True)
class Warmup:
    """The plan."""

    start: int
    growth: float
    end: int

    def of_day(self, day: int) -> int:
        """Letters of the n-th sending day, from 0 on."""
        return int(min(float(self.end), self.start * self.growth ** min(day, 200)))


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a plan lets go from where it stands on, if each day is used and none is refused."""

    plan: Warmup
    day: int
    sent: int
    ends_at: Instant | None  # of the day at hand; None: none has begun
    is_frozen: bool = False

    def last(self, count: int, start: Instant) -> tuple[Instant, int]:
        """Of so many letters from `start` on: when the day begins on which the last of them goes,
        and how many go on it; not far beyond ten years."""
        at, left, day, plan = start, count, self.day, self.plan
        room, ends_at, grows = plan.of_day(day) - self.sent, self.ends_at, not self.is_frozen
        if ends_at is not None and ends_at <= start:  # what is left of that day is lost
            grows = grows and self.sent >= USED * plan.of_day(day)
            room = 0
        while left > room and at - start < FAR:
            left -= max(0, room)
            at = max(at, at + DAY if ends_at is None else ends_at)
            if grows and plan.of_day(day) >= plan.end:
                break
            day += 1 if grows else 0
            room, ends_at, grows = plan.of_day(day), None, True
        return at, left

    def within(self, start: Instant, until: Instant) -> int | None:
        """How many may go between two moments less than a day apart; None: no limit."""
        most = max(0, self.plan.of_day(self.day) - self.sent)
        if self.ends_at is None or self.ends_at >= until:
            return most
        if self.is_frozen:
            return most + self.plan.of_day(self.day)
        if self.plan.of_day(self.day) >= self.plan.end:
            return None
        return most + self.plan.of_day(self.day + 1)


@dataclass(slots=True)
class Warming:
    """Where it stands."""

    day: int = 0  # sending days that made the next one larger
    began_at: Instant = 0  # of the day at hand; 0: none has begun
    sent: int = 0  # on it
    is_frozen: bool = False  # we were blocked on this day
    is_over: bool = False
    source: str = ""  # the address that warms up; empty: the system chose it
    # Of `sent`: what the store knows of, and how much more it is told; of this process alone.
    safe: int = field(default=0, init=False, compare=False)
    ahead_by: int = field(default=1, init=False, compare=False)

    def free_at(self, plan: Warmup, units: int, now: Instant) -> Instant:
        """When so many more may go; `now`: at once."""
        self._turn(plan, now)
        if self.is_over or self.sent + units <= plan.of_day(self.day):
            return now
        return self.began_at + DAY

    def ahead(self, plan: Warmup, now: Instant) -> Ahead | None:
        """What the plan lets go from now on; None: it is over."""
        self._turn(plan, now)
        if self.is_over:
            return None
        ends_at = self.began_at + DAY if self.began_at else None
        return Ahead(plan, self.day, self.sent, ends_at, self.is_frozen)

    def add(self, plan: Warmup, units: int, now: Instant) -> None:
        """Letters were written, of whatever class."""
        self._turn(plan, now)
        if not self.began_at:
            self.began_at = now
        self.sent += units
        self.ahead_by = max(1, min(AHEAD, plan.of_day(self.day) // 20))

    @property
    def is_due(self) -> bool:
        """It had better be kept at once: soon more is spent than the store knows of."""
        return 2 * (self.safe - self.sent) < self.ahead_by

    def take_back(self, units: int, at: Instant | None) -> None:
        """Letters that :meth:`add` counted at `at` (None: last) were not written after all. Those
        of a day that is over stay with it; a day without any has not begun."""
        if at is not None and at < self.began_at:
            return
        self.sent = max(0, self.sent - units)
        if not self.sent and not self.is_frozen:
            self.began_at = 0

    def freeze(self) -> bool:
        """The provider blocked us; True where that is news."""
        was, self.is_frozen = self.is_frozen, True
        return not (was or self.is_over)

    def _turn(self, plan: Warmup, now: Instant) -> None:
        if not self.began_at or now < self.began_at + DAY:
            return
        if not self.is_frozen and self.sent >= USED * plan.of_day(self.day):
            if plan.of_day(self.day) >= plan.end:
                self.is_over = True
            self.day += 1
        self.began_at, self.sent, self.is_frozen = 0, 0, False
        self.safe = 0

    def dump(self, is_last: bool) -> list[Any]:
        """For the store. Some more are told than were sent, unless it is the last call: after a
        crash the day has a few letters less, and never more."""
        self.safe = self.sent + (0 if is_last or not self.began_at else self.ahead_by)
        return [self.day, self.began_at, self.safe, self.is_frozen, self.is_over, self.source]

    @classmethod
    def load(cls, kept: list[Any], now: Instant, step: int = 0) -> Warming:
        """What :meth:`dump` gave, its day so many milliseconds later; no day begins in the future,
        whatever the clock did meanwhile. Raises TypeError."""
        made = cls(*kept)
        made.safe = made.sent
        made.began_at = min(made.began_at + step, now) if made.began_at else 0
        return made

    def is_of(self, source: str) -> bool:
        """False where it is about another address of ours than `source`."""
        return not (self.source and source) or self.source == source
