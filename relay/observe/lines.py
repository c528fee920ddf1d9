"""Lines: an event as the one JSON line that the log holds; pure.

`{"at", "event", "id", "n", …}`: moments are ISO 8601 UTC, ids the 13 letters, enums their words,
an attempt is flattened into its line. All that is not ASCII leaves as a JSON escape, so that no
reply, subject or address of a stranger can break a line, colour a terminal or turn its direction.
Addresses are masked (`v…@example.co.id`) unless the site wants them in full; also where they stand
in the middle of a foreign text, plain or with `%40` or `=40` for the `@`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, get_args

from relay.mail import ids
from relay.mail.classification import Classification
from relay.mail.delivery import Attempt
from relay.mail.envelope import Source
from relay.mail.events import Event
from relay.mail.instant import Instant, iso
from relay.mail.reply import MAX_BYTES
from relay.mail.urgency import Urgency

MAX_TEXT: Final = MAX_BYTES  # characters of a foreign text that a line holds
_FIELDS: Final[Mapping[type[Event], tuple[str, ...]]] = {
    kind: tuple(part.name for part in fields(kind)) for kind in get_args(Event)
}
_MOMENTS: Final = frozenset({"at", "until", "since"})
_ADDRESSES: Final = frozenset({"sender", "recipient"})
_NAMES: Final = {"urgency": "class"}

# Linear on any text: a run of local characters is entered at its start only (look-behind) and
# never given back (possessive); a quoted local part is bounded.
_LOCAL: Final = r"""[^\s<>()\[\]",:;@]"""
_ADDRESS: Final = re.compile(
    rf"""(?<!{_LOCAL})({_LOCAL}){_LOCAL}*+(?=@[\w\[])|"(?:[^"\\]|\\.){{1,64}}+"(?=@[\w\[])"""
)
_ENCODED: Final = re.compile(r"(?<![\w.+-])(\w)[\w.+-]*+(?=[%=]40[\w\[])")

# json.dumps would make one for each line.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))

Hide = Callable[[str], str]


def line(event: Event, masked: bool = True) -> bytes:
    """The event's line, LF-ended ASCII."""
    return encoded(record(event, masked))


def encoded(shape: dict[str, Any]) -> bytes:
    """A JSON object as one LF-ended line of ASCII."""
    return _ENCODER.encode(shape).encode("ascii") + b"\n"


def record(event: Event, masked: bool = True) -> dict[str, Any]:
    """The event as the object that its line holds; keys in the order of the event's fields."""
    hide: Hide = mask_text if masked else _as_it_is
    mask: Hide = mask_address if masked else _as_it_is
    shape: dict[str, Any] = {"at": iso(event.at), "event": type(event).__name__.lower()}
    for name in _FIELDS[type(event)]:
        value = getattr(event, name)
        if name == "id":
            shape["id"] = None if value is None else ids.show(value)
        elif name in _MOMENTS:
            shape[name] = None if value is None else iso(value)
        elif name in _ADDRESSES:
            shape[name] = mask(value[:MAX_TEXT])
        elif isinstance(value, Source):
            shape |= _source(value, hide)
        elif isinstance(value, Attempt):
            shape |= _attempt(value, hide)
        elif name == "original":
            shape |= {} if value is None else {name: _classification(value)}
        elif isinstance(value, Classification):
            shape |= _classification(value)
        elif name != "classification":
            shape[_NAMES.get(name, name)] = _plain(value, hide)
    return shape


def _plain(value: Any, hide: Hide) -> Any:
    if isinstance(value, Urgency):
        return value.word
    if isinstance(value, str):  # a Category is one
        return hide(str(value)[:MAX_TEXT])
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(part, hide) for part in value]
    return value


def _source(source: Source, hide: Hide) -> dict[str, Any]:
    return {
        "client": source.ip,
        "helo": hide(source.helo[:MAX_TEXT]),
        "tls": source.tls,
        "user": source.user and hide(source.user),
        "listener": source.listener,
    }


def _attempt(attempt: Attempt, hide: Hide) -> dict[str, Any]:
    reply, failure = attempt.reply, attempt.failure
    return {
        "try": attempt.number,
        "started_at": iso(attempt.started_at),
        "took_ms": attempt.took_us // 1000,
        "source_ip": attempt.source_ip,
        "route": attempt.route_key,
        "mx": attempt.mx,
        "ip": attempt.ip,
        "tls": attempt.tls,
        "stage": attempt.stage.word,
        "code": reply.code if reply else None,
        "enhanced": str(reply.enhanced) if reply and reply.enhanced else None,
        "text": hide(_said(attempt)[:MAX_TEXT]),
        "failure": failure.kind.value if failure else None,
    }


def _said(attempt: Attempt) -> str:
    if attempt.reply:
        return attempt.reply.text
    return attempt.failure.text if attempt.failure else ""


def _classification(made: Classification) -> dict[str, Any]:
    return {
        "category": made.category.value,
        "scope": made.scope.value,
        "action": made.action.value,
        "rule": made.rule,
        "confidence": made.confidence,
    }


def mask_address(address: str) -> str:
    """`vendor@example.co.id` → `v…@example.co.id`; a text that is no mailbox keeps one letter."""
    if not address:
        return ""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}" if at else f"{address[0]}…"


def mask_text(text: str) -> str:
    """Every address within a text masked; linear in its length."""
    if "@" in text:
        text = _ADDRESS.sub(lambda found: f"{found[1] or chr(34)}…", text)
    if "40" in text:
        text = _ENCODED.sub(lambda found: f"{found[1]}…", text)
    return text


def log_dropped(dropped: int, now: Instant) -> dict[str, Any]:
    """The line that owns up to lines which could not be written."""
    return {"at": iso(now), "event": "alert", "name": "log_dropped", "dropped": dropped}


def _as_it_is(text: str) -> str:
    return text
