"""Variants: what happens to a provider's quota, and to its directory, in the course of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relay.mail.instant import DAY, HOUR, Instant

STEADY: Final = "steady"
FALL: Final = "fall"
DIURNAL: Final = "diurnal"
FALSE_DEAD: Final = "false-dead"
VARIANTS: Final = (STEADY, FALL, DIURNAL, FALSE_DEAD)
_WIB: Final = 7 * HOUR  # western Indonesia is UTC+7 all the year


@dataclass(frozen=True, slots=True)
class Variant:
    """One run's course. Shares are of the quota, times of day in milliseconds after midnight."""

    name: str = STEADY
    fall_at: Instant = 0
    fall_to: float = 1.0
    low: float = 1.0
    low_from: int = 0
    low_until: int = 0
    false_from: Instant = 0
    false_until: Instant = 0

    def factor(self, now: Instant) -> float:
        """What the quota is multiplied by at that moment."""
        if self.name == FALL:
            return self.fall_to if now >= self.fall_at else 1.0
        if self.name == DIURNAL:
            return self.low if self.low_from <= (now + _WIB) % DAY < self.low_until else 1.0
        return 1.0

    def is_lying(self, now: Instant) -> bool:
        """True in the hour in which every address is said to be dead."""
        return self.false_from <= now < self.false_until
