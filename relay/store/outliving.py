"""Outliving: strikes and wishes so old that they say nothing any more; found by a reader, and gone
in pieces, so that no letter at the door waits for it. See Suppressions.drop_outlived.

The strikes of an address that are in force stay together: an old one is the first of two, a day
apart, as long as the second speaks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from relay.mail import ids
from relay.mail.instant import Instant
from relay.store.codec import text
from relay.store.operation import Transaction
from relay.store.suppressing import Audited

PIECE: Final = 500  # addresses, or wishes, of one transaction
_GONE: Final = (
    "at < :before AND pending IS NULL AND (healed_at IS NOT NULL OR ((cause <> 4 OR :ends)"
    " AND NOT EXISTS (SELECT 1 FROM strike s WHERE s.address = strike.address"
    " AND s.healed_at IS NULL AND s.at >= :before)))"
)
_FIND: Final = (
    f"SELECT DISTINCT address FROM strike WHERE address > :after AND {_GONE}"  # noqa: S608 - no value in it
    f" ORDER BY address LIMIT {PIECE}"
)
_DROP: Final = f"DELETE FROM strike WHERE address = :address AND {_GONE}"  # noqa: S608
_KEY: Final = "address, at, message_id, n"
_DROP_SENT: Final = (
    f"DELETE FROM resent WHERE ({_KEY}) IN (SELECT {_KEY} FROM resent r"  # noqa: S608
    " WHERE at < :before AND message_id < :first AND NOT EXISTS (SELECT 1 FROM delivery d"
    f" WHERE d.message_id = r.message_id AND d.n = r.n) LIMIT {PIECE})"
)
_AUDITED: Final = (
    "SELECT at, who, action, reason, before_after FROM audit WHERE subject = ?"
    " ORDER BY audit_id DESC LIMIT ?"
)


def addresses(connection: sqlite3.Connection, before: Instant, ends: bool, after: str) -> list[str]:
    """Some behind that one whose strikes are outlived, by address."""
    found = connection.execute(_FIND, {"before": before, "ends": ends, "after": after})
    return [address for (address,) in found]


def drop(found: Sequence[str], before: Instant, ends: bool) -> Callable[[Transaction], int]:
    """Their outlived strikes, as they are now; how many."""
    rows = [{"address": one, "before": before, "ends": ends} for one in found]
    return lambda transaction: transaction.connection.executemany(_DROP, rows).rowcount


def drop_sent(before: Instant) -> Callable[[Transaction], int]:
    """A piece of what was sent again, and is through; how many."""
    values = {"before": before, "first": ids.first_of(before)}
    return lambda transaction: transaction.connection.execute(_DROP_SENT, values).rowcount


def audited(connection: sqlite3.Connection, address: str, limit: int) -> list[Audited]:
    """See Suppressions.audited. The trail knows no index of subjects: a person waits, no letter."""
    return [Audited(*row) for row in connection.execute(_AUDITED, (text(address), limit))]
