"""Urgency: the four classes of LPSE's letters, the most urgent first.

The column and the JSON key are called ``class``; the word is reserved in Python.
"""

from __future__ import annotations

from enum import IntEnum


class Urgency(IntEnum):
    """How soon a letter must go; a smaller number goes first."""

    KRITIS = 0  # registration, password, address change: own lane, lives exactly 24 h
    MENDESAK = 1  # invitations and changes with a deadline of hours
    TRANSAKSI = 2  # receipts and answers; the default
    MASSAL = 3  # announcements to all vendors; yields to the others

    @property
    def word(self) -> str:
        """The class as it is written in YAML, JSON and pages."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Urgency:
        """The class of a word. Raises ValueError naming the four."""
        try:
            return cls[word.strip().upper()]
        except KeyError:
            known = ", ".join(u.word for u in cls)
            raise ValueError(f"unknown class {word!r}: one of {known}") from None
