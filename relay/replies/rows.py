"""Rows: one JSON object a reply in, one a classification out, as `classify --jsonl` has them.

In: ``id, reply_code, enhanced, text, mx, stage`` (all optional but a text or a code; others are
ignored), or an `attempted` event of our own log as it stands there. Out: ``id, category, scope,
action, rule, confidence``, or ``id, error`` for a bad row, which one about a letter that was
accepted is too. Every row gets its row, in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from relay.mail import reply as replies
from relay.mail.classification import Classification
from relay.mail.delivery import Failure, FailureKind
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.replies import conventions, logline
from relay.replies.classify import Classifier

MAX_LINE: Final = 1024 * 1024  # characters of one JSON line; a reply has 8 KiB

KEYS: Final = ("id", "reply_code", "enhanced", "text", "mx", "stage")
ACCEPTED: Final = "not a rejection: it was accepted"

Row = dict[str, object]


class RowError(ValueError):
    """A row that cannot be read; the message names the field."""


def shown(said: Classification) -> Row:
    """The fields of a classification as JSON has them."""
    return {
        "category": said.category.value,
        "scope": said.scope.value,
        "action": said.action.value,
        "rule": said.rule,
        "confidence": round(said.confidence, 2),
    }


def classify_line(classifier: Classifier, line: str) -> Row:
    """The answer to one line of JSON; a line that is none gets an error with its column."""
    if len(line) > MAX_LINE:
        return {"id": None, "error": f"the line is longer than {MAX_LINE} characters"}
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return {"id": None, "error": f"not JSON: {error.msg} (column {error.colno})"}
    except (RecursionError, ValueError) as error:
        return {"id": None, "error": f"not JSON: {type(error).__name__}"}
    return classify_row(classifier, row)


def classify_row(classifier: Classifier, row: object) -> Row:
    """The answer to one row; never raises, a bad row gets ``{id, error}``."""
    if not isinstance(row, Mapping):
        return {"id": None, "error": "a row is a JSON object"}
    key = row.get("id")
    try:
        failure = failure_of(row)
        if failure is not None:
            return {"id": key, **shown(classifier.classify_failure(failure))}
        reply, mx = read(row)
    except RowError as error:
        return {"id": key, "error": str(error)}
    return {"id": key, **shown(classifier.classify(reply, mx))}


def event_in(text: str) -> Mapping[str, object] | None:
    """The event of our own log that a pasted text holds, whatever a journal wrote before it."""
    start = text.find("{")
    if start < 0 or len(text) > MAX_LINE:
        return None
    try:
        row, _ = json.JSONDecoder().raw_decode(text, start)
    except (RecursionError, ValueError):
        return None
    return row if isinstance(row, Mapping) and _is_event(row) else None


def failure_of(row: Mapping[str, object]) -> Failure | None:
    """Why an event of our log had no reply; None for what has one. Raises RowError."""
    if not _is_event(row) or row.get("code") is not None or not row.get("failure"):
        return None
    word = _text(row, "failure")
    if word not in list(FailureKind):
        raise RowError(f"failure: {word[:40]!r} is none that this program knows")
    return Failure(FailureKind(word), _text(row, "text"))


def _is_event(row: Mapping[str, object]) -> bool:
    return isinstance(row.get("event"), str) and "at" in row and "reply_code" not in row


def _of_event(row: Mapping[str, object]) -> Mapping[str, object]:
    """An event's fields as a row's. Raises RowError for one that holds no reply."""
    name = _text(row, "event")
    if name == "delivered":
        raise RowError(ACCEPTED)
    if name != "attempted" or row.get("code") is None:
        raise RowError(f"event: {name[:40]!r} holds no reply of a server; `attempted` does")
    return {"reply_code": row["code"], **{key: row.get(key) for key in KEYS if key != "reply_code"}}


def read(row: Mapping[str, object]) -> tuple[Reply, str]:
    """The reply and the MX host of a row. Raises RowError, for a reply of acceptance too."""
    if _is_event(row):
        row = _of_event(row)
    key = row.get("id")
    if key is not None and (isinstance(key, bool) or not isinstance(key, str | int | float)):
        raise RowError("id: a text or a number is expected")
    word = _text(row, "stage").strip().lower()
    stage = Stage.of(word)
    if word and stage is None:
        raise RowError(f"stage: {word[:40]!r} is none of {', '.join(conventions.STAGES)}")
    code, text = _code(row), _text(row, "text")
    if not text.strip() and code is None:
        raise RowError(
            "text: neither a text nor a reply_code is given; a row has `reply_code`, `text`, or "
            "both, and may have `enhanced`, `mx`, `stage` and `id`"
        )
    if code is None and (odd := logline.odd_code(text)):
        raise RowError(f"text: {odd} is no SMTP code, these are 200 to 599")
    logged = logline.recognise(text, stage)  # a mail log's line, as somebody pasted it
    reply = logged.reply if logged else replies.parse(text, stage, code)
    mx = _text(row, "mx").strip() or (logged.mx if logged else "")
    enhanced = _enhanced(row)
    if reply.enhanced is None and enhanced is not None:
        reply = replace(reply, enhanced=enhanced)
    if reply.is_positive or (not reply.code and logline.tells_of_acceptance(text)):
        raise RowError(ACCEPTED)
    return reply, mx


def _text(row: Mapping[str, object], field: str) -> str:
    value = row.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowError(f"{field}: a text is expected, not {type(value).__name__}")
    return value


def _code(row: Mapping[str, object]) -> int | None:
    value = row.get("reply_code")
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value < 600:
        raise RowError(f"reply_code: {str(value)[:40]!r} is no code between 200 and 599")
    return value


def _enhanced(row: Mapping[str, object]) -> EnhancedCode | None:
    text = _text(row, "enhanced").strip()
    if not text:
        return None
    code = EnhancedCode.parse(text)
    if code is None or str(code) != text:
        raise RowError(f"enhanced: {text[:40]!r} is no code like 5.1.1")
    return code
