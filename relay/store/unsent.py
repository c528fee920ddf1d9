"""Unsent: what did not arrive — held, bounced, expired, suppressed — found by why and whose it was.

A failed delivery has left the queue: its inbox row says how it ended, and has an index of its own
(`inbox_failed`); a held one is in the queue still. Both are read in the order of their letters, in
pieces, so that memory does not grow with what is found.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from relay.mail.delivery import State
from relay.mail.instant import Instant
from relay.store import codec
from relay.store.base import QueueRow, Tally, Unsent
from relay.store.reading import LAST, SHOWN, shown
from relay.store.selection import like

_CATEGORY: Final = f"coalesce(d.category, i.category, {LAST.format('category')})"
_FROM_FAILED: Final = """FROM inbox i
  LEFT JOIN delivery d ON d.message_id = i.message_id AND d.n = i.n
  JOIN message m ON m.message_id = i.message_id JOIN domain o ON o.domain_id = i.domain_id
  WHERE i.state BETWEEN 5 AND 7 AND d.n IS NULL AND {}"""
_FROM_HELD: Final = """FROM delivery d
  CROSS JOIN inbox i ON i.message_id = d.message_id AND i.n = d.n
  JOIN message m ON m.message_id = i.message_id JOIN domain o ON o.domain_id = i.domain_id
  WHERE d.state = 3 AND {}"""
_ORIGINS: Final = ((_FROM_FAILED, "i.message_id, i.n"), (_FROM_HELD, "d.message_id, d.n"))
# As relay.mail.delivery.has_fixed_life; of one in the queue it was decided when it was put.
_IS_OVER: Final = (
    "coalesce(d.is_fixed, m.class = 0 OR (m.class IN (1, 3) AND m.deadline_at IS NOT NULL))"
    " AND coalesce(d.expires_at, i.expires_at) <= ?"
)
_TALLY: Final = (
    f"SELECT o.name, {LAST.format('route_key')} AS route, coalesce(d.state, i.state) AS state,"
    f" {_CATEGORY} AS category, {_IS_OVER} AS is_over, count(*)"
)


def _where(wanted: Unsent) -> tuple[str, list[Any]]:
    """The condition on `i`, `m`, `o` (and `d`) and its values; always a valid expression."""
    terms = ["i.mailbox_id IS NOT NULL", "o.name <> ''"]
    values: list[Any] = []

    def add(term: str, given: Any) -> None:
        if given is not None:
            terms.append(term)
            values.append(given)

    add("i.message_id = ?", wanted.message_id)
    add("i.n = ?", wanted.n)
    add("m.class = ?", None if wanted.urgency is None else int(wanted.urgency))
    names = None if wanted.domains is None else json.dumps(sorted(wanted.domains))
    add("o.name IN (SELECT value FROM json_each(?))", names)
    add("coalesce(d.state_at, i.state_at) >= ?", wanted.since)
    add("folded(m.sender) = ?", wanted.sender)
    add("m.subject LIKE ? ESCAPE '\\'", None if wanted.subject is None else like(wanted.subject))
    add("instr(hex(m.body_hash), upper(?)) = 1", wanted.fingerprint)
    add(f"{_CATEGORY} = ?", codec.category_number(wanted.category))
    add(f"{LAST.format('rule')} = ?", wanted.rule)
    return " AND ".join(terms), values


def rows(
    connection: sqlite3.Connection, wanted: Unsent, limit: int, after: tuple[int, int] | None
) -> list[QueueRow]:
    """See Queue.unsent."""
    condition, values = _where(wanted)
    found: list[QueueRow] = []
    for origin, order in _ORIGINS:
        narrowed = condition if after is None else f"{condition} AND ({order}) > (?, ?)"
        sql = f"SELECT {SHOWN} {origin.format(narrowed)} ORDER BY {order} LIMIT ?"
        found += map(shown, connection.execute(sql, [*values, *(after or ()), limit]))
    found.sort(key=lambda row: (row.delivery.message_id, row.delivery.n))
    return found[:limit]


def tallies(connection: sqlite3.Connection, wanted: Unsent, now: Instant) -> list[Tally]:
    """See Queue.tallies."""
    condition, values = _where(wanted)
    found: list[Tally] = []
    for origin, _ in _ORIGINS:
        sql = f"{_TALLY} {origin.format(condition)} GROUP BY 1, 2, 3, 4, 5"
        for name, route, state, category, is_over, count in connection.execute(sql, [now, *values]):
            kind = codec.category(category)
            found.append(Tally(name, route, State(state), kind, bool(is_over), count))
    return sorted(found, key=order_of)


def order_of(tally: Tally) -> tuple[Any, ...]:
    """The order that tallies stand in: the most first, then by name."""
    kind = "" if tally.category is None else tally.category.value
    return (-tally.count, tally.domain, tally.route or "", tally.state, kind, tally.is_over)
