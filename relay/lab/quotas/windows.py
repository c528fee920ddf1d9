"""Windows: sliding counts by key, a bucket, and a share of the last few; each step in O(1).

A window of `span` holds what happened in (now - span, now]. Time never steps back in here: each
`now` is at least the one before.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from relay.mail.instant import Instant


class Tally:
    """How often each key came within the last `span` milliseconds.

    All keys share one queue of moments, so what is old is dropped once, whoever asks.
    """

    __slots__ = ("_at", "_counts", "span")

    def __init__(self, span: int) -> None:
        """`span` in milliseconds."""
        self.span = span
        self._at: deque[tuple[Instant, str]] = deque()
        self._counts: dict[str, int] = {}

    def add(self, key: str, now: Instant) -> int:
        """Count one; returns how many there are with it."""
        at = self._at
        old = now - self.span
        if at and at[0][0] <= old:
            self._drop(old)
        at.append((now, key))
        counts = self._counts
        found = counts[key] = counts.get(key, 0) + 1
        return found

    def count(self, key: str, now: Instant) -> int:
        """How many there are now."""
        at = self._at
        old = now - self.span
        if at and at[0][0] <= old:
            self._drop(old)
        return self._counts.get(key, 0)

    def __len__(self) -> int:
        """Moments kept, of all keys."""
        return len(self._at)

    def _drop(self, old: Instant) -> None:
        at, counts = self._at, self._counts
        while at and at[0][0] <= old:
            key = at.popleft()[1]
            left = counts[key] - 1
            if left:
                counts[key] = left
            else:
                del counts[key]


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens a minute, at most `depth`; full at first.

    It may be drawn below nothing: who asked before it was empty is served.
    """

    rate: float
    depth: float
    _level: float = field(init=False)
    _at: Instant = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._level = self.depth

    def level(self, now: Instant, rate: float | None = None) -> float:
        """Tokens now; `rate`: what flows in from here on."""
        gained = (now - self._at) * self.rate / 60_000
        self._level = min(self.depth, self._level + gained)
        self._at = now
        if rate is not None:
            self.rate = rate
        return self._level

    def take(self) -> None:
        """Take one; :meth:`level` was asked at this moment."""
        self._level -= 1


@dataclass(slots=True)
class Lately:
    """The share of *yes* among the last `size`; nothing is said before there are so many."""

    size: int
    _seen: deque[bool] = field(default_factory=deque)
    _yes: int = 0

    def add(self, is_so: bool) -> float:
        """Note one; returns the share, 0 while there are too few."""
        self._seen.append(is_so)
        self._yes += is_so
        if len(self._seen) > self.size:
            self._yes -= self._seen.popleft()
        return self._yes / self.size if len(self._seen) == self.size else 0.0
