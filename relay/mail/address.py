"""Address and Domain: RFC 5321 mailboxes read strictly, kept as given, compared by one key."""

from __future__ import annotations

from dataclasses import dataclass


class AddressError(ValueError):
    """A text that is no mailbox; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain name as DNS and SMTP use it: A-labels, lower case, no trailing dot.

    An address literal (``[192.0.2.1]``) is kept with its brackets and says so.
    """

    name: str

    @property
    def is_literal(self) -> bool:
        """True for ``[192.0.2.1]`` and ``[IPv6:…]``, which are never dialled."""
        return self.name.startswith("[")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox. ``local`` keeps its case, ``domain`` is normalised; ``needs_utf8``: SMTPUTF8."""

    local: str
    domain: Domain
    needs_utf8: bool = False

    @property
    def key(self) -> str:
        """What makes two addresses the same mailbox to us: the whole address in lower case."""
        return f"{self.local}@{self.domain.name}".lower()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain.name}"
