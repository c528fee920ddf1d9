"""Refusals: the replies that refused, out of the attempts, for whoever reads them once more.

Read in pieces in the order of their letters, so that memory does not grow with what is found. An
attempt knows no index of times: what a piece reads is the whole history, and a command waits.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from relay.mail.instant import Instant
from relay.mail.reply import EnhancedCode, Reply, Stage

PIECE: Final = 2_000  # refusals of one question
_PIECE: Final = """SELECT a.message_id, a.n, a.try, a.started_at, a.mx, a.stage, a.code, a.enhanced,
    a.text, a.rule, coalesce(i.address, i.as_given, ''), a.route_key
  FROM attempt a LEFT JOIN inbox i ON i.message_id = a.message_id AND i.n = a.n
  WHERE (a.message_id, a.n, a.try) > (?, ?, ?) AND a.started_at >= ? AND a.code >= 400
  ORDER BY a.message_id, a.n, a.try LIMIT ?"""
_HITS: Final = """SELECT rule, count(*), min(started_at), max(started_at) FROM attempt
  WHERE started_at >= ? AND rule IS NOT NULL GROUP BY rule ORDER BY count(*) DESC, rule"""

Key = tuple[int, int, int]  # letter, recipient, try
FIRST: Final[Key] = (-1, -1, -1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reply that refused: when, by which host of which destination, to whom, and the rule that
    decided then."""

    key: Key
    at: Instant
    mx: str
    reply: Reply
    recipient: str
    rule: str
    route_key: str


@dataclass(frozen=True, slots=True)
class Hits:
    """How often a rule decided, when first and when last."""

    rule: str
    count: int
    first_at: Instant
    last_at: Instant


def piece(connection: sqlite3.Connection, since: Instant, after: Key) -> list[Refusal]:
    """See ReadOnlyStore.refusals."""
    rows = connection.execute(_PIECE, (*after, since, PIECE))
    return [
        Refusal(
            (row[0], row[1], row[2]),
            row[3],
            row[4],
            Reply(row[6], EnhancedCode.parse(row[7] or ""), row[8] or "", Stage(row[5])),
            row[10],
            row[9] or "",
            row[11],
        )
        for row in rows
    ]


def counted(connection: sqlite3.Connection, since: Instant) -> list[Hits]:
    """See ReadOnlyStore.hits."""
    return [Hits(*row) for row in connection.execute(_HITS, (since,))]
