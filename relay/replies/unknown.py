"""Unknown: replies that no rule's text knew, put together by their shape, with a rule to paste.

What differs between two replies of one kind (addresses, IPs, ids, numbers, host names) is
replaced by a mark, so that the same sentence counts as one and nobody's address stands in a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import re2

from relay.mail.instant import Instant
from relay.mail.reply import Reply
from relay.replies import wording

MAX_SHAPE: Final = 300  # characters of a shape: longer replies differ in what follows
MAX_SHAPES: Final = 10_000  # kinds held at once: above it the newcomers are counted as one
_OTHERS: Final = "(others)"
_SHORTEST: Final = 3  # letters of a local part that is hidden: `a` stands in every sentence
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


def without(reply: Reply, recipient: str) -> Reply:
    """The reply without the recipient's local part, which servers repeat without its domain."""
    local = recipient.rpartition("@")[0].strip('"')
    if len(local) < _SHORTEST or local.lower() not in reply.text.lower():
        return reply
    whole = re.compile(rf"(?<![\w.]){re.escape(local)}(?![\w@])", re.IGNORECASE)
    return replace(reply, text=whole.sub("<name>", reply.text))


def shape(reply: Reply) -> str:
    """The sentence of a reply without what differs from one to the next; bounded."""
    text = wording.comparable(reply.text)[: 2 * MAX_SHAPE]
    for pattern, mark in _MARKS:
        text = pattern.sub(mark, text)
    return f"{reply.code} {text[:MAX_SHAPE]}".strip()


class Kinds:
    """Replies put together by their shape as they come; bounded in memory."""

    def __init__(self) -> None:
        self._found: Final[dict[str, Kind]] = {}

    def add(self, at: Instant, reply: Reply) -> None:
        """Count one."""
        key = shape(reply)
        if key not in self._found and len(self._found) >= MAX_SHAPES:
            key = _OTHERS
        known = self._found.get(key)
        self._found[key] = Kind(
            key,
            known.count + 1 if known else 1,
            min(known.first_at, at) if known else at,
            max(known.last_at, at) if known else at,
            reply.code,
            known.sample if known else key,
        )

    def ordered(self) -> list[Kind]:
        """The most frequent first."""
        return sorted(self._found.values(), key=lambda kind: (-kind.count, kind.shape))


def kinds(replies: Iterable[tuple[Instant, Reply]]) -> list[Kind]:
    """The kinds among replies with their times, the most frequent first."""
    found = Kinds()
    for at, reply in replies:
        found.add(at, reply)
    return found.ordered()


def drafts(kinds: Iterable[Kind]) -> list[str]:
    """A draft for each, no name twice."""
    made: list[str] = []
    names: dict[str, int] = {}
    for kind in kinds:
        name = _name(kind)
        names[name] = names.get(name, 0) + 1
        made.append(draft(kind, names[name]))
    return made


def _name(kind: Kind) -> str:
    return "-".join(re.findall(r"[a-z]{3,}", kind.shape)[:4]) or "unknown"


def draft(kind: Kind, number: int = 1) -> str:
    """A rule to paste into a site's file: the shape's words as pattern, the category to choose.

    The text comes from strangers: it enters in single quotes only, one line, no control sign.
    """
    # Not over a sign that is not quoted as it is: the pattern would not fit its own reply.
    plain = "".join(letter if letter.isprintable() else "#" for letter in kind.shape[4:])
    words = (part.strip() for part in re.split(r"<[a-z]+>|#", plain))
    longest = re2.escape(max(words, key=len, default=""))
    name = _name(kind) if number == 1 else f"{_name(kind)}-{number}"
    return (
        f"  - id: site.{name}\n"
        f"    pattern: {_quoted(longest)}\n"
        f"    category: other  # choose one\n"
        f"    samples: [{_quoted(kind.sample)}]\n"
    )


def _quoted(text: str) -> str:
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return "'" + clean.replace("'", "''") + "'"
