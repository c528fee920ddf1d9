"""Syntax: the arguments of HELO, MAIL and RCPT read (RFC 5321 4.1, 3461), pure.

A recipient may be anything that is no danger: what is no mailbox becomes one with a fault, since
the application that hears one refusal sends to nobody. Refused are only CR, LF, NUL and what is
over 1 KiB, and parameters that we would have to ignore.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from relay.ingress.answers import Refused, answer
from relay.mail.address import AddressError, parse
from relay.mail.envelope import Options, Recipient

MAX_PATH: Final = 1_024  # octets between the angle brackets
MAX_XTEXT: Final = 500  # characters of ORCPT (RFC 3461 5.4); ENVID has 100 by 4.4
MAX_HELO: Final = 255
_FORBIDDEN: Final = re.compile(r"[\r\n\0]")
_QUOTED_PATH: Final = re.compile(r'<((?:[^<>"\\]|"(?:[^"\\]|\\.)*+"|\\.)*+)>(?=[ \t]|$)')
_ANY_PATH: Final = re.compile(r"<(.*?)>(?=[ \t]|$)")
_PARAMETER: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\ud7ff\ue000-\U0010ffff]+))?"
)
_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*+")
_XTEXT_FORBIDDEN: Final = ("+0D", "+0A", "+00")
_ORCPT_TYPE: Final = re.compile(r"[A-Za-z0-9-]{1,40}")
_NOTIFY: Final = frozenset(("SUCCESS", "FAILURE", "DELAY"))
_LONE: Final = re.compile(r"[\ud800-\udfff]")
_UNPRINTABLE: Final = re.compile(r"[^!-~]")


@dataclass(frozen=True, slots=True)
class Path:
    """What stood between the angle brackets, and the parameters behind them."""

    text: str
    parameters: dict[str, str | None]


def _wrong(text: str, enhanced: str = "5.5.4") -> Refused:
    return Refused(answer(501, enhanced, text), "syntax")


def decode(octets: bytes) -> str:
    """A command's argument as text; octets that are no UTF-8 become lone surrogates."""
    return octets.decode("utf-8", "surrogateescape")


def storable(text: str) -> str:
    """A decoded argument that is no UTF-8 read as Latin-1, so that it can be kept as it came."""
    if _LONE.search(text) is None:
        return text
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def helo(argument: str) -> str:
    """The client's name for itself, never judged: cleaned of what cannot be shown, cut at 255.

    Raises Refused for none, and for CR, LF and NUL.
    """
    if _FORBIDDEN.search(argument):
        raise _wrong("A name may hold neither CR, LF nor NUL")
    name = _UNPRINTABLE.sub("?", argument.strip(" \t"))[:MAX_HELO]
    if not name:
        raise _wrong("Write EHLO and a host name")
    return name


def path(argument: str, keyword: str, command: str) -> Path:
    """`FROM:<a@b> SIZE=1` split. Blanks after the colon and missing brackets are forgiven.

    Raises Refused.
    """
    if _FORBIDDEN.search(argument):
        raise _wrong("An address may hold neither CR, LF nor NUL", "5.1.3")
    if argument[: len(keyword)].upper() != keyword:
        raise _wrong(f"Write {command} {keyword}<address>")
    rest = argument[len(keyword) :].strip(" \t")
    if rest.startswith("<"):
        match = _QUOTED_PATH.match(rest) or _ANY_PATH.match(rest)
        text, rest = (match[1], rest[match.end() :]) if match else (rest, "")
    else:
        text, _, rest = rest.partition(" ")
        if rest and not all(_PARAMETER.fullmatch(word) and "=" in word for word in rest.split()):
            text, rest = f"{text} {rest}", ""  # `RCPT TO:a b@c`: an address with a blank in it
        if not text and command == "MAIL":
            raise _wrong(f"Write {command} {keyword}<address>")
    if len(text.encode("utf-8", "surrogateescape")) > MAX_PATH:
        raise _wrong(f"An address may have {MAX_PATH} octets", "5.1.3")
    return Path(text, _parameters(rest))


