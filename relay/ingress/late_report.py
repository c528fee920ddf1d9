"""Late report: what the sender is told of a letter that was delivered and came back later; pure.

The envelope sender was ours, so the report came to us instead of to him. He hears of it as of a
failure in the dialog: at once of urgent letters and where NOTIFY asks for it, of all others in the
day's digest, as `dsn.mode` says.
"""

from __future__ import annotations

from relay.ingress import placing
from relay.mail import dsn, reporting
from relay.mail import telling as mail_telling
from relay.mail.address import AddressError, parse
from relay.mail.delivery import Delivery, State
from relay.mail.late import Kind, Late, attempt_of
from relay.mail.letter import Letter
from relay.mail.reply import Reply
from relay.mail.telling import Mode, Telling
from relay.shaping.settings import LifeSettings
from relay.store.base import Entry


def telling(sender: str, delivery: Delivery, late: Late, mode: Mode) -> Telling:
    """When he hears of a failure of what was delivered; what was not is told of by its own end."""
    if late.kind is not Kind.FAILED or delivery.state is not State.DELIVERED:
        return Telling.NEVER
    return mail_telling.telling(sender, delivery.notify, delivery.urgency, mode)


def made(
    letter: Letter,
    delivery: Delivery,
    late: Late,
    reply: Reply,
    hostname: str,
    report_id: int,
    life: LifeSettings,
) -> Entry | None:
    """The report (RFC 3464), to be put with the late one; None where nobody can be told."""
    try:
        to = parse(letter.sender)
    except AddressError:
        return None
    said = attempt_of(late, delivery, reply)
    undelivered = dsn.Undelivered(delivery, (said,), late.category)
    original = dsn.Original(letter.head, letter.sender, letter.received_at, letter.options.envid)
    head, body = dsn.report([undelivered], original, hostname, report_id, late.at)
    message = reporting.message(report_id, head, body, to, hostname, late.at)
    return Entry(message, tuple(placing.placements(message, 0, 1, life)), has_inbox=False)
