"""ReplyReader: the octets that a server sends, cut into replies; no IO, bounded on any input.

A reply ends with a line of three digits that no hyphen follows (RFC 5321 4.2.1). What lies over
the bounds is read and dropped, so a verbose server is understood and cannot fill the memory.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from relay.mail.reply import MAX_BYTES, MAX_LINES, Reply, Stage, parse

MAX_DROPPED: Final = 1024 * 1024  # octets of one reply; a server that says more is talking junk
MAX_WAITING: Final = 1_000  # replies nobody has asked for yet
_LINE: Final = re.compile(rb"([2-5][0-9][0-9])(?:([ -])|$)")


class NotSmtp(ValueError):
    """What was said is no SMTP; the message quotes it, cut, as escaped ASCII."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One complete reply as said: the last line's code, and the lines kept, LF-joined."""

    code: int
    raw: bytes

    def reply(self, stage: Stage) -> Reply:
        """The reply read; costs some microseconds, so only where somebody will look at it."""
        read = parse(self.raw, stage, self.code)
        # A bare CR, or what was cut away, must not make a refusal of an acceptance.
        return read if read.code == self.code else replace(read, code=self.code)


class ReplyReader:
    """Takes octets in pieces of any size; gives complete replies in their order."""

    __slots__ = ("_head", "_lines", "_partial", "_seen", "_size", "replies")

    def __init__(self) -> None:
        self.replies: deque[Spoken] = deque()
        self._partial = b""  # the line not yet ended, at most MAX_BYTES of it
        self._lines: list[bytes] = []  # of the reply not yet ended
        self._size = 0  # octets kept of it
        self._seen = 0  # octets said of it, kept or not
        self._head = False  # a line of it had a code

    @property
    def is_clean(self) -> bool:
        """True where nothing was said beyond what was asked for."""
        return not (self.replies or self._partial or self._lines)

    def feed(self, data: bytes) -> None:
        """Take the next octets. Raises NotSmtp where they are no SMTP replies."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line(self._partial + line if self._partial else line)
            self._partial = b""
        if rest:
            self._seen += len(rest)
            self._check_length(rest)
            # What is cut here is a line's tail, which the bounds of a reply drop anyway.
            self._partial = (self._partial + rest)[: MAX_BYTES + 1]

    def _line(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        match = _LINE.match(line)
        if match is None and not self._head:
            raise NotSmtp(quote(line))
        self._seen += len(line)
        self._check_length(line)
        if match is not None and match[2] != b"-":
            self._keep(line)
            self._finish(int(match[1]))
            return
        self._head = True
        self._keep(line)

    def _keep(self, line: bytes) -> None:
        room = MAX_BYTES - self._size
        if len(self._lines) < MAX_LINES and room > 0:
            self._lines.append(line[:room])
            self._size += len(line) + 1

    def _finish(self, code: int) -> None:
        raw = self._lines[0] if len(self._lines) == 1 else b"\n".join(self._lines)
        self._lines, self._size, self._seen, self._head = [], 0, 0, False
        self.replies.append(Spoken(code, raw))
        if len(self.replies) > MAX_WAITING:
            raise NotSmtp(f"more than {MAX_WAITING} replies that nobody asked for")

    def _check_length(self, said: bytes) -> None:
        if self._seen > MAX_DROPPED:
            raise NotSmtp(f"a reply of more than {MAX_DROPPED} octets: {quote(said)}")


def quote(line: bytes) -> str:
    """The first octets of a line as printable ASCII, for a log."""
    text = line[:80].decode("latin-1").encode("unicode_escape").decode("ascii")
    return text + ("..." if len(line) > 80 else "")
