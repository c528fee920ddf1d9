"""Queue and Inbox: what every store promises, in words and in protocols.

Promises
- `put` returns only after all its entries (content once, a delivery and an inbox row a recipient)
  are on stable storage in ONE transaction. If it raises, nothing of them is there. Only after it
  returns may the door say 250; any failure before that is a 451.
- `settle` writes many outcomes, their attempts and their DSNs in one transaction. An attempt is
  never changed or removed. A delivery's state moves only along `mail.delivery.TRANSITIONS`; SQL
  refuses what the table refuses.
- After a crash every delivery that was leased is ready again at `recover`. So a letter may be sent
  twice only if the crash falls between our final dot and the settle commit: at most one copy for
  each transaction in flight.
- A failed fsync or a dead writer is final: `StoreDead` is raised, `dead` is set, and the process
  must end (what was not acknowledged is LPSE's again; what was is on disk).
- Readers never block the writer, and see only what was committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.mail.classification import Category
from relay.mail.delivery import Attempt, Delivery, State
from relay.mail.instant import Instant
from relay.mail.letter import Letter
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.store.owing import Owed, Owing
from relay.store.reports import Reports
from relay.store.returns import Returns
from relay.store.suppressing import Suppressions
from relay.store.terms import (
    Backlog,
    Change,
    Changed,
    Depth,
    Entry,
    Named,
    Placement,
    QueueRow,
    Ready,
    ReadyListener,
    Selector,
    Settlement,
    Tally,
    Unsent,
)
from relay.store.turned_away import TurnedAway

__all__ = [
    "Account",
    "Accounts",
    "Backlog",
    "Change",
    "Changed",
    "Depth",
    "Entry",
    "Inbox",
    "InboxRow",
    "Mailbox",
    "Named",
    "Owed",
    "Owing",
    "Placement",
    "Queue",
    "QueueRow",
    "Ready",
    "ReadyListener",
    "Selector",
    "Settlement",
    "StateLocked",
    "Store",
    "StoreDead",
    "StoreError",
    "StoreTooNew",
    "Tally",
    "Unsent",
]


class StoreError(Exception):
    """The store could not do it; nothing was written."""


class StoreDead(StoreError):
    """A failed fsync or a dead writer: the process must end."""


class StoreTooNew(StoreError):
    """The database was written by a newer program."""


class StateLocked(StoreError):
    """Another relay holds the state directory."""


class Queue(Owing, TurnedAway, Protocol):
    """The queue of deliveries. All methods are called from the loop's thread."""

    @property
    def dead(self) -> asyncio.Event:
        """Set when the writer died: the process must end."""
        ...

    def subscribe(self, listener: ReadyListener) -> None:
        """Call `listener` in the loop after each commit that made deliveries ready."""
        ...

    async def put(self, *entries: Entry) -> None:
        """Make the entries safe in one transaction, fsynced. Raises StoreError."""
        ...

    async def recover(self, now: Instant) -> int:
        """At start: every leased delivery is ready again. Returns how many."""
        ...

    async def ready(self) -> list[Ready]:
        """The domains that have ready mail."""
        ...

    async def wake(self, now: Instant, limit: int = 5000) -> list[Ready]:
        """Move waiting deliveries whose time has come to ready; returns where."""
        ...

    async def next_due_at(self) -> Instant | None:
        """The earliest `due_at` of a waiting delivery."""
        ...

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
        """Lease ready deliveries of these domains: the most urgent first, then the earliest
        deadline, then those without one; among equals flows share fairly. None that is more urgent
        than `least`, and none that is less urgent than `down_to`.

        `not_of`: none of those letters, which stay as they are; then fewer than `limit` may be
        given though there are more, but an empty answer says that there are none."""
        ...

    async def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Leased, not tried: ready again as they were."""
        ...

    async def overdue(self, now: Instant, limit: int = 1000) -> list[Delivery]:
        """Unfinished, not leased deliveries whose time is over (`mail.delivery.is_over`)."""
        ...

    async def settle(self, settlements: Sequence[Settlement], now: Instant) -> None:
        """Write the outcomes, attempts and DSNs in one transaction. Raises StoreError."""
        ...

    async def letter(self, message_id: int) -> Letter:
        """A message's data without its body (cached). Raises KeyError."""
        ...

    async def body(self, message_id: int) -> bytes:
        """A message's body (an LRU of 64 MB). Raises KeyError."""
        ...

    async def attempts(self, message_id: int, n: int) -> list[Attempt]:
        """All attempts of a delivery, oldest first."""
        ...

    async def rows(
        self, selector: Selector, limit: int = 100, after: tuple[int, int] | None = None
    ) -> list[QueueRow]:
        """Unfinished deliveries, oldest message first."""
        ...

    async def find(self, message_id: int, n: int | None = None) -> list[QueueRow]:
        """Deliveries of one message in any state, finished ones included."""
        ...

    async def count(self, selector: Selector) -> dict[State, int]:
        """How many unfinished deliveries the selector means, by state."""
        ...

    async def change(
        self, what: Change, selector: Selector, who: str, reason: str, now: Instant
    ) -> Changed:
        """An operator's change of what is there now, in pieces, each a transaction with the audit
        row, which says how far it came.

        hold: ready, waiting → held. release: held → ready, its end moved by
        `mail.delivery.released_until`. retry: waiting → ready now. remove: ready, waiting,
        held → removed.
        """
        ...

    async def requeue(
        self,
        refs: Sequence[tuple[int, int]],
        action: str,
        who: str,
        reason: str,
        now: Instant,
        subject: str = "",
    ) -> Changed:
        """Held and failed deliveries (bounced, expired, suppressed), by (message_id, n), are ready
        again; others are left as they are, and so are those whose fixed life is over. One audit
        row, of that action, about `subject` (empty: how many were named)."""
        ...

    async def unsent(
        self, wanted: Unsent, limit: int = 500, after: tuple[int, int] | None = None
    ) -> list[QueueRow]:
        """What did not arrive, oldest message first; `after` is the last row's (message_id, n)."""
        ...

    async def tallies(self, wanted: Unsent, now: Instant) -> list[Tally]:
        """How much of it there is, by domain, last destination, state and category."""
        ...

    async def last_accepted_at(self, address: str) -> Instant | None:
        """When a remote server last took a letter of ours for this address (`Address.key`)."""
        ...

    async def accepted_since(self, since: Instant) -> list[tuple[Instant, int]]:
        """When letters were accepted from then on, and for how many recipients: a pair a second
        that had any, by the start of the second, oldest first. Our own reports do not count."""
        ...

    async def domains_of(self, message_id: int) -> Mapping[str, int]:
        """How many recipients a message has in each domain, whatever became of them."""
        ...

    async def depths(self) -> list[Depth]:
        """The queue's depth by domain and state, as it is when asked: never an earlier answer."""
        ...

    async def backlog(self, domains: Collection[str]) -> list[Backlog]:
        """What is ready for these domains, in the order in which it is claimed of each."""
        ...

    async def save_shaping(self, states: Mapping[str, str], now: Instant) -> None:
        """Keep the shaper's state (a text a key); an empty text removes the key."""
        ...

    async def load_shaping(self) -> dict[str, str]:
        """What was kept."""
        ...

    async def save_spent(self, rows: Sequence[Spent]) -> None:
        """Keep what is spent of limits, in one transaction: a row of the same key and moment is
        replaced, 0 units remove it. Raises StoreError."""
        ...

    async def load_spent(self) -> list[Spent]:
        """What was kept, by key, oldest first."""
        ...

    async def audit(
        self, who: str, action: str, subject: str, reason: str, now: Instant, detail: str = ""
    ) -> None:
        """Write down who did what and why."""
        ...


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A vendor's mailbox; addresses come and go, the mailbox stays. `link_id`: 128 random bits."""

    id: int
    link_id: bytes
    label: str


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One letter in a vendor's inbox, and what came of its delivery."""

    message_id: int
    n: int
    as_given: str
    subject: str
    sender: str
    urgency: Urgency
    state: State
    category: Category | None
    state_at: Instant
    read_at: Instant | None
    received_at: Instant
    deadline_at: Instant | None
    package: str | None


