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
from relay.filters.deadline import ZONES, last_of, moments, package
from relay.filters.rules import Rule
from relay.filters.text import words
from relay.mail.headers import Headers
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency
from relay.mail.verdict import NOTHING, ChangeHeader, Edit, Proposal, SetParticulars

HEADER: Final = "X-LPSE-Class"
# What is remembered: an announcement's letters have one subject, and often one text.
_SUBJECTS: Final = 256
_TEXTS: Final = 64
_KIND: Final = ("Content-Type", "Content-Transfer-Encoding")  # what says how a text is read
_SHORT: Final = 16 * 1024  # octets of a text that is remembered


@dataclass(frozen=True, slots=True)
class _Read:
    """What a subject or a text says: a package number, moments; the rules that a subject does not
    rule out."""

    package: str | None
    moments: tuple[Instant, ...]
    rules: tuple[Rule, ...] = ()


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
            return _Read(package(subject), tuple(moments(subject, zone.lower())), left)

        @lru_cache(maxsize=_TEXTS)
        def read_text(kind: bytes, body: bytes) -> _Read:
            return _read_text(Headers.parse(kind), body, zone.lower())

        self._read, self._read_text = read, read_text

    async def data(self, transaction: Transaction) -> Proposal:
        """Once, when the letter is here."""
        headers, content = transaction.headers, transaction.content
        if headers is None or content is None:
            return NOTHING
        subject = headers.decoded("Subject") or ""
        read = self._read(subject)
        text = self._text(headers, content.body)
        now = transaction.now
        particulars = replace(
            transaction.particulars,
            subject=subject,
            urgency=_urgency(read.rules, headers, transaction.source.user or ""),
            package=read.package or text.package,
            deadline_at=last_of(read.moments, now) or last_of(text.moments, now),
            app_user=transaction.source.user,
        )
        edits: list[Edit] = [SetParticulars(particulars)]
        edits += (ChangeHeader(HEADER, None) for _ in headers.all(HEADER))
        return Proposal(edits=tuple(edits))

    def _text(self, headers: Headers, body: bytes) -> _Read:
        kind = b"".join([field.raw for name in _KIND for field in headers.all(name)[:1]])
        if len(kind) + len(body) > _SHORT:
            return _read_text(headers, body, self._zone)
        return self._read_text(kind, body)


def _read_text(headers: Headers, body: bytes, zone: str) -> _Read:
    text = words(headers, body)
    return _Read(package(text), tuple(moments(text, zone)))


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
