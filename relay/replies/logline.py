"""Logline: a mail log's line as somebody pasted it → the reply that stands in it.

Postfix (``host H[ip] said: 554 … (in reply to end of DATA command)``), Exim (``SMTP error from
remote mail server after RCPT TO:<a@b>: 550 …``), Sendmail (``stat=…``) and the bare reply; on one
line or wrapped, with ``[redacted]`` names and misprints. Total, bounded and in linear time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from relay.mail import reply as replies
from relay.mail.reply import EnhancedCode, Reply, Stage

MAX_LINE: Final = 16 * 1024  # characters read; a reply is bounded to 8 KiB, a line holds more

_SAID: Final = re.compile(
    r"\bhost (?P<mx>[^\s\[]{1,255})\[(?P<ip>[^\]\s]{0,45})\](?::\d{1,5})? "
    r"(?P<verb>said|refused to talk to me): "
)
_IN_REPLY: Final = re.compile(r"\(in reply to (?P<command>[A-Za-z ]{1,30}?) ?(?:command)?\)?$")
_EXIM: Final = re.compile(
    r"SMTP error from remote (?:mail server|mailer|MTA) after (?P<command>[A-Za-z ]{1,40}?)"
    r"(?::<[^>\s]{0,320}>[^:]{0,60}| \([^)]{0,60}\))?: "
)
_EXIM_HOST: Final = re.compile(r"\b(?:H=|host )(?P<mx>[A-Za-z0-9._-]{1,255})(?: \[|: )")
_SENDMAIL: Final = re.compile(r"\bstat=(?:[A-Za-z ]{1,30}: )?")
_RELAY: Final = re.compile(r"\brelay=(?P<mx>[A-Za-z0-9._-]{1,255})")
_DSN: Final = re.compile(r"\bdsn=([245]\.[0-9]{1,3}\.[0-9]{1,3})")
_TO: Final = re.compile(r"\bto=<(?P<to>[^>\s]{0,320})>")
_LEADING: Final = re.compile(r"^(?:\S{1,40} )?<(?P<to>[^>\s]{1,320})>: ")
_EXIM_TO: Final = re.compile(
    r"(?:(?:^|\s)(?:\*\*|==|->) (?P<to>[^\s:]{1,320}@[^\s:]{1,255})"
    r"|^(?P<above>[^\s:]{1,320}@[^\s:]{1,255}) host )"
)
# What the log's own server says where nobody answered: no reply, but a reading of one.
_UNANSWERED: Final = re.compile(
    r"\bstatus=(?P<status>bounced|deferred) \((?:delivery temporarily suspended: )?(?P<text>.+)\)$"
)
_EXIM_OWN: Final = re.compile(
    r"(?:^|\s)(?P<sign>\*\*|==) (?P<to>[^\s:@]{1,320}@[^\s:@]{1,255})(?=[ :])"
)
_EXIM_TOOK: Final = re.compile(r"(?: [DQ]T=[0-9][0-9a-z.]{0,30}){1,2}$")  # where it logs times
_CODED: Final = re.compile(r"(?P<code>[2-5][0-9]{2})(?P<mark>[ -]|$)")
_CODE: Final = re.compile(r"[2-5][0-9]{2}(?=[ -]|$)")

_ODD_CODE: Final = re.compile(r"\s*([0-9]{3})(?=[ -]|\s*$)")
# What a log says of a letter that was taken: Postfix, Sendmail, Exim, or the 2yz reply itself.
_TAKEN: Final = re.compile(
    r"\bstatus=sent\b|\bstat=Sent\b|\bdsn=2\.[0-9]|\bC=\"2[0-9]{2}[ -]"
    r"|(?<![0-9.])2[0-9]{2}[ -]2\.[0-9]{1,3}\.[0-9]"
)

_STAGES: Final = (
    ("end of data", Stage.EOD),
    ("end of message", Stage.EOD),
    ("rcpt to", Stage.RCPT),
    ("mail from", Stage.MAIL),
    ("starttls", Stage.STARTTLS),
    ("auth", Stage.AUTH),
    ("data", Stage.DATA),
    ("ehlo", Stage.HELO),
    ("helo", Stage.HELO),
    ("initial connection", Stage.CONNECT),
    ("connect", Stage.CONNECT),
    ("banner", Stage.CONNECT),
    ("rset", Stage.RSET),
    ("quit", Stage.QUIT),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a pasted text told: the reply, the host, the recipient; ``""`` where not said."""

    reply: Reply
    mx: str = ""
    recipient: str = ""

    @property
    def stage(self) -> Stage | None:
        """Where in the dialogue the reply was said; None where the line does not tell."""
        return self.reply.stage


def read(text: str, stage: Stage | None = None) -> Reading:
    """Read a pasted text: a log line of a known mail server, or the reply itself.

    ``stage`` serves where the text tells none. Never raises.
    """
    logged = recognise(text, stage)
    if logged is not None:
        return logged
    given = _given(text)
    if _is_lined(given):
        return Reading(replies.parse(given, stage))
    return Reading(_reply(" ".join(given.split()), stage))


def recognise(text: str, stage: Stage | None = None) -> Reading | None:
    """The reading of a log line; None for anything else. A text that begins with a reply's code
    is a reply, though it may quote another server's.
    """
    line = " ".join(_given(text).split())
    if _CODE.match(line):
        return None
    readers = (_postfix, _exim, _sendmail, _unanswered, _exim_own)
    readings = (reader(line, stage) for reader in readers)
    return next((reading for reading in readings if reading is not None), None)


