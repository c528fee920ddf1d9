"""Identity: whom of us a provider may mean by what it says of a letter."""

from __future__ import annotations

from relay.mail.letter import Letter
from relay.shaping.base import Identity


def identity_of(letter: Letter, source_ip: str = "", return_domain: str = "") -> Identity:
    """The address that we dial from, DKIM's domain, MAIL FROM's domain; empty: not known.

    `return_domain`: what stands in MAIL FROM instead of the letter's own domain, if anything.
    """
    envelope = letter.sender.rpartition("@")[2].lower()
    if envelope and return_domain:
        envelope = return_domain
    return Identity(source_ip, letter.particulars.from_domain or "", envelope)
