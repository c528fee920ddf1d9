"""Identity: whom of us a provider may mean by what it says of a letter."""

from __future__ import annotations

from collections.abc import Iterable

from relay.mail.envelope import sending_domain
from relay.mail.letter import Letter
from relay.shaping.base import Identity
from relay.store.base import Named


def identity_of(letter: Letter, source_ip: str = "", return_domain: str = "") -> Identity:
    """The address that we dial from, DKIM's domain, MAIL FROM's domain; empty: not known.

    `return_domain`: what stands in MAIL FROM instead of the letter's own domain, if anything.
    """
    envelope = sending_domain(letter.sender, return_domain)
    return Identity(source_ip, letter.particulars.from_domain or "", envelope)


def not_of(names: Iterable[str], return_domain: str) -> Named:
    """The letters whose identity has one of these names (see Identity.names)."""
    parts = [name.partition("=") for name in names]
    signers = frozenset(value for kind, _, value in parts if kind == "dkim")
    senders = frozenset(value for kind, _, value in parts if kind == "envelope")
    return Named(signers, senders, return_domain)
