"""Mailboxes: the addresses in From, To and their like (RFC 5322 3.4), read in linear time."""

from __future__ import annotations

import re
from typing import Final

from relay.mail.address import Address, AddressError, parse

MAX_LIST: Final = 256 * 1024  # characters read: over four thousand names
MAX_TOKENS: Final = 40_000  # steps taken: what a hostile value can cost is some 30 ms
_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*+"|\(|<[^<>"(),;\\]*+>|\[[^\[\]]*+\]|[<>,;:]|(?:[^"(<>,;:\[\\]|\\.)++|["\[\\]',
    re.DOTALL,
)
_IN_COMMENT: Final = re.compile(r"(?:[^()\\]|\\.)++|\(+|\)|\\", re.DOTALL)


def addresses(value: str) -> list[Address | str]:
    """Every mailbox of an address list, in its order: read, or as it stands where it is none.

    Groups are opened, comments dropped, names left out. What is asked of it is the count and
    the addr-specs: two addresses in one mailbox count twice, so that none hides. Never raises;
    what lies over :data:`MAX_LIST` or :data:`MAX_TOKENS` is not read, and stands as one
    mailbox in its own words at the end, so that a count can trust it.
    """
    reader = _Reader(value)
    found: list[Address | str] = []
    bare: list[str] = []  # the tokens of the mailbox at hand outside of angle brackets
    angles = 0  # addresses in angle brackets of the mailbox at hand
    while piece := reader.next():
        if piece in (",", ";"):
            _close(bare, angles, found)
            angles = 0
        elif piece == ":":
            bare.clear()  # a group's name
        elif piece[0] == "<":
            found.append(_read(piece[1:-1] if len(piece) > 1 else reader.angle()))
            angles += 1
        else:
            bare.append(piece)
    _close(bare, angles, found)
    if reader.at < len(value):
        found.append(value[reader.at :])
    return found


def _close(bare: list[str], angles: int, found: list[Address | str]) -> None:
    """The mailbox at hand ends: without angle brackets its tokens are the address."""
    text = "".join(bare).strip()
    if text and not angles:
        found.append(_read(text))
    bare.clear()


def _read(text: str) -> Address | str:
    text = text.strip()
    try:
        return parse(text)
    except AddressError:
        return text


class _Reader:
    """Tokens of an address list without its comments, until the bounds are reached."""

    def __init__(self, value: str) -> None:
        self.at = 0
        self._value = value
        self._size = min(len(value), MAX_LIST)
        self._steps = MAX_TOKENS

    def next(self) -> str:
        """The next piece that is no comment; ``""`` at the end."""
        while (piece := self._step(_TOKEN)) == "(":
            self._skip_comment()
        return piece

    def angle(self) -> str:
        """What stands in an angle bracket that holds quotes, comments or a route."""
        kept: list[str] = []
        while (piece := self.next()) and piece != ">":
            kept.append(piece)
        return "".join(kept)

    def _skip_comment(self) -> None:
        depth = 1
        while depth and (piece := self._step(_IN_COMMENT)):
            if piece == ")":
                depth -= 1
            elif piece[0] == "(":
                depth += len(piece)

    def _step(self, pattern: re.Pattern[str]) -> str:
        # The alternatives of both patterns cover every character, so only the end fails.
        match = pattern.match(self._value, self.at, self._size) if self._steps else None
        if match is None:
            return ""
        self._steps -= 1
        self.at = match.end()
        return match[0]
