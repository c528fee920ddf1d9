"""Rows: one JSON object a reply in, one a classification out, as `classify --jsonl` has them.

In: ``id, reply_code, enhanced, text, mx, stage`` (all optional but a text or a code; others are
ignored). Out: ``id, category, scope, action, rule, confidence``, or ``id, error`` for a bad row.
Every row gets its row, in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from relay.mail import reply as replies
from relay.mail.classification import Classification
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.replies import conventions, logline
from relay.replies.classify import Classifier

MAX_LINE: Final = 1024 * 1024  # characters of one JSON line; a reply has 8 KiB

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
        reply, mx = read(row)
    except RowError as error:
        return {"id": key, "error": str(error)}
    return {"id": key, **shown(classifier.classify(reply, mx))}


def read(row: Mapping[str, object]) -> tuple[Reply, str]:
    """The reply and the MX host of a row. Raises RowError."""
    key = row.get("id")
    if key is not None and (isinstance(key, bool) or not isinstance(key, str | int | float)):
        raise RowError("id: a text or a number is expected")
    word = _text(row, "stage").strip().lower()
    stage = Stage.of(word)
    if word and stage is None:
        raise RowError(f"stage: {word[:40]!r} is none of {', '.join(conventions.STAGES)}")
    code, text = _code(row), _text(row, "text")
    if not text.strip() and code is None:
        raise RowError("text: neither a text nor a reply_code is given")
    logged = logline.recognise(text, stage)  # a mail log's line, as somebody pasted it
    reply = logged.reply if logged else replies.parse(text, stage, code)
    mx = _text(row, "mx").strip() or (logged.mx if logged else "")
    enhanced = _enhanced(row)
    if reply.enhanced is None and enhanced is not None:
        reply = replace(reply, enhanced=enhanced)
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
