"""Wishes: what an operator asked of a letter that was in flight; obeyed as soon as it lands.

It stands on the leased row itself, so that it survives a crash. A letter that is delivered
meanwhile is delivered; any other is held or removed, and not tried again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from relay.store.base import Change
from relay.store.codec import text
from relay.store.operation import Transaction
from relay.store.selection import where
from relay.store.terms import Selector

Key = tuple[int, int]
HOLD: Final = -1
REMOVE: Final = -2
WISHES: Final[dict[Change, int]] = {"hold": HOLD, "remove": REMOVE}
_MARKED: Final = (
    "SELECT message_id, n, leased_until, why FROM delivery WHERE state = 2 AND leased_until < 0"
)
_HOLD: Final = (
    "UPDATE delivery SET state = 3, why = ?, category = NULL"
    " WHERE message_id = ? AND n = ? AND state IN (0, 1)"
)
_REMOVE: Final = (
    "UPDATE inbox SET state = 8, category = NULL, why = ?,"
    " (state_at, expires_at) = (SELECT d.state_at, d.expires_at FROM delivery d"
    " WHERE d.message_id = inbox.message_id AND d.n = inbox.n) WHERE message_id = ? AND n = ?"
)
_LEAVE: Final = "DELETE FROM delivery WHERE message_id = ? AND n = ?"


def mark(transaction: Transaction, what: Change, leased: Selector, reason: str) -> None:
    """Note what is asked of the leased ones; a release takes a hold back."""
    condition, values = where(leased)
    run = transaction.connection.execute
    if what in WISHES:
        sql = f"UPDATE delivery AS d SET leased_until = ?, why = ? WHERE {condition}"  # noqa: S608
        run(sql, [WISHES[what], text(reason), *values])
    elif what == "release":
        sql = f"UPDATE delivery AS d SET leased_until = 0 WHERE {condition}"  # noqa: S608
        run(f"{sql} AND leased_until = ?", [*values, HOLD])


def marked(connection: sqlite3.Connection) -> dict[Key, tuple[int, str]]:
    """What is asked, of all that are leased."""
    return {(m, n): (wish, why) for m, n, wish, why in connection.execute(_MARKED)}


def obey(
    transaction: Transaction, asked: dict[Key, tuple[int, str]], landed: Iterable[Key]
) -> None:
    """Of those that landed and stayed in the queue."""
    if not asked:
        return
    run = transaction.connection.execute
    for key in landed:
        wish, why = asked.get(key, (0, ""))
        if wish == HOLD:
            run(_HOLD, (why, *key))
        elif wish == REMOVE:
            run(_REMOVE, (why, *key))
            run(_LEAVE, key)
