"""Notice: an event that somebody should hear of, as it is told — JSON, environment or letter; pure.

`notice_of` reads Alert, Paused and Resumed. A `Message` holds one row, or several as a digest; a
row sums up what came under one name since it was last told, so nothing is lost by telling less
often. Foreign text (a reply, a host's name) is data: cut, on one line, addresses masked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from relay.mail.events import Alert, Event, Paused, Resumed
from relay.mail.instant import Instant, iso
from relay.observe.lines import mask_text
from relay.observe.meanings import meaning_of
from relay.observe.severity import Severity, key_of

MAX_DETAIL: Final = 1_000  # characters of a detail that leave the house
MAX_NAME: Final = 160
DIGEST: Final = "digest"  # the name of several at once
TEST: Final = "test"
ALL: Final = "all"  # the key of the pause of everything
SITE: Final = "other"  # the label of a destination that is no provider
# A pause after a reply begins with its code, or with the site's own rule that asks for it.
_REFUSAL: Final = re.compile(r"[245]\d\d\b|the reaction ")


@dataclass(frozen=True, slots=True)
class Notice:
    """What came under one name: the latest detail, `count` times from `first_at` to `at`."""

    at: Instant
    name: str
    severity: Severity
    detail: str
    first_at: Instant
    count: int = 1

    def merged(self, later: Notice) -> Notice:
        """Both as one row: what is said is the later one's, as grave as the graver."""
        first = min(self.first_at, later.first_at)
        gravest = max(self.severity, later.severity, key=lambda one: one.rank)
        return replace(later, first_at=first, count=self.count + later.count, severity=gravest)


@dataclass(frozen=True, slots=True)
class Message:
    """What one way is told at once; `unlisted`: alerts whose rows found no room."""

    at: Instant
    hostname: str
    rows: tuple[Notice, ...]
    unlisted: int = 0

    @property
    def name(self) -> str:
        """The row's, or `digest`."""
        return self.rows[0].name if len(self.rows) == 1 else DIGEST

    @property
    def severity(self) -> Severity:
        """Of the gravest row."""
        return max((row.severity for row in self.rows), key=lambda one: one.rank)

    @property
    def count(self) -> int:
        """Alerts that it stands for."""
        return sum(row.count for row in self.rows) + self.unlisted

    @property
    def detail(self) -> str:
        """The row's detail; of a digest, the names with how often."""
        if len(self.rows) == 1 and not self.unlisted:
            return self.rows[0].detail
        names = ", ".join(f"{row.name} ×{row.count}" for row in self.rows)
        more = f", and {self.unlisted} more" if self.unlisted else ""
        return _cut(f"{self.count} alerts: {names}", MAX_DETAIL) + more


def notice_of(event: Event, is_unreached: bool = False, masked: bool = True) -> Notice | None:
    """The notice of an event; None where nobody is told of it. `is_unreached`: see `name_of`."""
    name = name_of(event, is_unreached)
    if name is None:
        return None
    severity = meaning_of(name).severity
    if isinstance(event, Paused) and event.who != "relay":
        severity = Severity.INFO  # somebody wanted it so
    detail = _detail(event)
    detail = mask_text(detail) if masked else detail
    return Notice(event.at, name, severity, _cut(detail, MAX_DETAIL), event.at)


def name_of(event: Event, is_unreached: bool = False) -> str | None:
    """`pause:gmail`; for what only cannot be reached `out_of_reach:gmail`, of a single site
    `unreachable:mx.example.co.id`, and `reached:…` where `is_unreached` says that it was one. None
    for all that is no alert."""
    match event:
        case Alert():
            return _cut(event.name, MAX_NAME)
        case Paused():
            is_ours = event.who == "relay" and event.until is not None  # nobody's hand did it
            is_ours = is_ours and event.destination != "*"
            is_dead = is_ours and _REFUSAL.match(event.why) is None
            of_dead = "unreachable" if event.provider == SITE else "out_of_reach"
            word = of_dead if is_dead else "pause"
        case Resumed():
            word = "reached" if is_unreached else "recovered"
        case _:
            return None
    key = ALL if event.destination == "*" else event.destination
    return _cut(f"{word}:{key}", MAX_NAME)


