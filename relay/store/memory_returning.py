"""MemoryReturning: late reports and kept letters, for the store in memory."""

from __future__ import annotations

from collections.abc import Sequence

from relay.mail.instant import Instant
from relay.mail.late import Kept, Kind, Late
from relay.mail.strike import Ref, Strike
from relay.store.base import StoreError
from relay.store.returning import KINDS
from relay.store.returns import KEPT_FOR, MOST_KEPT
from relay.store.terms import Entry


class MemoryReturning:
    """Implements Returns; what is owed is the store's."""

    _owed: dict[Ref, Instant]

    def __init__(self) -> None:
        super().__init__()
        self._late_reports: dict[tuple[int, int, Kind], Late] = {}
        self._kept_returns: dict[int, tuple[Kept, bytes]] = {}

    async def strike(self, *strikes: Strike) -> int:
        """See Suppressions.strike."""
        raise NotImplementedError

    async def audit(
        self, who: str, action: str, subject: str, reason: str, now: Instant, detail: str = ""
    ) -> None:
        """See Queue.audit."""
        raise NotImplementedError

    async def put(self, *entries: Entry) -> None:
        """See Queue.put."""
        raise NotImplementedError

    async def note_late(
        self,
        late: Late,
        strike: Strike | None = None,
        report: Entry | None = None,
        owes_report: bool = False,
    ) -> bool:
        """See Returns.note_late."""
        name = (late.message_id, late.n, late.kind)
        if name in self._late_reports:
            return False
        if report is not None:
            await self.put(report)
        self._late_reports[name] = late
        if owes_report:
            self._owed[name[:2]] = late.at
        await self.strike(*([strike] if strike else []))
        return True

    async def late_reports(self, refs: Sequence[Ref]) -> list[Late]:
        """See Returns.late_reports."""
        found: list[Late] = []
        for ref in dict.fromkeys(refs):
            ours = [one for one in self._late_reports.values() if (one.message_id, one.n) == ref]
            found += sorted(ours, key=lambda one: (one.at, KINDS[one.kind]))
        return found

    async def keep_return(self, kept: Kept, letter: bytes) -> bool:
        """See Returns.keep_return."""
        if kept.id in self._kept_returns:
            raise StoreError("a letter of that id is kept already")
        since = kept.at - KEPT_FOR
        self._kept_returns = {
            id: pair for id, pair in self._kept_returns.items() if pair[0].at >= since
        }
        if sum(one.size for one, _ in self._kept_returns.values()) + kept.size > MOST_KEPT:
            return False
        self._kept_returns[kept.id] = (kept, letter)
        return True

    async def kept_returns(self, limit: int = 100) -> list[Kept]:
        """See Returns.kept_returns."""
        return [self._kept_returns[id][0] for id in sorted(self._kept_returns, reverse=True)][
            :limit
        ]

    async def kept_return(self, id: int) -> bytes:
        """See Returns.kept_return."""
        return self._kept_returns[id][1]

    async def drop_returns(self, ids: Sequence[int], who: str, reason: str, now: Instant) -> int:
        """See Returns.drop_returns."""
        named = list(dict.fromkeys(ids))
        count = sum(self._kept_returns.pop(id, None) is not None for id in named)
        if count:
            detail = f"removed {count}"
            await self.audit(who, "returns.rm", f"{len(named)} named", reason, now, detail)
        return count
