"""The SQLite store's half of Returns; the SQL stands in returning.py."""

from __future__ import annotations

from collections.abc import Sequence

from relay.mail.instant import Instant
from relay.mail.late import Kept, Late
from relay.mail.strike import Ref, Strike
from relay.store import returning
from relay.store.connections import Readers
from relay.store.names import Names
from relay.store.putting import Prepared
from relay.store.terms import Entry
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
    _names: Names

    async def _prepare(self, entry: Entry, in_parts: list[int]) -> Prepared:
        raise NotImplementedError

    def _remember(self, entry: Entry) -> None:
        raise NotImplementedError

    async def note_late(
        self,
        late: Late,
        strike: Strike | None = None,
        report: Entry | None = None,
        owes_report: bool = False,
    ) -> bool:
        """See Returns.note_late. A report of ours is never so large that it is put in parts."""
        made = [] if report is None else [await self._prepare(report, [])]
        work = returning.note_late(late, strike, made, self._names, owes_report)
        is_new = await self._writer.call(work)
        if is_new and report is not None:
            self._remember(report)
        return is_new

    async def keep_return(self, kept: Kept, letter: bytes) -> bool:
        """See Returns.keep_return."""
        return await self._writer.call(returning.keep(kept, letter))

    async def drop_returns(self, ids: Sequence[int], who: str, reason: str, now: Instant) -> int:
        """See Returns.drop_returns."""
        return await self._writer.call(returning.drop_kept(ids, who, reason, now))
