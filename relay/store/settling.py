"""Settling: what came of leased deliveries, their attempts and reports, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.mail.classification import Category
from relay.mail.delivery import Bounced, Deferred, Delivered, Expired, Held, State, Suppressed
from relay.mail.instant import Instant
from relay.store import codec, striking
from relay.store.base import Settlement, StoreError
from relay.store.codec import Row
from relay.store.names import Names
from relay.store.operation import Operation, Transaction
from relay.store.putting import Prepared, write_entries
from relay.store.wishes import marked, obey

_END: Final = (
    "UPDATE inbox SET state = ?, category = ?, why = ?, state_at = ?, expires_at ="
    " coalesce((SELECT d.expires_at FROM delivery d WHERE d.message_id = inbox.message_id"
    " AND d.n = inbox.n), expires_at) WHERE message_id = ? AND n = ?"
)
_LEAVE: Final = "DELETE FROM delivery WHERE message_id = ? AND n = ?"
_FLOW: Final = (
    "SELECT d.domain_id, d.class, m.flow, m.deadline_at FROM delivery d"
    " JOIN message m USING (message_id) WHERE d.message_id = ? AND d.n = ?"
)
_BEHIND: Final = "UPDATE delivery SET turn = ? WHERE message_id = ? AND n = ?"
_STAY: Final = (
    "UPDATE delivery SET state = ?, due_at = ?, tries = ?, why = ?, category = ?, state_at = ?,"
    " expires_at = coalesce(?, expires_at), leased_until = NULL WHERE message_id = ? AND n = ?"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What an outcome means for the delivery: its new state, and what is written beside it."""

    state: State
    due_at: Instant
    tries: int
    why: str
    category: Category | None
    expires_at: Instant | None = None  # None: as it was

    @property
    def goes_behind(self) -> bool:
        """True where it takes a new turn, behind what waits: a full mailbox is likely full again,
        and each try there is one letter less to those who were not asked yet."""
        return self.state is State.WAITING and self.category is Category.MAILBOX_FULL


def sentence(settlement: Settlement) -> Sentence:
    """The one reading of an outcome that every store shares.

    Tries count attempts, save where a Deferred says that it does not count.
    """
    delivery, outcome = settlement.delivery, settlement.outcome
    tries = delivery.tries + (1 if settlement.attempt is not None else 0)
    match outcome:
        case Delivered():
            return Sentence(State.DELIVERED, delivery.due_at, tries, "", None)
        case Deferred():
            tries = delivery.tries + (1 if outcome.counts else 0)
            told = (outcome.until, tries, outcome.why, outcome.category, outcome.expires_at)
            return Sentence(State.WAITING, *told)
        case Held():
            return Sentence(State.HELD, delivery.due_at, tries, outcome.why, outcome.category)
        case Bounced():
            return Sentence(State.BOUNCED, delivery.due_at, tries, outcome.why, outcome.category)
        case Expired():
            return Sentence(State.EXPIRED, delivery.due_at, tries, outcome.why, outcome.category)
        case Suppressed():
            return Sentence(State.SUPPRESSED, delivery.due_at, tries, outcome.why, outcome.category)
    raise StoreError(f"{outcome!r} is no outcome that the store knows")


class Settle(Operation[None]):
    """Settlements as rows."""

    def __init__(
        self,
        settlements: Sequence[Settlement],
        attempts: Sequence[Row],
        reports: Sequence[Prepared],
        names: Names,
        now: Instant,
    ) -> None:
        self._ends: list[Row] = []
        self._stays: list[Row] = []
        self._behind: list[tuple[int, int]] = []
        self._owed: list[Row] = []
        self._attempts = attempts
        self._reports = reports
        self._names = names
        self._strikes = striking.rows_of(s.strike for s in settlements if s.strike)
        self._healed = [(now, s.healed) for s in settlements if s.healed]
        self._doubts = [s.doubt for s in settlements if s.doubt]
        for settlement in settlements:
            said = sentence(settlement)
            key = (settlement.delivery.message_id, settlement.delivery.n)
            number = codec.category_number(said.category)
            why = codec.text(said.why) or None
            if said.state.is_final:
                if settlement.owes_report:
                    self._owed.append((*key, now))
                self._ends.append((int(said.state), number, why, now, *key))
            else:
                stay = (int(said.state), said.due_at, said.tries, why, number, now)
                self._stays.append((*stay, said.expires_at, *key))
                if said.goes_behind:
                    self._behind.append(key)

    def run(self, transaction: Transaction) -> None:
        """See Operation.run."""
        connection = transaction.connection
        asked = marked(connection) if self._stays else {}
        if self._attempts:
            connection.executemany(codec.INSERT_ATTEMPT, self._attempts)
        _all(connection, _END, self._ends)
        _all(connection, _LEAVE, [row[4:] for row in self._ends])
        _all(connection, _STAY, self._stays)
        for key in self._behind:
            self._go_behind(connection, key)
        obey(transaction, asked, [row[-2:] for row in self._stays])
        striking.healed(connection, self._healed)
        striking.doubted(connection, self._doubts)
        striking.note(connection, self._strikes)
        if self._owed:
            connection.executemany(codec.OWE, self._owed)
        if self._reports:
            write_entries(transaction, self._reports, self._names)

    def _go_behind(self, connection: sqlite3.Connection, key: tuple[int, int]) -> None:
        domain, urgency, flow, deadline_at = connection.execute(_FLOW, key).fetchone()
        turn = self._names.turns.give((domain, urgency), flow, deadline_at)
        connection.execute(_BEHIND, (turn, *key))


def _all(connection: sqlite3.Connection, sql: str, rows: Sequence[Row]) -> None:
    if rows and connection.executemany(sql, rows).rowcount != len(rows):
        raise StoreError("a delivery to be settled is not in the queue")
