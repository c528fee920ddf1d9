"""Ending: what the world is told of one settlement, and the report that rides with a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from relay.mail import events
from relay.mail import telling as mail_telling
from relay.mail.classification import Classification
from relay.mail.delivery import (
    Attempt,
    Bounced,
    Deferred,
    Delivered,
    Delivery,
    Expired,
    Outcome,
    Suppressed,
)
from relay.mail.events import Event
from relay.mail.instant import Instant, millis
from relay.mail.letter import Letter
from relay.mail.telling import Telling
from relay.scheduler import reports
from relay.scheduler.parts import Parts, Tuning
from relay.store.base import Entry


def telling(tuning: Tuning, letter: Letter | None, delivery: Delivery, outcome: Outcome) -> Telling:
    """When the sender hears of it. Where the letter cannot be read now, its digest can still; and
    of an address that is not tried any more a digest is enough, unless the letter was urgent or
    asks."""
    if not isinstance(outcome, Bounced | Expired | Suppressed):
        return Telling.NEVER
    sender = "unread" if letter is None else letter.sender
    when = mail_telling.telling(sender, delivery.notify, delivery.urgency, tuning.dsn.mode)
    is_calm = delivery.notify is None and delivery.urgency not in mail_telling.URGENT
    can_wait = letter is None or (is_calm and isinstance(outcome, Suppressed))
    return Telling.DAILY if when is Telling.NOW and can_wait else when


def report(
    parts: Parts,
    letter: Letter,
    delivery: Delivery,
    attempts: Sequence[Attempt],
    outcome: Outcome,
    now: Instant,
) -> Entry | None:
    """The report as an entry of the queue; None where nobody could be told."""
    assert isinstance(outcome, Bounced | Expired | Suppressed)  # noqa: S101 - see `telling`
    tuning = parts.tuning
    life = millis(tuning.life.transaksi)
    number = parts.names.next(now)
    if not attempts:
        delivery = replace(delivery, why=outcome.why)
    return reports.report(letter, delivery, attempts, outcome, tuning.hostname, number, now, life)


def told(
    delivery: Delivery,
    attempt: Attempt | None,
    outcome: Outcome,
    read: Classification | None,
    label: str,
    letter: Letter | None,
    now: Instant,
    original: Classification | None = None,
) -> tuple[Event, ...]:
    """The events of one settlement. ``original``: what the shipped rules say, if it differs."""
    name = (now, delivery.message_id, delivery.n)
    to = (delivery.recipient, label)
    found: list[Event] = []
    if attempt is not None:
        found.append(events.Attempted(*name, *to, attempt, read, original))
    match outcome:
        case Delivered():
            assert attempt is not None  # noqa: S101 - only an attempt delivers
            assert letter is not None  # noqa: S101 - and carries a letter
            age = now - letter.received_at
            found.append(events.Delivered(*name, *to, attempt.mx, attempt.said(), age))
        case Deferred(until, why, category):
            found.append(events.Deferred(*name, *to, until, why, category))
        case Bounced(why, category):
            found.append(events.Bounced(*name, *to, why, category))
        case Expired(why, reason):
            found.append(events.Expired(*name, *to, why, reason))
        case Suppressed(why, rule, since):
            found.append(events.Suppressed(*name, delivery.recipient, rule, label, since, why))
        case _:
            found.append(events.Held(*name, outcome.why))
    return tuple(found)
