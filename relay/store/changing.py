"""Changing: an operator's hold, release, retry and remove, each with its audit row.

What is meant is looked for on a reading connection, and moved in pieces, each a commit of its own
that no letter at the door waits long for, and that the log holds. The audit row stands from the
first piece on and says how many were moved: a crash leaves a change done in part, and told so.
Letters that come while it runs are not meant; what was claimed meanwhile is in flight.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from relay.mail.delivery import State
from relay.mail.instant import Instant
from relay.store.base import Change, Changed, Selector, StoreError
from relay.store.codec import Row, text
from relay.store.leasing import announce, for_each
from relay.store.operation import Transaction
from relay.store.selection import where
from relay.store.wishes import Key, mark

T = TypeVar("T")
PIECE: Final = 2_000  # deliveries to a commit
FIRST: Final[Key] = (-1, -1)
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


class Ask(Protocol):
    """A question on a reading connection."""

    def __call__(self, question: Callable[[sqlite3.Connection], T], /) -> Awaitable[T]:
        """Its answer."""
        ...


class Write(Protocol):
    """A function in a transaction of its own."""

    def __call__(self, function: Callable[[Transaction], T], /) -> Awaitable[T]:
        """What it returned, once that is committed."""
        ...


@dataclass(slots=True)
class Changing:
    """One change under way. Its methods that take a transaction leave it as it is: they may be run
    twice."""

    what: Change
    selector: Selector  # narrowed to what the change moves
    leased: Selector
    who: str
    subject: str
    reason: str
    now: Instant
    newest: int = -1  # the last letter that is meant
    moved: int = 0
    in_flight: set[Key] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    audit_id: int | None = None

    async def run(self, write: Write, ask: Ask) -> Changed:
        """All of it. Raises StoreError; what was moved before stays so."""
        self.newest = await ask(_newest)
        await self._look_at_what_flies(write)
        # Of a long one there may be what landed behind its back: again, until nothing moves.
        while await self._pass(write, ask) > PIECE:
            pass
        await self._look_at_what_flies(write)
        return Changed(self.moved, len(self.in_flight), frozenset(self.domains))

    async def _pass(self, write: Write, ask: Ask) -> int:
        """Once through what is meant; how many were moved."""
        before, after = self.moved, FIRST
        while keys := await ask(partial(self._found, after=after)):
            rows, domains, self.audit_id = await write(partial(self._piece, keys=keys))
            self.moved += rows
            self.domains |= domains
            after = keys[-1]
            if len(keys) < PIECE:
                break
        return self.moved - before

    async def _look_at_what_flies(self, write: Write) -> None:
        """What is in flight is asked to obey when it lands."""
        found, self.audit_id = await write(self._mark)
        self.in_flight |= found

    def _mark(self, transaction: Transaction) -> tuple[set[Key], int | None]:
        condition, values = where(self.leased)
        sql = f"SELECT d.message_id, d.n FROM delivery d WHERE {condition}"  # noqa: S608 - marks only
        found = set(transaction.connection.execute(sql, values).fetchall())
        if not found:
            return found, self.audit_id
        mark(transaction, self.what, self.leased, self.reason)
        return found, self._noted(transaction, 0, found)

    def _found(self, connection: sqlite3.Connection, after: Key) -> list[Key]:
        condition, values = where(self.selector)
        sql = (
            f"SELECT d.message_id, d.n FROM delivery d WHERE {condition}"  # noqa: S608 - marks only
            " AND (d.message_id, d.n) > (?, ?) AND d.message_id <= ?"
            " ORDER BY d.message_id, d.n LIMIT ?"
        )
        return connection.execute(sql, [*values, *after, self.newest, PIECE]).fetchall()

    def _piece(
        self, transaction: Transaction, keys: Sequence[Key]
    ) -> tuple[int, set[str], int | None]:
        """Those of the keys that are still meant."""
        if self.what == "remove":
            moved, domains = self._remove(transaction, keys), set[str]()
        else:
            rows = self._move(transaction, keys)
            moved = len(rows)
            ready = announce(transaction, rows) if self.what != "hold" else []
            domains = {r.domain for r in ready}
        return moved, domains, self._noted(transaction, moved, set()) if moved else self.audit_id

    def _move(self, transaction: Transaction, keys: Sequence[Key]) -> list[Row]:
        condition, values = where(self.selector)
        # The CTE's values come first: what else is marked in the text stands behind it.
        now = str(int(self.now))
        changes = _SET[self.what].replace(":now", now).replace(":reason", "?")
        given: list[Any] = [text(self.reason)] if "?" in changes else []
        sql = (
            f"UPDATE delivery AS d SET {changes} FROM wanted w"  # noqa: S608 - marks only
            f" WHERE d.message_id = w.m AND d.n = w.n AND {condition}"
            " RETURNING domain_id, class"
        )
        return for_each(transaction.connection, sql, keys, *given, *values)

    def _remove(self, transaction: Transaction, keys: Sequence[Key]) -> int:
        condition, values = where(self.selector)
        sql = (
            "UPDATE inbox SET state = 8, category = NULL, why = ?, state_at = ?,"  # noqa: S608
            " expires_at = d.expires_at"
            " FROM wanted w CROSS JOIN delivery d ON d.message_id = w.m AND d.n = w.n"
            f" WHERE inbox.message_id = w.m AND inbox.n = w.n AND {condition}"
            " RETURNING message_id, n"
        )
        given = (text(self.reason), self.now)
        gone = for_each(transaction.connection, sql, keys, *given, *values)
        for_each(
            transaction.connection,
            "DELETE FROM delivery WHERE (message_id, n) IN (SELECT m, n FROM wanted)",
            gone,
        )
        return len(gone)

    def _noted(self, transaction: Transaction, moved: int, in_flight: set[Key]) -> int:
        """The audit row, as far as the change has come with these."""
        flying = len(self.in_flight | in_flight)
        note = f"moved {self.moved + moved}, in flight {flying}"
        if self.audit_id is not None:
            sql = "UPDATE audit SET before_after = ? WHERE audit_id = ?"
            transaction.connection.execute(sql, (note, self.audit_id))
            return self.audit_id
        audit(self.who, self.what, self.subject, self.reason, self.now, note)(transaction)
        return int(transaction.connection.execute("SELECT last_insert_rowid()").fetchone()[0])


def changing(what: Change, selector: Selector, who: str, reason: str, now: Instant) -> Changing:
    """A change, to be run. Raises StoreError."""
    narrowed = movable(what, selector)
    leased = replace(selector, states=frozenset({State.LEASED}) & (selector.states or {*State}))
    return Changing(what, narrowed, leased, who, str(selector), reason, now)


def _newest(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT max(message_id) FROM delivery").fetchone()[0]
    return -1 if found is None else int(found)


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
