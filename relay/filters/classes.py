"""classes: reads a letter's class, subject, package number and deadline into its particulars.

The class is what the application itself says (`X-LPSE-Class`, for a client that may relay), else
the first rule that fits: the site's, then the shipped ones; else transaksi. The header that only
we read is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from relay.filters.base import Filter, Transaction
from relay.filters.deadline import ZONES, deadline, package
from relay.filters.rules import Rule, urgency_of
from relay.filters.text import words
from relay.mail.headers import Headers
from relay.mail.urgency import Urgency
from relay.mail.verdict import NOTHING, ChangeHeader, Edit, Proposal, SetParticulars

HEADER: Final = "X-LPSE-Class"


class Classes(Filter):
    """See the file's first lines. `zone` (WIB, WITA, WIT) is the site's."""

    name = "classes"

    def __init__(self, rules: Sequence[Rule], zone: str = "WIB") -> None:
        """`rules` in the order in which they are asked. Raises ValueError for an unknown zone."""
        if zone.lower() not in ZONES:
            raise ValueError(f"unknown zone {zone!r}: one of WIB, WITA, WIT")
        self._rules = tuple(rules)
        self._zone = zone.lower()

    async def data(self, transaction: Transaction) -> Proposal:
        """Once, when the letter is here."""
        headers, content = transaction.headers, transaction.content
        if headers is None or content is None:
            return NOTHING
        subject = headers.decoded("Subject") or ""
        user = transaction.source.user or ""
        text = words(headers, content.body)
        now = transaction.now
        particulars = replace(
            transaction.particulars,
            subject=subject,
            urgency=self._urgency(headers, subject, user),
            package=package(subject) or package(text),
            deadline_at=deadline(subject, now, self._zone) or deadline(text, now, self._zone),
            app_user=transaction.source.user,
        )
        edits: list[Edit] = [SetParticulars(particulars)]
        edits += (ChangeHeader(HEADER, None) for _ in headers.all(HEADER))
        return Proposal(edits=tuple(edits))

    def _urgency(self, headers: Headers, subject: str, user: str) -> Urgency:
        said = headers.unfolded(HEADER)
        if said is not None:
            try:
                return Urgency.of(said)
            except ValueError:
                pass  # a word that we do not know says nothing
        found = urgency_of(self._rules, subject, headers, user)
        return Urgency.TRANSAKSI if found is None else found