def _detail(event: Event) -> str:
    if isinstance(event, Paused):
        until = "until somebody resumes it" if event.until is None else f"until {iso(event.until)}"
        why = event.why if event.who == "relay" else f"{event.who}: {event.why}"
        return f"paused {until}: {why}"
    if isinstance(event, Resumed):
        return event.why if event.who == "relay" else f"{event.who}: {event.why}"
    return event.detail if isinstance(event, Alert) else ""


def _cut(text: str, most: int) -> str:
    """On one line, without what a terminal or a header would obey, and no longer than `most`."""
    plain = text[: 4 * most]
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else " " for c in plain)
    line = " ".join(plain.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def trial(now: Instant, hostname: str, who: str) -> Message:
    """What `lpse-relay alerts test` sends."""
    severity = meaning_of(TEST).severity
    row = Notice(now, TEST, severity, f"a test that {who} asked for", now)
    return Message(now, hostname, (row,))


def payload(message: Message) -> dict[str, Any]:
    """The message as the JSON object that a webhook and a command are given."""
    shape: dict[str, Any] = {
        "at": iso(message.at),
        "name": message.name,
        "severity": message.severity.value,
        "hostname": message.hostname,
        "detail": message.detail,
        "count": message.count,
    }
    if message.name != DIGEST:
        shape["meaning"] = said(message.name)
    shape["alerts"] = [row_shape(row) for row in message.rows]
    shape["unlisted"] = message.unlisted
    return shape


def row_shape(row: Notice) -> dict[str, Any]:
    """One alert as JSON."""
    return {
        "name": row.name,
        "severity": row.severity.value,
        "detail": row.detail,
        "meaning": said(row.name),
        "first_at": iso(row.first_at),
        "last_at": iso(row.at),
        "count": row.count,
    }


def said(name: str) -> dict[str, str]:
    """What the name means, by language."""
    return meaning_of(name).said(key_of(name))


def octets(message: Message) -> bytes:
    """:func:`payload` as ASCII, LF-ended."""
    return json.dumps(payload(message), separators=(",", ":")).encode("ascii") + b"\n"


def environment(message: Message) -> dict[str, str]:
    """What a command finds in its environment; the whole is on its standard input."""
    texts = said(message.name) if message.name != DIGEST else {"en": "", "id": ""}
    return {
        "LPSE_ALERT_AT": iso(message.at),
        "LPSE_ALERT_NAME": message.name,
        "LPSE_ALERT_SEVERITY": message.severity.value,
        "LPSE_ALERT_HOSTNAME": message.hostname,
        "LPSE_ALERT_DETAIL": message.detail,
        "LPSE_ALERT_COUNT": str(message.count),
        "LPSE_ALERT_MEANING_EN": texts["en"],
        "LPSE_ALERT_MEANING_ID": texts["id"],
    }


def subject(message: Message) -> str:
    """`[lpse-relay] warning: pause:gmail`, for a letter."""
    what = message.name
    if what == DIGEST:
        what = f"{message.count} alerts: {', '.join(row.name for row in message.rows[:3])}"
        what += ", …" if len(message.rows) > 3 else ""
    return _cut(f"[lpse-relay] {message.severity.value}: {what}", 200)


def text(message: Message) -> str:
    """The letter's text: each row in Bahasa Indonesia, in English, and as it was seen."""
    parts = [_paragraphs(row) for row in message.rows]
    if message.unlisted:
        parts.append(f"… dan {message.unlisted} lagi / and {message.unlisted} more alerts\n")
    parts.append(f"-- \nlpse-relay, {message.hostname}, {iso(message.at)}\n")
    return "\n".join(parts)


def _paragraphs(row: Notice) -> str:
    texts = said(row.name)
    times = "" if row.count == 1 else f", ×{row.count}: {iso(row.first_at)} – {iso(row.at)}"
    lines: Sequence[str] = (
        f"{row.name} ({row.severity.value}{times})",
        "",
        texts["id"],
        "",
        texts["en"],
        "",
        f"> {row.detail}",
        "",
    )
    return "\n".join(lines)
