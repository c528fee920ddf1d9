"""Address and Domain: RFC 5321 mailboxes read strictly, kept as given, compared by one key."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import idna

MAX_TEXT: Final = 1024  # characters looked at: what is longer is refused unread
MAX_LOCAL: Final = 64  # octets, RFC 5321 4.5.3.1.1
MAX_DOMAIN: Final = 255  # octets, RFC 5321 4.5.3.1.2
MAX_PATH: Final = 254  # octets: 256 of RFC 5321 4.5.3.1.3 without the angle brackets
_PLAIN: Final = re.compile(r"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*+)@([A-Za-z0-9.-]+)")
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_DOT_STRING: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_PAIR: Final = re.compile(r"\\(.)")
_ROUTE: Final = re.compile(r"@(?:\[[^\]]*\]|[^,:@\[\]]+)(?:,@(?:\[[^\]]*\]|[^,:@\[\]]+))*+:")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TAGGED: Final = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+")


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

    @property
    def is_single_label(self) -> bool:
        """True for ``localhost`` and its like: right by the syntax, but it has no dot."""
        return "." not in self.name and not self.is_literal

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


def parse(text: str) -> Address:
    """Read what stands between the angle brackets of MAIL or RCPT (RFC 5321 4.1.2, RFC 6531).

    A source route is dropped, needless quoting too; the domain becomes A-labels (IDNA 2008
    with the UTS 46 mapping). Raises AddressError with a sentence that says what is wrong;
    at once where the text is over :data:`MAX_TEXT`.
    """
    if len(text) > MAX_TEXT:
        raise AddressError(f"the address is longer than {MAX_TEXT} characters")
    plain = _PLAIN.fullmatch(text)
    if plain:
        local, name = plain.groups()
        needs_utf8 = False
        octets = len(local)
    else:
        local, name = _divided(text)
        needs_utf8 = not local.isascii()
        octets = len(local.encode()) if needs_utf8 else len(local)
    if octets > MAX_LOCAL:
        raise AddressError(f"the part before the @ is longer than {MAX_LOCAL} octets")
    domain = parse_domain(name)
    if octets + 1 + len(domain.name) > MAX_PATH:
        raise AddressError(f"the address is longer than {MAX_PATH} octets")
    return Address(local, domain, needs_utf8)


def _divided(text: str) -> tuple[str, str]:
    """The normalised local part and the domain's text, of any address that is not plain."""
    if not text:
        raise AddressError("the address is empty")
    for letter in text:
        if unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"}:
            raise AddressError(f"the address holds a control character (U+{ord(letter):04X})")
    if text.startswith("@"):
        route = _ROUTE.match(text)
        if route is None:
            raise AddressError("there is nothing before the @")
        text = text[route.end() :]
    quoted = _QUOTED.match(text)
    if quoted:
        rest = text[quoted.end() :]
        if not rest.startswith("@"):
            raise AddressError("the quoted part before the @ is not followed by an @")
        return _unquoted(quoted[1]), rest[1:]
    if text.startswith('"'):
        raise AddressError("the quoted part before the @ has no closing quote")
    local, at, name = text.rpartition("@")
    if not at:
        raise AddressError("there is no @")
    if not _DOT_STRING.fullmatch(local):
        raise AddressError(_local_fault(local))
    return local, name


def _unquoted(content: str) -> str:
    """A quoted string's content as a dot-string if it can be one, else quoted again tersely."""
    plain = _PAIR.sub(r"\1", content)
    if _DOT_STRING.fullmatch(plain):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _local_fault(local: str) -> str:
    if not local:
        return "there is nothing before the @"
    if "@" in local:
        return "there is more than one @"
    if " " in local:
        return "there is a space before the @"
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return "the part before the @ has a dot at its start or end, or two in a row"
    odd = next(letter for letter in local if letter in '"(),:;<>[\\]')
    return f"the part before the @ holds {odd!r}, which must be quoted"


@lru_cache(maxsize=8192)
def parse_domain(text: str) -> Domain:
    """Read a domain name or an address literal (RFC 5321 4.1.2, 4.1.3). Raises AddressError."""
    if text.startswith("["):
        return Domain(_literal(text))
    if len(text) > MAX_DOMAIN + 1:
        raise AddressError(f"the domain is longer than {MAX_DOMAIN} octets")
    if text.isascii():
        name = text.lower()
    else:
        try:
            name = idna.encode(text, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise AddressError(f"the domain is no international name ({error})") from None
    name = name.removesuffix(".")
    if not name:
        raise AddressError("there is no domain after the @")
    if len(name) > MAX_DOMAIN:
        raise AddressError(f"the domain is longer than {MAX_DOMAIN} octets")
    for label in name.split("."):
        if not _LABEL.fullmatch(label):
            raise AddressError(_label_fault(label))
    return Domain(name)


def _label_fault(label: str) -> str:
    if not label:
        return "the domain has a dot at its start, or two in a row"
    if len(label) > 63:
        return "a part of the domain is longer than 63 characters"
    if " " in label:
        return "there is a space in the domain"
    return f"the domain's part {label!r} is not made of letters, digits and inner hyphens"


def _literal(text: str) -> str:
    """An address literal, checked; the spelling of an IPv6 address is normalised."""
    inner = text[1:-1]
    if not text.endswith("]") or len(text) > MAX_DOMAIN:
        raise AddressError("the address literal has no closing bracket or is too long")
    try:
        if inner[:5].lower() == "ipv6:" and "%" not in inner:
            return f"[IPv6:{IPv6Address(inner[5:]).compressed}]"
        if not _TAGGED.fullmatch(inner):
            return f"[{IPv4Address(inner)}]"
    except AddressValueError:
        raise AddressError(f"{text!r} is no address literal") from None
    if inner[:5].lower() == "ipv6:":
        raise AddressError(f"{text!r} is no address literal")
    return text


def domain_of(text: str) -> str:
    """The normalised domain of an address's text; ``""`` where it is none (``<>`` too)."""
    try:
        return parse(text).domain.name
    except AddressError:
        return ""


def allowed_entry(text: str) -> str:
    """An entry of ``allowed_senders`` in the one form that :func:`matches_allowed` compares.

    ``@domain``, ``@.domain`` (its sub-domains, not itself) or a complete address.
    Raises AddressError.
    """
    if text.startswith("@."):
        return f"@.{parse_domain(text[2:])}"
    if text.startswith("@"):
        return f"@{parse_domain(text[1:])}"
    return parse(text).key


def matches_allowed(address: Address, allowed: Sequence[str]) -> bool:
    """True if an entry, each as :func:`allowed_entry` gives it, holds the address."""
    name = address.domain.name
    key = address.key
    return any(
        entry == key
        or (
            entry.startswith("@")
            and (name.endswith(entry[1:]) if entry.startswith("@.") else name == entry[1:])
        )
        for entry in allowed
    )
