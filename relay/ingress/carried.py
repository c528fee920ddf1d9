"""Carried: letters and refusals as a frame's list and octets, and back; field for field the same.

Recipients go in pieces, so that ten thousand of them hold no loop for long.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from relay.ingress.link import Parts, Said
from relay.mail.address import Address, Domain
from relay.mail.envelope import (
    Content,
    Envelope,
    Message,
    Options,
    Particulars,
    Recipient,
    Source,
)
from relay.mail.events import Refused
from relay.mail.urgency import Urgency
from relay.store.turned_away import RefusedLetter

CHUNK: Final = 500  # recipients in a piece
_OCTETS: Final = 5  # parts before the recipients
_SOURCE, _OPTIONS, _PARTICULARS, _REFUSED, _REFUSAL = (
    attrgetter(*(one.name for one in fields(kind)))
    for kind in (Source, Options, Particulars, RefusedLetter, Refused)
)
_SHA256: Final = [one.name for one in fields(RefusedLetter)].index("sha256")
_NAMED: Final = [one.name for one in fields(RefusedLetter)].index("recipients")
_FROM: Final = [one.name for one in fields(Refused)].index("source")
_URGENCY: Final = [one.name for one in fields(Particulars)].index("urgency")
_NOTES: Final = [one.name for one in fields(Particulars)].index("notes")


async def of_message(message: Message) -> Said:
    """The list and the octets."""
    content, envelope = message.content, message.envelope
    said = [
        message.id,
        message.received_at,
        envelope.sender,
        _OPTIONS(envelope.options),
        _SOURCE(message.source),
        _PARTICULARS(message.particulars),
        content.received is not None,
        content.is_8bit,
        content.needs_utf8,
    ]
    parts = [content.head, content.body, content.body_hash, content.sha256, content.received or b""]
    for at in range(0, len(envelope.recipients), CHUNK):
        if at:
            await asyncio.sleep(0)
        piece = [_of_recipient(one) for one in envelope.recipients[at : at + CHUNK]]
        parts.append(json.dumps(piece, separators=(",", ":")).encode())
    return said, parts


async def message(said: list[Any], parts: Parts) -> Message:
    """What :func:`of_message` was handed."""
    id, received_at, sender, options, source, particulars, has_received, is_8bit, is_utf8 = said
    head, body, body_hash, sha256, received = parts[:_OCTETS]
    recipients: list[Recipient] = []
    for n, piece in enumerate(parts[_OCTETS:]):
        if n:
            await asyncio.sleep(0)
        recipients += (_recipient(*one) for one in json.loads(piece))
    particulars[_URGENCY] = Urgency(particulars[_URGENCY])
    particulars[_NOTES] = tuple(particulars[_NOTES])
    return Message(
        id=id,
        envelope=Envelope(sender, tuple(recipients), Options(*options)),
        content=Content(
            head, body, body_hash, sha256, received if has_received else None, is_8bit, is_utf8
        ),
        source=Source(*source),
        received_at=received_at,
        particulars=Particulars(*particulars),
    )


def _of_recipient(one: Recipient) -> list[Any]:
    address = one.address
    mailbox = address and [address.local, address.domain.name, address.needs_utf8]
    notify = None if one.notify is None else sorted(one.notify)
    return [one.as_given, mailbox, one.fault, notify, one.orcpt]


def _recipient(
    as_given: str,
    mailbox: list[Any] | None,
    fault: str | None,
    notify: list[str] | None,
    orcpt: str | None,
) -> Recipient:
    address = None
    if mailbox is not None:
        local, domain, needs_utf8 = mailbox
        address = Address(local, Domain(domain), needs_utf8)
    return Recipient(as_given, address, fault, None if notify is None else frozenset(notify), orcpt)


def of_refused(letter: RefusedLetter) -> list[Any]:
    """A letter that is kept though it was refused."""
    said = list(_REFUSED(letter))
    said[_SHA256] = letter.sha256.hex()
    return said


def refused(said: list[Any]) -> RefusedLetter:
    """What :func:`of_refused` was handed."""
    said[_SHA256] = bytes.fromhex(said[_SHA256])
    said[_NAMED] = tuple(said[_NAMED])
    return RefusedLetter(*said)


def of_refusal(event: Refused) -> list[Any]:
    """An event of the door's."""
    said = list(_REFUSAL(event))
    said[_FROM] = _SOURCE(event.source)
    return said


def refusal(said: list[Any]) -> Refused:
    """What :func:`of_refusal` was handed."""
    said[_FROM] = Source(*said[_FROM])
    return Refused(*said)
