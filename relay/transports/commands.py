"""Commands: MAIL and RCPT lines with just the parameters that the server offered; no IO."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from relay.mail.delivery import Failure, FailureKind
from relay.mail.envelope import Options
from relay.mail.reply import Stage

_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f]")
_PARAMETER: Final = re.compile(r"[!-~]{1,500}")  # xtext and its like: no blank, no control
_RET: Final = frozenset({"FULL", "HDRS"})
_NOTIFY: Final = ("NEVER", "SUCCESS", "FAILURE", "DELAY")


@dataclass(frozen=True, slots=True)
class Addressee:
    """One RCPT: the mailbox, and RFC 3461's wishes for it."""

    mailbox: str
    notify: frozenset[str] | None = None
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes in one transaction; ``head`` without the blank line, ``body`` not stuffed."""

    sender: str
    addressees: tuple[Addressee, ...]
    head: bytes
    body: bytes
    options: Options = field(default_factory=Options)
    is_8bit: bool = False
    needs_utf8: bool = False

    @property
    def size(self) -> int:
        """Octets of the letter, dot-stuffing not counted (RFC 1870 5)."""
        return len(self.head) + 2 + len(self.body)

    @property
    def is_utf8(self) -> bool:
        """True where the letter or one of its addresses needs SMTPUTF8 (RFC 6531)."""
        return self.is_all_utf8 or any(not to.mailbox.isascii() for to in self.addressees)

    @property
    def is_all_utf8(self) -> bool:
        """True where it needs SMTPUTF8 whoever the recipient is."""
        return self.needs_utf8 or not self.sender.isascii()

    def without(self, those: Container[int]) -> Parcel:
        """The same for the other addressees."""
        return replace(
            self, addressees=tuple([to for n, to in enumerate(self.addressees) if n not in those])
        )


def refusals(parcel: Parcel, offered: Mapping[str, str]) -> dict[int, Failure]:
    """Which addressees this server must not be asked about, by their place, and why."""
    everybody = _refusal(parcel, offered)
    if everybody is not None:
        return dict.fromkeys(range(len(parcel.addressees)), everybody)
    found: dict[int, Failure] = {}
    for n, to in enumerate(parcel.addressees):
        if _UNSAFE.search(to.mailbox):
            text = "the address holds a control character"
            found[n] = Failure(FailureKind.ADDRESS, text, Stage.RCPT)
        elif not to.mailbox.isascii() and "SMTPUTF8" not in offered:
            found[n] = _unsupported("the address", "SMTPUTF8")
    return found


def _refusal(parcel: Parcel, offered: Mapping[str, str]) -> Failure | None:
    """Why this server must not be given the letter at all; None where it may."""
    if _UNSAFE.search(parcel.sender):
        text = "the sender's address holds a control character"
        return Failure(FailureKind.SIGNING, text, Stage.MAIL)
    if parcel.is_all_utf8 and "SMTPUTF8" not in offered:
        return _unsupported("the letter", "SMTPUTF8")
    if parcel.is_8bit and "8BITMIME" not in offered:
        return _unsupported("the letter", "8BITMIME")
    return None


def _unsupported(what: str, keyword: str) -> Failure:
    text = f"{what} needs {keyword}, which the server does not offer"
    return Failure(FailureKind.UNSUPPORTED, text, Stage.MAIL)


def mail(parcel: Parcel, offered: Mapping[str, str]) -> bytes:
    """The MAIL line, CRLF-ended (RFC 5321 4.1.1.2, 1870, 6152, 6531, 3461)."""
    line = f"MAIL FROM:<{parcel.sender}>"
    if "SIZE" in offered:
        line += f" SIZE={parcel.size}"
    if parcel.is_8bit:
        line += " BODY=8BITMIME"
    if parcel.is_utf8:
        line += " SMTPUTF8"
    if "DSN" in offered:
        options = parcel.options
        if options.ret is not None and options.ret.upper() in _RET:
            line += f" RET={options.ret.upper()}"
        if options.envid is not None and _PARAMETER.fullmatch(options.envid):
            line += f" ENVID={options.envid}"
    return f"{line}\r\n".encode()


def rcpt(to: Addressee, offered: Mapping[str, str]) -> bytes:
    """A RCPT line, CRLF-ended; RFC 3461's parameters only to a server that offers DSN."""
    line = f"RCPT TO:<{to.mailbox}>"
    if "DSN" in offered:
        if to.notify:
            wishes = ",".join(word for word in _NOTIFY if word in to.notify)
            line += f" NOTIFY={wishes}" if wishes else ""
        if to.orcpt is not None and _PARAMETER.fullmatch(to.orcpt):
            line += f" ORCPT={to.orcpt}"
    return f"{line}\r\n".encode()


def capabilities(text: str) -> dict[str, str]:
    """EHLO's reply (its lines joined by LF, the first one a greeting) → keyword: parameters."""
    offered: dict[str, str] = {}
    for line in text.split("\n")[1:]:
        keyword, _, parameters = line.strip().partition(" ")
        if keyword[:5].upper() == "AUTH=":  # as old servers write it
            keyword, parameters = "AUTH", f"{keyword[5:]} {parameters}"
        if keyword:
            earlier = offered.get(keyword.upper(), "")
            offered[keyword.upper()] = f"{earlier} {parameters}".strip().upper()
    return offered
