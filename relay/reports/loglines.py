"""Loglines: one line of a Postfix or Exim log → what it tells of a letter on its way out.

The shape of a line is found from its front: syslog with an RFC 3164 or an ISO stamp, or Exim's own
main log. A delivered line is read with a few searches for octets and no pattern, since that is
what nearly all lines are. Total: an entry, or :class:`LineError`; linear in the line.
"""

from __future__ import annotations

import re
from typing import Final

from relay.mail.instant import Instant
from relay.reports.entries import (
    LOCAL,
    OTHER,
    Arrived,
    Ended,
    Entry,
    LineError,
    Refused,
    Sent,
    UnknownShape,
    is_here,
)
from relay.reports.stamps import Stamps

MAX_LINE: Final = 64 * 1024  # octets; syslog's own limit is 8 KiB
_MINE: Final = frozenset({b"local", b"virtual", b"pipe", b"lmtp", b"discard", b"spawn"})
_REMEMBERED: Final = 20_000  # hosts, delays; then all are forgotten
_NOT_ASKED: Final = (b"(delivery temporarily suspended", b"retry time not reached")
_LASTS: Final = {b"w": 604_800, b"d": 86_400, b"h": 3_600, b"m": 60, b"s": 1}
_PART: Final = re.compile(rb"([0-9]{1,9}(?:\.[0-9]{1,9})?)([wdhms])")
_EXIM_SENT: Final = (b"=> ", b"-> ", b">> ")
_EXIM_ID: Final = (16, 23)  # 1abcDE-0001Ab-2C; since 4.97 1abcDE-000000001Ab-2C3d
_EXIM_GIVEN: Final = re.compile(rb" <([^<>\s]{1,320}@[^<>\s]{1,255})> ")


