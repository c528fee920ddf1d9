"""Entries: what one line of a mail log tells, of whichever mail server.

Named tuples, not dataclasses: one is made for each delivered letter, a hundred thousand a second.
Addresses and hosts stay octets as they were written; whoever shows one decodes it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from relay.mail.instant import Instant


class LineError(ValueError):
    """A line that begins like one of a mail log and cannot be read; the message says why."""


class UnknownShape(LineError):
    """A line that is none of a mail log, as far as is known here."""


class Sent(NamedTuple):
    """A letter was taken for a recipient; ``took`` seconds after it came, None: not said."""

    at: Instant
    to: bytes
    host: bytes
    took: float | None
    queue_id: bytes


class Refused(NamedTuple):
    """A letter was not taken: for good (``is_final``) or for now.

    ``text`` is what the line says of it, from the recipient on, as `classify` reads it. ``given``:
    the address before it was rewritten, empty where it was not. ``is_tried`` False: nothing was
    asked of the other side.
    """

    at: Instant
    to: bytes
    given: bytes
    host: bytes
    took: float | None
    queue_id: bytes
    is_final: bool
    is_tried: bool
    text: bytes


class Arrived(NamedTuple):
    """A letter came in (Exim says only so when)."""

    at: Instant
    queue_id: bytes


class Ended(NamedTuple):
    """A letter left the queue; ``is_expired``: its recipients that still waited have failed."""

    at: Instant
    queue_id: bytes
    is_expired: bool


class Aside(IntEnum):
    """Lines that tell of no letter on its way out."""

    OTHER = 0  # a line of a mail server, or of another program, that reports nothing on delivery
    LOCAL = 1  # a delivery to a mailbox, a program or a filter on the same machine


Entry = Sent | Refused | Arrived | Ended | Aside

OTHER: Final = Aside.OTHER
LOCAL: Final = Aside.LOCAL


def is_here(host: bytes) -> bool:
    """True for this machine: a content filter's port is no destination."""
    return host.startswith((b"127.", b"[127.", b"localhost", b"::1", b"[::1"))
