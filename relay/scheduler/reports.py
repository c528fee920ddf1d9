"""Reports: when a sender is told of a failure, and the report as an entry for the queue."""

from __future__ import annotations

from collections.abc import Sequence

from relay.mail import address, dsn, reporting
from relay.mail.delivery import Attempt, Bounced, Delivery, Expired, State, Suppressed
from relay.mail.instant import Instant
from relay.mail.letter import Letter
from relay.mail.urgency import Urgency
from relay.store.base import Entry, Placement


def report(
    letter: Letter,
    delivery: Delivery,
    attempts: Sequence[Attempt],
    outcome: Bounced | Expired | Suppressed,
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
    return entry(report_id, head, body, sender, letter.sender, hostname, now, life)


def entry(
    report_id: int,
    head: bytes,
    body: bytes,
    to: address.Address,
    as_given: str,
    hostname: str,
    now: Instant,
    life: int,
) -> Entry:
    """A report as an entry of the queue, from `<>`."""
    made = reporting.message(report_id, head, body, to, hostname, now)
    job = Delivery(
        made.id,
        0,
        str(to),
        0,
        to.domain.name,
        Urgency.TRANSAKSI,
        State.READY,
        now,
        now + life,
        as_given=as_given,
    )
    return Entry(made, (Placement(job, to.key),), has_inbox=False)
