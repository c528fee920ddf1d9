"""Verdict and Edit: milter's five answers and the changes that a filter may propose.

A filter proposes, the pipeline applies and records who did it; an edit is a value.
"""

from __future__ import annotations

from dataclasses import dataclass

from relay.mail.address import Address
from relay.mail.envelope import Particulars
from relay.mail.reply import Reply


@dataclass(frozen=True, slots=True)
class Accept:
    """Take it, and ask no further filter at this stage."""

    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse for good (5yz)."""

    reply: Reply
    reason: str  # a word for the metric `lpse_refused_total{reason}`


@dataclass(frozen=True, slots=True)
class Defer:
    """Refuse for now (4yz); LPSE's application will not come back, so it is a last resort."""

    reply: Reply
    reason: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Answer as if accepted and keep nothing; recorded as an event."""

    reply: Reply
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Accept, but queue as held: an administrator decides."""

    reply: Reply
    reason: str


Verdict = Accept | Reject | Defer | Discard | Hold


@dataclass(frozen=True, slots=True)
class AddHeader:
    """Add a field on top (``at_end`` False) or below the others. ``value`` is unfolded text."""

    name: str
    value: str
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """Replace the ``nth`` (from 0, top down) field of that name; ``value`` None removes it."""

    name: str
    value: str | None
    nth: int = 0


@dataclass(frozen=True, slots=True)
class RenameHeader:
    """Keep the ``nth`` field's octets under another name: nothing is lost, the doubled goes."""

    name: str
    new_name: str
    nth: int = 0


@dataclass(frozen=True, slots=True)
class AddRecipient:
    """Deliver to one more address."""

    address: Address


@dataclass(frozen=True, slots=True)
class RemoveRecipient:
    """Do not deliver to recipient ``n`` of the envelope."""

    n: int


@dataclass(frozen=True, slots=True)
class ChangeSender:
    """Another envelope sender; ``""`` is ``<>``."""

    sender: str


@dataclass(frozen=True, slots=True)
class SetParticulars:
    """Replace what was read out of the letter (subject, class, package, deadline)."""

    particulars: Particulars


Edit = (
    AddHeader
    | ChangeHeader
    | RenameHeader
    | AddRecipient
    | RemoveRecipient
    | ChangeSender
    | SetParticulars
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a filter answers at one stage: perhaps a verdict, perhaps edits, in their order."""

    verdict: Verdict | None = None
    edits: tuple[Edit, ...] = ()


NOTHING = Proposal()
