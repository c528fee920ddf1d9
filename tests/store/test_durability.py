"""What a full disk, a failed fsync or a second relay do to the store: nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from relay.mail.delivery import State
from relay.mail.urgency import Urgency
from relay.store import sqlite
from relay.store.base import Named, Selector, StateLocked, StoreDead, StoreError
from relay.store.connections import NAME
from relay.store.operation import Transaction
from relay.store.putting import PART
from tests.store.contract_terms import DOMAIN, NOW, UNTIL, lease
from tests.store.letters import START, Post, SteppingClock, delivered
from tests.store.opening import asked, opened, owner


async def test_large_bodies_come_back_in_one_piece(tmp_path: Path) -> None:
    chance = random.Random(1)
    post = Post()
    sizes = (PART - 1, PART, PART + 1, 3 * PART, 2_000_001)
    entries = [
        post.entry(body=chance.randbytes(size), received=chance.randbytes(size)) for size in sizes
    ]
    async with opened(tmp_path) as store:
        await asyncio.gather(*(store.put(entry) for entry in entries))
    async with opened(tmp_path) as store:
        for entry in entries:
            assert await store.body(entry.message.id) == entry.message.content.body
            assert await store.original(entry.message.id) == entry.message.content.received
    assert asked(tmp_path, "SELECT count(*) FROM body_begun") == [(0,)]


async def test_parts_of_a_letter_that_failed_are_swept(tmp_path: Path) -> None:
    post = Post()
    large = post.entry(body=b"x" * (3 * PART))
    async with opened(tmp_path) as store:
        await store.put(large)
        again = post.entry(("b@example.co.id",), body=b"y" * (3 * PART))
        with pytest.raises(StoreError):
            await store.put(again, large)
        with pytest.raises(StoreError):
            await store.put(large)
        await store.beat()
        assert asked(tmp_path, "SELECT count(*), count(DISTINCT body_id) FROM body_part") == [
            (3, 1)
        ]
        assert await store.body(large.message.id) == large.message.content.body


async def test_parts_cut_off_by_a_crash_are_swept_at_start(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with closing(owner(tmp_path)) as connection:
        connection.execute("INSERT INTO body_begun VALUES (7)")
        connection.execute("INSERT INTO body_part VALUES (7, 0, x'00'), (7, 1, x'01')")
    async with opened(tmp_path):
        assert asked(tmp_path, "SELECT count(*) FROM body_part") == [(0,)]


async def test_a_put_that_is_cancelled_is_whole_or_not_there(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        entries = [post.entry(body=b"x" * (2 * PART)) for _ in range(20)]
        tasks = [asyncio.create_task(store.put(entry)) for entry in entries]
        for task in tasks[::2]:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.beat()
        for entry, task in zip(entries, tasks, strict=True):
            found = await store.find(entry.message.id)
            if not task.cancelled():
                assert len(found) == 1
            if found:
                assert await store.body(entry.message.id) == entry.message.content.body
    orphans = "SELECT count(*) FROM body_part p WHERE body_id NOT IN (SELECT body_id FROM body)"
    assert asked(tmp_path, orphans) == [(0,)]


@pytest.mark.parametrize("not_of", [None, Named(signers=frozenset({"ulp.example.go.id"}))])
async def test_a_claim_that_is_cancelled_leaves_nothing_leased(
    tmp_path: Path, not_of: Named | None
) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(*(post.entry() for _ in range(5)))
        for _ in range(20):
            claim = asyncio.create_task(store.claim((DOMAIN,), 3, NOW, UNTIL, not_of=not_of))
            await asyncio.sleep(0)
            claim.cancel()
            await asyncio.gather(claim, return_exceptions=True)
        await store.beat()
        await store.beat()
        assert await store.count(Selector()) == {State.READY: 5}


async def test_a_full_disk_refuses_and_goes_on(tmp_path: Path) -> None:
    """The disk's end is played by max_page_count, which gives the same SQLITE_FULL."""
    post = Post()
    async with opened(tmp_path) as store:
        kept = [post.entry() for _ in range(20)]
        await store.put(*kept)
        pages = await store._writer.call(
            lambda t: int(t.connection.execute("PRAGMA page_count").fetchone()[0])
        )
        await _limit(store, pages + 4)
        huge = [post.entry(body=b"x" * 200_000) for _ in range(3)]
        told = await asyncio.gather(*(store.put(one) for one in huge), return_exceptions=True)
        assert [type(error) for error in told] == [StoreError] * 3
        assert all("full" in str(error) for error in told)
        with pytest.raises(StoreError, match="full"):
            await store.put(post.entry(body=b"x" * 2_000_000))
        assert not store.dead.is_set()
        for one in huge:
            assert await store.find(one.message.id) == []
        taken = await lease(store)
        assert len(taken) == 20
        await _limit(store, 1 << 20)
        await store.settle([delivered(one) for one in taken], NOW)
        await store.put(*huge)
        assert await store.count(Selector()) == {State.READY: 3}
    assert asked(tmp_path, "PRAGMA integrity_check") == [("ok",)]


