"""Reading: every question to the database, answered from what was committed, never writing."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

from relay.mail.delivery import Attempt, Delivery, State
from relay.mail.envelope import REPORT_FLOW
from relay.mail.instant import MINUTE, Instant
from relay.mail.letter import Letter
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.store import codec
from relay.store.base import Account, Backlog, Depth, InboxRow, Mailbox, QueueRow, Ready, Selector
from relay.store.names import ADDRESS
from relay.store.selection import part, where
from relay.store.turns import BITS, DATED

UNFINISHED: Final = tuple(state for state in State if not state.is_final)
LAST: Final = (
    "(SELECT a.{0} FROM attempt a WHERE a.message_id = i.message_id AND a.n = i.n"
    " ORDER BY a.try DESC LIMIT 1)"
)
SHOWN: Final = (
    f"{codec.DELIVERY}, m.sender, m.subject,"
    f" coalesce(d.category, i.category, {LAST.format('category')}),"
    f" {LAST.format('rule')}, m.received_at, coalesce(m.from_domain, '')"
)
_ROWS: Final = f"""SELECT {SHOWN} FROM delivery d
  CROSS JOIN inbox i ON i.message_id = d.message_id AND i.n = d.n
  JOIN message m ON m.message_id = d.message_id JOIN domain o ON o.domain_id = d.domain_id
  WHERE {{}} ORDER BY d.message_id, d.n LIMIT ?"""  # noqa: S608
_FIND: Final = f"""SELECT {SHOWN} FROM inbox i
  LEFT JOIN delivery d ON d.message_id = i.message_id AND d.n = i.n
  JOIN message m ON m.message_id = i.message_id JOIN domain o ON o.domain_id = i.domain_id
  WHERE i.message_id = ? AND (? IS NULL OR i.n = ?) ORDER BY i.n"""  # noqa: S608
_OVERDUE: Final = f"""SELECT {codec.DELIVERY} FROM delivery d
  CROSS JOIN inbox i ON i.message_id = d.message_id AND i.n = d.n
  JOIN message m ON m.message_id = d.message_id JOIN domain o ON o.domain_id = d.domain_id
  WHERE (d.is_fixed = 1 OR d.due_at >= d.expires_at) AND d.state <> 2
    AND (d.is_fixed = 1 OR d.state <> 3) AND d.expires_at <= ? ORDER BY d.expires_at LIMIT ?"""  # noqa: S608
# One step of the index a domain, however many deliveries it has.
_READY: Final = """WITH RECURSIVE has(id) AS (
  SELECT min(domain_id) FROM delivery WHERE state = 0
  UNION ALL
  SELECT (SELECT min(domain_id) FROM delivery WHERE state = 0 AND domain_id > has.id)
    FROM has WHERE has.id IS NOT NULL)
  SELECT o.name, (SELECT min(class) FROM delivery WHERE state = 0 AND domain_id = has.id)
  FROM has JOIN domain o ON o.domain_id = has.id"""
# A state at a time: each has an index that answers alone, and no row is looked at.
_DEPTH: Final = (
    "SELECT domain_id, {0} AS state, count(*) AS count, min(message_id) AS oldest"
    " FROM delivery WHERE state = {0} GROUP BY domain_id"
)
_DEPTHS: Final = f"""SELECT o.name, g.state, g.count, m.received_at
  FROM ({" UNION ALL ".join(_DEPTH.format(int(state)) for state in UNFINISHED)}) g
  JOIN domain o ON o.domain_id = g.domain_id JOIN message m ON m.message_id = g.oldest
  ORDER BY o.name, g.state"""  # noqa: S608 - constants
# Where the turn is below zero its deadline's minute begins at a multiple (relay/store/turns.py).
_BACKLOG: Final = f"""SELECT o.name, d.class,
    iif(d.turn < 0, (d.turn - {DATED}) >> {BITS}, NULL) AS minute, count(*)
  FROM domain o CROSS JOIN delivery d ON d.domain_id = o.domain_id AND d.state = 0
  WHERE o.name IN (SELECT value FROM json_each(?)) GROUP BY o.name, d.class, minute
  ORDER BY o.name, d.class, minute IS NULL, minute"""  # noqa: S608 - constants
_COUNT: Final = "SELECT {0}, count(*) FROM delivery d WHERE d.state = {0}"
# Second by second along the index, which alone answers: nothing is sorted, no letter looked at.
_SINCE: Final = f"FROM message WHERE flow <> '{REPORT_FLOW}' AND received_at >="
_ACCEPTED: Final = f"""WITH RECURSIVE tick(at) AS (
  SELECT min(received_at) / 1000 * 1000 {_SINCE} :since
  UNION ALL
  SELECT (SELECT min(received_at) / 1000 * 1000 {_SINCE} tick.at + 1000)
    FROM tick WHERE tick.at IS NOT NULL)
  SELECT at, (SELECT sum(recipients) {_SINCE} max(at, :since) AND received_at < tick.at + 1000)
  FROM tick WHERE at IS NOT NULL"""  # noqa: S608 - constants
_INBOX: Final = """SELECT i.message_id, i.n, i.as_given, m.subject, m.sender, m.class,
    coalesce(d.state, i.state), CASE WHEN d.n IS NULL THEN i.category ELSE d.category END,
    coalesce(d.state_at, i.state_at), i.read_at, m.received_at, m.deadline_at, m.package
  FROM inbox i JOIN message m ON m.message_id = i.message_id
  LEFT JOIN delivery d ON d.message_id = i.message_id AND d.n = i.n"""


SMALL: Final = 64 << 10  # octets of a letter that is read with its body
LATEST: Final = 5_000  # attempts that say which of our addresses are in use


def letter(connection: sqlite3.Connection, message_id: int) -> Letter:
    """Raises KeyError."""
    sql = f"SELECT {codec.LETTER} FROM message WHERE message_id = ?"  # noqa: S608
    row = codec.one(connection, sql, message_id)
    if row is None:
        raise KeyError(message_id)
    return codec.letter(row)


def letter_and_body(connection: sqlite3.Connection, message_id: int) -> tuple[Letter, bytes | None]:
    """Both at once where the body is small, since who asks for one mostly asks for both; None where
    it is large, or cannot be read: who asks for it is told. Raises KeyError."""
    found = letter(connection, message_id)
    if found.size > SMALL:
        return found, None
    try:
        return found, body(connection, message_id)
    except (KeyError, sqlite3.Error):
        return found, None


def body(connection: sqlite3.Connection, message_id: int) -> bytes:
    """Raises KeyError."""
    row = codec.one(connection, "SELECT bytes FROM body WHERE body_id = ?", message_id)
    if row is None:
        raise KeyError(message_id)
    if row[0] is not None:
        return bytes(row[0])
    return _parts(connection, "part >= 0 ORDER BY part", message_id)


def original(connection: sqlite3.Connection, message_id: int) -> bytes:
    """The octets as received. Raises KeyError."""
    row = codec.one(connection, "SELECT bytes FROM received_body WHERE message_id = ?", message_id)
    if row is None:
        return letter(connection, message_id).head + b"\r\n" + body(connection, message_id)
    squeezed = row[0]
    if squeezed is None:
        squeezed = _parts(connection, "part < 0 ORDER BY part DESC", message_id)
    return zlib.decompress(squeezed)


def _parts(connection: sqlite3.Connection, which: str, body_id: int) -> bytes:
    sql = f"SELECT bytes FROM body_part WHERE body_id = ? AND {which}"  # noqa: S608 - constants
    return b"".join(row[0] for row in connection.execute(sql, (body_id,)))


def attempts(connection: sqlite3.Connection, message_id: int, n: int) -> list[Attempt]:
    """Oldest first."""
    sql = (
        f"SELECT {codec.ATTEMPT} FROM attempt a JOIN message m USING (message_id)"  # noqa: S608
        " WHERE a.message_id = ? AND a.n = ? ORDER BY a.try"
    )
    return [codec.attempt(row) for row in connection.execute(sql, (message_id, n))]


def shown(row: codec.Row) -> QueueRow:
    """From the columns of :data:`SHOWN`."""
    at = codec.DELIVERY_WIDTH
    return QueueRow(
        delivery=codec.delivery(row),
        sender=row[at],
        subject=row[at + 1],
        category=codec.category(row[at + 2]),
        rule=row[at + 3],
        received_at=row[at + 4],
        from_domain=row[at + 5],
    )


def rows(
    connection: sqlite3.Connection, selector: Selector, limit: int, after: tuple[int, int] | None
) -> list[QueueRow]:
    """See Queue.rows."""
    condition, values = where(selector)
    if after is not None:
        condition += " AND (d.message_id, d.n) > (?, ?)"
        values += after
    found = connection.execute(_ROWS.format(condition), [*values, limit])
    return [shown(row) for row in found]


def find(connection: sqlite3.Connection, message_id: int, n: int | None) -> list[QueueRow]:
    """See Queue.find."""
    return [shown(row) for row in connection.execute(_FIND, (message_id, n, n))]


def count(connection: sqlite3.Connection, selector: Selector) -> dict[State, int]:
    """See Queue.count."""
    condition, values = where(replace(selector, states=None))
    if selector == Selector(domains=selector.domains, states=selector.states):
        states = sorted(selector.states or UNFINISHED)
        # One statement, which sees one moment: a row that changes its state is counted once.
        sql = " UNION ALL ".join(f"{_COUNT.format(int(s))} AND {condition}" for s in states)
        rows = connection.execute(sql, [*values] * len(states))
        return {State(state): number for state, number in rows if number}
    condition, values = where(selector)
    sql = f"SELECT d.state, count(*) FROM delivery d WHERE {condition} GROUP BY d.state"  # noqa: S608
    return {State(state): number for state, number in connection.execute(sql, values)}


def ready(connection: sqlite3.Connection) -> list[Ready]:
    """See Queue.ready."""
    return [Ready(name, Urgency(urgency)) for name, urgency in connection.execute(_READY)]


def depths(connection: sqlite3.Connection) -> list[Depth]:
    """See Queue.depths."""
    return [
        Depth(name, State(state), number, oldest)
        for name, state, number, oldest in connection.execute(_DEPTHS)
    ]


def backlog(connection: sqlite3.Connection, domains: Collection[str]) -> list[Backlog]:
    """See Queue.backlog."""
    return [
        Backlog(name, Urgency(urgency), None if minute is None else minute * MINUTE, number)
        for name, urgency, minute, number in connection.execute(
            _BACKLOG, (json.dumps(sorted(domains)),)
        )
    ]


def accepted_since(connection: sqlite3.Connection, since: Instant) -> list[tuple[Instant, int]]:
    """See Queue.accepted_since."""
    return connection.execute(_ACCEPTED, {"since": since}).fetchall()


def domains_of(connection: sqlite3.Connection, message_id: int) -> dict[str, int]:
    """See Queue.domains_of."""
    sql = (
        "SELECT o.name, count(*) FROM inbox i JOIN domain o USING (domain_id)"
        " WHERE i.message_id = ? GROUP BY i.domain_id"
    )
    return dict(connection.execute(sql, (message_id,)).fetchall())


def has_sent_from(connection: sqlite3.Connection, source: str | None) -> bool:
    """See ReadOnlyStore.has_sent_from: a few rows from the end of the key, whatever there is."""
    sql = (
        "SELECT 1 FROM (SELECT source FROM attempt ORDER BY message_id DESC, n DESC, try DESC"
        " LIMIT ?) WHERE source <> '' AND source = coalesce(?, source) LIMIT 1"
    )
    return connection.execute(sql, (LATEST, source)).fetchone() is not None


def next_due_at(connection: sqlite3.Connection) -> Instant | None:
    """See Queue.next_due_at."""
    row = codec.one(connection, "SELECT min(due_at) FROM delivery WHERE state = 1")
    return None if row is None else row[0]


def overdue(connection: sqlite3.Connection, now: Instant, limit: int) -> list[Delivery]:
    """See Queue.overdue."""
    return [codec.delivery(row) for row in connection.execute(_OVERDUE, (now, limit))]


def shaping(connection: sqlite3.Connection) -> dict[str, str]:
    """See Queue.load_shaping."""
    return dict(connection.execute("SELECT key, state FROM shaping").fetchall())


def spent(connection: sqlite3.Connection) -> list[Spent]:
    """See Queue.load_spent."""
    rows = connection.execute("SELECT key, at, units FROM spent ORDER BY key, at")
    return [Spent(*row) for row in rows]


def mailbox(connection: sqlite3.Connection, address: str) -> Mailbox | None:
    """See Inbox.mailbox."""
    row = codec.one(connection, ADDRESS, address)
    return None if row is None else _mailbox(connection, "mailbox_id", row[0])


def accepted_before(connection: sqlite3.Connection, address: str) -> bool:
    """See Inbox.accepted_before: the newest success is found first."""
    row = codec.one(
        connection,
        "SELECT 1 FROM inbox JOIN mailbox_address USING (mailbox_id)"
        " WHERE mailbox_address.address = ? AND state = ?"
        " AND lower(coalesce(inbox.address, as_given)) = mailbox_address.address LIMIT 1",
        address,
        int(State.DELIVERED),
    )
    return row is not None


def last_accepted_at(connection: sqlite3.Connection, address: str) -> Instant | None:
    """See Queue.last_accepted_at."""
    (at,) = connection.execute(
        "SELECT max(state_at) FROM inbox JOIN mailbox_address USING (mailbox_id)"
        " WHERE mailbox_address.address = ? AND state = ?"
        " AND lower(coalesce(inbox.address, as_given)) = mailbox_address.address",
        (address, int(State.DELIVERED)),
    ).fetchone()
    return None if at is None else int(at)


def mailbox_by_link(connection: sqlite3.Connection, link_id: bytes) -> Mailbox | None:
    """See Inbox.mailbox_by_link."""
    return _mailbox(connection, "link_id", link_id)


def _mailbox(connection: sqlite3.Connection, column: str, value: Any) -> Mailbox | None:
    sql = f"SELECT mailbox_id, link_id, label FROM mailbox WHERE {column} = ?"  # noqa: S608
    row = codec.one(connection, sql, value)
    return None if row is None else Mailbox(*row)


def _inbox_row(row: codec.Row) -> InboxRow:
    return InboxRow(
        message_id=row[0],
        n=row[1],
        as_given=row[2],
        subject=row[3],
        sender=row[4],
        urgency=Urgency(row[5]),
        state=State(row[6]),
        category=codec.category(row[7]),
        state_at=row[8],
        read_at=row[9],
        received_at=row[10],
        deadline_at=row[11],
        package=row[12],
    )


def page(
    connection: sqlite3.Connection,
    mailbox_id: int,
    limit: int,
    before: tuple[int, int] | None,
    only_unread: bool,
    search: str,
) -> list[InboxRow]:
    """See Inbox.page."""
    sql = f"{_INBOX} WHERE i.mailbox_id = ?"
    given: list[Any] = [mailbox_id]
    if before is not None:
        sql += " AND (i.message_id, i.n) < (?, ?)"
        given += before
    if only_unread:
        sql += " AND i.read_at IS NULL"
    if search:
        sql += " AND (m.subject LIKE ? ESCAPE '\\' OR m.package LIKE ? ESCAPE '\\')"
        given += [part(search)] * 2
    sql += " ORDER BY i.message_id DESC, i.n DESC LIMIT ?"
    return [_inbox_row(row) for row in connection.execute(sql, [*given, limit])]


def inbox_count(connection: sqlite3.Connection, mailbox_id: int, only_unread: bool) -> int:
    """See Inbox.inbox_count."""
    sql = "SELECT count(*) FROM inbox WHERE mailbox_id = ?"
    if only_unread:
        sql += " AND read_at IS NULL"
    return int(connection.execute(sql, (mailbox_id,)).fetchone()[0])


def inbox_row(
    connection: sqlite3.Connection, mailbox_id: int, message_id: int, n: int
) -> InboxRow | None:
    """See Inbox.inbox_row."""
    sql = f"{_INBOX} WHERE i.message_id = ? AND i.n = ? AND i.mailbox_id = ?"
    row = codec.one(connection, sql, message_id, n, mailbox_id)
    return None if row is None else _inbox_row(row)


def inbox_rows(connection: sqlite3.Connection) -> int:
    """See Inbox.inbox_rows."""
    row = connection.execute("SELECT count(*) FROM inbox WHERE mailbox_id IS NOT NULL").fetchone()
    return int(row[0])


def account(connection: sqlite3.Connection, name: str) -> Account | None:
    """See Accounts.account."""
    sql = "SELECT name, role, secret, changed_at FROM user_account WHERE name = ?"
    row = codec.one(connection, sql, name)
    return None if row is None else Account(*row)


def accounts(connection: sqlite3.Connection) -> list[Account]:
    """See Accounts.accounts."""
    sql = "SELECT name, role, secret, changed_at FROM user_account ORDER BY name"
    return [Account(*row) for row in connection.execute(sql)]
