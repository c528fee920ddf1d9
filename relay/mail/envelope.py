"""Envelope, Source, Content and Message: what came, from whom, for whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from relay.mail.address import Address
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Source:
    """The client of a session: its IP, EHLO name (junk, never judged), TLS version, user."""

    ip: str
    helo: str
    tls: str | None
    user: str | None
    listener: str
    is_trusted: bool  # within trusted_networks
    port: int = 0

    @property
    def may_relay(self) -> bool:
        """True for a client on a trusted network or an authenticated one."""
        return self.is_trusted or self.user is not None


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT TO. ``address`` is None where the text is no mailbox; then ``fault`` says why.

    ``notify`` is the NOTIFY set of RFC 3461 in upper case, None where the client gave none.
    """

    as_given: str
    address: Address | None
    fault: str | None = None
    notify: frozenset[str] | None = None
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """Parameters of MAIL FROM: SIZE, BODY, SMTPUTF8, and RFC 3461's RET and ENVID."""

    size: int | None = None
    body: str | None = None
    is_smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sender (``""`` for ``<>``), recipients in the order given, MAIL's options."""

    sender: str
    recipients: tuple[Recipient, ...]
    options: Options = Options()


def sending_domain(sender: str, instead: str = "") -> str:
    """The domain that MAIL FROM shows for a sender, in lower case; empty for `<>`. `instead`: what
    stands there in place of the letter's own, if anything."""
    domain = sender.rpartition("@")[2].lower()
    return instead if domain and instead else domain


@dataclass(frozen=True, slots=True)
class Content:
    """The letter's octets, split once: ``head`` is the header block, each field CRLF-ended,
    without the blank line; ``body`` is what follows it, CRLF lines, not dot-stuffed.

    ``body_hash`` is DKIM's sha-256 over the relaxed-canonical body (RFC 6376 3.4.4), made once.
    ``received`` holds the octets as received where the door changed the body, else None.
    ``sha256`` is over the octets as received (head CRLF body), before any edit.
    """

    head: bytes
    body: bytes
    body_hash: bytes
    sha256: bytes
    received: bytes | None = None
    is_8bit: bool = False  # the body still holds octets above 127 (multipart/signed)
    needs_utf8: bool = False  # a header field holds raw UTF-8

    @property
    def size(self) -> int:
        """Octets of the letter as stored, the blank line included."""
        return len(self.head) + 2 + len(self.body)


REPORT_FLOW: Final = "<> report"  # of our own reports (DSNs); no letter's sender is "<>"


@dataclass(frozen=True, slots=True)
class Particulars:
    """What was read out of a letter into columns."""

    subject: str = ""
    urgency: Urgency = Urgency.TRANSAKSI
    package: str | None = None  # ID Lelang, Kode Tender, Kode Paket
    deadline_at: Instant | None = None
    app_user: str | None = None
    from_domain: str | None = None  # of the only From field; None where it has none or several
    flow: str = ""  # (sender, subject): what fairness is between
    is_held: bool = False  # put into the queue as held
    hold_reason: str | None = None
    notes: tuple[str, ...] = field(default=())  # which filter changed what


@dataclass(frozen=True, slots=True)
class Message:
    """A letter that was accepted, or is about to be: one envelope, one content."""

    id: int
    envelope: Envelope
    content: Content
    source: Source
    received_at: Instant
    particulars: Particulars = Particulars()
