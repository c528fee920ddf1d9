"""Striking: strikes and the list of suppressed addresses as rows; see suppressing.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from relay.mail.instant import Instant
from relay.mail.strike import (
    MOST_STRIKES,
    Cause,
    Doubt,
    Heard,
    History,
    Listed,
    Ref,
    Resent,
    Strike,
    key_of,
)
from relay.store.changing import audit
from relay.store.codec import Row, text
from relay.store.leasing import for_each
from relay.store.names import Names
from relay.store.operation import Transaction
from relay.store.reading import last_accepted_at
from relay.store.requeueing import requeue

CAUSES: Final[dict[Cause, int]] = {
    Cause.UNKNOWN: 1,
    Cause.INACTIVE: 2,
    Cause.FULL: 3,
    Cause.COMPLAINT: 4,
}
SOURCES: Final[dict[Heard, int]] = {"reply": 1, "late": 2, "complaint": 3}
_CAUSE_OF: Final = {number: cause for cause, number in CAUSES.items()}
_SOURCE_OF: Final = {number: source for source, number in SOURCES.items()}
_STRIKE: Final = "INSERT OR IGNORE INTO strike VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"
_STRIKES: Final = (
    "SELECT address, at, cause, rule, message_id, n, is_documented, source, route_key,"
    " coalesce(pending, '') FROM strike WHERE address = ? AND healed_at IS NULL"
    " ORDER BY at DESC, message_id DESC, n DESC, cause DESC, source DESC LIMIT ?"
)
_LISTED: Final = (
    "SELECT address, cause, reason, who, at, until_at FROM suppression WHERE address = ?"
)
_STRUCK: Final = (
    "SELECT address FROM strike WHERE healed_at IS NULL UNION SELECT address FROM suppression"
)
_SOME: Final = f"SELECT address FROM ({_STRUCK}) WHERE address > ? ORDER BY address LIMIT ?"  # noqa: S608 - no value in it
# A host that takes every letter and bounces it later heals nothing by that; nor is a complaint
# answered by a success.
_HEAL: Final = (
    "UPDATE strike SET healed_at = ? WHERE address = ? AND healed_at IS NULL AND source = 1"
)
_PROVED_WRONG: Final = "DELETE FROM suppression WHERE address = ? AND cause IN (1, 2, 3)"
_HEAL_ALL: Final = "UPDATE strike SET healed_at = ? WHERE address = ? AND healed_at IS NULL"
_UNLIST: Final = "DELETE FROM suppression WHERE address = ?"
_FORGIVE: Final = (
    "UPDATE strike SET healed_at = ? WHERE address = ? AND message_id = ? AND n = ?"
    " AND source = 1 AND healed_at IS NULL"
)
_RECIPIENTS: Final = (
    "SELECT i.message_id, i.n, coalesce(i.address, i.as_given) FROM wanted w"
    " CROSS JOIN inbox i ON i.message_id = w.m AND i.n = w.n"
)
_PENDING: Final = (
    "SELECT pending, count(DISTINCT address) FROM strike"
    " WHERE pending IS NOT NULL AND healed_at IS NULL GROUP BY pending"
)
_DOUBT: Final = (
    "UPDATE strike SET pending = ? WHERE route_key = ? AND at >= ? AND source = 1"
    " AND healed_at IS NULL AND pending IS NULL AND cause IN (1, 2)"
)


def rows_of(strikes: Iterable[Strike]) -> list[Row]:
    """Strikes as rows."""
    return [
        (
            text(one.address),
            one.at,
            one.message_id,
            one.n,
            CAUSES[one.cause],
            SOURCES[one.source],
            text(one.rule),
            int(one.is_documented),
            text(one.key),
            one.pending or None,
        )
        for one in strikes
    ]


def note(connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
    """Write strikes down; how many were new."""
    return connection.executemany(_STRIKE, rows).rowcount if rows else 0


def healed(connection: sqlite3.Connection, rows: Sequence[tuple[Instant, str]]) -> None:
    """A success heals (at, address): what was said in the dialog counts no more, nor what
    a person said of its mailbox."""
    if rows:
        connection.executemany(_HEAL, rows)
        connection.executemany(_PROVED_WRONG, [(address,) for _, address in rows])


def doubted(connection: sqlite3.Connection, doubts: Iterable[Doubt]) -> None:
    """See Suppressions.doubt."""
    for one in doubts:
        connection.execute(_DOUBT, (one.fuse, one.key, one.since))


def strike(strikes: Sequence[Strike]) -> Callable[[Transaction], int]:
    """See Suppressions.strike."""
    rows = rows_of(strikes)
    return lambda transaction: note(transaction.connection, rows)


def doubt(one: Doubt) -> Callable[[Transaction], None]:
    """See Suppressions.doubt."""
    return lambda transaction: doubted(transaction.connection, (one,))


def decide(fuse: str, is_right: bool) -> Callable[[Transaction], list[str]]:
    """See Suppressions.decide."""
    sql = (
        "UPDATE strike SET pending = NULL WHERE pending = ? RETURNING address"
        if is_right
        else "DELETE FROM strike WHERE pending = ? RETURNING address"
    )

    def run(transaction: Transaction) -> list[str]:
        rows = transaction.connection.execute(sql, (fuse,)).fetchall()
        return sorted({address for (address,) in rows})

    return run


def enlist(
    listed: Sequence[Listed], who: str, reason: str, now: Instant
) -> Callable[[Transaction], None]:
    """See Suppressions.enlist."""

    def run(transaction: Transaction) -> None:
        for one in listed:
            before = _listed(transaction.connection, one.address)
            cause = None if one.cause is None else CAUSES[one.cause]
            values = (text(one.address), cause, text(one.reason), text(one.who))
            transaction.connection.execute(
                "INSERT OR REPLACE INTO suppression VALUES (?, ?, ?, ?, ?, ?)",
                (*values, one.at, one.until_at),
            )
            stood = "" if before is None else f"in the place of: {before.reason}"
            audit(who, "suppression.add", one.address, reason, now, stood)(transaction)

    return run


def heal(
    addresses: Sequence[str], who: str, reason: str, now: Instant
) -> Callable[[Transaction], int]:
    """See Suppressions.heal."""

    def run(transaction: Transaction) -> int:
        count = 0
        for address in dict.fromkeys(addresses):
            strikes = transaction.connection.execute(_HEAL_ALL, (now, address)).rowcount
            listed = transaction.connection.execute(_UNLIST, (address,)).rowcount
            if strikes or listed:
                count += 1
                detail = f"{strikes} strikes, {listed} by hand"
                audit(who, "suppression.rm", address, reason, now, detail)(transaction)
        return count

    return run


def forgive(refs: Sequence[Ref], now: Instant) -> Callable[[Transaction], None]:
    """See Suppressions.forgive."""
    keys = list(dict.fromkeys(refs))

    def run(transaction: Transaction) -> None:
        found = for_each(transaction.connection, _RECIPIENTS, keys)
        named = [(key_of(recipient), message_id, n) for message_id, n, recipient in found]
        run_many = transaction.connection.executemany
        run_many(_FORGIVE, [(now, *one) for one in named])
        run_many("INSERT OR IGNORE INTO resent VALUES (?, 0, ?, ?)", named)

    return run


def resend(
    address: str, ref: Ref, most: int, since: Instant, who: str, now: Instant, names: Names
) -> Callable[[Transaction], Resent]:
    """See Suppressions.resend."""

    def run(transaction: Transaction) -> Resent:
        (count,) = transaction.connection.execute(
            "SELECT count(*) FROM resent WHERE address = ? AND at > ?", (address, since)
        ).fetchone()
        if count >= most:
            return "too_often"
        action, reason = "suppression.resend", f"asked for by the owner of {address}"
        if not requeue([ref], names, action, who, reason, now)(transaction).moved:
            return "over"
        values = (address, now, *ref)
        transaction.connection.execute("INSERT OR IGNORE INTO resent VALUES (?, ?, ?, ?)", values)
        return "again"

    return run


# Reading.


def struck(connection: sqlite3.Connection) -> set[str]:
    """See Suppressions.struck."""
    return {address for (address,) in connection.execute(_STRUCK)}


def pending(connection: sqlite3.Connection) -> dict[str, int]:
    """See Suppressions.pending."""
    return dict(connection.execute(_PENDING).fetchall())


def history(connection: sqlite3.Connection, address: str) -> History:
    """See Suppressions.history."""
    sent = connection.execute("SELECT message_id, n FROM resent WHERE address = ?", (address,))
    resent = frozenset((message_id, n) for message_id, n in sent)
    return _history(connection, address, resent)


def histories(connection: sqlite3.Connection, limit: int, after: str) -> list[History]:
    """See Suppressions.histories."""
    found = connection.execute(_SOME, (after, limit)).fetchall()
    return [_history(connection, address, frozenset()) for (address,) in found]


def _history(connection: sqlite3.Connection, address: str, resent: frozenset[Ref]) -> History:
    rows = connection.execute(_STRIKES, (address, MOST_STRIKES)).fetchall()
    accepted_at = last_accepted_at(connection, address)
    strikes = tuple(_strike(row) for row in reversed(rows))
    return History(address, strikes, _listed(connection, address), accepted_at, resent)


def _strike(row: Row) -> Strike:
    address, at, cause, rule, message_id, n, is_documented, source, key, pending = row
    return Strike(
        address,
        at,
        _CAUSE_OF[cause],
        rule,
        message_id,
        n,
        bool(is_documented),
        _SOURCE_OF[source],
        key,
        pending,
    )


def _listed(connection: sqlite3.Connection, address: str) -> Listed | None:
    row = connection.execute(_LISTED, (address,)).fetchone()
    if row is None:
        return None
    key, cause, reason, who, at, until_at = row
    return Listed(key, None if cause is None else _CAUSE_OF[cause], reason, who, at, until_at)
