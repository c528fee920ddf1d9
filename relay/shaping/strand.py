"""Strand: a fuse's wire — the attempts of the last hour, how many were refused, whether it blew.

Counted by slots of five minutes, twelve of them: never more than an hour. What leaves the hour is
handed on to the days, so that the hour that is judged is not its own measure.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from relay.mail.instant import DAY, HOUR, MINUTE, Instant

SLOT: Final = 5 * MINUTE
SLOTS: Final = HOUR // SLOT
DAYS: Final = 30
FEW: Final = 8  # attempts of a slot up to which others are likely to have counted the same
PENDING: Final = 5_000  # bounces that are remembered by name; the oldest are forgotten first
HALF: Final = Fraction(1, 2)

_NONE: Final = array("I", bytes(2 * DAYS * array("I").itemsize))

Ref = tuple[Instant, int, int]  # when a delivery bounced, and which: message_id, n
Count = tuple[int, int, int]  # a slot (or a day), attempts, refused


@dataclass(frozen=True, slots=True)
class Rule:
    """From how many attempts and refusals on a share counts, and how long the run is of which
    more than half may not be refused."""

    attempts: int
    refused: int
    run: int


@lru_cache(4096)
def _slots(*counts: Count) -> tuple[Count, ...]:
    """One tuple for all destinations that had the same: most had one letter in the last hour."""
    return counts


@dataclass(slots=True)
class Strand:
    """One fuse. `why` stands from the moment on when it blew."""

    slots: tuple[Count, ...] = ()  # oldest first
    run: int = 0  # the last attempts as bits, 1 refused
    ran: int = 0  # how many they are
    blown_at: Instant | None = None
    clean_from: Instant = 0  # when it was last whole again: what was before counts for no day
    why: str = ""
    bounced: tuple[Ref, ...] = ()  # of the last hour
    pending: tuple[Ref, ...] = ()  # of the hour before it blew

    @property
    def attempts(self) -> int:
        """How many there were."""
        return sum(slot[1] for slot in self.slots)

    @property
    def refused(self) -> int:
        """How many of them were refused."""
        return sum(slot[2] for slot in self.slots)

    def cooled(self, rule: Rule, normal: Fraction, now: Instant) -> list[Count]:
        """Bring it up to now: what is over an hour old goes, and it is whole again where it may be.
        What went, as it counts among the days: nothing of the time in which it was blown."""
        oldest = now // SLOT - SLOTS + 1
        gone = [slot for slot in self.slots if slot[0] < oldest]
        if gone:
            self.slots = self.slots[len(gone) :]
        if not self.slots:
            self.run = self.ran = 0
        if self.blown_at is None:
            return [slot for slot in gone if slot[0] * SLOT >= self.clean_from]
        if now - self.blown_at >= HOUR:
            is_normal = self.attempts > 0 and self.refused <= normal * self.attempts
            if is_normal and not self._runs_over(rule, normal):
                self.blown_at, self.clean_from, self.why = None, now, ""
        return []

    def note(self, is_refused: bool, rule: Rule, normal: Fraction, now: Instant) -> bool:
        """Count one attempt. True where the fuse blew by it."""
        slot = now // SLOT
        last = self.slots[-1] if self.slots else None
        if last is not None and last[0] >= slot:
            counted = (last[0], last[1] + 1, last[2] + is_refused)
            slots = (*self.slots[:-1], counted)
            self.slots = _slots(*slots) if counted[1] <= FEW else slots
        else:
            self.slots = _slots(*self.slots, (slot, 1, int(is_refused)))
        self.run = (self.run << 1 | is_refused) & ((1 << rule.run) - 1)
        self.ran = min(self.ran + 1, rule.run)
        if not is_refused or self.blown_at is not None or not self._is_over(rule, normal):
            return False
        self.blown_at = now
        self.pending = (*self.pending, *_recent(self.bounced, now))[-PENDING:]
        self.bounced = ()
        return True

    def _is_over(self, rule: Rule, normal: Fraction) -> bool:
        attempts, refused = self.attempts, self.refused
        if attempts < rule.attempts or refused < rule.refused:
            return False
        return refused > normal * attempts or self._runs_over(rule, normal)

    def _runs_over(self, rule: Rule, normal: Fraction) -> bool:
        most = max(HALF, normal) * rule.run
        return self.ran == rule.run and self.run.bit_count() > most

    def bounce(self, ref: Ref, now: Instant) -> None:
        """A refusal was believed."""
        self.bounced = (*_recent(self.bounced, now), ref)[-PENDING:]

    def mend(self) -> None:
        """Whole again by an operator's word; it counts anew."""
        self.slots, self.run, self.ran, self.bounced = (), 0, 0, ()
        self.blown_at, self.why = None, ""

    def is_of_use(self, now: Instant) -> bool:
        """False where nothing would be lost with it."""
        is_counting = bool(self.slots) and self.slots[-1][0] > now // SLOT - SLOTS
        return is_counting or self.blown_at is not None or bool(self.pending)

    def dump(self) -> dict[str, Any]:
        """For JSON; what is empty is left out."""
        kept = {
            "slots": self.slots,
            "run": [self.run, self.ran] if self.ran else None,
            "blown_at": self.blown_at,
            "clean_from": self.clean_from,
            "why": self.why,
            "bounced": self.bounced,
            "pending": self.pending,
        }
        return {name: value for name, value in kept.items() if value}

    @classmethod
    def load(cls, kept: Any, now: Instant) -> Strand:
        """What `dump` made; nothing of it lies in the future. Raises ValueError, TypeError."""
        run, ran = kept.get("run", (0, 0))
        blown_at = kept.get("blown_at")
        slots = [_count(one) for one in kept.get("slots", ())]
        return cls(
            _slots(*(slot for slot in slots if slot[0] <= now // SLOT)),
            int(run),
            int(ran),
            None if blown_at is None else min(int(blown_at), now),
            min(int(kept.get("clean_from", 0)), now),
            str(kept.get("why", "")),
            tuple(_count(one) for one in kept.get("bounced", ())),
            tuple(_count(one) for one in kept.get("pending", ())),
        )


def _count(kept: Any) -> tuple[int, int, int]:
    first, second, third = kept
    return int(first), int(second), int(third)


def _recent(refs: tuple[Ref, ...], now: Instant) -> tuple[Ref, ...]:
    if not refs or refs[0][0] > now - HOUR:
        return refs
    return tuple(ref for ref in refs if ref[0] > now - HOUR)


class Days:
    """Attempts and refusals of the last 30 days, by day; small, since there is one a site."""

    __slots__ = ("_counts", "_day")

    def __init__(self) -> None:
        self._day = 0  # the latest that is counted
        self._counts = _NONE  # most sites have one hour of mail, and then none for long

    def add_all(self, slots: Iterable[Count]) -> None:
        """Slots of :class:`Strand`, each to its day."""
        for slot, attempts, refused in slots:
            self.add(slot * SLOT // DAY, attempts, refused)

    def add(self, day: int, attempts: int, refused: int) -> None:
        """Count more of a day; one that is too long ago is left out."""
        self._go_on(day)
        if day > self._day - DAYS:
            if self._counts is _NONE:
                self._counts = array("I", _NONE)
            self._counts[2 * (day % DAYS)] += attempts
            self._counts[2 * (day % DAYS) + 1] += refused

    def totals(self, now: Instant) -> tuple[int, int]:
        """Attempts and refusals of the 30 days up to now."""
        self._go_on(now // DAY)
        return sum(self._counts[::2]), sum(self._counts[1::2])

    def _go_on(self, day: int) -> None:
        fresh = () if self._counts is _NONE else range(max(self._day, day - DAYS) + 1, day + 1)
        for passed in fresh:
            self._counts[2 * (passed % DAYS)] = self._counts[2 * (passed % DAYS) + 1] = 0
        self._day = max(self._day, day)

    def dump(self) -> list[Count]:
        """For JSON: the days that have any."""
        counts, days = self._counts, range(self._day - DAYS + 1, self._day + 1)
        known = [(day, 2 * (day % DAYS)) for day in days]
        return [(day, counts[at], counts[at + 1]) for day, at in known if counts[at]]

    @classmethod
    def load(cls, kept: Any, now: Instant) -> Days:
        """What `dump` made; nothing of it lies in the future. Raises ValueError, TypeError."""
        days = cls()
        for day, attempts, refused in map(_count, kept):
            if day <= now // DAY:
                days.add(day, attempts, refused)
        return days
