"""The schema: what SQL refuses is what the table of states refuses; numbers cover every word."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from enum import Enum
from pathlib import Path

import pytest

from relay.mail.classification import Action, Category, Scope
from relay.mail.delivery import TRANSITIONS, Bounced, Delivered, State
from relay.mail.instant import DAY
from relay.mail.urgency import Urgency
from relay.store import changing, codec, leasing, migrations, names, reading, sqlite, unsent
from relay.store.base import Selector, Settlement, StoreError, StoreTooNew, Unsent
from relay.store.connections import NAME
from relay.store.reader import open_readonly
from relay.store.selection import where
from tests.store.contract_terms import NOW, lease
from tests.store.letters import Post, SteppingClock, attempt
from tests.store.opening import asked, opened, owner

UNFINISHED = [state for state in State if not state.is_final]


async def test_sql_refuses_what_the_table_refuses(tmp_path: Path) -> None:
    """Every pair of states: by UPDATE of the delivery, and by writing its end."""
    async with opened(tmp_path) as store:
        entry = Post().entry()
        await store.put(entry)
    with closing(owner(tmp_path)) as connection:
        for before in UNFINISHED:
            for after in State:
                if after is not before:
                    allowed = _allows(connection, before, after)
                    assert allowed == (after in TRANSITIONS[before]), (before, after)


def _allows(connection: sqlite3.Connection, before: State, after: State) -> bool:
    connection.execute("BEGIN")
    connection.execute("DROP TRIGGER delivery_step")
    connection.execute("UPDATE delivery SET state = ?", (before,))
    try:
        if after.is_final:
            connection.execute("UPDATE inbox SET state = ?", (after,))
            connection.execute("DELETE FROM delivery")
        else:
            _restore(connection)
            connection.execute("UPDATE delivery SET state = ?", (after,))
    except sqlite3.IntegrityError:
        return False
    finally:
        connection.execute("ROLLBACK")
    return True


def _restore(connection: sqlite3.Connection) -> None:
    step = migrations.shipped()[0]
    (trigger,) = [s for s in migrations.statements(step.sql) if "TRIGGER delivery_step" in s]
    connection.execute(trigger)


async def test_sql_refuses_steps_out_of_an_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put(Post().entry())
        await store.change("remove", Selector(), "t", "t", NOW)
    with closing(owner(tmp_path)) as connection:
        for before in (state for state in State if state.is_final):
            for after in State:
                if after is before:
                    continue
                connection.execute("BEGIN")
                (sql,) = connection.execute(
                    "SELECT sql FROM sqlite_schema WHERE name = 'inbox_step'"
                ).fetchone()
                connection.execute("DROP TRIGGER inbox_step")
                connection.execute("UPDATE inbox SET state = ?", (before,))
                connection.execute(sql)
                allowed = True
                try:
                    connection.execute("UPDATE inbox SET state = ?", (after,))
                except sqlite3.IntegrityError:
                    allowed = False
                connection.execute("ROLLBACK")
                assert allowed == (after in TRANSITIONS[before]), (before, after)


async def test_a_delivery_never_leaves_without_an_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put(Post().entry())
    with closing(owner(tmp_path)) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="without an end"):
            connection.execute("DELETE FROM delivery")
        with pytest.raises(sqlite3.IntegrityError, match="no such step"):
            connection.execute("UPDATE delivery SET state = 4")


async def test_an_attempt_is_never_changed_nor_removed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put(Post().entry())
        (leased,) = await lease(store)
        await store.settle([Settlement(leased, Delivered(), attempt(leased))], NOW)
    with closing(owner(tmp_path)) as connection:
        for sql in ("UPDATE attempt SET code = 1", "DELETE FROM attempt"):
            with pytest.raises(sqlite3.IntegrityError, match="an attempt is never"):
                connection.execute(sql)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [(Category, codec.CATEGORIES), (Scope, codec.SCOPES), (Action, codec.ACTIONS)],
)
def test_every_word_has_one_number(words: type[Enum], numbers: dict[Enum, int]) -> None:
    assert set(numbers) == set(words)
    assert sorted(numbers.values()) == list(range(1, len(words) + 1))


async def test_the_file_is_as_the_design_wants_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put(Post().entry())
        assert asked(tmp_path, "PRAGMA journal_mode") == [("wal",)]
        assert asked(tmp_path, "PRAGMA page_size") == [(4096,)]
        assert asked(tmp_path, "PRAGMA auto_vacuum") == [(2,)]
        durable = await store._writer.call(
            lambda t: t.connection.execute("PRAGMA synchronous").fetchone()
        )
        assert durable == (2,)  # FULL: an fsync a commit
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    tables = asked(tmp_path, "SELECT name, strict FROM pragma_table_list WHERE type = 'table'")
    assert {name for name, strict in tables if not strict} <= {
        "sqlite_schema",
        "sqlite_temp_schema",
    }


async def test_queries_of_the_road_use_their_indexes(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    page = f"{reading._INBOX} WHERE i.mailbox_id = ? ORDER BY i.message_id DESC"
    wanted: list[tuple[str, str, tuple[object, ...]]] = [
        ("delivery_ready", leasing._CANDIDATES, (1, 0, 3, 10)),
        ("delivery_ready", names.LOWEST, (1, 1, 0, 9)),
        ("delivery_ready", reading._BACKLOG, ('["one.example"]',)),
        ("delivery_waiting", leasing._WAKE, (NOW, 10)),
        ("delivery_expiry", reading._OVERDUE, (NOW, 10)),
        ("delivery_leased", leasing._RECOVER, ()),
        ("inbox_page", page, (1,)),
    ]
    with closing(owner(tmp_path)) as connection:
        for index, sql, values in wanted:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
            said = " / ".join(str(row[3]) for row in plan)
            assert index in said, said
            assert "SCAN delivery" not in said.replace(
                "SCAN delivery USING COVERING INDEX delivery_l", ""
            )
            is_sorted = sql in (page, reading._BACKLOG)
            assert "TEMP B-TREE" not in said or is_sorted, said


async def test_counting_a_large_queue_looks_at_no_delivery(tmp_path: Path) -> None:
    """A state at a time: each has an index that answers alone."""
    async with opened(tmp_path):
        pass
    counts = (f"{reading._COUNT.format(int(state))} AND 1" for state in reading.UNFINISHED)
    with closing(owner(tmp_path)) as connection:
        for sql in (reading._DEPTHS, *counts):
            plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
            looks = [row[3] for row in plan if " delivery" in row[3] or " d " in row[3]]
            assert looks
            assert all("USING COVERING INDEX delivery_" in look for look in looks), looks


async def test_what_was_accepted_lately_is_counted_along_an_index(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with closing(owner(tmp_path)) as connection:
        sql = f"EXPLAIN QUERY PLAN {reading._ACCEPTED}"
        plan = [row[3] for row in connection.execute(sql, {"since": NOW})]
        looks = [step for step in plan if "message" in step]
        assert len(looks) == 3
        assert all("SEARCH message USING INDEX message_accepted" in look for look in looks), plan
        assert not any("TEMP B-TREE" in step for step in plan), plan


async def test_what_is_in_flight_is_found_without_a_look_at_what_waits(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    condition, values = where(Selector(subject="x", states=frozenset({State.LEASED})))
    sql = f"SELECT d.message_id, d.n FROM delivery d WHERE {condition}"
    with closing(owner(tmp_path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        assert "d USING COVERING INDEX delivery_leased" in plan[0][3], plan


async def test_an_address_is_found_without_a_look_at_other_mail(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    for states in (None, frozenset({State.READY}), changing.MOVES["remove"]):
        condition, values = where(Selector(recipient="a@example.co.id", states=states))
        sql = f"SELECT d.message_id, d.n FROM delivery d WHERE {condition} ORDER BY 1, 2"
        with closing(owner(tmp_path)) as connection:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
            said = [row[3] for row in plan]
            assert "SEARCH d USING PRIMARY KEY (message_id=? AND n=?)" in said, said
            assert "SCAN delivery USING INDEX delivery_report" in said, said


async def test_what_failed_is_found_without_a_look_at_what_arrived(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    origin, order = unsent._ORIGINS[0]
    condition, values = unsent._where(Unsent(since=NOW, category=Category.SENDER_BLOCKED))
    sql = f"SELECT {reading.SHOWN} {origin.format(condition)} ORDER BY {order} LIMIT 500"
    with closing(owner(tmp_path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        said = " / ".join(str(row[3]) for row in plan)
        assert "i USING INDEX inbox_failed" in said, said
        assert "TEMP B-TREE" not in said, said


async def test_what_failed_and_what_is_referred_to_cannot_be_removed(tmp_path: Path) -> None:
    """By whatever clears the store later: for 30 days, and while a row needs it."""
    clock = int(time.time() * 1000)
    post = Post(at=clock)
    async with opened(tmp_path) as store:
        old = post.entry(("a@example.co.id",), body=b"x" * 300_000, received=b"y")
        await store.put(old, post.entry(("a@example.co.id",)))
        first, second = await lease(store)
        await store.settle([Settlement(first, Bounced("x", Category.OTHER))], clock - 31 * DAY)
        await store.settle([Settlement(second, Bounced("x", Category.OTHER))], clock - 29 * DAY)
    tables = ("body", "body_part", "received_body", "message")
    with closing(owner(tmp_path)) as connection:

        def delete(table: str, letter: int) -> int:
            key = "body_id" if table in ("body", "body_part") else "message_id"
            sql = f"DELETE FROM {table} WHERE {key} = ?"
            return connection.execute(sql, (letter,)).rowcount

        for table in tables:
            with pytest.raises(sqlite3.IntegrityError, match="not removed"):
                delete(table, first.message_id)
        with pytest.raises(sqlite3.IntegrityError, match="30 days"):
            delete("inbox", second.message_id)
        assert delete("inbox", first.message_id) == 1
        with pytest.raises(sqlite3.IntegrityError, match="before it"):
            delete("body", first.message_id)
        removed = [delete(table, first.message_id) for table in reversed(tables)]
        assert removed == [1, 1, 2, 1]


async def test_a_newer_database_is_refused_naming_both(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with closing(owner(tmp_path)) as connection:
        connection.execute("UPDATE meta SET schema_version = 99")
    with pytest.raises(StoreTooNew, match=r"version 99; .* up to \d"):
        await sqlite.open(tmp_path, SteppingClock())
    with pytest.raises(StoreTooNew, match="99"):
        await open_readonly(tmp_path)
    with pytest.raises(StoreTooNew):  # and the refusal let go of the lock
        await sqlite.open(tmp_path, SteppingClock())


async def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"no database at all, but long enough" * 99)
    with pytest.raises(StoreError, match="not a database"):
        await sqlite.open(tmp_path, SteppingClock())
    (tmp_path / NAME).unlink()
    with closing(owner(tmp_path)) as connection:
        connection.execute("CREATE TABLE t (a)")
    with pytest.raises(StoreError, match="none of this program's"):
        await sqlite.open(tmp_path, SteppingClock())


async def test_an_older_store_is_brought_up_to_date(tmp_path: Path) -> None:
    """A store that does not know the last step gets it, and keeps its letters."""
    entry = Post().entry()
    async with opened(tmp_path) as store:
        await store.put(entry)
    number = len(migrations.shipped()) + 1
    later = migrations.Migration(number, "ALTER TABLE message ADD COLUMN later TEXT;\n")
    store = await sqlite.open(tmp_path, SteppingClock(), steps=(*migrations.shipped(), later))
    await store.close()
    assert asked(tmp_path, "SELECT schema_version FROM meta") == [(number,)]
    assert asked(tmp_path, "SELECT message_id, later FROM message") == [(entry.message.id, None)]


async def test_letters_of_before_get_their_kind_of_life_and_their_place(tmp_path: Path) -> None:
    """As if step 003 came over letters that were put before it."""
    steps = migrations.shipped()
    post = Post()
    entries = [
        post.entry(urgency=Urgency.KRITIS),
        post.entry(urgency=Urgency.MENDESAK),
        post.entry(urgency=Urgency.MENDESAK, deadline_at=NOW + DAY),
        post.entry(urgency=Urgency.TRANSAKSI, deadline_at=NOW + DAY),
        post.entry(urgency=Urgency.MASSAL, subject="a"),
        post.entry(urgency=Urgency.MASSAL, subject="b", deadline_at=NOW + 2 * DAY),
        post.entry(urgency=Urgency.MASSAL, subject="c", deadline_at=NOW + DAY),
    ]
    async with opened(tmp_path) as store:
        await store.put(*entries)
        new = await store.claim(["example.co.id"], 9, NOW, NOW + 9)
        await store.give_back(new)
    with closing(owner(tmp_path)) as connection:
        connection.execute("DROP INDEX delivery_expiry")
        connection.execute("ALTER TABLE delivery DROP COLUMN is_fixed")
        connection.execute("CREATE INDEX delivery_expiry ON delivery (expires_at)")
        connection.execute("UPDATE delivery SET turn = 1")
        for statement in migrations.statements(steps[2].sql):
            connection.execute(statement)
    async with opened(tmp_path) as store:
        old = await store.claim(["example.co.id"], 9, NOW, NOW + 9)
    assert [d.message_id for d in old] == [d.message_id for d in new]
    assert [d.turn for d in old] == [d.turn for d in new]
    number = {entry.message.id: at for at, entry in enumerate(entries)}
    assert sorted(number[d.message_id] for d in old if d.is_fixed) == [0, 2, 5, 6]


async def test_what_stands_behind_a_pause_costs_the_sweep_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        post = Post()
        await store.put(*(post.entry(life=1) for _ in range(50)))
        assert await store.overdue(NOW + 9 * DAY) == []
    with closing(owner(tmp_path)) as connection:
        connection.execute("ANALYZE")
        indexed = {row[0] for row in connection.execute("SELECT idx FROM sqlite_stat1")}
    assert "delivery_ready" in indexed
    assert "delivery_expiry" not in indexed  # it is empty


async def test_a_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    bad = "CREATE TABLE half (a INTEGER) STRICT;\nINSERT INTO nowhere VALUES (1);\n"
    number = len(migrations.shipped()) + 1
    steps = (*migrations.shipped(), migrations.Migration(number, bad))
    with pytest.raises(StoreError, match=f"step {number} failed: no such table: nowhere"):
        await sqlite.open(tmp_path, SteppingClock(), steps=steps)
    assert asked(tmp_path, "SELECT name FROM sqlite_schema WHERE name = 'half'") == []
    async with opened(tmp_path) as store:
        await store.beat()


def test_steps_are_numbered_without_a_gap(tmp_path: Path) -> None:
    steps = migrations.shipped()
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    with closing(owner(tmp_path)) as connection, pytest.raises(StoreError, match="numbered"):
        migrations.migrate(connection, [migrations.Migration(2, "")])
    with pytest.raises(StoreError, match="within a statement"):
        list(migrations.statements("CREATE TABLE a (b)\n"))
