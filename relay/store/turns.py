"""Turns: the order within a domain and a class: earliest deadline first, then fairly by flow.

A flow is a sender with a subject: an announcement is one flow, however many vendors it goes to.
Each delivery gets its turn when it is put: one more than the last turn of its flow, but never less
than one more than the virtual time, which is the highest turn that was ever leased in its lane
(domain and class). So two announcements interleave letter by letter, and a single letter of another
flow is next but one, not behind a thousand. A delivery that comes back keeps its turn, save from a
full mailbox: that one is likely full again, so it takes a new turn behind its flow.

A letter that names a deadline has a turn below zero, the lower the earlier: its minute stands in
the high bits, and in the low ones what was said above, among the letters of that same minute. So
the turn alone orders a lane, and one index gives the order.

Nothing of this is stored but the turn itself. After a restart a lane's virtual time is the lowest
turn that is still ready; flows begin there anew, which at worst lets the letters of one flow pass
some of its own or another's once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from relay.mail.instant import MINUTE, Instant

MAX_LANES: Final = 200_000
MAX_FLOWS: Final = 50_000

BITS: Final = 24  # of a minute's own turns
SPAN: Final = 1 << BITS
DATED: Final = -(1 << 58)  # the first turn of all
_MINUTES: Final = 1 << 33  # beyond the year 9999
LAST: Final = (1 << 63) - 1

Lane = tuple[int, int]  # domain id, class
Stretch = tuple[Lane, int]  # within a lane: its first turn; 0: letters without a deadline


def first_of(deadline_at: Instant | None) -> int:
    """Where the turns of a deadline's minute begin; 0 for none."""
    if deadline_at is None:
        return 0
    return DATED + (min(max(deadline_at // MINUTE, 0), _MINUTES - 1) << BITS)


def stretch_of(turn: int) -> int:
    """Where the stretch begins that a turn lies in."""
    return 0 if turn >= 0 else turn - turn % SPAN


def deadline_of(turn: int) -> Instant | None:
    """The deadline that a turn says, to the minute; None where it says none."""
    return None if turn >= 0 else ((turn - DATED) >> BITS) * MINUTE


def last_of(first: int) -> int:
    """The last turn of a stretch."""
    return LAST if first == 0 else first + SPAN - 1


class Turns:
    """Gives turns; `lowest` tells the lowest ready turn of a lane between two (None: none)."""

    def __init__(self, lowest: Callable[[Lane, int, int], int | None]) -> None:
        self._lowest = lowest
        self._virtual: dict[Stretch, int] = {}
        self._last: dict[tuple[Stretch, str], int] = {}
        self._undo: list[tuple[dict[Any, int], Any, int | None]] = []

    def give(self, lane: Lane, flow: str, deadline_at: Instant | None = None) -> int:
        """The turn of a new delivery of that flow."""
        first = first_of(deadline_at)
        key = ((lane, first), flow)
        last = self._last.get(key, first)
        virtual = self._virtual_of(key[0])
        turn = min((last if last > virtual else virtual) + 1, last_of(first))
        self._set(self._last, key, turn)
        return turn

    def leased(self, lane: Lane, turn: int) -> None:
        """A delivery with that turn goes now: its stretch's time moves on."""
        stretch = (lane, stretch_of(turn))
        if turn > self._virtual_of(stretch):
            self._set(self._virtual, stretch, turn)

    def rank(self, lane: Lane, turn: int) -> int:
        """What a turn is worth beside those of other lanes: deadlines are the same everywhere,
        and what follows them is counted from each lane's own virtual time."""
        first = 0 if turn >= 0 else stretch_of(turn)
        virtual = self._virtual.get((lane, first))  # asked for the head of each lane at each claim
        return first + turn - (self._virtual_of((lane, first)) if virtual is None else virtual)

    def keep(self) -> None:
        """What was given and leased since the last call is committed."""
        self._undo.clear()
        if len(self._last) > MAX_FLOWS:
            self._forget_flows()

    def undo(self) -> None:
        """It was rolled back instead."""
        while self._undo:
            table, key, before = self._undo.pop()
            if before is None:
                table.pop(key, None)
            else:
                table[key] = before

    def _set(self, table: dict[Any, int], key: Any, value: int) -> None:
        self._undo.append((table, key, table.get(key)))
        table[key] = value

    def virtual(self, lane: Lane) -> int:
        """The virtual time of a lane's letters without a deadline."""
        return self._virtual_of((lane, 0))

    def _virtual_of(self, stretch: Stretch) -> int:
        found = self._virtual.get(stretch)
        if found is None:
            if len(self._virtual) >= MAX_LANES:
                self._virtual.clear()
            lane, first = stretch
            lowest = self._lowest(lane, first, last_of(first))
            found = first if lowest is None else max(lowest - 1, first)
            self._virtual[stretch] = found
        return found

    def _forget_flows(self) -> None:
        """Drop what the virtual time has overtaken; all of it where that is not half."""
        self._last = {k: turn for k, turn in self._last.items() if turn > self._virtual_of(k[0])}
        if len(self._last) > MAX_FLOWS // 2:
            self._last.clear()
