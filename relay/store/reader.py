"""Reader: the reading half of the store, and `open_readonly` for commands without a relay."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from relay.mail.delivery import Attempt, Delivery, State
from relay.mail.instant import Instant
from relay.mail.letter import Letter
from relay.mail.spent import Spent
from relay.store import migrations, reading, unsent
from relay.store.base import (
    Account,
    Backlog,
    Depth,
    InboxRow,
    Mailbox,
    QueueRow,
    Ready,
    Selector,
    StoreError,
    Tally,
    Unsent,
)
from relay.store.connections import NAME, Readers
from relay.store.connections import reading as connect
from relay.store.owed import ReadingOwed
from relay.store.refusals import FIRST, Hits, Key, Refusal, counted, piece
from relay.store.refused import ReadingRefused
from relay.store.sqlite_reporting import ReadingReports
from relay.store.sqlite_returning import ReadingReturns
from relay.store.sqlite_suppressing import ReadingSuppressions

P = ParamSpec("P")
T = TypeVar("T")


class Reading(ReadingSuppressions, ReadingReturns, ReadingOwed, ReadingRefused, ReadingReports):
    """Every question of Queue, Inbox and Accounts; each sees what was committed before it."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def _ask(
        self,
        question: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        return await self._readers.ask(question, *args, **kwargs)

    async def ready(self) -> list[Ready]:
        """See Queue.ready."""
        return await self._ask(reading.ready)

    async def next_due_at(self) -> Instant | None:
        """See Queue.next_due_at."""
        return await self._ask(reading.next_due_at)

    async def overdue(self, now: Instant, limit: int = 1000) -> list[Delivery]:
        """See Queue.overdue."""
        return await self._ask(reading.overdue, now, limit)

    async def letter(self, message_id: int) -> Letter:
        """See Queue.letter."""
        return await self._ask(reading.letter, message_id)

    async def body(self, message_id: int) -> bytes:
        """See Queue.body."""
        return await self._ask(reading.body, message_id)

    async def attempts(self, message_id: int, n: int) -> list[Attempt]:
        """See Queue.attempts."""
        return await self._ask(reading.attempts, message_id, n)

    async def rows(
        self, selector: Selector, limit: int = 100, after: tuple[int, int] | None = None
    ) -> list[QueueRow]:
        """See Queue.rows."""
        return await self._ask(reading.rows, selector, limit, after)

    async def find(self, message_id: int, n: int | None = None) -> list[QueueRow]:
        """See Queue.find."""
        return await self._ask(reading.find, message_id, n)

    async def count(self, selector: Selector) -> dict[State, int]:
        """See Queue.count."""
        return await self._ask(reading.count, selector)

    async def depths(self) -> list[Depth]:
        """See Queue.depths."""
        return await self._ask(reading.depths)

    async def backlog(self, domains: Collection[str]) -> list[Backlog]:
        """See Queue.backlog."""
        return await self._ask(reading.backlog, domains)

    async def accepted_since(self, since: Instant) -> list[tuple[Instant, int]]:
        """See Queue.accepted_since."""
        return await self._ask(reading.accepted_since, since)

    async def domains_of(self, message_id: int) -> Mapping[str, int]:
        """See Queue.domains_of."""
        return await self._ask(reading.domains_of, message_id)

    async def unsent(
        self, wanted: Unsent, limit: int = 500, after: tuple[int, int] | None = None
    ) -> list[QueueRow]:
        """See Queue.unsent."""
        return await self._ask(unsent.rows, wanted, limit, after)

    async def tallies(self, wanted: Unsent, now: Instant) -> list[Tally]:
        """See Queue.tallies."""
        return await self._ask(unsent.tallies, wanted, now)

    async def load_shaping(self) -> dict[str, str]:
        """See Queue.load_shaping."""
        return await self._ask(reading.shaping)

    async def load_spent(self) -> list[Spent]:
        """See Queue.load_spent."""
        return await self._ask(reading.spent)

    async def mailbox(self, address: str) -> Mailbox | None:
        """See Inbox.mailbox."""
        return await self._ask(reading.mailbox, address)

    async def mailbox_by_link(self, link_id: bytes) -> Mailbox | None:
        """See Inbox.mailbox_by_link."""
        return await self._ask(reading.mailbox_by_link, link_id)

    async def accepted_before(self, address: str) -> bool:
        """See Inbox.accepted_before."""
        return await self._ask(reading.accepted_before, address)

    async def last_accepted_at(self, address: str) -> Instant | None:
        """See Queue.last_accepted_at."""
        return await self._ask(reading.last_accepted_at, address)

    async def page(
        self,
        mailbox_id: int,
        limit: int = 25,
        before: tuple[int, int] | None = None,
        only_unread: bool = False,
        search: str = "",
    ) -> list[InboxRow]:
        """See Inbox.page."""
        return await self._ask(reading.page, mailbox_id, limit, before, only_unread, search)

    async def inbox_count(self, mailbox_id: int, only_unread: bool = False) -> int:
        """See Inbox.inbox_count."""
        return await self._ask(reading.inbox_count, mailbox_id, only_unread)

    async def inbox_row(self, mailbox_id: int, message_id: int, n: int) -> InboxRow | None:
        """See Inbox.inbox_row."""
        return await self._ask(reading.inbox_row, mailbox_id, message_id, n)

    async def original(self, message_id: int) -> bytes:
        """See Inbox.original. Raises KeyError."""
        return await self._ask(reading.original, message_id)

    async def inbox_rows(self) -> int:
        """See Inbox.inbox_rows."""
        return await self._ask(reading.inbox_rows)

    async def account(self, name: str) -> Account | None:
        """See Accounts.account."""
        return await self._ask(reading.account, name)

    async def accounts(self) -> list[Account]:
        """See Accounts.accounts."""
        return await self._ask(reading.accounts)


