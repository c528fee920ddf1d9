"""Reply: the only place where an SMTP reply's text is made or read (RFC 5321 4.2, RFC 2034)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAX_LINES: Final = 100  # a reply longer than this is cut, never refused
MAX_BYTES: Final = 8 * 1024
MAX_TEXT: Final = 490  # octets of text on a line: with codes and CRLF under RFC 5321's 512
_LINE: Final = re.compile(r"([0-9]{3})([ \-]?)(.*)", re.DOTALL)
_ENHANCED: Final = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9]|\.[0-9])[ \t]*")
_NEWLINE: Final = re.compile(r"\r\n|\r|\n")
_CONTROL: Final = re.compile(r"[\0-\x1f\x7f]")


class Stage(IntEnum):
    """Where in the dialogue a reply was said."""

    CONNECT = 0
    HELO = 1
    STARTTLS = 2
    AUTH = 3
    MAIL = 4
    RCPT = 5
    DATA = 6
    EOD = 7  # after the final dot
    RSET = 8
    QUIT = 9

    @property
    def word(self) -> str:
        """The stage in lower case, as JSON and rules write it."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Stage | None:
        """The stage of a word, None for an empty or unknown one."""
        return cls.__members__.get(word.strip().upper())


@dataclass(frozen=True, slots=True)
class EnhancedCode:
    """An enhanced status code, RFC 3463: class, subject, detail."""

    klass: int
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.klass}.{self.subject}.{self.detail}"

    @classmethod
    def parse(cls, text: str) -> EnhancedCode | None:
        """The code that ``text`` begins with; None where it begins with none."""
        match = _ENHANCED.match(text.lstrip())
        return cls(int(match[1]), int(match[2]), int(match[3])) if match else None


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply: basic code, enhanced code if any, and its lines joined by LF without codes.

    ``text`` holds no code, no enhanced code at the start of its lines, and may be empty.
    """

    code: int
    enhanced: EnhancedCode | None
    text: str
    stage: Stage | None = None

    @property
    def is_positive(self) -> bool:
        """2yz or 3yz."""
        return 200 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        """4yz: the other side says it may pass."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5yz: the other side says it will not pass, which the classifier need not believe."""
        return 500 <= self.code < 600

    def __str__(self) -> str:
        """The reply on one line: ``550 5.1.1 No such user``; without a code that nobody gave."""
        parts = [str(part) for part in (self.code, self.enhanced) if part]
        return " ".join([*parts, self.text]).rstrip().replace("\n", " ")

    def wire(self) -> bytes:
        """The reply as it goes over the wire, RFC 5321 4.2.1, the code on each line, CRLF ended.

        Safe for any text: a control character or one outside ASCII becomes ``?``, a long line
        is cut to 512 octets in all.
        """
        enhanced = f"{self.enhanced} " if self.enhanced else ""
        if len(self.text) <= MAX_TEXT and self.text.isascii() and self.text.isprintable():
            return f"{self.code} {enhanced}{self.text}\r\n".encode("ascii")
        lines = [_CONTROL.sub("?", line)[:MAX_TEXT] for line in self.text.split("\n")]
        marks = ["-"] * (len(lines) - 1) + [" "]
        return "".join(
            f"{self.code}{mark}{enhanced}{line}\r\n"
            for mark, line in zip(marks, lines, strict=True)
        ).encode("ascii", "replace")


def parse(raw: str | bytes, stage: Stage | None = None, code: int | None = None) -> Reply:
    """Read a reply of one or many lines, with or without codes on them.

    Bounded: lines after :data:`MAX_LINES` and octets after :data:`MAX_BYTES` are left out.
    The last line's basic code counts (RFC 5321 4.2.1); ``code`` serves where no line has one.
    The first enhanced code found counts. Never raises: a text without any code has code 0.
    """
    text = raw[:MAX_BYTES].decode("utf-8", "replace") if isinstance(raw, bytes) else raw[:MAX_BYTES]
    found = code or 0
    enhanced: EnhancedCode | None = None
    lines: list[str] = []
    for line in _NEWLINE.split(text, MAX_LINES)[:MAX_LINES]:
        body = line.strip()
        match = _LINE.fullmatch(body)
        if match and (match[2] or not match[3]) and "200" <= match[1] < "600":
            found, body = int(match[1]), match[3].strip()
        first = _ENHANCED.match(body)
        if first:
            enhanced = enhanced or EnhancedCode.parse(first[0])
            body = body[first.end() :]
        lines.append(body)
    return Reply(found, enhanced, "\n".join(lines).strip("\n"), stage)
