"""MemoryInbox: the half of the store in memory that vendors and accounts look at."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from relay.mail.classification import Category
from relay.mail.delivery import Delivery, State
from relay.mail.envelope import Message
from relay.mail.instant import Instant
from relay.store.base import Account, InboxRow, Mailbox

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Record:
    """A delivery in whatever state, and what stands beside it."""

    delivery: Delivery
    category: Category | None
    state_at: Instant
    in_inbox: bool
    read_at: Instant | None = None


class MemoryInbox:
    """Implements Inbox and Accounts."""

    def __init__(self) -> None:
        super().__init__()
        self._messages: dict[int, Message] = {}
        self._records: dict[Key, Record] = {}
        self._mailboxes: dict[int, Mailbox] = {}
        self._addresses: dict[str, int] = {}
        self._links: set[bytes] = set()
        self._accounts: dict[str, Account] = {}

    def _mailbox_of(self, address: str) -> int:
        found = self._addresses.get(address)
        if found is None:
            found = self._addresses[address] = len(self._mailboxes) + 1
            self._mailboxes[found] = Mailbox(found, secrets.token_bytes(16), address)
        return found

    async def mailbox(self, address: str) -> Mailbox | None:
        """See Inbox.mailbox."""
        return self._mailboxes.get(self._addresses.get(address, 0))

    async def mailbox_by_link(self, link_id: bytes) -> Mailbox | None:
        """See Inbox.mailbox_by_link."""
        return next((one for one in self._mailboxes.values() if one.link_id == link_id), None)

    async def accepted_before(self, address: str) -> bool:
        """See Inbox.accepted_before."""
        return await self.last_accepted_at(address) is not None

    async def last_accepted_at(self, address: str) -> Instant | None:
        """See Queue.last_accepted_at."""
        times = (
            record.state_at
            for record in self._records.values()
            if record.in_inbox
            and record.delivery.state is State.DELIVERED
            and (record.delivery.recipient or record.delivery.as_given).lower() == address
        )
        return max(times, default=None)

    def _inbox(self, mailbox_id: int, only_unread: bool) -> list[InboxRow]:
        keys = [
            key
            for key, record in self._records.items()
            if record.in_inbox
            and record.delivery.mailbox_id == mailbox_id
            and not (only_unread and record.read_at is not None)
        ]
        return [self._inbox_row(key) for key in sorted(keys, reverse=True)]

    def _inbox_row(self, key: Key) -> InboxRow:
        record, message = self._records[key], self._messages[key[0]]
        return InboxRow(
            message_id=key[0],
            n=key[1],
            as_given=record.delivery.as_given,
            subject=message.particulars.subject,
            sender=message.envelope.sender,
            urgency=record.delivery.urgency,
            state=record.delivery.state,
            category=record.category,
            state_at=record.state_at,
            read_at=record.read_at,
            received_at=message.received_at,
            deadline_at=message.particulars.deadline_at,
            package=message.particulars.package,
        )

    async def page(
        self,
        mailbox_id: int,
        limit: int = 25,
        before: tuple[int, int] | None = None,
        only_unread: bool = False,
        search: str = "",
    ) -> list[InboxRow]:
        """See Inbox.page."""
        wanted = search.lower()
        return [
            row
            for row in self._inbox(mailbox_id, only_unread)
            if (before is None or (row.message_id, row.n) < before)
            and (wanted in row.subject.lower() or wanted in (row.package or "").lower())
        ][:limit]

    async def inbox_count(self, mailbox_id: int, only_unread: bool = False) -> int:
        """See Inbox.inbox_count."""
        return len(self._inbox(mailbox_id, only_unread))

    async def inbox_row(self, mailbox_id: int, message_id: int, n: int) -> InboxRow | None:
        """See Inbox.inbox_row."""
        rows = self._inbox(mailbox_id, only_unread=False)
        return next((row for row in rows if (row.message_id, row.n) == (message_id, n)), None)

    async def original(self, message_id: int) -> bytes:
        """See Inbox.original."""
        content = self._messages[message_id].content
        if content.received is not None:
            return content.received
        return content.head + b"\r\n" + content.body

    async def mark_read(self, mailbox_id: int, message_id: int, n: int, now: Instant) -> None:
        """See Inbox.mark_read."""
        record = self._records.get((message_id, n))
        if record is None or not record.in_inbox or record.delivery.mailbox_id != mailbox_id:
            return
        if record.read_at is None:
            self._records[message_id, n] = replace(record, read_at=now)

    async def use_link(self, jti: bytes, now: Instant) -> bool:
        """See Inbox.use_link."""
        is_new = jti not in self._links
        self._links.add(jti)
        return is_new

    async def inbox_rows(self) -> int:
        """See Inbox.inbox_rows."""
        return sum(record.in_inbox for record in self._records.values())

    # Accounts.

    async def account(self, name: str) -> Account | None:
        """See Accounts.account."""
        return self._accounts.get(name)

    async def accounts(self) -> list[Account]:
        """See Accounts.accounts."""
        return [self._accounts[name] for name in sorted(self._accounts)]

    async def save_account(self, account: Account) -> None:
        """See Accounts.save_account."""
        self._accounts[account.name] = account

    async def remove_account(self, name: str) -> bool:
        """See Accounts.remove_account."""
        return self._accounts.pop(name, None) is not None
