"""headers: makes a letter fit to be seen — what is missing is added, what is secret or double goes.

Nothing is refused here: an application that prints two Subjects or no Date hears nothing of its
refusals. Bcc goes before the letter is stored, since it names rival bidders.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

from relay.filters.base import Filter, Transaction
from relay.mail import ids
from relay.mail.address import AddressError, domain_of, parse_domain
from relay.mail.headers import Headers
from relay.mail.instant import Instant
from relay.mail.verdict import NOTHING, AddHeader, ChangeHeader, Edit, Proposal, RenameHeader

# Fields for nobody's eyes but the application's and ours.
PRIVATE: Final = (
    "Bcc",
    "Resent-Bcc",
    "Return-Path",
    "X-LPSE-Return-Path",
    "X-LPSE-Message-ID",
    "X-PHP-Originating-Script",
    "X-PHP-Script",
)
SINGLE: Final = ("From", "Subject", "Date", "To", "Message-ID")
ADDED: Final = ("From", "To", "Date", "Message-ID", "Auto-Submitted")
ORIGINAL: Final = "X-LPSE-Original-"
NO_RECIPIENTS: Final = "undisclosed-recipients:;"


class HeaderFields(Filter):
    """See the file's first lines. `hostname` stands in the Message-ID of a letter without one."""

    name = "headers"

    def __init__(self, hostname: str) -> None:
        self._hostname = hostname

    async def data(self, transaction: Transaction) -> Proposal:
        """Private fields out, doubles renamed, missing ones added."""
        headers = transaction.headers
        if headers is None:
            return NOTHING
        edits: list[Edit] = [
            ChangeHeader(name, None) for name in PRIVATE for _ in headers.all(name)
        ]
        for name in SINGLE:
            doubles = headers.all(name)[1:]
            edits += (RenameHeader(name, ORIGINAL + name, 1) for _ in doubles)
        edits += self._missing(transaction, headers)
        return Proposal(edits=tuple(edits)) if edits else NOTHING

    def _missing(self, transaction: Transaction, headers: Headers) -> list[Edit]:
        edits: list[Edit] = []
        for name in ADDED:
            field = headers.get(name)
            if field is None:
                edits.append(AddHeader(name, self._made(name, transaction), at_end=True))
            elif not field.unfolded:
                edits.append(ChangeHeader(name, self._made(name, transaction)))
        return edits

    def _made(self, name: str, transaction: Transaction) -> str:
        if name == "From":
            return f"<{transaction.sender or 'MAILER-DAEMON@' + self._hostname}>"
        if name == "To":
            return NO_RECIPIENTS
        if name == "Date":
            return date(transaction.now)
        return self._message_id(transaction) if name == "Message-ID" else "auto-generated"

    def _message_id(self, transaction: Transaction) -> str:
        domain = domain_of(transaction.sender) or self._hostname
        try:
            has_dot = not parse_domain(domain).is_single_label and "[" not in domain
        except AddressError:
            has_dot = False
        return f"<{ids.show(transaction.id)}@{domain if has_dot else self._hostname}>"


def date(at: Instant) -> str:
    """The moment as RFC 5322 3.3 writes it, in UTC."""
    return _date_of(at // 1000)


@lru_cache(maxsize=8)
def _date_of(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC))
