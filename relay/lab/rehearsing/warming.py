"""Warming: the sending days of a warm-up, reckoned anew for oracles and for the scorer.

No part of shaping, and nothing of it is used here but the plan's three numbers: who judges must not
share the mistakes of who is judged. A day begins with its first RCPT and lasts 24 hours; one of
which at least half was used makes the next one larger; urgent classes are exempt, and count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from relay.mail.instant import DAY, Instant
from relay.mail.urgency import Urgency
from relay.shaping.warmup import Warmup

EXEMPT: Final = (Urgency.KRITIS, Urgency.MENDESAK)


@dataclass(slots=True)
class SendingDay:
    """One day: `asked` is how many had been written with the last one that was not exempt."""

    began_at: Instant
    allowed: int
    written: int = 0
    asked: int = 0

    @property
    def over(self) -> int:
        """By how many the allowance was exceeded."""
        return max(0, self.asked - self.allowed)


@dataclass(slots=True)
class Days:
    """All days so far."""

    plan: Warmup
    days: list[SendingDay] = field(default_factory=list)
    level: int = 0

    def free_at(self, urgency: Urgency, now: Instant) -> Instant:
        """When one more of that class may be written; `now`: at once."""
        last = self.days[-1] if self.days else None
        if last is None or urgency in EXEMPT or now >= last.began_at + DAY:
            return now
        return now if last.written < last.allowed else last.began_at + DAY

    def add(self, urgency: Urgency, now: Instant) -> None:
        """One was written."""
        if not self.days or now >= self.days[-1].began_at + DAY:
            if self.days and 2 * self.days[-1].written >= self.days[-1].allowed:
                self.level += 1
            allowed = int(min(self.plan.end, self.plan.start * self.plan.growth**self.level))
            self.days.append(SendingDay(now, allowed))
        day = self.days[-1]
        day.written += 1
        if urgency not in EXEMPT:
            day.asked = day.written


def days_of(plan: Warmup, written: Iterable[tuple[Instant, Urgency]]) -> tuple[SendingDay, ...]:
    """The days of RCPTs as they were written, in order."""
    days = Days(plan)
    for at, urgency in written:
        days.add(urgency, at)
    return tuple(days.days)
