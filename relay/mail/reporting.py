"""Reporting: a report of ours (DSN) as a letter of its own, from the empty sender."""

from __future__ import annotations

import hashlib

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
