"""Putting: entries made ready in the loop's thread, written by the writer, many in a statement."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from relay.mail.envelope import Message
from relay.store import codec
from relay.store.base import Entry, Placement, StoreError
from relay.store.codec import Row
from relay.store.names import Names
from relay.store.operation import Joinable, Transaction

PART: Final = 256 << 10  # a body over this goes in parts, in commits before its own
AT_ONCE: Final = 4  # parts of a letter that are handed in together: 1 MiB
_CHUNKS: Final = (64, 32, 16, 8, 4, 2, 1)  # rows a statement: few shapes, all stay prepared
_READY: Final = 0


@lru_cache(maxsize=64)
def _insert(table: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {table} VALUES {', '.join([row] * rows)}"  # noqa: S608


def insert_many(connection: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
    """Insert the rows, as many to a statement as its shapes allow."""
    at, left = 0, len(rows)
    for size in _CHUNKS:
        while left >= size:
            values = [value for row in rows[at : at + size] for value in row]
            connection.execute(_insert(table, len(rows[0]), size), values)
            at, left = at + size, left - size


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry as rows; numbers of domains and mailboxes and the turns come in the writer.

    `in_parts`: the body went before; `received`: compressed, None where it is in parts.
    """

    message: Row
    body: Row
    received: Row | None
    in_parts: bool
    flow: str
    urgency: int
    deadline_at: int | None
    received_at: int
    recipients: tuple[Row, ...]
    attempts: tuple[Row, ...]


def parts_of(entry: Entry, squeezed: bytes | None) -> list[tuple[int, memoryview]]:
    """The parts to be written before the entry: (number, octets); empty for a small one. They are
    views: nothing is copied."""
    body = memoryview(entry.message.content.body)
    parts: list[tuple[int, memoryview]] = []
    if len(body) > PART:
        parts = [(i, body[at : at + PART]) for i, at in enumerate(range(0, len(body), PART))]
    if squeezed is not None and len(squeezed) > PART:
        starts, packed = range(0, len(squeezed), PART), memoryview(squeezed)
        parts += [(-1 - i, packed[at : at + PART]) for i, at in enumerate(starts)]
    return parts


async def put_parts(
    submit: Callable[[PutPart], asyncio.Future[None]],
    message_id: int,
    parts: Sequence[tuple[int, memoryview]],
) -> None:
    """Write them, a few on their way at a time: others' commits need not wait for all of a large
    letter, nor each of its parts for the loop's next turn. Raises StoreError."""
    under_way: deque[asyncio.Future[None]] = deque()
    for part, octets in parts:
        if len(under_way) == AT_ONCE:
            await under_way.popleft()
        under_way.append(submit(PutPart(message_id, part, octets)))
        under_way[-1].add_done_callback(_seen)
    while under_way:
        await under_way.popleft()


def _seen(future: asyncio.Future[None]) -> None:
    """Where one part has failed nobody asks what became of those behind it."""
    if not future.cancelled():
        future.exception()


def squeeze(received: bytes) -> bytes:
    """The octets as received, compressed; fast rather than small."""
    return zlib.compress(received, 1)


def prepare(entry: Entry, squeezed: bytes | None, node: int) -> Prepared:
    """The rows of an entry. Raises StoreError for one that contradicts itself."""
    message = entry.message
    content = message.content
    body = content.body
    received: Row | None = None
    if content.received is not None and squeezed is not None:
        kept = squeezed if len(squeezed) <= PART else None
        received = (message.id, len(content.received), kept)
    attempts: list[Row] = []
    recipients: list[Row] = []
    for placement in entry.placements:
        recipients.append(_recipient(entry, placement))
        if placement.attempt is not None:
            attempts.append(codec.attempt_row(placement.attempt, content.head, node))
    return Prepared(
        message=codec.message_row(message),
        body=(message.id, len(body), body if len(body) <= PART else None),
        received=received,
        in_parts=len(body) > PART or (squeezed is not None and len(squeezed) > PART),
        flow=message.particulars.flow,
        urgency=int(message.particulars.urgency),
        deadline_at=message.particulars.deadline_at,
        received_at=message.received_at,
        recipients=tuple(recipients),
        attempts=tuple(attempts),
    )


def _recipient(entry: Entry, placement: Placement) -> Row:
    """(n, key of the mailbox, domain, as given, address, orcpt, notify, state, …)"""
    message: Message = entry.message
    delivery = placement.delivery
    if delivery.message_id != message.id:
        raise StoreError(f"{delivery.ref} is no delivery of the letter it came with")
    if delivery.urgency is not message.particulars.urgency:
        raise StoreError(f"{delivery.ref} is of another class than its letter")
    as_given = codec.text(delivery.as_given)
    address = codec.text(delivery.recipient)
    return (
        delivery.n,
        codec.text(placement.mailbox_address) if entry.has_inbox else None,
        delivery.domain,
        as_given,
        None if address == as_given else address,
        codec.text_or_none(delivery.orcpt),
        codec.notify_text(delivery.notify),
        int(delivery.state),
        delivery.due_at,
        delivery.expires_at,
        delivery.tries,
        codec.text(delivery.why) or None,
        codec.category_number(placement.category),
        int(delivery.is_fixed),
        placement.owes_report,
    )


