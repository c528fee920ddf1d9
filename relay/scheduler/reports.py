"""Reports: when a sender is told of a failure, and the report as an entry for the queue."""

from __future__ import annotations

from collections.abc import Sequence

from relay.mail import address, dsn, reporting
from relay.mail.delivery import Attempt, Bounced, Delivery, Expired, State, Suppressed
from relay.mail.instant import Instant
from relay.mail.letter import Letter
from relay.mail.urgency import Urgency
from relay.store.base import Entry, Placement


def is_wanted(letter: Letter, delivery: Delivery, is_tried: bool = True) -> bool:
    """RFC 3461: not for `<>`, not where NOTIFY leaves FAILURE out. Of what is not tried the sender
    was told before, when its address failed: again only for urgent letters, or where he asks."""
    if not letter.sender:
        return False
    if not is_tried and delivery.notify is None:
        return delivery.urgency in (Urgency.KRITIS, Urgency.MENDESAK)
    return delivery.notify is None or "FAILURE" in delivery.notify


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
    made = reporting.message(report_id, head, body, sender, hostname, now)
    job = Delivery(
        made.id,
        0,
        str(sender),
        0,
        sender.domain.name,
        Urgency.TRANSAKSI,
        State.READY,
        now,
        now + life,
        as_given=letter.sender,
    )
    return Entry(made, (Placement(job, sender.key),), has_inbox=False)
