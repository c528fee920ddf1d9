"""SqliteStore: the store in one SQLite file, behind one writer; what it promises is in base.py.

The file is in WAL mode with synchronous=FULL: a commit is on stable storage when it returns, save
one of leases, or of parts of letters to come, alone (see writer.py). One connection writes and
checkpoints, all others are opened read-only. A message without an inbox (a report of ours) has
inbox rows too, with no mailbox: the record of its end.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from relay.clock import Clock
from relay.mail.delivery import Deferred, Delivery, Held
from relay.mail.instant import Instant
from relay.mail.letter import Letter
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.store import (
    changing,
    codec,
    connections,
    leasing,
    migrations,
    putting,
    reading,
    requeueing,
    small,
)
from relay.store.base import (
    Account,
    Change,
    Changed,
    Entry,
    Named,
    Ready,
    ReadyListener,
    Selector,
    Settlement,
    StoreError,
)
from relay.store.cache import BODIES, COUNTED, LETTERS, Cache
from relay.store.connections import NAME, Readers
from relay.store.lock import Lock, locked
from relay.store.names import Names
from relay.store.operation import Call, Operation, Transaction
from relay.store.owed import WritingOwed
from relay.store.reader import Reading
from relay.store.refused import WritingRefused
from relay.store.settling import Settle
from relay.store.sqlite_reporting import WritingReports
from relay.store.sqlite_returning import WritingReturns
from relay.store.sqlite_suppressing import WritingSuppressions
from relay.store.writer import Writer

_INLINE: Final = 16 << 10  # octets that are compressed in the loop's thread
_LETTER: Final = 1024  # what a Letter weighs besides its head


async def open(
    state_dir: Path,
    clock: Clock,
    node: int = 0,
    steps: Sequence[migrations.Migration] | None = None,
) -> SqliteStore:
    """Take the state directory's lock, bring the schema up to date, start the writer.

    The directory is made where it is missing. Raises StateLocked, StoreTooNew, StoreError.
    """
    path = state_dir / NAME
    lock = locked(state_dir)
    readers = Readers(partial(connections.reading, path))
    try:
        connection = await readers.do(partial(_prepared, path, steps or migrations.shipped()))
    except BaseException:
        await readers.close()
        lock.release()
        raise
    return SqliteStore(path, connection, readers, lock, clock, node)


def _prepared(path: Path, steps: Sequence[migrations.Migration]) -> sqlite3.Connection:
    connection = None
    try:
        connection = connections.writing(path)
        migrations.migrate(connection, steps)
        connection.execute("BEGIN IMMEDIATE")
        putting.sweep_all(Transaction(connection))
        connection.execute("COMMIT")
    except (sqlite3.Error, OSError, StoreError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"the store {path} cannot be opened: {error}") from error
    return connection


class SqliteStore(
    Reading, WritingSuppressions, WritingReturns, WritingOwed, WritingRefused, WritingReports
):
    """Implements Store. Made by :func:`open`; called from the loop's thread only."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        readers: Readers,
        lock: Lock,
        clock: Clock,
        node: int,
    ) -> None:
        super().__init__(readers)
        self._path = path
        self._lock = lock
        self._node = node
        self._names = Names(connection, node)
        self._writer = Writer(connection, path, clock, self._names.keep, self._names.forget)
        self._letters: Cache[Letter] = Cache(LETTERS)
        self._bodies: Cache[bytes] = Cache(BODIES)
        self._left: Cache[int] = Cache(COUNTED)  # recipients that are not done with
        self._inbox_rows: int | None = None
        self._is_closed = False

    # Queue: writing.

    @property
    def dead(self) -> asyncio.Event:
        """See Queue.dead."""
        return self._writer.dead

    def subscribe(self, listener: ReadyListener) -> None:
        """See Queue.subscribe."""
        self._writer.subscribe(listener)

    async def put(self, *entries: Entry) -> None:
        """See Queue.put."""
        await self._written(entries, lambda made: putting.Put(made, self._names))

    async def _written(
        self,
        entries: Sequence[Entry],
        work: Callable[[Sequence[putting.Prepared]], Operation[None]],
    ) -> None:
        """Entries made ready, and what writes them; where it fails, nothing of them stays."""
        in_parts: list[int] = []
        try:
            prepared = [await self._prepare(entry, in_parts) for entry in entries]
            await self._writer.submit(work(prepared))
        except BaseException:
            for message_id in in_parts:
                self._later(putting.sweep(message_id))
            raise
        for entry in entries:
            self._remember(entry)

    async def _prepare(self, entry: Entry, in_parts: list[int]) -> putting.Prepared:
        """The entry's rows; its large parts are written on the way, not visible yet."""
        content = entry.message.content
        squeezed = None
        if content.received is not None:
            squeeze = partial(putting.squeeze, content.received)
            is_small = len(content.received) <= _INLINE
            squeezed = squeeze() if is_small else await self._readers.do(squeeze)
        prepared = putting.prepare(entry, squeezed, self._node)
        if prepared.in_parts:
            in_parts.append(entry.message.id)
            parts = putting.parts_of(entry, squeezed)
            await putting.put_parts(self._writer.submit, entry.message.id, parts)
        return prepared

    def _later(self, work: Callable[[Transaction], None]) -> None:
        """Hand in what nobody waits for; if it fails, the next start makes up for it."""
        with suppress(StoreError):
            self._writer.submit(Call(work)).add_done_callback(_seen)

    def _remember(self, entry: Entry) -> None:
        """What was just put is asked for soon."""
        if self._inbox_rows is not None and entry.has_inbox:
            self._inbox_rows += len(entry.placements)
        message = entry.message
        content = message.content
        left = sum(not placement.delivery.state.is_final for placement in entry.placements)
        if not left:
            return
        if len(entry.placements) > 1:
            self._left.put(message.id, left, 1)
        self._letters.put(message.id, codec.letter_of(message), len(content.head) + _LETTER)
        self._bodies.put(message.id, content.body, len(content.body))

    async def recover(self, now: Instant) -> int:
        """See Queue.recover."""
        return await self._writer.call(leasing.recover)

    async def wake(self, now: Instant, limit: int = 5000) -> list[Ready]:
        """See Queue.wake."""
        return await self._writer.call(leasing.wake(now, limit), needs_sync=False)

    async def claim(
        self,
        domains: Sequence[str],
        limit: int,
        now: Instant,
        leased_until: Instant,
        least: Urgency = Urgency.KRITIS,
        down_to: Urgency = Urgency.MASSAL,
        not_of: Named | None = None,
    ) -> list[Delivery]:
        """See Queue.claim. A caller that is cancelled leaves nothing leased."""
        if not domains or limit <= 0:
            return []
        asked = (self._names, domains, limit, leased_until, self._give_back_later)
        if not_of is None:
            return await self._writer.submit(leasing.Claim(*asked, least, down_to))
        while True:  # a piece at a time, so that others are served between two
            classes = range(least, down_to + 1)
            others = leasing.ClaimOthers(*asked, classes, not_of)
            found, are_all = await self._writer.submit(others)
            if found or are_all:
                return found

    def _give_back_later(self, deliveries: Sequence[Delivery]) -> None:
        self._later(leasing.give_back(deliveries))

    async def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """See Queue.give_back."""
        if deliveries:
            await self._writer.call(leasing.give_back(deliveries), needs_sync=False)

    async def settle(self, settlements: Sequence[Settlement], now: Instant) -> None:
        """See Queue.settle."""
        if not settlements:
            return
        in_parts: list[int] = []
        attempts = []
        reports = []
        try:
            for settlement in settlements:
                if settlement.attempt is not None:
                    known = self._letters.get(settlement.attempt.message_id)
                    head = None if known is None else known.head
                    attempts.append(codec.attempt_row(settlement.attempt, head, self._node))
                if settlement.dsn is not None:
                    reports.append(await self._prepare(settlement.dsn, in_parts))
            await self._writer.submit(Settle(settlements, attempts, reports, self._names, now))
        except BaseException:
            for message_id in in_parts:
                self._later(putting.sweep(message_id))
            raise
        for settlement in settlements:
            self._after(settlement)

    def _after(self, settlement: Settlement) -> None:
        """Remember a report; forget a letter when the last of its recipients is done with."""
        if settlement.dsn is not None:
            self._remember(settlement.dsn)
        if isinstance(settlement.outcome, Deferred | Held):
            return
        message_id = settlement.delivery.message_id
        left, known = self._left.get(message_id), self._letters.get(message_id)
        if left is None:  # one recipient, or it was not put by this process
            left = known.recipients if known is not None else 1
            if left > 1:
                return
        if left > 1:
            self._left.put(message_id, left - 1, 1)
            return
        for cache in (self._left, self._letters, self._bodies):
            cache.drop(message_id)

    async def change(
        self, what: Change, selector: Selector, who: str, reason: str, now: Instant
    ) -> Changed:
        """See Queue.change."""
        change = changing.changing(what, selector, who, reason, now)
        return await change.run(self._writer.call, self._ask)

    async def requeue(
        self,
        refs: Sequence[tuple[int, int]],
        action: str,
        who: str,
        reason: str,
        now: Instant,
        subject: str = "",
    ) -> Changed:
        """See Queue.requeue."""
        work = requeueing.requeue(refs, self._names, action, who, reason, now, subject)
        return await self._writer.call(work)

    async def save_shaping(self, states: Mapping[str, str], now: Instant) -> None:
        """See Queue.save_shaping."""
        if states:
            await self._writer.call(small.save_shaping(dict(states), now))

    async def save_spent(self, rows: Sequence[Spent]) -> None:
        """See Queue.save_spent."""
        if rows:
            await self._writer.call(small.save_spent(list(rows)))

    async def audit(
        self, who: str, action: str, subject: str, reason: str, now: Instant, detail: str = ""
    ) -> None:
        """See Queue.audit."""
        await self._writer.call(changing.audit(who, action, subject, reason, now, detail))

    # Queue: reading what is often in memory.

    async def letter(self, message_id: int) -> Letter:
        """See Queue.letter."""
        known = self._letters.get(message_id)
        if known is not None:
            return known
        found, body = await self._ask(reading.letter_and_body, message_id)
        self._letters.put(message_id, found, len(found.head) + _LETTER)
        if body is not None:
            self._bodies.put(message_id, body, len(body))
        return found

    async def body(self, message_id: int) -> bytes:
        """See Queue.body."""
        found = self._bodies.get(message_id)
        if found is None:
            found = await super().body(message_id)
            self._bodies.put(message_id, found, len(found))
        return found

    async def inbox_rows(self) -> int:
        """See Inbox.inbox_rows. Counted once, then reckoned on."""
        if self._inbox_rows is None:
            self._inbox_rows = await super().inbox_rows()
        return self._inbox_rows

    # Inbox and accounts: writing.

    async def mark_read(self, mailbox_id: int, message_id: int, n: int, now: Instant) -> None:
        """See Inbox.mark_read."""
        await self._writer.call(small.mark_read(mailbox_id, message_id, n, now))

    async def use_link(self, jti: bytes, now: Instant) -> bool:
        """See Inbox.use_link."""
        return await self._writer.call(small.use_link(jti, now))

    async def save_account(self, account: Account) -> None:
        """See Accounts.save_account."""
        await self._writer.call(small.save_account(account))

    async def remove_account(self, name: str) -> bool:
        """See Accounts.remove_account."""
        return await self._writer.call(small.remove_account(name))

    # The whole.

    async def close(self) -> None:
        """See Store.close. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._readers.close()
        await self._writer.close()
        self._lock.release()

    def wal_bytes(self) -> int:
        """See Store.wal_bytes."""
        try:
            return self._path.with_name(f"{NAME}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def free_bytes(self) -> tuple[int, int]:
        """See Store.free_bytes."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize

    def commit_seconds(self) -> list[float]:
        """See Store.commit_seconds."""
        durations = self._writer.durations
        return [durations.popleft() for _ in range(len(durations))]

    async def beat(self) -> None:
        """See Store.beat."""
        await self._writer.call(_nothing)


def _nothing(transaction: Transaction) -> None:
    """What a heartbeat does."""


def _seen(future: asyncio.Future[None]) -> None:
    """Look at what became of work that nobody waits for, so that asyncio does not complain."""
    if not future.cancelled():
        future.exception()
