"""Turned away: what a trusted client was refused after DATA is kept, and an alert names it.

The application hands a letter in once: LPSE's mail client does not try again what was refused. So
the letter is kept for a while, with the reason, for an administrator to see and to hand in again.
"""

from __future__ import annotations

import hashlib
from typing import Final

from relay.filters.base import Alerts, Transaction
from relay.ingress.intake import Intake
from relay.mail import ids
from relay.mail.headers import Headers, split
from relay.mail.instant import millis
from relay.mail.reply import Reply
from relay.mail.smtpdata import DataScanner
from relay.store.base import StoreError
from relay.store.settings import RefusedSettings
from relay.store.turned_away import RefusedLetter

READ: Final = 64 * 1024  # octets in which the subject is looked for
NAMED: Final = 10_000  # recipients that are named: whom it must still reach is known nowhere else


async def keep(
    intake: Intake,
    alerts: Alerts,
    settings: RefusedSettings,
    transaction: Transaction,
    scanner: DataScanner,
    octets: bytes,
    reply: Reply,
    reason: str,
) -> None:
    """Keep it and alert; a store that cannot keep it is named in the alert. Never raises."""
    letter = refused(transaction, scanner, octets, reply, reason)
    said = f"{reply.code} {reply.text} ({reason})"
    of = f"from {letter.sender or '<>'} to {letter.recipient_count}: {letter.subject[:100]!r}"
    try:
        since = transaction.now - millis(settings.keep)
        id = await intake.keep_refused(letter, octets, since, settings.most)
    except Exception as error:  # a lost link too: the client gets the reply that it was given
        why = error if isinstance(error, StoreError) else repr(error)
        alerts.alert(
            "letter_refused", f"a letter {of} was refused, and could not be kept ({why}): {said}"
        )
        return
    alerts.alert(
        "letter_refused", f"a letter {of} was refused and is kept as {ids.show(id)}: {said}"
    )


def refused(
    transaction: Transaction, scanner: DataScanner, octets: bytes, reply: Reply, reason: str
) -> RefusedLetter:
    """The letter as it is kept; of one that was too large only the beginning is at hand."""
    head, _ = split(octets[:READ])
    subject = Headers.parse(head).decoded("Subject") or ""
    named = [recipient.as_given for recipient in transaction.recipients]
    user = transaction.source.user
    return RefusedLetter(
        id=transaction.id,
        at=transaction.now,
        last_at=transaction.now,
        times=1,
        client=f"{transaction.source.ip} ({user})" if user else transaction.source.ip,
        sender=transaction.sender,
        recipients=tuple(named[:NAMED]),
        recipient_count=len(named),
        subject=subject[:500],
        code=reply.code,
        reply=reply.text[:500],
        reason=reason,
        size=scanner.size,
        stored=0,
        is_whole=not scanner.is_over,
        sha256=hashlib.sha256(octets).digest(),
    )
