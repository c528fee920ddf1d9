"""Filter: what a filter is asked, at six stages, and the small protocols that it is handed.

A filter is pure, or does IO only through a client that it is handed when it is built. It holds no
state of a session: what it must remember between stages it reads from the `Transaction`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from relay.mail.delivery import Delivery
from relay.mail.envelope import Content, Envelope, Options, Particulars, Recipient, Source
from relay.mail.headers import Headers
from relay.mail.instant import Instant
from relay.mail.letter import Letter
from relay.mail.verdict import NOTHING, Proposal


@dataclass(slots=True)
class Transaction:
    """One letter on its way through the door; filled by stages, changed by the pipeline only."""

    id: int
    source: Source
    now: Instant
    sender: str = ""
    options: Options = field(default_factory=Options)
    recipients: list[Recipient] = field(default_factory=list)
    headers: Headers | None = None  # from the data stage on
    content: Content | None = None  # the data stage: body (already 7-bit-safe) and hashes
    particulars: Particulars = field(default_factory=Particulars)

    @property
    def envelope(self) -> Envelope:
        """The envelope as it stands now."""
        return Envelope(self.sender, tuple(self.recipients), self.options)


@dataclass(frozen=True, slots=True)
class Departure:
    """One delivery about to leave: headers may be changed, the body never."""

    letter: Letter
    delivery: Delivery
    headers: Headers
    provider: str | None
    now: Instant
    siblings_at_provider: int = 1  # deliveries of this message to the same provider


class Filter:
    """The base: every hook answers nothing. Override what you need; only that is called."""

    name: str = ""

    async def connect(self, source: Source) -> Proposal:
        """A client connected. A verdict ends the session (Reject, Defer)."""
        return NOTHING

    async def helo(self, source: Source) -> Proposal:
        """HELO or EHLO was said; the name is junk in practice."""
        return NOTHING

    async def mail(self, transaction: Transaction) -> Proposal:
        """MAIL FROM: sender and options are set."""
        return NOTHING

    async def rcpt(self, transaction: Transaction, recipient: Recipient) -> Proposal:
        """RCPT TO: `recipient` is not yet among the transaction's."""
        return NOTHING

    async def data(self, transaction: Transaction) -> Proposal:
        """The whole letter is here, before it is put into the queue; asked once."""
        return NOTHING

    async def depart(self, departure: Departure) -> Proposal:
        """A delivery leaves: header edits only (AddHeader, ChangeHeader, RenameHeader)."""
        return NOTHING


class Alerts(Protocol):
    """Where a filter tells the administrator something."""

    def alert(self, name: str, detail: str) -> None:
        """Raise or renew the alert of that name; rate-limited by who receives it."""
        ...