class LogReader:
    """Reads the lines of one file; keeps nothing between them but the stamps."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._short = stamps.short
        self._hosts: dict[tuple[bytes, bytes], bytes | None] = {}  # None: on this machine
        self._spans: dict[bytes, float] = {}
        self._delays: dict[bytes, float] = {}

    def read(self, line: bytes) -> Entry:
        """The entry of a line without its newline. Raises LineError, UnknownShape."""
        at = self._short.get(line[:15])
        if at is not None:
            here = line.find(b": to=<", 16)
            return self._postfix(line, at, 15, here) if here > 0 else self._of_syslog(line, at, 15)
        return self._unseen(line)

    def begins_at(self, line: bytes) -> Instant:
        """The moment at the front of a line. Raises LineError."""
        if line[4:5] == b"-":
            return self._stamps.read_long(line)[0]
        return self._stamps.read_short(line[:15])

    def _unseen(self, line: bytes) -> Entry:
        """A line whose stamp was not met yet, or has a year."""
        sign = line[10:11]
        if line[4:5] == b"-" and sign in (b" ", b"T"):
            at, end = self._stamps.read_long(line)
            if sign == b" ":
                entry = self._exim(line, at, end + 1)
                if entry is not OTHER or b"]: " not in line:
                    return entry
        elif line[3:4] == b" " and line[6:7] == b" " and line[9:10] == b":":
            at, end = self._stamps.read_short(line[:15]), 15
        elif b"\0" in line:
            raise LineError("NUL octets stand where a line should be")
        else:
            raise UnknownShape("no time stamp that is known here")
        here = line.find(b": to=<", end)
        return self._postfix(line, at, end, here) if here > 0 else self._of_syslog(line, at, end)

    def _of_syslog(self, line: bytes, at: Instant, end: int) -> Entry:
        """A line of syslog without `to=`."""
        if line.endswith(b": removed"):
            return Ended(at, _word_before(line, len(line) - 9), False)
        expired = line.find(b"expired, returned to sender", end)
        if expired > 0 and line.find(b": from=<", end) > 0:
            return Ended(at, _word_before(line, line.find(b": from=<", end)), True)
        program = line.find(b"]: ", end)
        if program < 0 and line.find(b": ", end) < 0 and b" last message repeated " not in line:
            if b"\0" in line:
                raise LineError("NUL octets stand where a line should be")
            raise UnknownShape("a line of syslog without a program's name")
        if program > 0 and line.rfind(b" exim", end, program) > 0:
            return self._exim_of_syslog(line, at, program + 3)
        return OTHER

    def _exim_of_syslog(self, line: bytes, at: Instant, start: int) -> Entry:
        """Exim may write its own stamp after that of syslog."""
        if line[start + 4 : start + 5] == b"-" and line[start + 10 : start + 11] == b" ":
            at, end = self._stamps.read_long(line[start:])
            start += end + 1
        return self._exim(line, at, start)

    def _postfix(self, line: bytes, at: Instant, begin: int, here: int) -> Entry:
        """A line with `: to=<` at ``here``, its stamp before ``begin``."""
        start = here + 6
        end = line.find(b">, ", start)
        status = line.find(b", status=", start)
        if end < 0 or status < 0:
            raise LineError("a delivery without its status: the line was cut")
        relay = line.find(b", relay=", end)
        delay = line.find(b", delay=", relay)
        sender = line[begin : line.find(b"[", begin)]
        told = line[relay + 8 : line.find(b",", relay + 8)] if relay > 0 else b""
        host = self._hosts.get((sender, told), b"?")
        if host == b"?":
            host = self._host_of(sender, told)
        if host is None:
            return LOCAL
        spent = line[delay + 8 : line.find(b",", delay + 8)] if delay > 0 else b""
        took = self._delays.get(spent)
        if took is None and spent:
            took = self._took(spent)
        queue_id, to = line[line.rfind(b" ", 0, here) + 1 : here], line[start:end]
        if line.startswith(b"sent", status + 9):
            return Sent(at, to, host, took, queue_id)
        is_final = line.startswith(b"bounced", status + 9)
        if not is_final and not line.startswith(b"deferred", status + 9):
            return OTHER  # (un)deliverable: an address was verified, no letter sent
        is_tried = line.find(_NOT_ASKED[0], status) < 0
        given = _orig_to(line, end, status)
        text = line[here + 2 :]
        return Refused(at, to, given, host, took, queue_id, is_final, is_tried, text)

    def _host_of(self, sender: bytes, relay: bytes) -> bytes | None:
        """Who answered: `relay=host[ip]:25` of a line that `sender` wrote (`host postfix/smtp`)."""
        name, found, _ = relay.partition(b"[")
        host: bytes | None = name if found else b""
        if sender[sender.rfind(b"/") + 1 :] in _MINE or is_here(relay):
            host = None
        if len(self._hosts) >= _REMEMBERED:
            self._hosts.clear()
        self._hosts[sender, relay] = host
        return host

    def _took(self, text: bytes) -> float:
        took = _seconds(text)
        if len(self._delays) >= _REMEMBERED:
            self._delays.clear()
        self._delays[text] = took
        return took

    def _exim(self, line: bytes, at: Instant, start: int) -> Entry:
        """A line of the main log after its stamp: ``[pid] ID => address …``."""
        if line[start : start + 1] == b"[":
            start = line.find(b"] ", start) + 2
            if start < 2:
                return OTHER
        end = line.find(b" ", start)
        if end - start not in _EXIM_ID or line[start + 6 : start + 7] != b"-":
            return OTHER  # of the daemon, of a connection: no letter
        queue_id, sign = line[start:end], line[end + 1 : end + 4]
        if sign in _EXIM_SENT:
            return self._exim_sent(line, at, queue_id, end + 4)
        if sign == b"<= ":
            return Arrived(at, queue_id)
        if sign in (b"** ", b"== "):
            return self._exim_refused(line, at, queue_id, end + 1)
        if line.startswith(b"Completed", end + 1):
            return Ended(at, queue_id, False)
        return OTHER

    def _exim_sent(self, line: bytes, at: Instant, queue_id: bytes, start: int) -> Entry:
        to = _exim_address(line, start)
        host = line.find(b" H=", start)
        if host < 0:
            return LOCAL
        name = line[host + 3 : line.find(b" ", host + 3)]
        if is_here(name) or b"@" not in to:
            return LOCAL
        return Sent(at, to, name, self._span(line, host), queue_id)

    def _exim_refused(self, line: bytes, at: Instant, queue_id: bytes, start: int) -> Entry:
        to = _exim_address(line, start + 3)
        given = _EXIM_GIVEN.search(line, start + 3 + len(to), start + 3 + len(to) + 600)
        host = line.find(b" H=", start)
        name = line[host + 3 : line.find(b" ", host + 3)] if host > 0 else b""
        if b"@" not in to and given is None:
            return LOCAL
        before = given[1] if given else b""
        is_tried = line.find(_NOT_ASKED[1], start) < 0
        is_final = line.startswith(b"** ", start)
        took, text = self._span(line, start), line[start:]
        return Refused(at, to, before, name, took, queue_id, is_final, is_tried, text)

    def _span(self, line: bytes, start: int) -> float | None:
        """What `QT=` says; None where it is not said."""
        found = line.find(b" QT=", start)
        if found < 0:
            return None
        end = line.find(b" ", found + 4)
        word = line[found + 4 : end] if end > 0 else line[found + 4 :]
        took = self._spans.get(word)
        if took is None:
            took = _exim_seconds(word)
            if took is not None and len(self._spans) < _REMEMBERED:
                self._spans[word] = took
        return took


def _word_before(line: bytes, end: int) -> bytes:
    return line[line.rfind(b" ", 0, end) + 1 : end]


def _orig_to(line: bytes, start: int, end: int) -> bytes:
    found = line.find(b", orig_to=<", start, end)
    return line[found + 11 : line.find(b">", found + 11)] if found > 0 else b""


def _seconds(text: bytes) -> float:
    try:
        took = float(text)
    except ValueError:
        raise LineError("a delay that is no number") from None
    if not 0 <= took < 1e9:
        raise LineError("a delay that is no number of seconds")
    return took


def _exim_address(line: bytes, start: int) -> bytes:
    end = line.find(b" ", start)
    word = line[start:] if end < 0 else line[start:end]
    if not word:
        raise LineError("a delivery without its recipient: the line was cut")
    return word.removesuffix(b":")


def _exim_seconds(text: bytes) -> float | None:
    """``1m30s``, ``0.123s``; None for what is no span."""
    word = text[:40].rstrip(b":")
    total, at = 0.0, 0
    while part := _PART.match(word, at):
        total += float(part[1]) * _LASTS[part[2]]
        at = part.end()
    return total if at and at == len(word) else None
