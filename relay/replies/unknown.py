"""Unknown: replies that no rule's text knew, put together by their shape, with a rule to paste.

What differs between two replies of one kind (addresses, IPs, ids, numbers, host names) is
replaced by a mark, so that the same sentence counts as one and nobody's address stands in a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import re2

from relay.mail.instant import Instant
from relay.mail.reply import Reply
from relay.replies import wording

MAX_SHAPE: Final = 300  # characters of a shape: longer replies differ in what follows
MAX_SHAPES: Final = 10_000  # kinds held at once: above it the newcomers are counted as one
_OTHERS: Final = "(others)"
_MARKS: Final = (
    (re.compile(r"https?://\S{1,500}"), "<url>"),
    (re.compile(r"a@b"), "<address>"),
    (re.compile(r"\[?\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b\]?"), "<ip>"),
    (re.compile(r"\[?(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}\]?"), "<ip>"),
    (re.compile(r"\b(?:[a-z0-9-]{1,63}\.){2,8}[a-z]{2,24}\b"), "<host>"),
    (re.compile(r"\b(?=[a-z_-]{0,40}[0-9])[a-z0-9_-]{6,200}\b"), "<id>"),
    (re.compile(r"[0-9]{1,200}"), "#"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Replies of one shape: how many, when the first and the last, one of them as a sample."""

    shape: str
    count: int
    first_at: Instant
    last_at: Instant
    code: int
    sample: str


def shape(reply: Reply) -> str:
    """The sentence of a reply without what differs from one to the next; bounded."""
    text = wording.comparable(reply.text)[: 2 * MAX_SHAPE]
    for pattern, mark in _MARKS:
        text = pattern.sub(mark, text)
    return f"{reply.code} {text[:MAX_SHAPE]}".strip()


def kinds(replies: Iterable[tuple[Instant, Reply]]) -> list[Kind]:
    """The kinds among replies with their times, the most frequent first; bounded in memory."""
    found: dict[str, Kind] = {}
    for at, reply in replies:
        key = shape(reply)
        if key not in found and len(found) >= MAX_SHAPES:
            key = _OTHERS
        known = found.get(key)
        found[key] = Kind(
            key,
            known.count + 1 if known else 1,
            min(known.first_at, at) if known else at,
            max(known.last_at, at) if known else at,
            reply.code,
            known.sample if known else key,
        )
    return sorted(found.values(), key=lambda kind: (-kind.count, kind.shape))


def draft(kind: Kind) -> str:
    """A rule to paste into a site's file: the shape's words as pattern, the category to choose.

    The text comes from strangers: it enters in single quotes only, one line, no control sign.
    """
    words = (part.strip() for part in re.split(r"<[a-z]+>|#", kind.shape[4:]))
    longest = re2.escape(max(words, key=len, default=""))
    name = "-".join(re.findall(r"[a-z]{3,}", kind.shape)[:4]) or "unknown"
    return (
        f"  - id: site.{name}\n"
        f"    pattern: {_quoted(longest)}\n"
        f"    category: other  # choose one\n"
        f"    samples: [{_quoted(kind.sample)}]\n"
    )


def _quoted(text: str) -> str:
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return "'" + clean.replace("'", "''") + "'"
