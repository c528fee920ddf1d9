"""Returns: what a store promises about what comes back after a letter was delivered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from relay.mail.instant import DAY, Instant
from relay.mail.late import Kept, Late
from relay.mail.strike import Ref, Strike
from relay.store.terms import Entry

MOST_KEPT: Final = 64 * 1024 * 1024  # octets of letters that wait for an administrator
KEPT_FOR: Final = 30 * DAY


class Returns(Protocol):
    """Late reports, and the letters that came with none. A delivery's state is never changed."""

    async def note_late(
        self,
        late: Late,
        strike: Strike | None = None,
        report: Entry | None = None,
        owes_report: bool = False,
    ) -> bool:
        """Write it down, what it says against the address, and the report to the letter's sender
        (or that he is owed one, see Owing), in one transaction; False where one of its kind is
        known already, then nothing is written. Raises StoreError."""
        ...

    async def late_reports(self, refs: Sequence[Ref]) -> list[Late]:
        """What was said of these deliveries, by delivery, oldest first."""
        ...

    async def keep_return(self, kept: Kept, letter: bytes) -> bool:
        """Keep a letter for an administrator, and drop those over :data:`KEPT_FOR`; False where
        :data:`MOST_KEPT` would be passed, then it is not taken. Raises StoreError."""
        ...

    async def kept_returns(self, limit: int = 100) -> list[Kept]:
        """The letters that wait, newest first."""
        ...

    async def kept_return(self, id: int) -> bytes:
        """The octets of one. Raises KeyError."""
        ...

    async def drop_returns(self, ids: Sequence[int], who: str, reason: str, now: Instant) -> int:
        """Remove some, with an audit row; how many there were. Raises StoreError."""
        ...
