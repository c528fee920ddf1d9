"""Free form: a report in words alone (qmail, old Exim and Exchange, …), read with flufl.bounce.

flufl.bounce knows how some fifty mail systems put it, but it wants Python's own Message, and its
patterns take quadratic or cubic time on a hostile line. So it is never handed a letter: what it
gets is made here, field by field, from what our own reader took apart — a few fields in ASCII, and
the first words cut into short lines without the marks that its patterns choke on. Python's e-mail
parser is not called. What it finds is an address and whether that failed for good; the reason in
words is the paragraph in which the address stands.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Final

from flufl.bounce import all_failures

from relay.mail.dsn import ReportedRecipient
from relay.mail.headers import Headers
from relay.mail.reply import EnhancedCode

MAX_OCTETS: Final = 16 * 1024  # of a text part
MAX_TEXTS: Final = 4
MAX_LINES: Final = 150  # of all parts together
MAX_WIDTH: Final = 200  # characters of a line
MAX_FOUND: Final = 20
MAX_REASON: Final = 1_000
_FIELDS: Final = ("From", "To", "Subject", "X-Mailer", "X-Failed-Recipients")
_MARKS: Final = (("<", 4), (">", 4), ("@", 4), (",", 8))  # more of them on a line: no bounce's
_UNSAFE: Final = re.compile(r"[^ -~\t]")
_CODED: Final = re.compile(r"(?<![0-9.])([45])\.([0-9]{1,2})\.([0-9]{1,3})(?![0-9.])")
_REPLIED: Final = re.compile(r"(?<![0-9.#])[45][0-9]{2}[ -](?=\S)")
_FOR_GOOD: Final = re.compile(
    r"(?<![0-9.#])55[0-9][ -](?=\S)|(?<![0-9.])5\.[0-9]{1,2}\.[0-9]{1,3}(?![0-9.])"
)
_MAILBOX: Final = re.compile(
    r"[A-Za-z0-9._+=-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}"
)
_NEAR: Final = 6  # lines above a reply in which its mailbox may stand
_BELOW: Final = re.compile(
    r"(?i)-{3,}.{0,20}(?:original|below|returned|forwarded|copy|transcript of message)"
)
_OF_THE_LETTER: Final = re.compile(r"(?i)\s*(?:to|cc|subject|sent|from|date):")
# It logs each detector, and a broken one with its trace: foreign text that is nobody's business.
logging.getLogger("flufl.bounce").disabled = True


@dataclass(frozen=True, slots=True)
class Notice:
    """A report's own headers, and its text parts: subtype and octets, CRLF lines, decoded."""

    headers: Headers
    texts: Sequence[tuple[str, bytes]]


def read(notice: Notice) -> tuple[ReportedRecipient, ...]:
    """Whom the words call failed or delayed; empty where nothing known is said. Never raises."""
    lines = [list(_lines(octets)) for _, octets in notice.texts[:MAX_TEXTS]]
    lines = list(_bounded(lines))
    try:
        delayed, failed = all_failures(_message(notice, lines))
    except Exception:  # a library's fault on foreign words: then they say nothing
        return ()
    every = [line for part in lines for line in part]
    if not failed and not delayed:
        return _unheard(every)
    found = [("failed", one) for one in sorted(failed)]
    found += [("delayed", one) for one in sorted(delayed - failed)]
    made = []
    for action, octets in found[:MAX_FOUND]:
        address = octets.decode("ascii", "replace")
        reason = _reason(address, every)
        code = _CODED.search(reason)
        made.append(
            ReportedRecipient(
                address,
                action,
                EnhancedCode.parse(code[0]) if code is not None else None,
                reason,
            )
        )
    return tuple(made)


def _unheard(lines: Sequence[str]) -> tuple[ReportedRecipient, ...]:
    """Words that nobody knows, in whatever language, that quote a server's reply for good and name
    one mailbox beside it."""
    for n, line in enumerate(lines):
        if _BELOW.search(line):
            break
        if not _FOR_GOOD.search(line):
            continue
        reason = _paragraph(lines[n:])
        near = " ".join([*lines[max(0, n - _NEAR) : n], reason])
        named = dict.fromkeys(one.lower() for one in _MAILBOX.findall(near))
        code = _CODED.search(reason)
        if len(named) == 1:
            status = EnhancedCode.parse(code[0]) if code is not None else None
            return (ReportedRecipient(next(iter(named)), "failed", status, reason),)
    return ()


def _lines(octets: bytes) -> Iterator[str]:
    """Short lines in ASCII that no pattern chokes on."""
    text = octets[:MAX_OCTETS].decode("utf-8", "replace")
    for line in text.split("\r\n", MAX_LINES)[:MAX_LINES]:
        short = _UNSAFE.sub("?", line[:MAX_WIDTH])
        is_calm = all(short.count(mark) <= most for mark, most in _MARKS)
        yield short if is_calm else ""


def _bounded(parts: Sequence[list[str]]) -> Iterator[list[str]]:
    left = MAX_LINES
    for part in parts:
        yield part[:left]
        left -= len(part[:left])


def _message(notice: Notice, parts: Sequence[Sequence[str]]) -> Message:
    """A Message as the detectors want it, made by hand."""
    made: Message = Message()
    for name in _FIELDS:
        value = (notice.headers.unfolded(name) or "")[:MAX_WIDTH]
        if value and all(value.count(mark) <= most for mark, most in _MARKS):
            made[name] = _UNSAFE.sub("?", value)
    texts = ["\n".join(part) + "\n" for part in parts]
    if len(texts) == 1:
        made.add_header("Content-Type", "text/plain")
        made.set_payload(texts[0])
        return made
    made.add_header("Content-Type", "multipart/mixed")
    made.set_payload([])
    for text in texts:
        part: Message = Message()
        part.add_header("Content-Type", "text/plain")
        part.set_payload(text)
        made.attach(part)
    return made


def _reason(address: str, lines: Sequence[str]) -> str:
    """The words about an address: from its line to the next empty one, where they quote a server's
    reply; else the first such reply; all of it above the returned letter."""
    wanted, weak, quoted = address.lower(), "", ""
    for n, line in enumerate(lines):
        if _BELOW.search(line):
            break
        if not quoted and (_REPLIED.search(line) or _CODED.search(line)):
            quoted = _paragraph(lines[n:])
        if wanted in line.lower() and not _OF_THE_LETTER.match(line):
            told = _paragraph(lines[n:])
            if _REPLIED.search(told) or _CODED.search(told):
                return told
            weak = weak or (told if told != line.strip() else "")
    return quoted or weak


def _paragraph(lines: Sequence[str]) -> str:
    """As far as the next empty line, one empty line after the first forgiven."""
    told: list[str] = []
    for n, line in enumerate(lines):
        if not line.strip():
            if n == 1:
                continue
            break
        if _BELOW.search(line):
            break
        told.append(line.strip())
    return " ".join(told)[:MAX_REASON]
