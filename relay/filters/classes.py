"""classes: reads a letter's class, subject, package number and deadline into its particulars.

The class is what the application itself says (`X-LPSE-Class`, for a client that may relay), else
the first rule that fits: the site's, then the shipped ones; else transaksi. The header that only
we read is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from relay.filters.base import Filter, Transaction
from relay.filters.deadline import ZONES, deadline, last_of, moments, package
from relay.filters.rules import Rule
from relay.filters.text import words
from relay.mail.headers import Headers
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency
from relay.mail.verdict import NOTHING, ChangeHeader, Edit, Proposal, SetParticulars

HEADER: Final = "X-LPSE-Class"
_SUBJECTS: Final = 256  # that are remembered: an announcement's letters all have the same


@dataclass(frozen=True, slots=True)
class _Read:
    """What a subject says: the rules that it does not rule out, a package number, moments."""

    rules: tuple[Rule, ...]
    package: str | None
    moments: tuple[Instant, ...]


class Classes(Filter):
    """See the file's first lines. `zone` (WIB, WITA, WIT) is the site's."""

    name = "classes"

    def __init__(self, rules: Sequence[Rule], zone: str = "WIB") -> None:
        """`rules` in the order in which they are asked. Raises ValueError for an unknown zone."""
        if zone.lower() not in ZONES:
            raise ValueError(f"unknown zone {zone!r}: one of WIB, WITA, WIT")
        self._zone = zone.lower()
        asked = tuple(rules)

        @lru_cache(maxsize=_SUBJECTS)
        def read(subject: str) -> _Read:
            left = tuple([rule for rule in asked if rule.fits_subject(subject)])
            return _Read(left, package(subject), tuple(moments(subject, self._zone)))

        self._read = read

    async def data(self, transaction: Transaction) -> Proposal:
        """Once, when the letter is here."""
        headers, content = transaction.headers, transaction.content
        if headers is None or content is None:
            return NOTHING
        subject = headers.decoded("Subject") or ""
        read = self._read(subject)
        text = words(headers, content.body)
        now = transaction.now
        particulars = replace(
            transaction.particulars,
            subject=subject,
            urgency=_urgency(read.rules, headers, transaction.source.user or ""),
            package=read.package or package(text),
            deadline_at=last_of(read.moments, now) or deadline(text, now, self._zone),
            app_user=transaction.source.user,
        )
        edits: list[Edit] = [SetParticulars(particulars)]
        edits += (ChangeHeader(HEADER, None) for _ in headers.all(HEADER))
        return Proposal(edits=tuple(edits))


def _urgency(rules: Sequence[Rule], headers: Headers, user: str) -> Urgency:
    """By the application's own word, else by the first of the rules that the subject left over."""
    said = headers.unfolded(HEADER)
    if said is not None:
        try:
            return Urgency.of(said)
        except ValueError:
            pass  # a word that we do not know says nothing
    for rule in rules:
        if rule.fits_otherwise(headers, user):
            return rule.urgency
    return Urgency.TRANSAKSI
