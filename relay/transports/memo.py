"""Memo: a bounded set of names that forgets each after a while."""

from __future__ import annotations

from typing import Final

from relay.clock import Clock

CAPACITY: Final = 10_000


class Memo:
    """Names remembered for so many seconds; over the capacity the oldest is forgotten."""

    def __init__(self, clock: Clock, seconds: float, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._seconds = seconds
        self._capacity = capacity
        self._until: dict[str, float] = {}

    def add(self, name: str) -> None:
        """Remember it from now on."""
        self._until.pop(name, None)
        if len(self._until) >= self._capacity:
            del self._until[next(iter(self._until))]
        self._until[name] = self._clock.monotonic() + self._seconds

    def __contains__(self, name: str) -> bool:
        until = self._until.get(name)
        if until is None:
            return False
        if until <= self._clock.monotonic():
            del self._until[name]
            return False
        return True

    def discard(self, name: str) -> None:
        """Forget it now."""
        self._until.pop(name, None)
