"""Leasing: how deliveries move between ready, waiting and leased."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from relay.mail.delivery import Delivery
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency
from relay.store import codec
from relay.store.base import Named, Ready
from relay.store.besides import LOOKED
from relay.store.codec import Row
from relay.store.names import Names
from relay.store.operation import Joinable, Operation, Transaction
from relay.store.wishes import Key, marked, obey

_CHUNKS: Final = (64, 32, 16, 8, 4, 2, 1)
_CANDIDATES: Final = (
    "SELECT class, turn, message_id, n FROM delivery WHERE state = 0 AND domain_id = ?"
    " AND class BETWEEN ? AND ? ORDER BY class, turn, message_id, n LIMIT ?"
)
_LEASE: Final = (
    "UPDATE delivery SET state = 2, leased_until = ? WHERE message_id = ? AND n = ? AND state = 0"
)
_READ: Final = (
    f"SELECT {codec.DELIVERY} FROM wanted w"  # noqa: S608
    " CROSS JOIN inbox i ON i.message_id = w.m AND i.n = w.n"
    " JOIN delivery d ON d.message_id = w.m AND d.n = w.n"
    " JOIN message m ON m.message_id = w.m JOIN domain o ON o.domain_id = d.domain_id"
)
_BACK: Final = (
    "UPDATE delivery SET state = 0, leased_until = NULL FROM wanted w"
    " WHERE delivery.message_id = w.m AND delivery.n = w.n AND delivery.state = 2"
    " RETURNING delivery.domain_id, delivery.class"
)
_RECOVER: Final = (
    "UPDATE delivery SET state = 0, leased_until = NULL WHERE state = 2 RETURNING domain_id, class"
)
_WAKE: Final = (
    "UPDATE delivery SET state = 0 WHERE (message_id, n) IN (SELECT message_id, n FROM delivery"
    " WHERE state = 1 AND due_at <= ? ORDER BY due_at LIMIT ?) RETURNING domain_id, class"
)
DOMAIN: Final = "SELECT name FROM domain WHERE domain_id = ?"


@lru_cache(maxsize=32)
def _wanted(sql: str, rows: int) -> str:
    return f"WITH wanted(m, n) AS (VALUES {', '.join(['(?, ?)'] * rows)}) {sql}"


def for_each(
    connection: sqlite3.Connection, sql: str, keys: Sequence[tuple[int, int]], *rest: Any
) -> list[Row]:
    """Run `sql` over the CTE `wanted(m, n)`, `rest` being its own values; all its rows."""
    found: list[Row] = []
    at, left = 0, len(keys)
    for size in _CHUNKS:
        while left >= size:
            values: list[Any] = [part for key in keys[at : at + size] for part in key]
            found += connection.execute(_wanted(sql, size), values + list(rest)).fetchall()
            at, left = at + size, left - size
    return found


def announce(transaction: Transaction, moved: Sequence[Row]) -> list[Ready]:
    """Tell what became ready: rows of (domain id, class)."""
    best: dict[int, int] = {}
    for domain, urgency in moved:
        if urgency < best.get(domain, 9):
            best[domain] = urgency
    where: list[Ready] = []
    for domain, urgency in best.items():
        (name,) = transaction.connection.execute(DOMAIN, (domain,)).fetchone()
        transaction.made_ready(name, urgency)
        where.append(Ready(name, Urgency(urgency)))
    return where


class Claim(Joinable[list[Delivery]]):
    """Lease what is ready: the most urgent first, then the earliest deadline, then by turn.

    Among several domains turns are counted from each domain's virtual time, so that none of them
    waits for the backlog of another; a deadline is the same in all of them. A lease does not
    outlive the relay (see `recover`), so nothing of it need be on the disk.
    """

    needs_sync = False

    def __init__(
        self,
        names: Names,
        domains: Sequence[str],
        limit: int,
        leased_until: Instant,
        give_back: Callable[[Sequence[Delivery]], object],
        least: Urgency = Urgency.KRITIS,
        down_to: Urgency = Urgency.MASSAL,
    ) -> None:
        self._names = names
        self._domains = dict.fromkeys(domains)
        self._limit = limit
        self._until = leased_until
        self._give_back = give_back
        self._classes = (int(least), int(down_to))

    @classmethod
    def run_all(
        cls, transaction: Transaction, operations: Sequence[Claim]
    ) -> Sequence[list[Delivery]]:
        """See Joinable.run_all. What they choose is leased and read together, but not before a
        later one of them looks at the same domain."""
        connection = transaction.connection
        chosen: list[list[Key]] = []
        fresh: list[Row] = []
        seen: set[str] = set()
        for claim in operations:
            if not seen.isdisjoint(claim._domains):
                connection.executemany(_LEASE, fresh)
                fresh = []
            seen.update(claim._domains)
            keys = claim._choose(connection)
            fresh += [(claim._until, *key) for key in keys]
            chosen.append(keys)
        connection.executemany(_LEASE, fresh)
        return _read(connection, chosen)

    def _choose(self, connection: sqlite3.Connection) -> list[Key]:
        turns = self._names.turns
        found: list[tuple[int, int, int, int, int, int]] = []
        for name in self._domains:
            domain = self._names.known_domain(name)
            if domain is None:
                continue
            if self._names.besides.domains:
                self._names.besides.end((domain,))
            for urgency, turn, message_id, n in connection.execute(
                _CANDIDATES, (domain, *self._classes, self._limit)
            ).fetchall():
                rank = turns.rank((domain, urgency), turn)
                found.append((urgency, rank, message_id, n, domain, turn))
        found.sort()
        del found[self._limit :]
        for urgency, _, _, _, domain, turn in found:
            turns.leased((domain, urgency), turn)
        return [(message_id, n) for _, _, message_id, n, _, _ in found]

    def abandoned(self, result: list[Delivery]) -> None:
        """Nobody waits for them any more: they are ready again."""
        if result:
            self._give_back(result)


def _read(connection: sqlite3.Connection, chosen: Sequence[Sequence[Key]]) -> list[list[Delivery]]:
    wanted = [key for keys in chosen for key in keys]
    found = {(row[0], row[1]): row for row in for_each(connection, _READ, wanted)}
    return [[codec.delivery(found[key]) for key in keys] for keys in chosen]


class ClaimOthers(Operation[tuple[list[Delivery], bool]]):
    """The same order, but letters that are named stay as they are. Looks at so many letters at
    most; True where no others are ready besides these: else it is to be asked again."""

    needs_sync = False

    def __init__(
        self,
        names: Names,
        domains: Sequence[str],
        limit: int,
        leased_until: Instant,
        give_back: Callable[[Sequence[Delivery]], object],
        classes: range,
        named: Named,
    ) -> None:
        self._names = names
        self._domains = dict.fromkeys(domains)
        self._limit = limit
        self._until = leased_until
        self._give_back = give_back
        self._classes = classes
        self._named = named

    def run(self, transaction: Transaction) -> tuple[list[Delivery], bool]:
        """See Operation.run."""
        known = map(self._names.known_domain, self._domains)
        domains = [domain for domain in known if domain is not None]
        self._names.besides.begin(domains, self._named)
        keys: list[Key] = []
        left = LOOKED
        for urgency in self._classes:
            found, left = self._found(domains, urgency, left)
            keys += self._taken(found[: self._limit - len(keys)], urgency)
            if left <= 0 or len(keys) >= self._limit:
                break
        transaction.connection.executemany(_LEASE, [(self._until, *key) for key in keys])
        return _read(transaction.connection, [keys])[0], left > 0

    def _found(
        self, domains: Sequence[int], urgency: int, left: int
    ) -> tuple[list[tuple[int, int, int, int, int]], int]:
        """What may go of one class, the first first; and how many may still be looked at."""
        turns, found = self._names.turns, []
        for domain in domains:
            if left > 0:
                lane = (domain, urgency)
                look = self._names.besides.look
                places, looked = look(lane, self._named, self._limit, left)
                left -= looked
                found += [(turns.rank(lane, turn), id, n, domain, turn) for turn, id, n in places]
        return sorted(found), left

    def _taken(self, found: Sequence[tuple[int, int, int, int, int]], urgency: int) -> list[Key]:
        for _, message_id, n, domain, turn in found:
            self._names.turns.leased((domain, urgency), turn)
            self._names.besides.gone((domain, urgency), [(turn, message_id, n)])
        return [(message_id, n) for _, message_id, n, _, _ in found]

    def abandoned(self, result: tuple[list[Delivery], bool]) -> None:
        """Nobody waits for them any more: they are ready again."""
        if result[0]:
            self._give_back(result[0])


def give_back(deliveries: Sequence[Delivery]) -> Callable[[Transaction], None]:
    """Leased ones are ready again; those that are not leased are left alone."""
    keys = [(delivery.message_id, delivery.n) for delivery in deliveries]

    def run(transaction: Transaction) -> None:
        asked = marked(transaction.connection)
        announce(transaction, for_each(transaction.connection, _BACK, keys))
        obey(transaction, asked, keys)

    return run


def recover(transaction: Transaction) -> int:
    """Every leased one is ready again."""
    asked = marked(transaction.connection)
    moved = transaction.connection.execute(_RECOVER).fetchall()
    obey(transaction, asked, asked)
    announce(transaction, moved)
    return len(moved)


def wake(now: Instant, limit: int) -> Callable[[Transaction], list[Ready]]:
    """Waiting ones whose time has come are ready, the longest due first."""

    def run(transaction: Transaction) -> list[Ready]:
        moved = transaction.connection.execute(_WAKE, (now, limit)).fetchall()
        return announce(transaction, moved)

    return run
