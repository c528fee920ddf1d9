"""Requeueing: deliveries that are brought back by name, out of the hold or out of a failure.

A failed one (bounced, expired, suppressed) has left the queue: it gets a row there again, with a
turn of its own. Time in which it lay there does not count, unless its life is fixed; then it comes
back only while it lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from relay.mail.delivery import State, has_fixed_life
from relay.mail.instant import DAY, Instant
from relay.mail.urgency import Urgency
from relay.store.base import Changed
from relay.store.changing import RELEASE, audit
from relay.store.codec import Row
from relay.store.leasing import announce, for_each
from relay.store.names import Names
from relay.store.operation import Transaction

BACK: Final = frozenset({State.HELD, State.BOUNCED, State.EXPIRED, State.SUPPRESSED})
AGAIN: Final = DAY  # what a life that is not fixed has left at least
_HELD: Final = (
    f"UPDATE delivery SET {RELEASE} FROM wanted w"  # noqa: S608 - no value in it
    " WHERE delivery.message_id = w.m AND delivery.n = w.n AND delivery.state = 3"
    " AND (is_fixed = 0 OR expires_at > :now) RETURNING domain_id, class"
)
_FAILED: Final = (
    "SELECT i.message_id, i.n, i.mailbox_id, i.domain_id, m.class, m.flow, m.deadline_at,"
    " i.expires_at, i.state_at, (SELECT count(*) FROM attempt t"
    " WHERE t.message_id = i.message_id AND t.n = i.n)"
    " FROM wanted w CROSS JOIN inbox i ON i.message_id = w.m AND i.n = w.n"
    " JOIN message m ON m.message_id = w.m WHERE i.state BETWEEN 5 AND 7"
)
_BEGIN: Final = (
    "UPDATE inbox SET state = 0, category = NULL, why = NULL, state_at = ?, expires_at = ?"
    " WHERE message_id = ? AND n = ?"
)
_BACK: Final = f"INSERT INTO delivery VALUES ({', '.join('?' * 15)})"  # noqa: S608 - marks only


def until(is_fixed: bool, expires_at: Instant, ended_at: Instant, now: Instant) -> Instant | None:
    """When the life of a failed one that comes back ends; None: it is over."""
    if is_fixed:
        return expires_at if expires_at > now else None
    return max(expires_at + max(0, now - ended_at), now + AGAIN)


def requeue(
    refs: Sequence[tuple[int, int]],
    names: Names,
    action: str,
    who: str,
    reason: str,
    now: Instant,
    subject: str = "",
) -> Callable[[Transaction], Changed]:
    """See Queue.requeue."""
    keys = list(dict.fromkeys(refs))

    def run(transaction: Transaction) -> Changed:
        connection = transaction.connection
        moved = for_each(connection, _HELD.replace(":now", str(int(now))), keys)
        for row in for_each(connection, _FAILED, keys):
            moved += _back(transaction, names, row, now)
        if moved:
            named, detail = subject or f"{len(keys)} named", f"moved {len(moved)}"
            audit(who, action, named, reason, now, detail)(transaction)
        ready = announce(transaction, moved)
        return Changed(len(moved), 0, frozenset(one.domain for one in ready))

    return run


def _back(transaction: Transaction, names: Names, row: Row, now: Instant) -> list[Row]:
    """One failed delivery as a row of the queue: (domain id, class), or nothing."""
    message_id, n, mailbox, domain, urgency, flow, deadline_at, expires_at, ended_at, tries = row
    fixed = has_fixed_life(Urgency(urgency), deadline_at)
    end = until(fixed, expires_at, ended_at, now)
    if end is None:
        return []
    turn = names.turns.give((domain, urgency), flow, deadline_at)
    ids = (message_id, n, mailbox, domain)
    job = (urgency, 0, turn, now, end, tries, None, None, now, None, int(fixed))
    transaction.connection.execute(_BEGIN, (now, end, message_id, n))
    transaction.connection.execute(_BACK, (*ids, *job))
    return [(domain, urgency)]
