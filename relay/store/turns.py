"""Turns: start-time fair queueing between flows, within a domain and a class.

A flow is a sender with a subject: an announcement is one flow, however many vendors it goes to.
Each delivery gets its turn when it is put: one more than the last turn of its flow, but never less
than one more than the virtual time, which is the highest turn that was ever leased in its lane
(domain and class). So two announcements interleave letter by letter, and a single letter of another
flow is next but one, not behind a thousand. A delivery that comes back keeps its turn.

Nothing of this is stored but the turn itself. After a restart a lane's virtual time is the lowest
turn that is still ready; flows begin there anew, which at worst lets the letters of one flow pass
some of its own or another's once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

MAX_LANES: Final = 200_000
MAX_FLOWS: Final = 50_000

Lane = tuple[int, int]  # domain id, class


class Turns:
    """Gives turns; `lowest` tells a lane's lowest ready turn (None: it has none)."""

    def __init__(self, lowest: Callable[[Lane], int | None]) -> None:
        self._lowest = lowest
        self._virtual: dict[Lane, int] = {}
        self._last: dict[tuple[Lane, str], int] = {}
        self._undo: list[tuple[dict[Any, int], Any, int | None]] = []

    def give(self, lane: Lane, flow: str) -> int:
        """The turn of a new delivery of that flow."""
        key = (lane, flow)
        last = self._last.get(key, 0)
        virtual = self.virtual(lane)
        turn = (last if last > virtual else virtual) + 1
        self._set(self._last, key, turn)
        return turn

    def leased(self, lane: Lane, turn: int) -> None:
        """A delivery with that turn goes now: the lane's time moves on."""
        if turn > self.virtual(lane):
            self._set(self._virtual, lane, turn)

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
        """The lane's virtual time."""
        found = self._virtual.get(lane)
        if found is None:
            if len(self._virtual) >= MAX_LANES:
                self._virtual.clear()
            found = self._virtual[lane] = max((self._lowest(lane) or 1) - 1, 0)
        return found

    def _forget_flows(self) -> None:
        """Drop what the virtual time has overtaken; all of it where that is not half."""
        self._last = {k: turn for k, turn in self._last.items() if turn > self.virtual(k[0])}
        if len(self._last) > MAX_FLOWS // 2:
            self._last.clear()
