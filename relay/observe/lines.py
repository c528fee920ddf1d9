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
_AS_THEY_ARE: Final = (int, float, bool, type(None))  # what JSON holds

# Linear on any text: a run of local characters is entered at its start only (look-behind) and
# never given back (possessive); a quoted local part is bounded.
_LOCAL: Final = r"""[^\s<>()\[\]",:;@]"""
_ADDRESS: Final = re.compile(
    rf"""(?<!{_LOCAL})({_LOCAL}){_LOCAL}*+(?=@[\w\[])|"(?:[^"\\]|\\.){{1,64}}+"(?=@[\w\[])"""
)
_ENCODED: Final = re.compile(r"(?<![\w.+-])(\w)[\w.+-]*+(?=[%=]40[\w\[])")

# json.dumps would make one for each line; nothing that is shown here holds itself.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), check_circular=False)

Hide = Callable[[str], str]
Shape = dict[str, Any]


def line(event: Event, masked: bool = True) -> bytes:
    """The event's line, LF-ended ASCII."""
    return encoded(record(event, masked))


def encoded(shape: Shape) -> bytes:
    """A JSON object as one LF-ended line of ASCII."""
    return _ENCODER.encode(shape).encode("ascii") + b"\n"


def record(event: Event, masked: bool = True) -> Shape:
    """The event as the object that its line holds; keys in the order of the event's fields."""
    hide: Hide = mask_text if masked else _as_it_is
    mask: Hide = mask_address if masked else _as_it_is
    shape: Shape = {"at": "", "event": type(event).__name__.lower()}
    for name in _FIELDS[type(event)]:
        value = getattr(event, name)
        put = _BY_NAME.get(name)
        if put is not None:
            put(shape, name, value, hide, mask)
        elif type(value) in _AS_THEY_ARE:
            shape[name] = value
        else:
            shape[name] = _plain(value, hide)
    return shape


def _put_id(shape: Shape, name: str, value: int | None, hide: Hide, mask: Hide) -> None:
    shape[name] = None if value is None else ids.show(value)


def _put_moment(shape: Shape, name: str, value: Instant | None, hide: Hide, mask: Hide) -> None:
    shape[name] = None if value is None else iso(value)


def _put_address(shape: Shape, name: str, value: str, hide: Hide, mask: Hide) -> None:
    shape[name] = mask(value[:MAX_TEXT])


def _put_class(shape: Shape, name: str, value: Urgency, hide: Hide, mask: Hide) -> None:
    shape["class"] = value.word


def _plain(value: Any, hide: Hide) -> Any:
    if isinstance(value, str):  # a Category is one
        return hide(str(value)[:MAX_TEXT])
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(part, hide) for part in value]
    return value


def _put_source(shape: Shape, name: str, source: Source, hide: Hide, mask: Hide) -> None:
    shape["client"] = source.ip
    shape["helo"] = hide(source.helo[:MAX_TEXT])
    shape["tls"] = source.tls
    shape["user"] = source.user and hide(source.user)
    shape["listener"] = source.listener


def _put_attempt(shape: Shape, name: str, attempt: Attempt, hide: Hide, mask: Hide) -> None:
    reply, failure = attempt.reply, attempt.failure
    shape["try"] = attempt.number
    shape["started_at"] = iso(attempt.started_at)
    shape["took_ms"] = attempt.took_us // 1000
    shape["source_ip"] = attempt.source_ip
    shape["route"] = attempt.route_key
    shape["mx"] = attempt.mx
    shape["ip"] = attempt.ip
    shape["tls"] = attempt.tls
    shape["stage"] = attempt.stage.word
    shape["code"] = reply.code if reply else None
    shape["enhanced"] = str(reply.enhanced) if reply and reply.enhanced else None
    shape["text"] = hide(_said(attempt)[:MAX_TEXT])
    shape["failure"] = failure.kind.value if failure else None


def _said(attempt: Attempt) -> str:
    if attempt.reply:
        return attempt.reply.text
    return attempt.failure.text if attempt.failure else ""


def _put_classification(
    shape: Shape, name: str, made: Classification | None, hide: Hide, mask: Hide
) -> None:
    if made is not None:
        shape["category"] = made.category.value
        shape["scope"] = made.scope.value
        shape["action"] = made.action.value
        shape["rule"] = made.rule
        shape["confidence"] = made.confidence


def _put_original(
    shape: Shape, name: str, made: Classification | None, hide: Hide, mask: Hide
) -> None:
    if made is not None:
        overruled: Shape = {}
        shape[name] = overruled
        _put_classification(overruled, name, made, hide, mask)


# What is not shown as it is, by the field that holds it in every event.
_BY_NAME: Final[Mapping[str, Callable[[Shape, str, Any, Hide, Hide], None]]] = {
    "id": _put_id,
    "at": _put_moment,
    "until": _put_moment,
    "since": _put_moment,
    "sender": _put_address,
    "recipient": _put_address,
    "urgency": _put_class,
    "source": _put_source,
    "attempt": _put_attempt,
    "classification": _put_classification,
    "original": _put_original,
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
    if "%40" in text or "=40" in text:
        text = _ENCODED.sub(lambda found: f"{found[1]}…", text)
    return text


def log_dropped(dropped: int, now: Instant) -> dict[str, Any]:
    """The line that owns up to lines which could not be written."""
    return {"at": iso(now), "event": "alert", "name": "log_dropped", "dropped": dropped}


def _as_it_is(text: str) -> str:
    return text
