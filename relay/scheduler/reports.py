"""Reports: when a sender is told of a failure, and the report as an entry for the queue."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from relay.mail import address, dsn
from relay.mail.delivery import Attempt, Bounced, Delivery, Expired, State
from relay.mail.dkim import hash_body
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
from relay.mail.letter import Letter
from relay.mail.urgency import Urgency
from relay.store.base import Entry, Placement


@dataclass(frozen=True, slots=True)
class Report:
    """A report's octets, and the id it gets in the queue."""

    id: int
    head: bytes
    body: bytes


def is_wanted(letter: Letter, delivery: Delivery) -> bool:
    """RFC 3461: not for `<>`, not where NOTIFY leaves FAILURE out."""
    if not letter.sender:
        return False
    return delivery.notify is None or "FAILURE" in delivery.notify


def report(
    letter: Letter,
    delivery: Delivery,
    attempts: Sequence[Attempt],
    outcome: Bounced | Expired,
    hostname: str,
    report_id: int,
    now: Instant,
    life: int,
) -> Entry | None:
    """One report on one delivery, to be put with its settlement; None where the sender is no
    mailbox, so that nobody could be told."""
    try:
        sender = address.parse(letter.sender)
    except address.AddressError:
        return None
    failed = dsn.Undelivered(delivery, attempts, outcome.category, isinstance(outcome, Expired))
    original = dsn.Original(letter.head, letter.sender, letter.received_at, letter.options.envid)
    head, body = dsn.report([failed], original, hostname, report_id, now)
    return _entry(letter.sender, sender, Report(report_id, head, body), hostname, now, now + life)


def _entry(
    given: str, to: address.Address, made: Report, hostname: str, now: Instant, until: Instant
) -> Entry:
    """The report as a letter from `<>` with one delivery."""
    content = Content(made.head, made.body, hash_body(made.body), _sha256(made.head, made.body))
    message = Message(
        made.id,
        Envelope("", (Recipient(given, to),)),
        content,
        Source("127.0.0.1", hostname, None, None, "report", is_trusted=True),
        now,
        Particulars(subject="Undelivered Mail Returned to Sender", flow=REPORT_FLOW),
    )
    job = Delivery(
        made.id,
        0,
        str(to),
        0,
        to.domain.name,
        Urgency.TRANSAKSI,
        State.READY,
        now,
        until,
        as_given=given,
    )
    return Entry(message, (Placement(job, to.key),), has_inbox=False)


def _sha256(head: bytes, body: bytes) -> bytes:
    return hashlib.sha256(head + b"\r\n" + body).digest()
