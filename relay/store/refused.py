"""Refused: rows and deflated parts of letters that were not taken, and the SQLite store's half."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from relay.mail.instant import Instant
from relay.store import codec
from relay.store.connections import Readers
from relay.store.operation import Transaction
from relay.store.turned_away import RefusedLetter
from relay.store.writer import Writer

PART: Final = 256 << 10
INLINE: Final = 16 << 10  # octets that are deflated in the loop's thread
_COLUMNS: Final = (
    "refused_id, at, last_at, times, source, sender, recipients, recipient_count, subject, code,"
    " reply, reason, size, stored, is_whole, sha256"
)
_INSERT: Final = f"INSERT INTO refused ({_COLUMNS}) VALUES ({', '.join('?' * 16)})"  # noqa: S608
_SAME: Final = (
    "SELECT refused_id FROM refused WHERE sha256 = ? AND sender = ? AND reason = ?"
    " AND recipients = ? AND recipient_count = ?"
)
_AGAIN: Final = (
    "UPDATE refused SET times = times + 1, last_at = max(last_at, ?) WHERE refused_id = ?"
)
# The oldest whose octets, with those of all later ones, are too many.
_OVER: Final = """SELECT refused_id FROM (
    SELECT refused_id, sum(stored) OVER (ORDER BY last_at DESC, refused_id DESC) AS so_far
    FROM refused) WHERE so_far > ?"""


def _row(letter: RefusedLetter) -> codec.Row:
    return (
        letter.id,
        letter.at,
        letter.last_at,
        letter.times,
        codec.text(letter.client),
        codec.text(letter.sender),
        _named(letter),
        letter.recipient_count,
        codec.text(letter.subject),
        letter.code,
        codec.text(letter.reply),
        codec.text(letter.reason),
        letter.size,
        letter.stored,
        int(letter.is_whole),
        letter.sha256,
    )


def _named(letter: RefusedLetter) -> str:
    return json.dumps([codec.text(one) for one in letter.recipients])


def _letter(row: codec.Row) -> RefusedLetter:
    columns = list(row)
    columns[6], columns[14] = tuple(json.loads(row[6])), bool(row[14])
    return RefusedLetter(*columns)


def again(letter: RefusedLetter) -> Callable[[Transaction], int | None]:
    """The id that the same letter is kept by, its count one higher; None: it is new."""

    def run(transaction: Transaction) -> int | None:
        said = (codec.text(letter.sender), codec.text(letter.reason))
        to = (_named(letter), letter.recipient_count)
        known = transaction.connection.execute(_SAME, (letter.sha256, *said, *to)).fetchone()
        if known is None:
            return None
        transaction.connection.execute(_AGAIN, (letter.last_at, known[0]))
        return int(known[0])

    return run


def part(id: int, number: int, octets: bytes) -> Callable[[Transaction], None]:
    """One part, in a commit of its own: no commit is longer than a letter of the road's."""

    def run(transaction: Transaction) -> None:
        insert = "INSERT INTO refused_part VALUES (?, ?, ?)"
        transaction.connection.execute(insert, (id, number, octets))

    return run


def keep(letter: RefusedLetter, since: Instant, most: int) -> Callable[[Transaction], None]:
    """Its row, before its parts; then what is too old or too much goes."""

    def run(transaction: Transaction) -> None:
        transaction.connection.execute(_INSERT, _row(letter))
        drop(since, most)(transaction)

    return run


def whole(id: int) -> Callable[[Transaction], None]:
    """All its parts are there."""

    def run(transaction: Transaction) -> None:
        update = "UPDATE refused SET is_whole = 1 WHERE refused_id = ?"
        transaction.connection.execute(update, (id,))

    return run


def drop(since: Instant, most: int) -> Callable[[Transaction], int]:
    """What was refused last before that, the oldest of what is too much, and parts without row."""

    def run(transaction: Transaction) -> int:
        execute = transaction.connection.execute
        old = execute("DELETE FROM refused WHERE last_at < ?", (since,)).rowcount
        over = execute(f"DELETE FROM refused WHERE refused_id IN ({_OVER})", (most,)).rowcount  # noqa: S608
        kept = "SELECT refused_id FROM refused"
        execute(f"DELETE FROM refused_part WHERE refused_id NOT IN ({kept})")  # noqa: S608
        return int(old + over)

    return run


def rows(connection: sqlite3.Connection, limit: int) -> list[RefusedLetter]:
    """See TurnedAway.refused."""
    sql = f"SELECT {_COLUMNS} FROM refused ORDER BY last_at DESC, refused_id DESC LIMIT ?"  # noqa: S608
    return [_letter(row) for row in connection.execute(sql, (limit,))]


def one(connection: sqlite3.Connection, id: int) -> RefusedLetter:
    """See TurnedAway.refused_letter."""
    row = codec.one(connection, f"SELECT {_COLUMNS} FROM refused WHERE refused_id = ?", id)  # noqa: S608
    if row is None:
        raise KeyError(id)
    return _letter(row)


def octets_of(connection: sqlite3.Connection, id: int) -> bytes:
    """See TurnedAway.refused_octets."""
    one(connection, id)
    sql = "SELECT bytes FROM refused_part WHERE refused_id = ? ORDER BY part"
    deflated = b"".join(row[0] for row in connection.execute(sql, (id,)))
    return zlib.decompressobj().decompress(deflated)  # a crash may have cut it off


class ReadingRefused:
    """What is asked."""

    _readers: Readers

    async def refused(self, limit: int = 100) -> list[RefusedLetter]:
        """See TurnedAway.refused."""
        return await self._readers.ask(rows, limit)

    async def refused_letter(self, id: int) -> RefusedLetter:
        """See TurnedAway.refused_letter."""
        return await self._readers.ask(one, id)

    async def refused_octets(self, id: int) -> bytes:
        """See TurnedAway.refused_octets."""
        return await self._readers.ask(octets_of, id)


class WritingRefused:
    """What is changed."""

    _writer: Writer

    async def keep_refused(
        self, letter: RefusedLetter, octets: bytes, since: Instant, most: int
    ) -> int:
        """See TurnedAway.keep_refused."""
        known = await self._writer.call(again(letter))
        if known is not None:
            return known
        is_small = len(octets) <= INLINE
        deflated = deflate(octets) if is_small else await asyncio.to_thread(deflate, octets)
        if len(deflated) > most:
            deflated, letter = b"", replace(letter, is_whole=False)
        letter = replace(letter, stored=len(deflated))
        starts = range(0, len(deflated), PART)
        in_parts = replace(letter, is_whole=letter.is_whole and len(starts) == 0)
        await self._writer.call(keep(in_parts, since, most))
        for number, at in enumerate(starts):
            await self._writer.call(part(letter.id, number, deflated[at : at + PART]))
        if letter.is_whole and not in_parts.is_whole:
            await self._writer.call(whole(letter.id))
        return letter.id

    async def drop_refused(self, since: Instant, most: int) -> int:
        """See TurnedAway.drop_refused."""
        return await self._writer.call(drop(since, most))


def deflate(octets: bytes) -> bytes:
    """Fast rather than small; nothing of nothing."""
    return zlib.compress(octets, 1) if octets else b""