class ReadOnlyStore(Reading):
    """A store that another process may have open; nothing of it can be changed from here."""

    async def has_sent_from(self, source: str | None) -> bool:
        """Did one of the latest attempts leave from that address of ours? None: from any. Only the
        latest count: an address that was given up long ago is as good as new."""
        return await self._ask(reading.has_sent_from, source)

    async def refusals(self, since: Instant, after: Key = FIRST) -> list[Refusal]:
        """A piece of the replies that refused since then; empty where no more come after."""
        return await self._ask(piece, since, after)

    async def hits(self, since: Instant) -> list[Hits]:
        """How often each rule decided since then, the busiest first."""
        return await self._ask(counted, since)

    async def close(self) -> None:
        """End its threads."""
        await self._readers.close()


async def open_readonly(state_dir: Path) -> ReadOnlyStore:
    """Read a store, whether a relay runs on it or not. No lock is taken, nothing is written.

    Raises StoreError where there is no store or it cannot be read, StoreTooNew where it was
    written by a newer program.
    """
    path = state_dir / NAME
    try:
        path.stat()
    except FileNotFoundError:
        raise StoreError(f"there is no store in {state_dir} (no file {NAME})") from None
    except OSError as error:
        raise StoreError(f"the store in {state_dir} cannot be read: {error.strerror}") from None
    known = migrations.shipped()[-1].version
    store = ReadOnlyStore(Readers(lambda: _connect(path)))
    try:
        version = await store._ask(migrations.refuse_newer, known)
        if version < known:
            raise StoreError(
                f"the store in {state_dir} has schema version {version}, this program reads"
                f" {known}: start the relay once, it brings it up to date"
            )
    except BaseException:
        await store.close()
        raise
    return store


def _connect(path: Path) -> sqlite3.Connection:
    """Plainly; or, where nobody runs and we may not even make the log's index, as a dead file."""
    connection = connect(path)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise  # part of the store is in the log: half of it would be a lie
        return connect(path, is_immutable=True)
    return connection
