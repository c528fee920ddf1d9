"""Small writes: read marks, used links, accounts, the shaper's state and what is spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from relay.mail.instant import Instant
from relay.mail.spent import Spent
from relay.store.base import Account
from relay.store.operation import Transaction


def mark_read(
    mailbox_id: int, message_id: int, n: int, now: Instant
) -> Callable[[Transaction], None]:
    """See Inbox.mark_read."""
    sql = (
        "UPDATE inbox SET read_at = ? WHERE message_id = ? AND n = ? AND mailbox_id = ?"
        " AND read_at IS NULL"
    )

    def run(transaction: Transaction) -> None:
        transaction.connection.execute(sql, (now, message_id, n, mailbox_id))

    return run


def use_link(jti: bytes, now: Instant) -> Callable[[Transaction], bool]:
    """See Inbox.use_link."""

    def run(transaction: Transaction) -> bool:
        sql = "INSERT OR IGNORE INTO used_link VALUES (?, ?)"
        return transaction.connection.execute(sql, (jti, now)).rowcount == 1

    return run


def save_account(account: Account) -> Callable[[Transaction], None]:
    """See Accounts.save_account."""
    values = (account.name, account.role, account.secret, account.changed_at)

    def run(transaction: Transaction) -> None:
        sql = "INSERT OR REPLACE INTO user_account VALUES (?, ?, ?, ?)"
        transaction.connection.execute(sql, values)

    return run


def remove_account(name: str) -> Callable[[Transaction], bool]:
    """See Accounts.remove_account."""

    def run(transaction: Transaction) -> bool:
        sql = "DELETE FROM user_account WHERE name = ?"
        return transaction.connection.execute(sql, (name,)).rowcount == 1

    return run


def save_shaping(states: Mapping[str, str], now: Instant) -> Callable[[Transaction], None]:
    """See Queue.save_shaping."""
    kept = [(key, state, now) for key, state in states.items() if state]
    gone = [(key,) for key, state in states.items() if not state]

    def run(transaction: Transaction) -> None:
        transaction.connection.executemany("INSERT OR REPLACE INTO shaping VALUES (?, ?, ?)", kept)
        transaction.connection.executemany("DELETE FROM shaping WHERE key = ?", gone)

    return run


def save_spent(rows: Sequence[Spent]) -> Callable[[Transaction], None]:
    """See Queue.save_spent."""
    kept = [(row.key, row.at, row.units) for row in rows if row.units > 0]
    gone = [(row.key, row.at) for row in rows if row.units <= 0]

    def run(transaction: Transaction) -> None:
        run_many = transaction.connection.executemany
        if gone:
            run_many("DELETE FROM spent WHERE key = ? AND at = ?", gone)
        run_many("INSERT OR REPLACE INTO spent VALUES (?, ?, ?)", kept)

    return run