def _parameters(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise _wrong("A parameter is written NAME=value")
        name = match[1].upper()
        if name in found:
            raise _wrong("A parameter stands twice")
        found[name] = match[2]
    return found


def _unknown(parameters: dict[str, str | None]) -> None:
    if parameters:
        name = _UNPRINTABLE.sub("?", next(iter(parameters)))[:40]
        raise Refused(answer(555, "5.5.4", f"Unknown parameter {name}"), "syntax")


@lru_cache(maxsize=256)  # an application has few senders
def sender(argument: str) -> tuple[str, Options]:
    """MAIL's argument: the sender, `""` for `<>`, and its options. Raises Refused."""
    found = path(argument, "FROM:", "MAIL")
    options = _options(found.parameters)
    if not found.text:
        return "", options
    try:
        return str(parse(found.text)), options
    except AddressError as error:
        shown = _UNPRINTABLE.sub(" ", str(error))[:200]
        raise Refused(answer(553, "5.1.7", f"Sender is no mailbox: {shown}"), "syntax") from None


def _options(parameters: dict[str, str | None]) -> Options:
    size = parameters.pop("SIZE", "0")
    if size is None or not size.isascii() or not size.isdigit() or len(size) > 20:
        raise _wrong("SIZE is a number of octets")
    body = parameters.pop("BODY", "") or ""
    if body.upper() not in ("", "7BIT", "8BITMIME"):
        raise _wrong("BODY is 7BIT or 8BITMIME")
    is_smtputf8 = "SMTPUTF8" in parameters
    if parameters.pop("SMTPUTF8", None) is not None:
        raise _wrong("SMTPUTF8 takes no value")
    ret = parameters.pop("RET", "") or ""
    if ret.upper() not in ("", "FULL", "HDRS"):
        raise _wrong("RET is FULL or HDRS")
    envid = parameters.pop("ENVID", None)
    if envid is not None:
        _check_xtext(envid, "ENVID", 100)
    if "AUTH" in parameters:  # RFC 4954 5: who wrote it; of no use to us
        _check_xtext((parameters.pop("AUTH") or "").removeprefix("<>"), "AUTH", MAX_XTEXT)
    _unknown(parameters)
    return Options(
        size=int(size) or None,
        body=body.upper() or None,
        is_smtputf8=is_smtputf8,
        ret=ret.upper() or None,
        envid=envid,
    )


def recipient(argument: str) -> Recipient:
    """RCPT's argument; what is no mailbox has a fault and no address. Raises Refused."""
    found = path(argument, "TO:", "RCPT")
    parameters = found.parameters
    notify = _notify(parameters.pop("NOTIFY", "")) if "NOTIFY" in parameters else None
    orcpt = parameters.pop("ORCPT", None) if "ORCPT" in parameters else None
    if orcpt is not None:
        kind, semicolon, text = orcpt.partition(";")
        if not semicolon or not _ORCPT_TYPE.fullmatch(kind):
            raise _wrong("ORCPT is written type;address")
        if text.isascii():
            _check_xtext(text, "ORCPT", MAX_XTEXT)
    _unknown(parameters)
    as_given = storable(found.text)
    if as_given is not found.text:
        return Recipient(as_given, None, "the address is not UTF-8", notify, orcpt)
    try:
        return Recipient(as_given, parse(as_given), None, notify, orcpt)
    except AddressError as error:
        return Recipient(as_given, None, str(error), notify, orcpt)


def _notify(value: str | None) -> frozenset[str]:
    words = (value or "").upper().split(",")
    if words == ["NEVER"]:
        return frozenset(words)
    if not _NOTIFY.issuperset(words):
        raise _wrong("NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY")
    return frozenset(words)


def _check_xtext(text: str, name: str, longest: int) -> None:
    if len(text) > longest or not _XTEXT.fullmatch(text):
        raise _wrong(f"{name} is not xtext, or too long")
    if any(code in text for code in _XTEXT_FORBIDDEN):
        raise _wrong(f"{name} may hold neither CR, LF nor NUL")
