"""Trace: the `Received` field that tells who handed a letter in (RFC 5321 4.4)."""

from __future__ import annotations

from functools import lru_cache

from relay.filters.headers import date
from relay.mail import ids
from relay.mail.envelope import Recipient, Source
from relay.mail.headers import Field
from relay.mail.instant import Instant


def protocol(source: Source, is_esmtp: bool, is_smtputf8: bool) -> str:
    """The `with` word of RFC 3848 and RFC 6531: SMTP, ESMTPSA, UTF8SMTPS …"""
    if not is_esmtp:
        return "SMTP"
    word = "UTF8SMTP" if is_smtputf8 else "ESMTP"
    return word + ("S" if source.tls else "") + ("A" if source.user else "")


def received(
    source: Source,
    is_esmtp: bool,
    is_smtputf8: bool,
    hostname: str,
    message_id: int,
    recipients: list[Recipient],
    at: Instant,
) -> Field:
    """Written by us alone; `for` only where there is one recipient: the others are nobody's
    business. The client's own name stands in it cleaned."""
    parts = [
        f"from {_named(source.helo, source.ip)}",
        f"by {hostname} with {protocol(source, is_esmtp, is_smtputf8)} id {ids.show(message_id)}",
    ]
    only = recipients[0].address if len(recipients) == 1 else None
    if only is not None and not only.needs_utf8:
        parts.append(f"for <{only}>")
    text = "\r\n ".join((*parts[:-1], f"{parts[-1]};", date(at)))
    return Field("Received", f"Received: {text}\r\n".encode("ascii", "replace"))


@lru_cache(maxsize=256)
def _named(helo: str, ip: str) -> str:
    """A client's name for itself, and its address."""
    named = "".join(c if c.isalnum() or c in ".-_:[]" else "?" for c in helo) or "unknown"
    literal = f"IPv6:{ip}" if ":" in ip else ip
    return f"{named} ([{literal}])"
