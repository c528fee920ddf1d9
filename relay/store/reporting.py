"""Reporting: failing addresses, counts of deliveries and follow-ups, asked of SQL; see reports.py.

Both reads go once over the rows that they are about, and what they hold meanwhile grows with the
addresses and groups that are told, not with the letters.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from relay.mail import ids
from relay.mail.classification import Category
from relay.mail.delivery import State
from relay.mail.envelope import REPORT_FLOW
from relay.mail.follow_up import FollowUp, Progress
from relay.mail.instant import DAY, Instant
from relay.mail.urgency import Urgency
from relay.store import codec
from relay.store.changing import audit
from relay.store.codec import text
from relay.store.operation import Transaction
from relay.store.reading import LAST
from relay.store.reports import LAST_STEP, STEPS, Counted, Failing

T = TypeVar("T")
PROGRESS: Final = {one: n for n, one in enumerate(Progress)}
_PROGRESS_OF: Final = dict(enumerate(Progress))

# A letter that came back late stands as delivered: its report says how it really ended.
_LATE: Final = (
    "late_report r ON r.message_id = i.message_id AND r.n = i.n AND r.kind = 1 AND i.state = 4"
)
# With a + no index is looked for: the failed ones have their own.
_KEY: Final = "folded(coalesce(i.address, i.as_given))"
_ENDS: Final = f"""
  SELECT {_KEY} AS key, i.mailbox_id AS mailbox_id, i.state_at AS at,
    i.category IN (SELECT value FROM json_each(:categories)) AS is_meant
  FROM inbox i WHERE i.state BETWEEN 5 AND 7 AND +i.mailbox_id IS NOT NULL
  UNION ALL
  SELECT {_KEY}, i.mailbox_id, r.at, r.category IN (SELECT value FROM json_each(:categories))
  FROM late_report r JOIN inbox i ON i.message_id = r.message_id AND i.n = r.n
  WHERE r.kind = 1 AND i.state = 4 AND +i.mailbox_id IS NOT NULL"""  # noqa: S608 - constants
# What was not tried, or failed for another reason, was missed too where the address is at fault.
_FAILING: Final = f"""SELECT key, mailbox_id, min(iif(is_meant, at, NULL)) AS first_at,
    max(iif(is_meant, at, NULL)) AS last_at, count(*) AS missed
  FROM ({_ENDS}) GROUP BY key HAVING last_at >= :since
  ORDER BY missed DESC, key LIMIT :limit"""  # noqa: S608
_LAST_FAILURE: Final = f"""SELECT coalesce(r.category, i.category), o.name,
    {LAST.format("route_key")}, coalesce(r.rule, {LAST.format("rule")}), r.text,
    {LAST.format("code")}, {LAST.format("enhanced")}, {LAST.format("text")},
    {LAST.format("failure_text")}
  FROM inbox i JOIN domain o ON o.domain_id = i.domain_id LEFT JOIN {_LATE}
  WHERE i.mailbox_id = ? AND {_KEY} = ? AND coalesce(r.at, i.state_at) = ?
    AND (i.state BETWEEN 5 AND 7 OR r.n IS NOT NULL)
  ORDER BY i.message_id DESC LIMIT 1"""  # noqa: S608
_ACCEPTED: Final = f"""SELECT max(i.state_at) FROM inbox i LEFT JOIN {_LATE}
  WHERE i.mailbox_id = ? AND {_KEY} = ? AND i.state = 4 AND r.n IS NULL"""  # noqa: S608
_ROUNDED: Final = (
    "CASE "
    + " ".join(f"WHEN took < {limit} THEN took / {step} * {step}" for limit, step in STEPS)
    + f" ELSE took / {LAST_STEP} * {LAST_STEP} END"
)
# The LIMIT keeps the inner query by itself, so that an attempt is looked up once.
_COUNTED: Final = f"""SELECT day, iif(name IN (SELECT value FROM json_each(:labels)), name, '')
    AS domain, iif(route_key IN (SELECT value FROM json_each(:labels)), route_key, '') AS route,
    class, state, category, iif(state = 4, {_ROUNDED}, NULL) AS rounded, count(*)
  FROM (SELECT (m.received_at + :zone) / {DAY} AS day, o.name AS name, m.class AS class,
      {LAST.format("route_key")} AS route_key, iif(r.n IS NULL, coalesce(d.state, i.state), 5)
      AS state, coalesce(r.category, d.category, i.category) AS category,
      max(i.state_at - m.received_at, 0) AS took
    FROM message m CROSS JOIN inbox i ON i.message_id = m.message_id
    JOIN domain o ON o.domain_id = i.domain_id
    LEFT JOIN delivery d ON d.message_id = i.message_id AND d.n = i.n
    LEFT JOIN {_LATE}
    WHERE m.message_id >= :first AND m.received_at >= :since AND m.received_at < :until
      AND m.flow <> :reports LIMIT -1)
  GROUP BY day, domain, route, class, state, category, rounded"""  # noqa: S608
_SAVE: Final = "INSERT OR REPLACE INTO follow_up VALUES (?, ?, ?, ?, ?)"
_ONE: Final = "SELECT address, progress, note, who, at FROM follow_up WHERE address = ?"
_ALL: Final = "SELECT address, progress, note, who, at FROM follow_up ORDER BY address"


def failing(
    connection: sqlite3.Connection, categories: Collection[Category], since: Instant, limit: int
) -> list[Failing]:
    """See Reports.failing_addresses."""
    numbers = json.dumps(sorted(codec.CATEGORIES[one] for one in categories))
    asked = {"categories": numbers, "since": since, "limit": limit}
    found = connection.execute(_FAILING, asked).fetchall()
    return [_failing(connection, *row) for row in found]


def _failing(
    connection: sqlite3.Connection,
    key: str,
    mailbox_id: int,
    first_at: Instant,
    last_at: Instant,
    missed: int,
) -> Failing:
    row = codec.one(connection, _LAST_FAILURE, mailbox_id, key, last_at)
    number, domain, route_key, rule, late, code, enhanced, said, failure = row or (None,) * 9
    (accepted_at,) = connection.execute(_ACCEPTED, (mailbox_id, key)).fetchone()
    reply = " ".join(str(part) for part in (code, enhanced, said) if part)
    return Failing(
        address=key,
        category=codec.category(number) or Category.OTHER,
        first_at=first_at,
        last_at=last_at,
        missed=missed,
        accepted_at=accepted_at,
        domain=domain or "",
        route_key=route_key or "",
        rule=rule or "",
        said=late or reply or failure or "",
    )


def counted(
    connection: sqlite3.Connection,
    since: Instant,
    until: Instant,
    zone: int,
    labels: Collection[str],
    fold: Callable[[Iterable[Counted]], T],
) -> T:
    """See Reports.counted."""
    values = {
        "zone": zone,
        "labels": json.dumps(sorted(labels)),
        "first": ids.first_of(max(since, 0)),
        "since": since,
        "until": until,
        "reports": REPORT_FLOW,
    }
    return fold(_rows(connection.execute(_COUNTED, values)))


def _rows(found: Iterable[tuple[Any, ...]]) -> Iterator[Counted]:
    for day, name, route, urgency, state, category, took, count in found:
        yield Counted(
            day,
            name,
            route,
            Urgency(urgency),
            State(state),
            codec.category(category),
            took,
            count,
        )


def follow_ups(connection: sqlite3.Connection) -> Mapping[str, FollowUp]:
    """See Reports.follow_ups."""
    return {row[0]: _follow_up(row) for row in connection.execute(_ALL)}


def _follow_up(row: tuple[Any, ...]) -> FollowUp:
    address, progress, note, who, at = row
    return FollowUp(address, _PROGRESS_OF[progress], note, who, at)


def save_follow_up(made: FollowUp) -> Callable[[Transaction], FollowUp | None]:
    """See Reports.save_follow_up."""
    row = (
        text(made.address),
        PROGRESS[made.progress],
        text(made.note),
        text(made.who),
        made.at,
    )

    def run(transaction: Transaction) -> FollowUp | None:
        old = codec.one(transaction.connection, _ONE, row[0])
        before = None if old is None else _follow_up(old)
        transaction.connection.execute(_SAVE, row)
        audit(made.who, ACTION, made.address, made.note, made.at, change(before, made))(transaction)
        return before

    return run


ACTION: Final = "report.follow-up"


def change(before: FollowUp | None, after: FollowUp) -> str:
    """What the audit trail keeps of it."""
    old = before.progress if before else Progress.NEW
    return f"{old.value} → {after.progress.value}"