class _Rows:
    """The rows of many entries, by table."""

    def __init__(self) -> None:
        self.body: list[Row] = []
        self.message: list[Row] = []
        self.received: list[Row] = []
        self.inbox: list[Row] = []
        self.delivery: list[Row] = []
        self.attempts: list[Row] = []
        self.owed: list[Row] = []

    def add(self, entry: Prepared, names: Names, transaction: Transaction) -> None:
        message_id, at = entry.message[0], entry.received_at
        self.message.append(entry.message)
        self.body.append(entry.body)
        if entry.received is not None:
            self.received.append(entry.received)
        self.attempts += entry.attempts
        for row in entry.recipients:
            n, key, name, as_given, address, orcpt, notify, state = row[:8]
            due_at, expires_at, tries, why, category, is_fixed, owes_report = row[8:]
            if owes_report:
                self.owed.append((message_id, n, at))
            domain = names.domain(name)
            mailbox = None if key is None else names.mailbox(key, at)
            ids = (message_id, n, mailbox, domain)
            given = (as_given, address, orcpt, notify, expires_at)
            self.inbox.append((*ids, *given, state, category, why, at, None))
            if state > 3:
                continue
            turn = names.turns.give((domain, entry.urgency), entry.flow, entry.deadline_at)
            job = (entry.urgency, state, turn, due_at, expires_at, tries, why, category, at, None)
            self.delivery.append((*ids, *job, is_fixed))
            if state == _READY:
                transaction.made_ready(name, entry.urgency, entry.deadline_at is not None)

    def write(self, connection: sqlite3.Connection) -> None:
        insert_many(connection, "body", self.body)
        insert_many(connection, "message", self.message)
        insert_many(connection, "received_body", self.received)
        insert_many(connection, "inbox", self.inbox)
        insert_many(connection, "delivery", self.delivery)
        if self.attempts:
            connection.executemany(codec.INSERT_ATTEMPT, self.attempts)
        if self.owed:
            connection.executemany(codec.OWE, self.owed)


def write_entries(transaction: Transaction, entries: Sequence[Prepared], names: Names) -> None:
    """Write the entries."""
    rows = _Rows()
    for entry in entries:
        rows.add(entry, names, transaction)
    rows.write(transaction.connection)
    for entry in entries:
        if entry.in_parts:
            transaction.connection.execute(
                "DELETE FROM body_begun WHERE body_id = ?", (entry.message[0],)
            )


class Put(Joinable[None]):
    """Entries to be written; many puts go into the same statements."""

    def __init__(self, entries: Sequence[Prepared], names: Names) -> None:
        self.entries = entries
        self._names = names
        self.octets = sum(len(e.body[2] or b"") + len(e.message[4]) for e in entries)

    @classmethod
    def run_all(cls, transaction: Transaction, operations: Sequence[Put]) -> Sequence[None]:
        """See Joinable.run_all."""
        entries = [entry for put in operations for entry in put.entries]
        write_entries(transaction, entries, operations[0]._names)
        return [None] * len(operations)


class PutPart(Joinable[None]):
    """One part of a large body, before its letter; the first one notes that it was begun. Many go
    into one statement: each takes the interpreter's lock anew, which the loop has most of the time.

    Nobody is told of it, and what a power cut would take of it belongs to a letter that nobody was
    told of either: the letter's own commit, which comes after all its parts, syncs them along.
    """

    needs_sync = False

    def __init__(self, body_id: int, part: int, octets: memoryview) -> None:
        self._row = (body_id, part, octets)
        self.octets = len(octets)

    @classmethod
    def run_all(cls, transaction: Transaction, operations: Sequence[PutPart]) -> Sequence[None]:
        """See Joinable.run_all."""
        rows = [one._row for one in operations]
        begun = "INSERT OR IGNORE INTO body_begun VALUES (?)"
        for body_id in dict.fromkeys(row[0] for row in rows):
            transaction.connection.execute(begun, (body_id,))
        insert_many(transaction.connection, "body_part", rows)
        return [None] * len(rows)


def sweep(body_id: int) -> Callable[[Transaction], None]:
    """Remove the parts of a letter that did not come to be."""

    def run(transaction: Transaction) -> None:
        run_on = transaction.connection.execute
        if run_on("DELETE FROM body_begun WHERE body_id = ?", (body_id,)).rowcount:
            run_on("DELETE FROM body_part WHERE body_id = ?", (body_id,))

    return run


def sweep_all(transaction: Transaction) -> None:
    """At start: remove the parts that a crash cut off."""
    for (body_id,) in transaction.connection.execute("SELECT body_id FROM body_begun").fetchall():
        sweep(body_id)(transaction)
