"""The SQLite store keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from relay.mail.delivery import State
from relay.mail.instant import DAY
from relay.store import refused, sqlite
from relay.store.base import Selector, Store
from tests.store.contract import Contract
from tests.store.contract_refused import MOST, SINCE, letter
from tests.store.contract_terms import NOW, lease
from tests.store.letters import Post, SteppingClock, blocked, delivered
from tests.store.opening import asked, opened, owner


class TestSqlite(Contract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        made = await sqlite.open(tmp_path / "state", SteppingClock())
        yield made
        await made.close()


async def test_after_a_restart_flows_of_one_deadline_still_share(tmp_path: Path) -> None:
    """And so do those without one: each begins where its own part of the line stands."""
    post = Post()
    for deadline_at in (NOW + DAY, None):
        old = [post.entry(subject="satu", deadline_at=deadline_at) for _ in range(50)]
        async with opened(tmp_path) as store:
            await store.put(*old)
            taken = await lease(store, limit=20)
            await store.settle([delivered(one) for one in taken], NOW)
        new = post.entry(subject="dua", deadline_at=deadline_at)
        async with opened(tmp_path) as store:
            await store.recover(NOW)
            await store.put(new)
            then = [d.message_id for d in await lease(store)]
            assert new.message.id in then[:2]
            assert len(then) == 31
            await store.recover(NOW)
            await store.change("remove", Selector(), "t", "t", NOW)


async def test_a_small_letter_is_read_with_its_body(tmp_path: Path) -> None:
    """A backlog costs one look into the file a letter; a large body is read by itself."""
    post = Post()
    small, large = post.entry(body=b"kecil\r\n"), post.entry(body=b"besar\r\n" * 20_000)
    async with opened(tmp_path) as store:
        await store.put(small, large)
    async with opened(tmp_path) as store:
        for entry in (small, large):
            await store.letter(entry.message.id)
        assert store._bodies.get(small.message.id) == b"kecil\r\n"
        assert store._bodies.get(large.message.id) is None
        for entry in (small, large):
            assert await store.body(entry.message.id) == entry.message.content.body


async def test_a_letter_leaves_memory_with_its_last_recipient(tmp_path: Path) -> None:
    """Kept until others need the room, letters to five take eighty megabytes of a busy relay."""
    post = Post()
    three = post.entry([f"v{n}@example.co.id" for n in range(3)])
    one, waits = post.entry(), post.entry(["a@example.co.id", "b@example.co.id"])
    async with opened(tmp_path) as store:
        await store.put(three, one, waits)
        held = store._letters.octets, store._bodies.octets
        for n, delivery in enumerate(
            sorted(await lease(store), key=lambda of: (of.message_id, of.n))
        ):
            is_last_of_two = delivery.message_id == waits.message.id and delivery.n == 2
            await store.settle([blocked(delivery) if is_last_of_two else delivered(delivery)], n)
            if delivery.message_id == three.message.id:
                kept = store._letters.get(three.message.id)
                assert (kept is None) is (delivery.n == 3)
        assert store._letters.get(one.message.id) is None
        assert store._letters.get(waits.message.id) is not None
        assert 0 < store._letters.octets < held[0] and 0 < store._bodies.octets < held[1]
        assert store._left.octets == 1


async def test_a_recipient_that_was_over_at_the_door_is_not_waited_for(tmp_path: Path) -> None:
    entry = Post().entry(["a@example.co.id", "b@example.co.id"])
    first, second = entry.placements
    over = replace(first, delivery=first.delivery.changed(state=State.SUPPRESSED))
    entry = replace(entry, placements=(over, second))
    async with opened(tmp_path) as store:
        await store.put(entry)
        (delivery,) = await lease(store)
        assert store._letters.get(entry.message.id) is not None
        await store.settle([delivered(delivery)], NOW)
        assert store._letters.octets == store._bodies.octets == store._left.octets == 0


async def test_after_a_restart_one_of_several_does_not_take_the_letter_along(
    tmp_path: Path,
) -> None:
    entry = Post().entry(["a@example.co.id", "b@example.co.id"])
    async with opened(tmp_path) as store:
        await store.put(entry)
    async with opened(tmp_path) as store:
        await store.letter(entry.message.id)
        for delivery in await lease(store):
            await store.settle([delivered(delivery)], NOW)
            assert store._letters.get(entry.message.id) is not None


async def test_a_letter_whose_body_is_gone_can_still_be_read(tmp_path: Path) -> None:
    entry = Post().entry()
    async with opened(tmp_path) as store:
        await store.put(entry)
    with closing(owner(tmp_path)) as connection:
        connection.execute("DROP TRIGGER body_stays")
        connection.execute("DELETE FROM body")
    async with opened(tmp_path) as store:
        assert (await store.letter(entry.message.id)).id == entry.message.id
        with pytest.raises(KeyError):
            await store.body(entry.message.id)


async def test_a_refused_letter_that_a_crash_cut_off_is_known_as_a_part(tmp_path: Path) -> None:
    octets = b"".join(b"%d\r\n" % (n * 7919) for n in range(50_000))
    deflated = refused.deflate(octets)
    async with opened(tmp_path) as store:
        begun = replace(letter(1, octets), is_whole=False, stored=len(deflated))
        await store._writer.call(refused.keep(begun, SINCE, MOST))
        await store._writer.call(refused.part(1, 0, deflated[:50_000]))
    async with opened(tmp_path) as store:
        (found,) = await store.refused()
        assert not found.is_whole
        kept = await store.refused_octets(1)
        assert 0 < len(kept) < len(octets)
        assert octets.startswith(kept)
        await store.drop_refused(NOW + DAY, MOST)
    assert asked(tmp_path, "SELECT count(*) FROM refused_part") == [(0,)]
