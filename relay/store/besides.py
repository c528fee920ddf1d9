"""Besides: a claim that passes over letters with certain names of ours, and looks at each once.

While a provider refuses one of our domains the letters of others go on. Those that carry the name
may be a million, in front of all others, and whom a letter is from stands in its own row: too much
to be read at each claim. So the writing connection keeps in TEMP tables, which lie in its memory
and in no file, how far each lane (domain and class) was looked through, `passed`, and which ready
ones before that may go: those that were `met`, and what became ready there since, which triggers
add. They are part of each transaction, and gone with the first claim that passes over nothing:
where no name is refused there is no such table, and no trigger.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Final

from relay.store.terms import Named
from relay.store.turns import DATED, Lane

LOOKED: Final = 5_000  # letters that one transaction looks at: it must not keep others waiting
_PIECE: Final = 64
_PLACE: Final = "domain_id INTEGER, class INTEGER, turn INTEGER, message_id INTEGER, n INTEGER"
_IS_PASSED: Final = (
    "NEW.state = 0 AND EXISTS (SELECT 1 FROM passed p WHERE p.domain_id = NEW.domain_id"
    " AND p.class = NEW.class"
    " AND (NEW.turn, NEW.message_id, NEW.n) <= (p.turn, p.message_id, p.n))"
)
_MEET: Final = (
    "INSERT OR IGNORE INTO met VALUES (NEW.domain_id, NEW.class, NEW.turn, NEW.message_id, NEW.n)"
)
_BEGIN: Final = (
    "CREATE TEMP TABLE passing (domain_id INTEGER PRIMARY KEY, named TEXT)",
    f"CREATE TEMP TABLE passed ({_PLACE}, PRIMARY KEY (domain_id, class)) WITHOUT ROWID",
    f"CREATE TEMP TABLE met ({_PLACE}, PRIMARY KEY (domain_id, class, turn, message_id, n))"
    " WITHOUT ROWID",
    f"CREATE TEMP TRIGGER met_new AFTER INSERT ON main.delivery WHEN {_IS_PASSED}"
    f" BEGIN {_MEET}; END",
    f"CREATE TEMP TRIGGER met_again AFTER UPDATE OF state, turn ON main.delivery"
    f" WHEN {_IS_PASSED} BEGIN {_MEET}; END",
)
_END: Final = (
    "DROP TRIGGER temp.met_new",
    "DROP TRIGGER temp.met_again",
    "DROP TABLE temp.met",
    "DROP TABLE temp.passed",
    "DROP TABLE temp.passing",
)
_IS_BEGUN: Final = "SELECT 1 FROM sqlite_temp_schema WHERE name = 'passing'"
_MET: Final = (
    "SELECT t.turn, t.message_id, t.n, d.state, m.sender, m.from_domain FROM temp.met t"
    " LEFT JOIN delivery d ON d.message_id = t.message_id AND d.n = t.n AND d.turn = t.turn"
    " LEFT JOIN message m ON m.message_id = t.message_id WHERE t.domain_id = ? AND t.class = ?"
    " ORDER BY t.turn, t.message_id, t.n LIMIT ?"
)
_NEXT: Final = (
    "SELECT d.turn, d.message_id, d.n, m.sender, m.from_domain"
    " FROM delivery d INDEXED BY delivery_ready CROSS JOIN message m"
    " ON m.message_id = d.message_id WHERE d.state = 0 AND d.domain_id = ? AND d.class = ?"
    " AND (d.turn, d.message_id, d.n) > (?, ?, ?) ORDER BY d.turn, d.message_id, d.n LIMIT ?"
)
_GONE: Final = (
    "DELETE FROM temp.met"
    " WHERE domain_id = ? AND class = ? AND turn = ? AND message_id = ? AND n = ?"
)
_PASSED: Final = "SELECT turn, message_id, n FROM temp.passed WHERE domain_id = ? AND class = ?"

Place = tuple[int, int, int]  # turn, message_id, n
_FIRST: Final[Place] = (DATED - 1, 0, 0)


class Besides:
    """What one writing connection passes over; used in the writer's thread only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Nothing yet."""
        self._connection = connection
        self._domains: dict[int, str] | None = {}

    def forget(self) -> None:
        """After a rollback: what was begun or ended in it was not."""
        self._domains = None

    @property
    def domains(self) -> dict[int, str]:
        """Those where letters are passed over, and which."""
        if self._domains is None:
            is_begun = self._connection.execute(_IS_BEGUN).fetchone() is not None
            rows = self._connection.execute("SELECT * FROM temp.passing") if is_begun else ()
            self._domains = dict(rows)
        return self._domains

    def begin(self, domains: Collection[int], named: Named) -> None:
        """From now on these letters are passed over there; what was known of others is not."""
        run, text = self._connection.execute, named.text
        if domains and not self.domains:
            for sql in _BEGIN:
                run(sql)
        for domain in domains:
            if self.domains.get(domain) != text:
                self._clear(domain)
                run("INSERT INTO temp.passing VALUES (?, ?)", (domain, text))
                self.domains[domain] = text

    def end(self, domains: Collection[int]) -> None:
        """No letter is passed over there any more."""
        over = [domain for domain in domains if domain in self.domains]
        for domain in over:
            self._clear(domain)
            del self.domains[domain]
        if over and not self.domains:
            for sql in _END:
                self._connection.execute(sql)

    def _clear(self, domain: int) -> None:
        for table in ("passing", "passed", "met"):
            sql = f"DELETE FROM temp.{table} WHERE domain_id = ?"  # noqa: S608 - constants
            self._connection.execute(sql, (domain,))

    def look(self, lane: Lane, named: Named, wanted: int, most: int) -> tuple[list[Place], int]:
        """The first ready ones of a lane that are not meant, `wanted` of them where it has so many;
        and how many were looked at, about `most` of them where it ended before that."""
        places, looked = self._met(lane, named, wanted, most)
        if len(places) >= wanted or looked >= most:
            return places, looked
        row = self._connection.execute(_PASSED, lane).fetchone()
        last, more = row or _FIRST, []
        rows = self._connection.execute(_NEXT, (*lane, *last, most - looked))
        for turn, message_id, n, sender, from_domain in rows:
            looked, last = looked + 1, (turn, message_id, n)
            if not named.means(sender, from_domain):
                more.append(last)
                if len(places) + len(more) >= wanted:
                    break
        rows.close()
        if last != row and last != _FIRST:
            sql = "INSERT OR REPLACE INTO temp.passed VALUES (?, ?, ?, ?, ?)"
            self._connection.execute(sql, (*lane, *last))
        self._note("INSERT OR IGNORE INTO temp.met VALUES (?, ?, ?, ?, ?)", lane, more)
        return places + more, looked

    def _met(self, lane: Lane, named: Named, wanted: int, most: int) -> tuple[list[Place], int]:
        """Of those that were met already; what has left, or is meant, is looked at no more."""
        looked = 0
        while True:
            rows = self._connection.execute(_MET, (*lane, max(wanted, _PIECE))).fetchall()
            looked += len(rows)
            gone = [row[:3] for row in rows if row[3] != 0 or named.means(row[4], row[5])]
            self.gone(lane, gone)
            if not gone or looked >= most:
                left = set(gone)
                return [row[:3] for row in rows if row[:3] not in left][:wanted], looked

    def gone(self, lane: Lane, places: Collection[Place]) -> None:
        """Those have left the lane."""
        self._note(_GONE, lane, places)

    def _note(self, sql: str, lane: Lane, places: Collection[Place]) -> None:
        if places:
            self._connection.executemany(sql, [(*lane, *place) for place in places])
