"""Warm-up: how many letters a new address may send to a provider on each sending day.

`start` on the first day, times `growth` on each following day on which at least half of it was
used, until `end`; then it is over. A day begins with its first letter and lasts 24 hours. Urgent
classes are exempt, but count. A refusal of the provider freezes it: the day that it falls on does
not make the next one larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from relay.mail.instant import DAY, Instant

USED: Final = 0.5  # of a day's letters: then the next day is larger


@dataclass(frozen=True, slots=True)
class Warmup:
    """The plan."""

    start: int
    growth: float
    end: int

    def of_day(self, day: int) -> int:
        """Letters of the n-th sending day, from 0 on."""
        return int(min(float(self.end), self.start * self.growth ** min(day, 200)))


@dataclass(slots=True)
class Warming:
    """Where it stands."""

    day: int = 0  # sending days that made the next one larger
    began_at: Instant = 0  # of the day at hand; 0: none has begun
    sent: int = 0  # on it
    is_frozen: bool = False  # it was refused on this day
    is_over: bool = False
    source: str = ""  # the address that warms up; empty: the system chose it

    def free_at(self, plan: Warmup, units: int, now: Instant) -> Instant:
        """When so many more may go; `now`: at once."""
        self._turn(plan, now)
        if self.is_over or self.sent + units <= plan.of_day(self.day):
            return now
        return self.began_at + DAY

    def add(self, plan: Warmup, units: int, now: Instant) -> None:
        """Letters were written, of whatever class."""
        self._turn(plan, now)
        if not self.began_at:
            self.began_at = now
        self.sent += units

    def freeze(self) -> bool:
        """The provider refused; True where that is news."""
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

    def dump(self) -> list[Any]:
        """For the store."""
        return [self.day, self.began_at, self.sent, self.is_frozen, self.is_over, self.source]

    @classmethod
    def load(cls, kept: list[Any], now: Instant) -> Warming:
        """What :meth:`dump` gave; no day begins in the future, whatever the clock did meanwhile.
        Raises TypeError."""
        made = cls(*kept)
        made.began_at = min(made.began_at, now)
        return made

    def is_of(self, source: str) -> bool:
        """False where it is about another address of ours than `source`."""
        return not (self.source and source) or self.source == source
