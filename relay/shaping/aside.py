"""Aside: units of a meter that were made durable before they are spent, so that a crash can only
under-send.

A block is one row in the store: so many units, counted from the last moment at which they may be
spent. It holds what one second may bear at most, and one unit where the rate is slower; more only
where a `burst` lets more go back to back, or one transaction has more recipients. What is spent of
it counts in the meter's windows at its own moment; what is left when its time is over is
corrected in the store at leisure. After a restart every row counts as spent. Rows of a limit that
was written down stay for a day even where its windows are shorter, so that a longer one that a
reload brings does not start at nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from relay.mail.instant import SECOND, Instant, millis
from relay.mail.spent import Spent
from relay.shaping.destination import Rate

VALID: Final = 2 * SECOND  # how long a block may be spent, its commit included
LONGEST: Final = 60 * SECOND  # the same where commits are slow
MANY: Final = 4_000  # rows of one key; above it the older half is joined in pairs


@dataclass(slots=True)
class Block:
    """A row: `units` set aside, `used` of them; spendable from `since` until `at`."""

    at: Instant
    units: int
    used: int = 0
    since: Instant = 0


class Aside:
    """The blocks of one key."""

    __slots__ = (
        *("_asked", "_blocks", "_changed", "_current", "_largest", "_span", "_valid", "_wanted"),
        "key",
    )

    def __init__(
        self, key: str, rates: Sequence[Rate], rows: Iterable[Spent] = (), kept: int = 0
    ) -> None:
        """`rows`: what the store kept; none of it can be spent any more. `kept`: milliseconds for
        which rows stay at least, for a longer window that a reload may bring."""
        self.key = key
        self._blocks = [Block(row.at, row.units, row.units) for row in rows]
        self._span = max(_longest(tuple(rates)), kept)
        self._current: Block | None = None
        self._asked: Block | None = None
        self._wanted = self._largest = 0  # by all who wait, and by one of them
        self._valid = VALID
        self._changed: tuple[Block, ...] = ()

    def has(self, units: int, now: Instant) -> bool:
        """True where so many are durable, unspent and still good."""
        block = self._current
        return block is not None and block.units - block.used >= units and now <= block.at

    def want(self, units: int) -> None:
        """More are needed; see :meth:`ask`."""
        self._wanted += units
        self._largest = max(self._largest, units)

    def ask(self, rates: Sequence[Rate], now: Instant, burst: int = 1) -> Spent | None:
        """The row to be made durable; None where nothing is wanted, or one is on its way. However
        many wait for it, the spacing lets no more of them go at once than it holds."""
        if not self._wanted or self._asked is not None:
            return None
        at_once = min(self._wanted, burst - 1 + self._largest)
        units = max(at_once, a_second(rates))
        last = self._blocks[-1].at if self._blocks else 0
        block = self._asked = Block(max(now + self._valid, last + 1), units)
        if self._blocks:
            self._blocks.append(block)
        else:  # exactly one: a slow limit never has a second
            self._blocks = [block]
        return Spent(self.key, block.at, units)

    def kept(self, row: Spent, now: Instant) -> None:
        """The row is on stable storage. One that came too late is good for nothing but to learn
        how long a commit takes here."""
        block = self._asked
        if block is None or block.at != row.at:
            return
        self._asked = None
        self._wanted = self._largest = 0
        if self._current is not None:
            self._changed = (*self._changed, self._current)
        self._current, block.since = block, now
        if now > block.at:
            self._valid = min(LONGEST, 2 * self._valid)

    def failed(self, row: Spent) -> None:
        """The row could not be kept, or nobody knows: it is asked for anew, and counts as spent
        if it is there."""
        if self._asked is not None and self._asked.at == row.at:
            self._changed = (*self._changed, self._asked)
            self._asked = None

    def spend(self, units: int) -> None:
        """After :meth:`has`."""
        if self._current is not None:
            self._current.used += units

    def take_back(self, units: int, at: Instant | None = None) -> None:
        """Units spent at `at` (None: last) that were not written after all. What was spent of an
        earlier block stays spent in the store: its moment is past."""
        block = self._current
        if block is not None and (at is None or at >= block.since):
            block.used = max(0, block.used - units)

    def corrections(self, now: Instant) -> list[Spent]:
        """Rows that say more than was spent, and those that count no more."""
        block = self._current
        if block is not None and now > block.at:
            self._changed = (*self._changed, block)
            self._current = None
        rows = [Spent(self.key, b.at, b.used) for b in self._changed if b.used < b.units]
        for changed in self._changed:
            changed.units = changed.used
        self._changed = ()
        if rows:  # what holds nothing leaves the store by these; the last one keeps moments apart
            last = self._blocks[-1]
            self._blocks = [b for b in self._blocks if b.units or b is last]
        gone = 0
        for old in self._blocks:
            if old.at >= now - self._span or old is self._current or old is self._asked:
                break
            rows.append(Spent(self.key, old.at, 0))
            gone += 1
        del self._blocks[:gone]
        if len(self._blocks) > MANY:
            rows += self._joined()
        return rows

    def _joined(self) -> list[Spent]:
        """The older half in pairs, each at its later moment: rounded against us."""
        rows: list[Spent] = []
        joined: list[Block] = []
        half = len(self._blocks) // 4 * 2
        for n in range(0, half, 2):
            first, second = self._blocks[n], self._blocks[n + 1]
            second.units += first.units
            second.used += first.used
            rows += [Spent(self.key, first.at, 0), Spent(self.key, second.at, second.units)]
            joined.append(second)
        self._blocks[:half] = joined
        return rows

    def rows(self) -> list[Spent]:
        """All that the store may hold of it, as spent: for a meter under other limits."""
        return [Spent(self.key, block.at, block.units) for block in self._blocks]

    def is_empty(self) -> bool:
        """True where the store holds no row of it."""
        return not self._blocks


@lru_cache(1024)
def _longest(rates: tuple[Rate, ...]) -> int:
    return max((millis(rate.window) for rate in rates), default=0)


def a_second(rates: Sequence[Rate]) -> int:
    """How many units one second bears by the shortest window; at least one."""
    shortest = min(rates, key=lambda rate: rate.window, default=None)
    if shortest is None:
        return 1
    return max(1, math.floor(shortest.count / shortest.window.total_seconds()))