def tells_of_acceptance(text: str) -> bool:
    """True for a log line of a letter that was taken. Asked where no code was found."""
    return _TAKEN.search(text[:MAX_LINE]) is not None


def odd_code(text: str) -> str:
    """The number that a text begins with as a reply does, if SMTP has no such code; else empty."""
    found = _ODD_CODE.match(text[:MAX_LINE])
    return "" if found is None or _CODE.match(found[1]) else found[1]


def _given(text: str) -> str:
    return text[:MAX_LINE].replace("\\_", "_").replace("\\n", "\n")


def _is_lined(text: str) -> bool:
    """True where every line has its code: the reply as it came, not one that was wrapped."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return all(_CODE.match(line) for line in lines)


def _postfix(line: str, stage: Stage | None) -> Reading | None:
    said = _SAID.search(line)
    if said is None:
        return None
    rest = line[said.end() :].rstrip()
    if line[: said.start()].endswith("(") and rest.endswith(")"):
        rest = rest[:-1].rstrip()  # status=bounced (host … said: …)
    command = _IN_REPLY.search(rest)
    where = stage
    if command:
        rest = rest[: command.start()].rstrip()
        where = _stage(command["command"]) or stage
    elif said["verb"] != "said":
        where = Stage.CONNECT
    recipient = _TO.search(line) or _LEADING.match(line)
    to = recipient["to"] if recipient else ""
    return Reading(_reply(rest, where, _dsn(line[: said.start()])), said["mx"].lower(), to)


def _exim(line: str, stage: Stage | None) -> Reading | None:
    said = _EXIM.search(line)
    if said is None:
        return None
    rest = line[said.end() :]
    host = _EXIM_HOST.match(rest)
    if host and rest.startswith("host "):  # older: `…: host mx.example [192.0.2.1]: 550 …`
        _, colon, after = rest.partition("]: ")
        rest = after if colon else rest
    else:
        host = _EXIM_HOST.search(line)
    rest = _EXIM_TOOK.sub("", rest)
    recipient = _EXIM_TO.search(line)
    to = (recipient["to"] or recipient["above"]) if recipient else ""
    where = _stage(said["command"]) or stage
    return Reading(_reply(rest, where), host["mx"].lower() if host else "", to)


def _sendmail(line: str, stage: Stage | None) -> Reading | None:
    said = _SENDMAIL.search(line)
    if said is None:
        return None
    host, recipient = _RELAY.search(line), _TO.search(line)
    rest = line[said.end() :]
    code = _dsn(line[: said.start()])
    reply = _reply(rest, stage, code)
    if not reply.code and code:
        reply = Reply(code.klass * 100 + 50, code, reply.text, stage)
    return Reading(
        reply, host["mx"].lower().rstrip(".") if host else "", recipient["to"] if recipient else ""
    )


def _unanswered(line: str, stage: Stage | None) -> Reading | None:
    """Postfix, where no server said anything: its own words, under its own `dsn=`."""
    found = _UNANSWERED.search(line)
    if found is None:
        return None
    code = _dsn(line[: found.start()])
    basic = code.klass * 100 + 50 if code else 550 if found["status"] == "bounced" else 450
    host, recipient = _RELAY.search(line), _TO.search(line)
    mx = host["mx"].lower() if host and host["mx"] != "none" else ""
    return Reading(
        Reply(basic, code, found["text"][: replies.MAX_BYTES], stage),
        mx,
        recipient["to"] if recipient else "",
    )


def _exim_own(line: str, stage: Stage | None) -> Reading | None:
    """Exim, likewise: `** a@b: Unrouteable address`, `== a@b … defer (110): timed out`."""
    found = _EXIM_OWN.search(line)
    if found is None:
        return None
    told, colon, text = line[found.end() :].partition(": ")
    if not colon:
        return None
    text = _EXIM_TOOK.sub("", text)
    basic = 550 if found["sign"] == "**" else 450
    host = _EXIM_HOST.search(told)
    reply = Reply(basic, None, text[: replies.MAX_BYTES], stage)
    return Reading(reply, host["mx"].lower() if host else "", found["to"])


def _dsn(line: str) -> EnhancedCode | None:
    found = _DSN.search(line)
    return EnhancedCode.parse(found[1]) if found else None


def _stage(command: str) -> Stage | None:
    words = command.lower()
    return next((stage for name, stage in _STAGES if name in words), None)


def _reply(text: str, stage: Stage | None, dsn: EnhancedCode | None = None) -> Reply:
    """The reply of a text whose lines were joined: its repeated codes become line starts again.

    The log writer's own ``dsn=`` only serves if the reply shows neither code.
    """
    start = _CODED.match(text)
    if start is None:
        return Reply(0, dsn, text[: replies.MAX_BYTES], stage)
    code = start["code"]
    if start["mark"] != "-":
        return replies.parse(text, stage)
    # Only what repeats the first line's own code, a hyphen after it or its enhanced code, is one.
    first = EnhancedCode.parse(text[4:])
    last = f"{code} {first}" if first else f"{code} "
    joined = text.replace(f" {code}-", f"\n{code}-").replace(f" {last}", f"\n{last}")
    return replies.parse(joined, stage)
