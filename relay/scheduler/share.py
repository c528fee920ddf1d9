"""Share: whose turn it is in a lane, so that no class starves where more urgent mail never ends.

Every tenth unit goes to a class that waits behind others. Never two such turns in a row, and none
before a fresh kritis letter: its first attempt is promised soon.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from relay.mail.delivery import Delivery
from relay.mail.instant import SECOND, Instant, millis
from relay.mail.urgency import Urgency
from relay.shaping.destination import Profile

TURN: Final = 9  # units of more urgent classes, for which a class gets one
LOOK: Final = 10 * SECOND  # between two looks into the store for a class that was not there
SOON: Final = 5 * SECOND  # or one interval of the limit, where that is longer: kritis goes first
_NONE: Final = (0,) * len(Urgency)


class Share:
    """How many units of more urgent classes flew since the last of each class."""

    __slots__ = ("_is_turn_over", "_look_at", "_passed")

    def __init__(self) -> None:
        """Nothing flew yet."""
        self._passed: tuple[int, ...] = _NONE
        self._is_turn_over = True  # a letter of the most urgent class flew since the last turn
        self._look_at: tuple[Instant, ...] = _NONE

    def flew(self, urgency: Urgency, units: int) -> None:
        """So many units of that class are on their way."""
        self._passed = _flew(self._passed, urgency, units)
        self._is_turn_over = True

    def took(self) -> None:
        """What flew last flew on its turn, before more urgent mail."""
        self._is_turn_over = False

    def turn_of(self, urgency: Urgency, now: Instant) -> Urgency | None:
        """The class whose turn it is before mail of that class: of several, the one that was
        passed most often. None that was not there a moment ago."""
        if not self._is_turn_over or max(self._passed) < TURN:
            return None
        behind = [
            one
            for one in Urgency
            if one > urgency and self._passed[one] >= TURN and self._look_at[one] <= now
        ]
        return max(behind, key=lambda one: self._passed[one], default=None)

    def units(self, urgency: Urgency) -> int:
        """How many may go on its turn."""
        return max(1, self._passed[urgency] // TURN)

    def found_none(self, urgency: Urgency, now: Instant) -> None:
        """No letter of that class waits: it counts anew, and is not looked for before LOOK."""
        self._passed = _with(self._passed, urgency, 0)
        self._look_at = _with(self._look_at, urgency, now + LOOK)


@lru_cache(1024)  # ten thousand lanes may have sent one letter each: they share what it made
def _flew(before: tuple[int, ...], urgency: Urgency, units: int) -> tuple[int, ...]:
    return tuple(
        passed + units if one > urgency else 0 if one == urgency else passed
        for one, passed in enumerate(before)
    )


def _with(values: tuple[int, ...], at: int, value: int) -> tuple[int, ...]:
    return (*values[:at], value, *values[at + 1 :])


def is_fresh(delivery: Delivery, profile: Profile, now: Instant) -> bool:
    """True for a kritis letter that may still go as soon as is promised."""
    if delivery.urgency is not Urgency.KRITIS or delivery.tries:
        return False
    intervals = (millis(rate.window) // rate.count for rate in profile.rates)
    return now - delivery.due_at <= max(SOON, max(intervals, default=0))
