"""Placing: an accepted letter's recipients as deliveries, and the report on those that are none.

A recipient that is no mailbox gets its inbox row and a delivery that is born bounced. Its sender
hears of it as of any failure (`mail.telling`): in the day's digest, or by one report on
all of the letter's, in the same commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from relay.ingress.life import expires_at
from relay.mail import dsn
from relay.mail import reporting as reports
from relay.mail.address import AddressError, parse
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Attempt, Delivery, Failure, FailureKind, State, has_fixed_life
from relay.mail.envelope import (
    Message,
    Recipient,
)
from relay.mail.instant import Instant
from relay.mail.reply import Stage
from relay.mail.telling import Mode, Telling, telling
from relay.shaping.settings import LifeSettings
from relay.store.base import Entry, Placement

RULE = "ingress.malformed"
_MALFORMED = Classification(
    Category.BAD_DOMAIN, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, RULE, confidence=1.0
)


def unique(recipients: Iterable[Recipient]) -> list[Recipient]:
    """Each mailbox once, the first naming of it."""
    first: dict[str, Recipient] = {}
    for recipient in recipients:
        first.setdefault(key(recipient), recipient)
    return list(first.values())


def key(recipient: Recipient) -> str:
    """What makes two recipients the same mailbox."""
    return recipient.address.key if recipient.address else recipient.as_given.lower()


def placements(
    message: Message, start: int, stop: int, life: LifeSettings, mode: Mode = "digest"
) -> Iterator[Placement]:
    """Deliveries `start` to `stop` of the message; due at once, held where it is held. `mode` says
    how their sender hears of those that are born bounced."""
    particulars, now = message.particulars, message.received_at
    state = State.HELD if particulars.is_held else State.READY
    expires = expires_at(particulars.urgency, particulars.deadline_at, now, life)
    is_fixed = has_fixed_life(particulars.urgency, particulars.deadline_at)
    for n, recipient in enumerate(message.envelope.recipients[start:stop], start):
        address = recipient.address
        delivery = Delivery(
            message_id=message.id,
            n=n,
            recipient=str(address) if address else recipient.as_given,
            mailbox_id=0,
            domain=address.domain.name if address else "",
            urgency=particulars.urgency,
            state=state if address else State.BOUNCED,
            due_at=now,
            expires_at=expires,
            tries=0 if address else 1,
            why=(particulars.hold_reason or "") if address else (recipient.fault or ""),
            notify=recipient.notify,
            orcpt=recipient.orcpt,
            as_given=recipient.as_given,
            is_fixed=is_fixed,
        )
        if address:
            yield Placement(delivery, address.key)
        else:
            is_owed = _telling(message, delivery, mode) is Telling.DAILY
            made = _attempt(delivery, now)
            yield Placement(delivery, key(recipient), made, Category.BAD_DOMAIN, is_owed)


def _attempt(delivery: Delivery, now: Instant) -> Attempt:
    return Attempt(
        message_id=delivery.message_id,
        n=delivery.n,
        number=1,
        started_at=now,
        took_us=0,
        source_ip="",
        mx="",
        ip="",
        tls=None,
        stage=Stage.RCPT,
        reply=None,
        failure=Failure(FailureKind.ADDRESS, delivery.why, Stage.RCPT),
        classification=_MALFORMED,
    )


def report(
    message: Message,
    placed: Sequence[Placement],
    hostname: str,
    report_id: int,
    life: LifeSettings,
    mode: Mode = "digest",
) -> Entry | None:
    """The report at once on the born bounced among `placed`; None where none is due now."""
    undelivered = [
        dsn.Undelivered(placement.delivery, (placement.attempt,), Category.BAD_DOMAIN)
        for placement in placed
        if placement.attempt is not None
        and _telling(message, placement.delivery, mode) is Telling.NOW
    ]
    if not undelivered:
        return None
    try:
        to = parse(message.envelope.sender)
    except AddressError:
        return None
    now = message.received_at
    options = message.envelope.options
    original = dsn.Original(message.content.head, message.envelope.sender, now, options.envid)
    head, body = dsn.report(undelivered, original, hostname, report_id, now)
    reporting = reports.message(report_id, head, body, to, hostname, now)
    return Entry(reporting, tuple(placements(reporting, 0, 1, life)), has_inbox=False)


def _telling(message: Message, delivery: Delivery, mode: Mode) -> Telling:
    return telling(message.envelope.sender, delivery.notify, delivery.urgency, mode)
