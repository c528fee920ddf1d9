"""The SQLite store's half of Suppressions; the SQL stands in striking.py."""

from __future__ import annotations

from collections.abc import Sequence

from relay.mail.instant import Instant
from relay.mail.strike import Doubt, History, Listed, Ref, Resent, Strike
from relay.store import outliving, striking
from relay.store.connections import Readers
from relay.store.names import Names
from relay.store.suppressing import Audited
from relay.store.writer import Writer


class ReadingSuppressions:
    """What is asked."""

    _readers: Readers

    async def struck(self) -> set[str]:
        """See Suppressions.struck."""
        return await self._readers.ask(striking.struck)

    async def pending(self) -> dict[str, int]:
        """See Suppressions.pending."""
        return await self._readers.ask(striking.pending)

    async def history(self, address: str) -> History:
        """See Suppressions.history."""
        return await self._readers.ask(striking.history, address)

    async def audited(self, address: str, limit: int = 50) -> list[Audited]:
        """See Suppressions.audited."""
        return await self._readers.ask(outliving.audited, address, limit)

    async def histories(self, limit: int = 1000, after: str = "") -> list[History]:
        """See Suppressions.histories."""
        return await self._readers.ask(striking.histories, limit, after)


class WritingSuppressions:
    """What is changed."""

    _readers: Readers
    _writer: Writer
    _names: Names

    async def strike(self, *strikes: Strike) -> int:
        """See Suppressions.strike."""
        return await self._writer.call(striking.strike(strikes)) if strikes else 0

    async def enlist(self, listed: Sequence[Listed], who: str, reason: str, now: Instant) -> None:
        """See Suppressions.enlist."""
        await self._writer.call(striking.enlist(listed, who, reason, now))

    async def heal(self, addresses: Sequence[str], who: str, reason: str, now: Instant) -> int:
        """See Suppressions.heal."""
        return await self._writer.call(striking.heal(addresses, who, reason, now))

    async def doubt(self, doubt: Doubt) -> None:
        """See Suppressions.doubt."""
        await self._writer.call(striking.doubt(doubt))

    async def decide(self, fuse: str, is_right: bool) -> list[str]:
        """See Suppressions.decide."""
        return await self._writer.call(striking.decide(fuse, is_right))

    async def forgive(self, refs: Sequence[Ref], now: Instant) -> None:
        """See Suppressions.forgive."""
        if refs:
            await self._writer.call(striking.forgive(refs, now))

    async def resend(
        self, address: str, ref: Ref, most: int, since: Instant, who: str, now: Instant
    ) -> Resent:
        """See Suppressions.resend."""
        work = striking.resend(address, ref, most, since, who, now, self._names)
        return await self._writer.call(work)

    async def drop_outlived(self, before: Instant, complaints_end: bool) -> int:
        """See Suppressions.drop_outlived."""
        count, ends, after = 0, complaints_end, ""
        while found := await self._readers.ask(outliving.addresses, before, ends, after):
            count += await self._writer.call(outliving.drop(found, before, ends))
            after = found[-1]
        while gone := await self._writer.call(outliving.drop_sent(before)):
            count += gone
        return count
