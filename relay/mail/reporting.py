"""Reporting: when a sender is told of a failure, and a report of ours (DSN) as a letter of its own,
from the empty sender."""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Final, Literal

from relay.mail.address import Address
from relay.mail.dkim import hash_body
from relay.mail.dsn import SUBJECT
from relay.mail.envelope import (
    REPORT_FLOW,
    Content,
    Envelope,
    Message,
    Particulars,
    Recipient,
    Source,
)
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency

LISTENER = "report"  # what it came in by: nobody handed it in
URGENT: Final = frozenset({Urgency.KRITIS, Urgency.MENDESAK})
Mode = Literal["digest", "single", "off"]


class Telling(Enum):
    """When a sender hears of a failed delivery."""

    NEVER = "never"
    NOW = "now"  # a report of its own
    DAILY = "daily"  # in the day's digest


def telling(
    sender: str, notify: frozenset[str] | None, urgency: Urgency, mode: Mode = "digest"
) -> Telling:
    """Never `<>`, and never where NOTIFY leaves FAILURE out; at once where NOTIFY asks for it,
    whatever the mode (RFC 3461 4.1 leaves no choice), and for urgent letters; else by the mode."""
    if not sender:
        return Telling.NEVER
    if notify is not None:
        return Telling.NOW if "FAILURE" in notify else Telling.NEVER
    if mode == "off":
        return Telling.NEVER
    return Telling.NOW if mode == "single" or urgency in URGENT else Telling.DAILY


def message(
    report_id: int, head: bytes, body: bytes, to: Address, hostname: str, now: Instant
) -> Message:
    """The letter; it is signed where `hostname` has a key."""
    content = Content(
        head=head,
        body=body,
        body_hash=hash_body(body),
        sha256=hashlib.sha256(head + b"\r\n" + body).digest(),
    )
    particulars = Particulars(
        subject=SUBJECT, urgency=Urgency.TRANSAKSI, from_domain=hostname, flow=REPORT_FLOW
    )
    source = Source("", hostname, None, None, LISTENER, is_trusted=True)
    return Message(
        report_id, Envelope("", (Recipient(str(to), to),)), content, source, now, particulars
    )
