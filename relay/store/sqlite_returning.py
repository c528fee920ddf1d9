"""The SQLite store's half of Returns; the SQL stands in returning.py."""

from __future__ import annotations

from collections.abc import Sequence

from relay.mail.instant import Instant
from relay.mail.late import Kept, Late
from relay.mail.strike import Ref, Strike
from relay.store import returning
from relay.store.connections import Readers
from relay.store.writer import Writer


class ReadingReturns:
    """What is asked."""

    _readers: Readers

    async def late_reports(self, refs: Sequence[Ref]) -> list[Late]:
        """See Returns.late_reports."""
        return await self._readers.ask(returning.late, refs) if refs else []

    async def kept_returns(self, limit: int = 100) -> list[Kept]:
        """See Returns.kept_returns."""
        return await self._readers.ask(returning.kept, limit)

    async def kept_return(self, id: int) -> bytes:
        """See Returns.kept_return."""
        return await self._readers.ask(returning.kept_letter, id)


class WritingReturns:
    """What is changed."""

    _writer: Writer

    async def note_late(self, late: Late, strike: Strike | None = None) -> bool:
        """See Returns.note_late."""
        return await self._writer.call(returning.note_late(late, strike))

    async def keep_return(self, kept: Kept, letter: bytes) -> bool:
        """See Returns.keep_return."""
        return await self._writer.call(returning.keep(kept, letter))

    async def drop_returns(self, ids: Sequence[int], who: str, reason: str, now: Instant) -> int:
        """See Returns.drop_returns."""
        return await self._writer.call(returning.drop_kept(ids, who, reason, now))
