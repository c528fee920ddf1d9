"""Selection: an operator's Selector as SQL over the queue, and as a test on one row."""

from __future__ import annotations

import json
import re
from typing import Any

from relay.mail.delivery import Delivery, State
from relay.store.base import Selector

# Of delivery `d` and its inbox row `i`; `folded` is Python's lower(), registered everywhere.
# Of a mailbox all that ever came is looked up in the queue; a report of ours has no mailbox.
_BY_MAILBOX = (
    "(d.message_id, d.n) IN (SELECT * FROM (SELECT b.message_id, b.n FROM mailbox_address a"
    " CROSS JOIN inbox b ON b.mailbox_id = a.mailbox_id WHERE a.address = ?"
    " UNION ALL SELECT message_id, n FROM delivery WHERE mailbox_id IS NULL))"
)
_BY_RECIPIENT = (
    "(SELECT folded(coalesce(i.address, i.as_given)) FROM inbox i"
    " WHERE i.message_id = d.message_id AND i.n = d.n) = ?"
)
_BY_SUBJECT = (
    "EXISTS (SELECT 1 FROM message m WHERE m.message_id = d.message_id"
    " AND m.subject LIKE ? ESCAPE '\\')"
)
_BY_HEADER_ID = (
    "EXISTS (SELECT 1 FROM message m WHERE m.message_id = d.message_id AND instr(m.head, ?) > 0)"
)


def like(glob: str) -> str:
    """A LIKE pattern (escaped by backslash) for a glob with ``*``, or for a part of the text."""
    return _escaped(glob).replace("*", "%") if "*" in glob else part(glob)


def part(text: str) -> str:
    """A LIKE pattern (escaped by backslash) for a part of a text, taken as it is."""
    return f"%{_escaped(text)}%"


def _escaped(text: str) -> str:
    return re.sub(r"([%_\\])", r"\\\1", text)


def where(selector: Selector) -> tuple[str, list[Any]]:
    """The condition on `d` and its values; always a valid expression."""
    terms: list[str] = []
    values: list[Any] = []

    def add(term: str, *given: Any) -> None:
        terms.append(term)
        values.extend(given)

    if selector.message_id is not None:
        add("d.message_id = ?", selector.message_id)
    if selector.n is not None:
        add("d.n = ?", selector.n)
    if selector.states == frozenset({State.LEASED}):
        add("d.state = 2")  # few, and in an index that is found by the number only
    elif selector.states is not None:
        add(f"d.state IN ({_marks(selector.states)})", *sorted(map(int, selector.states)))
    if selector.urgency is not None:
        add("d.class = ?", int(selector.urgency))
    if selector.domains is not None:
        names = sorted(selector.domains)
        add(
            "d.domain_id IN (SELECT domain_id FROM domain WHERE name IN"
            " (SELECT value FROM json_each(?)))",
            json.dumps(names),
        )
    if selector.recipient is not None:
        add(f"{_BY_MAILBOX} AND {_BY_RECIPIENT}", selector.recipient, selector.recipient)
    if selector.why is not None:
        add("substr(d.why, 1, ?) = ?", len(selector.why), selector.why)
    if selector.subject is not None:
        add(_BY_SUBJECT, like(selector.subject))
    if selector.header_id is not None:
        add(_BY_HEADER_ID, _octets(selector.header_id))
    return " AND ".join(terms) or "1", values


def _octets(header_id: str) -> bytes:
    """The Message-ID in its brackets, as a header holds it."""
    return f"<{header_id.strip().strip('<>')}>".encode("utf-8", "surrogateescape")


def _marks(items: frozenset[Any]) -> str:
    return ", ".join("?" * len(items))


def matcher(glob: str) -> re.Pattern[str]:
    """What :func:`like` means, for a text in memory: ASCII letters without their case."""
    parts = [re.escape(part) for part in glob.split("*")]
    pattern = ".*".join(parts) if "*" in glob else f".*{parts[0]}.*"
    return re.compile(pattern, re.IGNORECASE | re.ASCII | re.DOTALL)


def means(selector: Selector, delivery: Delivery, subject: str, head: bytes = b"") -> bool:
    """True where the selector means the delivery."""
    return (
        (selector.message_id is None or delivery.message_id == selector.message_id)
        and (selector.n is None or delivery.n == selector.n)
        and (selector.states is None or delivery.state in selector.states)
        and (selector.urgency is None or delivery.urgency is selector.urgency)
        and (selector.domains is None or delivery.domain in selector.domains)
        and (selector.why is None or delivery.why.startswith(selector.why))
        and (selector.recipient is None or delivery.recipient.lower() == selector.recipient)
        and (selector.subject is None or bool(matcher(selector.subject).fullmatch(subject)))
        and (selector.header_id is None or _octets(selector.header_id) in head)
    )
