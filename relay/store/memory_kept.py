"""MemoryKept: what the store in memory keeps beside letters, and what it is as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relay.mail.instant import Instant
from relay.mail.spent import Spent


class MemoryKept:
    """Shaping's state, what is spent of limits, and who did what."""

    def __init__(self) -> None:
        super().__init__()
        self._shaping: dict[str, str] = {}
        self._spent: dict[tuple[str, Instant], int] = {}
        self.audits: list[tuple[Instant, str, str, str, str, str]] = []

    async def save_shaping(self, states: Mapping[str, str], now: Instant) -> None:
        """See Queue.save_shaping."""
        self._shaping = {k: text for k, text in (self._shaping | dict(states)).items() if text}

    async def load_shaping(self) -> dict[str, str]:
        """See Queue.load_shaping."""
        return dict(self._shaping)

    async def save_spent(self, rows: Sequence[Spent]) -> None:
        """See Queue.save_spent."""
        for row in rows:
            self._spent[row.key, row.at] = row.units
        self._spent = {key: units for key, units in self._spent.items() if units > 0}

    async def load_spent(self) -> list[Spent]:
        """See Queue.load_spent."""
        return [Spent(*key, units) for key, units in sorted(self._spent.items())]

    async def audit(
        self, who: str, action: str, subject: str, reason: str, now: Instant, detail: str = ""
    ) -> None:
        """See Queue.audit; kept in `audits`."""
        self.audits.append((now, who, action, subject, reason, detail))

    # The whole.

    async def close(self) -> None:
        """Nothing was begun."""

    def wal_bytes(self) -> int:
        """There is none."""
        return 0

    def free_bytes(self) -> tuple[int, int]:
        """As much as anyone could want."""
        return 1 << 40, 1 << 40

    def commit_seconds(self) -> list[float]:
        """There are none."""
        return []

    async def beat(self) -> None:
        """Always alive."""
