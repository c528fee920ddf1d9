"""Owed: the rows of failures that wait for a digest, and the SQLite store's half of Owing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from relay.mail.instant import Instant
from relay.store.connections import Readers
from relay.store.names import Names
from relay.store.operation import Call, Operation, Transaction
from relay.store.owing import Owed
from relay.store.putting import Prepared, write_entries
from relay.store.reading import SHOWN, shown
from relay.store.terms import Entry, QueueRow

# 4: a server took it, and what came back later (kind 1) says that it failed after all.
_FAILED: Final = """d.n IS NULL AND (i.state BETWEEN 5 AND 7 OR (i.state = 4 AND EXISTS (
    SELECT 1 FROM late_report l WHERE l.message_id = w.message_id AND l.n = w.n
    AND l.kind = 1 AND l.at >= i.state_at)))"""
_GROUPS: Final = f"""SELECT m.sender, m.flow, sum({_FAILED})
  FROM owed w JOIN message m ON m.message_id = w.message_id
  JOIN inbox i ON i.message_id = w.message_id AND i.n = w.n
  LEFT JOIN delivery d ON d.message_id = w.message_id AND d.n = w.n
  WHERE w.at < ? GROUP BY m.sender, m.flow ORDER BY m.sender, m.flow"""  # noqa: S608
_ROWS: Final = f"""SELECT {SHOWN} FROM owed w
  CROSS JOIN message m ON m.message_id = w.message_id
  JOIN inbox i ON i.message_id = w.message_id AND i.n = w.n
  JOIN domain o ON o.domain_id = i.domain_id
  LEFT JOIN delivery d ON d.message_id = w.message_id AND d.n = w.n
  WHERE w.at < ? AND m.sender = ? AND (? IS NULL OR m.flow = ?) AND {_FAILED}
  ORDER BY w.message_id, w.n LIMIT ?"""  # noqa: S608
_FORGET: Final = (
    "DELETE FROM owed WHERE at < ? AND EXISTS (SELECT 1 FROM message m"
    " WHERE m.message_id = owed.message_id AND m.sender = ? AND (? IS NULL OR m.flow = ?))"
)


def groups(connection: sqlite3.Connection, before: Instant) -> list[Owed]:
    """See Owing.owed."""
    return [Owed(*row) for row in connection.execute(_GROUPS, (before,))]


def rows(
    connection: sqlite3.Connection, sender: str, flow: str | None, before: Instant, limit: int
) -> list[QueueRow]:
    """See Owing.owed_rows."""
    values = (before, sender, flow, flow, limit)
    return [shown(row) for row in connection.execute(_ROWS, values)]


def paid(
    sender: str,
    flow: str | None,
    before: Instant,
    prepared: Sequence[Prepared],
    names: Names,
) -> Callable[[Transaction], None]:
    """See Owing.report_owed."""

    def run(transaction: Transaction) -> None:
        transaction.connection.execute(_FORGET, (before, sender, flow, flow))
        if prepared:
            write_entries(transaction, prepared, names)

    return run


class ReadingOwed:
    """What is asked."""

    _readers: Readers

    async def owed(self, before: Instant) -> list[Owed]:
        """See Owing.owed."""
        return await self._readers.ask(groups, before)

    async def owed_rows(
        self, sender: str, flow: str | None, before: Instant, limit: int
    ) -> list[QueueRow]:
        """See Owing.owed_rows."""
        return await self._readers.ask(rows, sender, flow, before, limit)


class WritingOwed:
    """What is changed."""

    _names: Names

    async def _written(
        self,
        entries: Sequence[Entry],
        work: Callable[[Sequence[Prepared]], Operation[None]],
    ) -> None:
        raise NotImplementedError

    async def report_owed(
        self, sender: str, flow: str | None, before: Instant, report: Entry | None
    ) -> None:
        """See Owing.report_owed."""
        entries = [] if report is None else [report]
        await self._written(
            entries, lambda made: Call(paid(sender, flow, before, made, self._names))
        )
