"""Names: domains and mailboxes as numbers, made where they are new, remembered by the writer."""

from __future__ import annotations

import secrets
import sqlite3
from typing import Final

from relay.mail.instant import Instant
from relay.store import codec
from relay.store.besides import Besides
from relay.store.turns import Lane, Turns

MAX_KEPT: Final = 50_000
ADDRESS: Final = (
    "SELECT mailbox_id FROM mailbox_address WHERE address = ? AND until_at IS NULL"
    " ORDER BY from_at DESC LIMIT 1"
)

LOWEST: Final = (
    "SELECT min(turn) FROM delivery WHERE state = 0 AND domain_id = ? AND class = ?"
    " AND turn BETWEEN ? AND ?"
)


class Names:
    """What the writer's operations look up again and again; used in the writer's thread only."""

    def __init__(self, connection: sqlite3.Connection, node: int) -> None:
        self._connection = connection
        self.node = node
        self.turns = Turns(self._lowest)
        self.besides = Besides(connection)
        self._domains: dict[str, int] = {}
        self._mailboxes: dict[str, int] = {}

    def forget(self) -> None:
        """After a rollback: what was made in it is not there."""
        self.turns.undo()
        self.besides.forget()
        self._domains.clear()
        self._mailboxes.clear()

    def keep(self) -> None:
        """After a commit."""
        self.turns.keep()

    def domain(self, name: str) -> int:
        """The domain's number."""
        found = self._domains.get(name)
        if found is None:
            row = codec.one(self._connection, "SELECT domain_id FROM domain WHERE name = ?", name)
            if row is None:
                made = self._connection.execute("INSERT INTO domain (name) VALUES (?)", (name,))
                row = (made.lastrowid,)
            found = self._known(name, int(row[0]))
        return found

    def known_domain(self, name: str) -> int | None:
        """The domain's number, if any mail ever went there."""
        found = self._domains.get(name)
        if found is None:
            row = codec.one(self._connection, "SELECT domain_id FROM domain WHERE name = ?", name)
            if row is None:
                return None
            found = self._known(name, int(row[0]))
        return found

    def _known(self, name: str, number: int) -> int:
        if len(self._domains) >= MAX_KEPT:
            self._domains.clear()
        self._domains[name] = number
        return number

    def mailbox(self, address: str, now: Instant) -> int:
        """The number of the mailbox that the address belongs to today, made if there is none."""
        found = self._mailboxes.get(address)
        if found is None:
            row = codec.one(self._connection, ADDRESS, address)
            if row is None:
                made = self._connection.execute(
                    "INSERT INTO mailbox (link_id, label) VALUES (?, ?)",
                    (secrets.token_bytes(16), address),
                )
                row = (made.lastrowid,)
                self._connection.execute(
                    "INSERT INTO mailbox_address VALUES (?, ?, ?, NULL)", (address, row[0], now)
                )
            if len(self._mailboxes) >= MAX_KEPT:
                self._mailboxes.clear()
            found = self._mailboxes[address] = int(row[0])
        return found

    def _lowest(self, lane: Lane, first: int, last: int) -> int | None:
        row = codec.one(self._connection, LOWEST, *lane, first, last)
        return None if row is None else row[0]