class Inbox(Protocol):
    """The copies that vendors read."""

    async def mailbox(self, address: str) -> Mailbox | None:
        """The mailbox that an address (`Address.key`) belongs to today."""
        ...

    async def mailbox_by_link(self, link_id: bytes) -> Mailbox | None:
        """The mailbox of a link's opaque id."""
        ...

    async def accepted_before(self, address: str) -> bool:
        """Did a remote server ever take a letter of ours for this address (`Address.key`)?"""
        ...

    async def page(
        self,
        mailbox_id: int,
        limit: int = 25,
        before: tuple[int, int] | None = None,
        only_unread: bool = False,
        search: str = "",
    ) -> list[InboxRow]:
        """Newest first; `before` is the last row's (message_id, n). Search: subject, package."""
        ...

    async def inbox_count(self, mailbox_id: int, only_unread: bool = False) -> int:
        """How many letters the mailbox holds."""
        ...

    async def inbox_row(self, mailbox_id: int, message_id: int, n: int) -> InboxRow | None:
        """One row, only if it is in that mailbox."""
        ...

    async def original(self, message_id: int) -> bytes:
        """The letter's octets as received by the door (before its changes to the body)."""
        ...

    async def mark_read(self, mailbox_id: int, message_id: int, n: int, now: Instant) -> None:
        """The vendor opened it; the first time counts."""
        ...

    async def use_link(self, jti: bytes, now: Instant) -> bool:
        """True the first time this link id is used, False ever after."""
        ...

    async def inbox_rows(self) -> int:
        """How many rows there are in all (may be an estimate)."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """A user of SMTP AUTH or the web; `secret` is an argon2id hash."""

    name: str
    role: str
    secret: str
    changed_at: Instant


class Accounts(Protocol):
    """Who may authenticate."""

    async def account(self, name: str) -> Account | None:
        """The account of that name."""
        ...

    async def accounts(self) -> list[Account]:
        """All of them, by name."""
        ...

    async def save_account(self, account: Account) -> None:
        """Add or replace."""
        ...

    async def remove_account(self, name: str) -> bool:
        """True if there was one."""
        ...


class Store(Queue, Inbox, Accounts, Suppressions, Returns, Reports, Protocol):
    """All of it, opened once."""

    async def close(self) -> None:
        """Finish what was begun, checkpoint, release the lock."""
        ...

    def wal_bytes(self) -> int:
        """Size of the write-ahead log now; 0 where there is none."""
        ...

    def free_bytes(self) -> tuple[int, int]:
        """Free and total octets of the disk that the store lies on."""
        ...

    def commit_seconds(self) -> list[float]:
        """Seconds of the commits that waited for the disk, since the last call; for the metric."""
        ...

    async def beat(self) -> None:
        """One no-op through the writer, for the watchdog: returns when the writer is alive."""
        ...
