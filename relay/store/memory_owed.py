"""MemoryOwed: failures that wait for a digest, for the store in memory."""

from __future__ import annotations

from collections import Counter

from relay.mail.delivery import State
from relay.mail.envelope import Message
from relay.mail.instant import Instant
from relay.mail.late import Kind, Late
from relay.store.memory_inbox import Key, Record
from relay.store.owing import Owed
from relay.store.terms import Entry, QueueRow

FAILED = (State.BOUNCED, State.EXPIRED, State.SUPPRESSED)


class MemoryOwed:
    """Implements Owing; what it looks through is the store's."""

    _records: dict[Key, Record]
    _messages: dict[int, Message]
    _late_reports: dict[tuple[int, int, Kind], Late]

    def __init__(self) -> None:
        super().__init__()
        self._owed: dict[Key, Instant] = {}

    async def put(self, *entries: Entry) -> None:
        """See Queue.put."""
        raise NotImplementedError

    def _row(self, key: Key) -> QueueRow:
        raise NotImplementedError

    async def owed(self, before: Instant) -> list[Owed]:
        """See Owing.owed."""
        counts: Counter[tuple[str, str]] = Counter()
        for key in self._owed_to(None, None, before):
            message = self._messages[key[0]]
            name = message.envelope.sender, message.particulars.flow
            counts[name] += self._has_failed(key)
        return [Owed(*name, count) for name, count in sorted(counts.items())]

    async def owed_rows(
        self, sender: str, flow: str | None, before: Instant, limit: int
    ) -> list[QueueRow]:
        """See Owing.owed_rows."""
        keys = self._owed_to(sender, flow, before)
        failed = [key for key in keys if self._has_failed(key)]
        return [self._row(key) for key in failed[:limit]]

    async def report_owed(
        self, sender: str, flow: str | None, before: Instant, report: Entry | None
    ) -> None:
        """See Owing.report_owed."""
        if report is not None:
            await self.put(report)
        for key in self._owed_to(sender, flow, before):
            del self._owed[key]

    def _has_failed(self, key: Key) -> bool:
        record, late = self._records[key], self._late_reports.get((*key, Kind.FAILED))
        if record.delivery.state is State.DELIVERED:
            return late is not None and late.at >= record.state_at
        return record.delivery.state in FAILED

    def _owed_to(self, sender: str | None, flow: str | None, before: Instant) -> list[Key]:
        found = []
        for key, at in sorted(self._owed.items()):
            message = self._messages[key[0]]
            if (
                at < before
                and sender in (None, message.envelope.sender)
                and flow in (None, message.particulars.flow)
            ):
                found.append(key)
        return found