async def test_one_that_finds_no_room_takes_no_other_down(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(post.entry())
        (leased,) = await lease(store)
        pages = await store._writer.call(
            lambda t: int(t.connection.execute("PRAGMA page_count").fetchone()[0])
        )
        await _limit(store, pages + 4)
        huge, small = post.entry(body=b"x" * 200_000), delivered(leased)
        told = await asyncio.gather(
            store.put(huge), store.settle([small], NOW), return_exceptions=True
        )
        assert isinstance(told[0], StoreError)
        assert told[1] is None


async def _limit(store: sqlite.SqliteStore, pages: int) -> None:
    await store._writer.call(
        lambda t: t.connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    )


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.OperationalError]:
    """The disk fails at the next COMMIT."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    error.sqlite_errorname = "SQLITE_IOERR_FSYNC"

    def fail(self: object) -> None:
        raise error

    monkeypatch.setattr("relay.store.writer.Writer._commit", fail)
    yield error


async def test_a_failed_fsync_is_final(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    post = Post()
    store = await sqlite.open(tmp_path, SteppingClock())
    first = post.entry()
    await store.put(first)
    request.getfixturevalue("broken")
    told = await asyncio.gather(
        *(store.put(post.entry()) for _ in range(5)), return_exceptions=True
    )
    assert [type(error) for error in told] == [StoreDead] * 5
    await asyncio.wait_for(store.dead.wait(), 20)
    with pytest.raises(StoreDead, match="disk I/O error"):
        await store.put(post.entry())
    with pytest.raises(StoreDead):
        await store.beat()
    with pytest.raises(StoreDead):
        await store.settle([delivered(first.placements[0].delivery)], NOW)
    await store.close()
    request.getfixturevalue("monkeypatch").undo()
    async with opened(tmp_path) as again:
        assert await again.count(Selector()) == {State.READY: 1}


async def test_a_second_relay_is_kept_out_and_told_by_whom(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(StateLocked, match=f"process {os.getpid()}"):
            await sqlite.open(tmp_path, SteppingClock())
    async with opened(tmp_path):
        pass


async def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        await sqlite.open(tmp_path / "file" / "state", SteppingClock())


async def test_ten_thousand_queued_are_back_at_once(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        for at in range(10):
            await store.put(
                *(post.entry((f"v{n}@d{n % 20}.example",)) for n in range(at, 10_000, 10))
            )
        assert len(await lease(store, *(f"d{n}.example" for n in range(20)))) == 1000
    began = time.process_time()
    async with opened(tmp_path) as store:
        assert await store.recover(NOW) == 1000
        where = await store.ready()
        assert len(where) == 20
        assert len(await lease(store, where[0].domain, limit=100)) == 100
        took = time.process_time() - began
        counts = await store.count(Selector())
    assert counts == {State.READY: 9_900, State.LEASED: 100}
    assert took < 2.0


async def test_the_clock_may_step_back(tmp_path: Path) -> None:
    clock = SteppingClock(START)
    async with opened(tmp_path, clock) as store:
        before = Post()
        await store.put(before.entry(), before.entry(state=State.WAITING, due_at=START + 60_000))
        clock.at = START - 300_000
        after = Post(at=clock.at, ids=before.ids)
        await store.put(after.entry())
        assert len(await lease(store)) == 2
        assert await store.wake(clock.at) == []
        assert await store.next_due_at() == START + 60_000
        await store.recover(clock.at)
        assert len(await store.wake(START + 60_000)) == 1
        assert await store.count(Selector()) == {State.READY: 3}


async def test_fairness_goes_on_after_a_restart(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(*(post.entry(subject="massal") for _ in range(300)))
        await store.settle([delivered(d) for d in await lease(store, limit=100)], NOW)
    async with opened(tmp_path) as store:
        single = post.entry(subject="lain")
        await store.put(single)
        assert single.message.id in [d.message_id for d in await lease(store, limit=2)]


async def test_readers_see_whole_commits_while_the_writer_works(tmp_path: Path) -> None:
    """Each put is of two letters: a count that is odd would be half a commit."""
    post = Post()
    async with opened(tmp_path) as store:
        writing = [
            asyncio.create_task(store.put(post.entry(), post.entry(urgency=Urgency.KRITIS)))
            for _ in range(300)
        ]
        seen: set[int] = set()
        while not all(task.done() for task in writing):
            counts = await store.count(Selector())
            seen.add(sum(counts.values()))
        await asyncio.gather(*writing)
        assert all(number % 2 == 0 for number in seen)
        assert await store.count(Selector()) == {State.READY: 600}


async def test_the_log_is_cut_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(*(post.entry(body=b"x" * 100_000) for _ in range(50)))
        assert store.wal_bytes() > 1 << 20
        deadline = time.monotonic() + 30
        while store.wal_bytes() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert store.wal_bytes() == 0


async def test_the_log_stays_small_under_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many recipients touch many pages: the log is bounded by its size, not by what was said."""
    monkeypatch.setattr("relay.store.writer.CHECKPOINT_OCTETS", 256 << 10)
    monkeypatch.setattr("relay.store.writer.MAX_WAL", 1 << 20)
    post = Post()
    largest = 0
    async with opened(tmp_path) as store:
        for round_ in range(60):
            to = [f"v{n}@d{n % 40}.example" for n in range(round_, 2000, 20)]
            await store.put(post.entry(to))
            await store.count(Selector())
            largest = max(largest, store.wal_bytes())
    assert 256 << 10 < largest < 3 << 20


