"""Changing: an operator's hold, release, retry and remove, each with its audit row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from relay.mail.delivery import State
from relay.mail.instant import Instant
from relay.store.base import Change, Changed, Selector, StoreError
from relay.store.codec import Row, text
from relay.store.leasing import announce
from relay.store.selection import where
from relay.store.wishes import mark
from relay.store.writer import Transaction

MOVES: Final[dict[Change, frozenset[State]]] = {
    "hold": frozenset({State.READY, State.WAITING}),
    "release": frozenset({State.HELD}),
    "retry": frozenset({State.WAITING}),
    "remove": frozenset({State.READY, State.WAITING, State.HELD}),
}
# As relay.mail.delivery.released_until: time in which it was held does not count.
RELEASE: Final = (
    "state = 0, due_at = :now, why = NULL, state_at = :now, expires_at = expires_at +"
    " iif(is_fixed, 0, max(0, :now - min(due_at, state_at)))"
)
_SET: Final[dict[Change, str]] = {
    "hold": "state = 3, why = :reason, category = NULL, state_at = :now",
    "release": RELEASE,
    "retry": "state = 0, due_at = min(due_at, :now), state_at = :now",
}


def movable(what: Change, selector: Selector) -> Selector:
    """The selector, narrowed to the states that the change moves. Raises StoreError."""
    moves = MOVES.get(what)
    if moves is None:
        raise StoreError(f"unknown change {what!r}: one of {', '.join(MOVES)}")
    return replace(selector, states=moves & (selector.states or moves))


def change(
    what: Change, selector: Selector, who: str, reason: str, now: Instant
) -> Callable[[Transaction], Changed]:
    """The whole change in one transaction."""
    narrowed = movable(what, selector)
    leased = replace(selector, states=frozenset({State.LEASED}) & (selector.states or {*State}))

    def run(transaction: Transaction) -> Changed:
        in_flight = _count(transaction, leased)
        if what == "remove":
            moved, domains = _remove(transaction, narrowed, reason, now), frozenset[str]()
        else:
            rows = _move(transaction, what, narrowed, reason, now)
            moved = len(rows)
            ready = announce(transaction, rows) if what != "hold" else []
            domains = frozenset(r.domain for r in ready)
        if in_flight:
            mark(transaction, what, leased, reason)
        if moved or in_flight:
            note = f"moved {moved}, in flight {in_flight}"
            audit(who, what, str(selector), reason, now, note)(transaction)
        return Changed(moved, in_flight, domains)

    return run


def _count(transaction: Transaction, selector: Selector) -> int:
    condition, values = where(selector)
    sql = f"SELECT count(*) FROM delivery d WHERE {condition}"  # noqa: S608 - marks only
    return int(transaction.connection.execute(sql, values).fetchone()[0])


def _move(
    transaction: Transaction, what: Change, selector: Selector, reason: str, now: Instant
) -> list[Row]:
    condition, values = where(selector)
    changes = _SET[what].replace(":now", str(int(now)))
    given: list[Any] = [text(reason)] if ":reason" in changes else []
    sql = (
        f"UPDATE delivery AS d SET {changes.replace(':reason', '?')}"  # noqa: S608 - marks only
        f" WHERE {condition} RETURNING domain_id, class"
    )
    return transaction.connection.execute(sql, given + values).fetchall()


def _remove(transaction: Transaction, selector: Selector, reason: str, now: Instant) -> int:
    condition, values = where(selector)
    run = transaction.connection.execute
    run("CREATE TEMP TABLE IF NOT EXISTS chosen (m INTEGER, n INTEGER)")
    run("DELETE FROM chosen")
    run(
        f"INSERT INTO chosen SELECT d.message_id, d.n FROM delivery d WHERE {condition}",  # noqa: S608
        values,
    )
    moved = run(
        "UPDATE inbox SET state = 8, category = NULL, why = ?, state_at = ?,"
        " expires_at = (SELECT d.expires_at FROM delivery d WHERE d.message_id = c.m AND d.n = c.n)"
        " FROM chosen c"
        " WHERE inbox.message_id = c.m AND inbox.n = c.n",
        (text(reason), now),
    ).rowcount
    run("DELETE FROM delivery WHERE (message_id, n) IN (SELECT m, n FROM chosen)")
    run("DELETE FROM chosen")
    return moved


def audit(
    who: str, action: str, subject: str, reason: str, now: Instant, detail: str
) -> Callable[[Transaction], None]:
    """Write down who did what and why."""
    values = (now, text(who), text(action), text(subject), text(reason), text(detail))

    def run(transaction: Transaction) -> None:
        transaction.connection.execute(
            "INSERT INTO audit (at, who, action, subject, reason, before_after)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            values,
        )

    return run
