"""The writer in hard cases: death in the midst, checkpoints that fail, groups and their limits."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from relay.mail.classification import Category
from relay.mail.delivery import Bounced, Delivery, State
from relay.store import connections, leasing, sqlite, writer
from relay.store.base import Selector, Settlement, StoreDead, StoreError
from relay.store.operation import Call, Joinable, Transaction
from relay.store.putting import PART, Put, PutPart
from relay.store.writer import Writer
from tests.store.contract_terms import NOW, lease
from tests.store.letters import Post, SteppingClock, attempt, delivered
from tests.store.opening import asked, opened, owner


def _error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as a test wants it")
    error.sqlite_errorcode = code
    return error


def _raising(error: BaseException) -> Callable[[Transaction], None]:
    def run(transaction: Transaction) -> None:
        raise error

    return run


async def test_a_disk_that_fails_in_an_operation_ends_the_store(tmp_path: Path) -> None:
    """Those of the group before it are rolled back, those after it are told the same."""
    store = await sqlite.open(tmp_path, SteppingClock())
    post = Post()
    told = await asyncio.gather(
        store.put(post.entry()),
        store._writer.call(_raising(_error(sqlite3.SQLITE_IOERR_READ))),
        store.put(post.entry()),
        return_exceptions=True,
    )
    assert [type(error) for error in told] == [StoreDead] * 3
    assert store.dead.is_set()
    await store.close()
    async with opened(tmp_path) as again:
        assert await again.count(Selector()) == {}


async def test_death_while_a_group_is_run_again_keeps_what_was_committed(tmp_path: Path) -> None:
    store = await sqlite.open(tmp_path, SteppingClock())
    post = Post()
    runs = 0

    def refused_then_broken(transaction: Transaction) -> None:
        nonlocal runs
        runs += 1
        raise StoreError("refused") if runs == 1 else _error(sqlite3.SQLITE_IOERR_WRITE)

    told = await asyncio.gather(
        store.put(post.entry()),
        store._writer.call(refused_then_broken),
        store.put(post.entry()),
        return_exceptions=True,
    )
    assert told[0] is None
    assert [type(error) for error in told[1:]] == [StoreDead] * 2
    await store.close()
    async with opened(tmp_path) as again:
        assert await again.count(Selector()) == {State.READY: 1}


async def test_a_group_is_one_commit_and_no_larger_than_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_GROUP", 10)
    post = Post()
    async with opened(tmp_path) as store:
        store.commit_seconds()
        await asyncio.gather(*(store.put(post.entry()) for _ in range(95)))
        commits = len(store.commit_seconds())
        assert commits == 10  # what one turn of the loop handed in is one pile
        assert await store.count(Selector()) == {State.READY: 95}
        monkeypatch.setattr(writer, "MAX_GROUP_OCTETS", 100_000)
        await asyncio.gather(*(store.put(post.entry(body=b"x" * 60_000)) for _ in range(10)))
        assert len(store.commit_seconds()) >= 5


async def test_only_a_commit_that_waits_for_the_disk_is_timed(tmp_path: Path) -> None:
    def nothing(transaction: Transaction) -> None:
        pass

    async with opened(tmp_path) as store:
        store.commit_seconds()
        await store._writer.call(nothing, needs_sync=False)
        assert store.commit_seconds() == []
        unsynced = store._writer.call(nothing, needs_sync=False)
        await asyncio.gather(unsynced, store._writer.call(nothing))
        assert len(store.commit_seconds()) == 1  # together they are one commit, and it is synced


@pytest.mark.parametrize(
    ("code", "is_fatal"), [(sqlite3.SQLITE_IOERR_FSYNC, True), (sqlite3.SQLITE_FULL, False)]
)
async def test_a_checkpoint_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, is_fatal: bool
) -> None:
    """An fsync that fails there is as final as any; a disk without room is not."""
    store = await sqlite.open(tmp_path, SteppingClock())
    real = store._writer._connection

    class Failing:
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if "wal_checkpoint" in sql:
                raise _error(code)
            return real.execute(sql, *values)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    monkeypatch.setattr(writer, "CHECKPOINT_OCTETS", 1)
    monkeypatch.setattr(store._writer, "_connection", Failing())
    await store.put(Post().entry())  # its own commit was good
    if is_fatal:
        await asyncio.wait_for(store.dead.wait(), 20)
        with pytest.raises(StoreDead):
            await store.beat()
    else:
        await store.beat()
        assert not store.dead.is_set()
    await store.close()
    assert asked(tmp_path, "SELECT count(*) FROM delivery") == [(1,)]


async def test_a_thread_that_ends_is_a_dead_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(self: Writer) -> list[Any]:
        return []

    store = await sqlite.open(tmp_path, SteppingClock())
    monkeypatch.setattr(Writer, "_gather", end)
    beat = asyncio.create_task(store.beat())  # the thread takes this, and then sees the end
    await asyncio.wait_for(store.dead.wait(), 20)
    await asyncio.wait_for(asyncio.gather(beat, return_exceptions=True), 20)
    with pytest.raises(StoreDead, match="ended by itself"):
        await store.beat()
    await store.close()


async def test_parts_of_a_report_that_failed_are_swept(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(post.entry())
        (leased,) = await lease(store)
        await store.settle([delivered(leased)], NOW)
        report = post.entry(body=b"x" * (2 * PART), has_inbox=False)
        outcome = Bounced("unknown", Category.UNKNOWN_USER)
        with pytest.raises(StoreError):
            await store.settle([Settlement(leased, outcome, attempt(leased), report)], NOW)
        await store.beat()
        assert asked(tmp_path, "SELECT count(*) FROM body_part") == [(0,)]


async def test_somebody_elses_transaction_is_waited_for(tmp_path: Path) -> None:
    """An administrator with sqlite3 in the file: a pause, not a refusal."""
    async with opened(tmp_path) as store:
        with closing(owner(tmp_path)) as other:
            other.execute("BEGIN IMMEDIATE")
            put = asyncio.create_task(store.put(Post().entry()))
            await asyncio.wait({put}, timeout=0.1)
            assert not put.done()
            other.execute("ROLLBACK")
        await put
        assert await store.count(Selector()) == {State.READY: 1}


async def test_a_reader_in_the_way_does_not_hold_the_writer_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_WAL", 1)
    monkeypatch.setattr(writer, "CHECKPOINT_OCTETS", 1)
    for room in (connections, writer):  # what it would take if it waited
        monkeypatch.setattr(room, "BUSY_MS", 60_000)
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(post.entry())
        with closing(owner(tmp_path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM message").fetchall()
            async with asyncio.timeout(30):
                for _ in range(3):
                    await store.put(post.entry())
            assert reader.execute("SELECT count(*) FROM message").fetchall() == [(1,)]
            reader.execute("ROLLBACK")
        assert await store.count(Selector()) == {State.READY: 4}


async def test_audit_rows(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put(Post().entry())
        await store.audit("uid 0 (root)", "pause", "gmail", "blocked", NOW, "detail")
        await store.change("hold", Selector(subject="*Tender*"), "uid 0", "salah", NOW)
        await store.change("hold", Selector(subject="*Tender*"), "uid 0", "again", NOW)
        rows = asked(tmp_path, "SELECT at, who, action, subject, reason, before_after FROM audit")
    assert rows[0] == (NOW, "uid 0 (root)", "pause", "gmail", "blocked", "detail")
    assert [row[4] for row in rows] == ["blocked", "salah"]
    assert rows[1][5] == "moved 1, in flight 0"
    assert "*Tender*" in rows[1][3]


async def test_depths_that_took_long_are_counted_again(tmp_path: Path) -> None:
    """On a busy machine an answer that served for a second called a queue empty that was not."""

    class Slow(SteppingClock):
        def monotonic(self) -> float:
            self.passed += 0.1
            return self.passed

    post = Post()
    async with opened(tmp_path, Slow()) as store:
        assert await store.depths() == []
        await store.put(post.entry())
        assert [depth.count for depth in await store.depths()] == [1]
        await store.put(post.entry())
        assert [depth.count for depth in await store.depths()] == [2]


async def test_only_what_is_told_to_somebody_waits_for_the_disk(tmp_path: Path) -> None:
    """Leases do not: what a power cut takes of them, the next start does again."""
    modes: list[tuple[str, int]] = []

    class Watched(leasing.Claim):
        @classmethod
        def run_all(
            cls, transaction: Transaction, operations: Sequence[leasing.Claim]
        ) -> Sequence[list[Delivery]]:
            modes.append(("claim", mode(transaction)))
            return super().run_all(transaction, operations)

    def mode(transaction: Transaction) -> int:
        found: int = transaction.connection.execute("PRAGMA synchronous").fetchone()[0]
        return found

    def told(transaction: Transaction) -> None:
        modes.append(("told", mode(transaction)))

    async with opened(tmp_path) as store:

        def claim() -> Watched:
            return Watched(store._names, ["vendor.example.co.id"], 9, NOW, lambda back: None)

        await store.put(Post().entry())
        await store._writer.submit(claim())
        await store._writer.call(told)
        one_turn = store._writer.submit(claim()), store._writer.submit(Call(told))
        await asyncio.gather(*one_turn)
        await store._writer.submit(claim())
        with pytest.raises(StoreError):
            await store._writer.call(_raising(StoreError("refused")), needs_sync=False)
        await store._writer.call(told)
    normal, full = 1, 2
    alone, together = [("claim", normal)], [("claim", full), ("told", full)]
    assert modes == [*alone, ("told", full), *together, *alone, ("told", full)]


async def test_parts_of_a_letter_wait_for_the_disk_with_the_letter_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut would take of the parts alone belongs to a letter nobody was told of."""
    modes: list[tuple[str, int]] = []

    def watched(kind: type[Joinable[Any]]) -> None:
        run_all = kind.run_all.__func__  # type: ignore[attr-defined]

        def noting(cls: type[Any], transaction: Transaction, asked: Sequence[Any]) -> Sequence[Any]:
            found = transaction.connection.execute("PRAGMA synchronous").fetchone()[0]
            modes.extend((kind.__name__, found) for _ in asked)
            made: Sequence[Any] = run_all(cls, transaction, asked)
            return made

        monkeypatch.setattr(kind, "run_all", classmethod(noting))

    watched(PutPart)
    watched(Put)
    entry = Post().entry(body=b"x" * (9 * PART))
    async with opened(tmp_path) as store:
        await store.put(entry)
        store._bodies.drop(entry.message.id)
        assert await store.body(entry.message.id) == entry.message.content.body
    normal, full = 1, 2
    assert modes == [*[("PutPart", normal)] * 9, ("Put", full)]