@pytest.mark.parametrize("error", [KeyError("a bug"), KeyboardInterrupt()])
async def test_an_unforeseen_error_reaches_its_caller(tmp_path: Path, error: BaseException) -> None:
    """A bug in one operation is its caller's; what would end the thread is the store's death."""

    def fail(transaction: Transaction) -> None:
        raise error

    store = await sqlite.open(tmp_path, SteppingClock())
    wanted = KeyError if isinstance(error, Exception) else StoreDead
    with pytest.raises(wanted):
        await asyncio.wait_for(store._writer.call(fail), 20)
    assert store.dead.is_set() is (wanted is StoreDead)
    await store.close()


async def test_nothing_is_left_after_close(tmp_path: Path) -> None:
    store = await sqlite.open(tmp_path, SteppingClock())
    await store.put(Post().entry())
    await store.count(Selector())
    await store.close()
    await store.close()
    assert [t.name for t in threading.enumerate() if t.name.startswith("store")] == []
    links = [fd.readlink() for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    assert [link for link in links if tmp_path in link.parents] == []
    assert sorted(f.name for f in tmp_path.iterdir()) == ["lock", NAME]
    for ask in (store.put(Post().entry()), store.count(Selector()), store.beat()):
        with pytest.raises(StoreError, match="closed"):
            await ask


async def test_what_was_handed_in_before_close_is_finished(tmp_path: Path) -> None:
    post = Post()
    store = await sqlite.open(tmp_path, SteppingClock())
    puts = [asyncio.create_task(store.put(post.entry())) for _ in range(100)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*puts)
    assert asked(tmp_path, "SELECT count(*) FROM delivery") == [(100,)]


async def test_an_operation_that_fails_harms_no_other_of_its_group(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        double = post.entry()
        await store.put(double)
        good = [post.entry((f"new{n}@example.co.id",)) for n in range(30)]
        told = await asyncio.gather(
            *(store.put(entry) for entry in (*good[:15], double, *good[15:])),
            store.use_link(b"x", NOW),
            return_exceptions=True,
        )
        assert isinstance(told[15], StoreError)
        assert "UNIQUE" in str(told[15])
        assert told[:15] + told[16:31] == [None] * 30
        assert told[31] is True
        assert await store.count(Selector()) == {State.READY: 31}
        for n in range(30):
            mailbox = await store.mailbox(f"new{n}@example.co.id")
            assert mailbox is not None
            assert await store.inbox_count(mailbox.id) == 1


async def test_text_that_is_no_unicode_does_not_stop_a_letter(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        odd = "caf\udce9 \x00 é"
        entry = Post().entry((f"{odd}@example.co.id",), subject="Undangan")
        await store.put(entry)
        (row,) = await store.find(entry.message.id)
        assert row.delivery.as_given == "caf? \x00 é@example.co.id"
