"""Returning: late reports and kept letters as rows; see returns.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from relay.mail.instant import Instant
from relay.mail.late import Kept, Kind, Late
from relay.mail.strike import Ref, Strike
from relay.store import codec, striking
from relay.store.changing import audit
from relay.store.codec import Row, text
from relay.store.names import Names
from relay.store.operation import Transaction
from relay.store.putting import Prepared, write_entries
from relay.store.returns import KEPT_FOR, MOST_KEPT

KINDS: Final[dict[Kind, int]] = {
    Kind.FAILED: 1,
    Kind.COMPLAINT: 2,
    Kind.DELAYED: 3,
    Kind.EXPANDED: 4,
    Kind.RELAYED: 5,
    Kind.DELIVERED: 6,
    Kind.FEEDBACK: 7,
}
_KIND_OF: Final = {number: kind for kind, number in KINDS.items()}
_NOTE: Final = "INSERT OR IGNORE INTO late_report VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LATE: Final = (
    "SELECT message_id, n, kind, at, category, rule, text, named, reporter FROM late_report"
    " WHERE message_id = ? AND n = ? ORDER BY at, kind"
)
_KEEP: Final = "INSERT INTO kept_return VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_KEPT: Final = (
    "SELECT kept_id, at, client, sender, recipient, subject, why, size FROM kept_return"
    " ORDER BY kept_id DESC LIMIT ?"
)


def note_late(
    late: Late,
    strike: Strike | None,
    reports: Sequence[Prepared],
    names: Names,
    owes_report: bool,
) -> Callable[[Transaction], bool]:
    """See Returns.note_late."""
    row = (
        late.message_id,
        late.n,
        KINDS[late.kind],
        late.at,
        codec.category_number(late.category),
        text(late.rule),
        text(late.text),
        text(late.named),
        text(late.reporter),
    )
    strikes = striking.rows_of([strike] if strike else [])

    def run(transaction: Transaction) -> bool:
        if transaction.connection.execute(_NOTE, row).rowcount != 1:
            return False
        striking.note(transaction.connection, strikes)
        if owes_report:
            transaction.connection.execute(codec.OWE, (late.message_id, late.n, late.at))
        if reports:
            write_entries(transaction, reports, names)
        return True

    return run


def keep(kept: Kept, letter: bytes) -> Callable[[Transaction], bool]:
    """See Returns.keep_return."""
    texts = (kept.client, kept.sender, kept.recipient, kept.subject, kept.why)
    row = (kept.id, kept.at, *map(text, texts), kept.size, letter)

    def run(transaction: Transaction) -> bool:
        execute = transaction.connection.execute
        execute("DELETE FROM kept_return WHERE at < ?", (kept.at - KEPT_FOR,))
        (size,) = execute("SELECT coalesce(sum(size), 0) FROM kept_return").fetchone()
        if size + kept.size > MOST_KEPT:
            return False
        execute(_KEEP, row)
        return True

    return run


def drop_kept(
    ids: Sequence[int], who: str, reason: str, now: Instant
) -> Callable[[Transaction], int]:
    """See Returns.drop_returns."""

    def run(transaction: Transaction) -> int:
        sql = "DELETE FROM kept_return WHERE kept_id = ?"
        named = list(dict.fromkeys(ids))
        count = sum(transaction.connection.execute(sql, (one,)).rowcount for one in named)
        if count:
            audit(who, "returns.rm", f"{len(named)} named", reason, now, f"removed {count}")(
                transaction
            )
        return count

    return run


# Reading.


def late(connection: sqlite3.Connection, refs: Sequence[Ref]) -> list[Late]:
    """See Returns.late_reports."""
    found: list[Late] = []
    for ref in dict.fromkeys(refs):
        found += [_late(row) for row in connection.execute(_LATE, ref)]
    return found


def kept(connection: sqlite3.Connection, limit: int) -> list[Kept]:
    """See Returns.kept_returns."""
    return [Kept(*row) for row in connection.execute(_KEPT, (limit,))]


def kept_letter(connection: sqlite3.Connection, id: int) -> bytes:
    """See Returns.kept_return."""
    sql = "SELECT letter FROM kept_return WHERE kept_id = ?"
    row = connection.execute(sql, (id,)).fetchone()
    if row is None:
        raise KeyError(id)
    return bytes(row[0])


def _late(row: Row) -> Late:
    message_id, n, kind, at, category, *texts = row
    return Late(message_id, n, _KIND_OF[kind], at, codec.category(category), *texts)
