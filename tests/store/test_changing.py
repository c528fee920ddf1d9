"""A change in pieces: what it means, whatever happens between two of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from relay.mail.delivery import State
from relay.store import changing
from relay.store.base import Change, Changed, Selector, StoreError
from relay.store.sqlite import SqliteStore
from tests.store.contract_terms import NOW, UNTIL, lease
from tests.store.letters import Post, deferred
from tests.store.opening import asked, opened

WHO = ("uid 0", "salah lampiran", NOW)
NOTED = "SELECT action, before_after FROM audit"


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "PIECE", 3)


async def change(
    store: SqliteStore, what: Change, between: Callable[[int], Awaitable[None]]
) -> Changed:
    """`between` is called after each of its commits, with their number from 1."""
    made = 0

    async def write(function: Any) -> Any:
        nonlocal made
        found = await store._writer.call(function)
        made += 1
        await between(made)
        return found

    return await changing.changing(what, Selector(), *WHO).run(write, store._ask)


@pytest.mark.parametrize("what", ["hold", "remove"])
@pytest.mark.parametrize("letters", [2, 3, 7, 9])
async def test_all_are_moved_and_one_audit_row_counts_them(
    tmp_path: Path, what: Change, letters: int
) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(*(post.entry() for _ in range(letters - 1)), post.entry(state=State.HELD))
        changed = await store.change(what, Selector(), *WHO)
        meant = letters if what == "remove" else letters - 1
        assert (changed.moved, changed.in_flight) == (meant, 0)
        left = await store.count(Selector())
        assert left == ({} if what == "remove" else {State.HELD: letters})
        assert asked(tmp_path, NOTED) == [(what, f"moved {meant}, in flight 0")]


async def test_what_comes_while_it_runs_is_not_meant(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(*(post.entry() for _ in range(7)))

        async def put_one(made: int) -> None:
            await store.put(post.entry())

        changed = await change(store, "remove", put_one)
        assert changed.moved == 7
        assert sum((await store.count(Selector())).values()) >= 3


async def test_what_is_claimed_while_it_runs_obeys_when_it_lands(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(*(post.entry() for _ in range(7)))
        claimed = []

        async def claim(made: int) -> None:
            if made == 2:
                claimed.extend(await lease(store, limit=2))

        changed = await change(store, "hold", claim)
        assert (changed.moved, changed.in_flight) == (5, 2)
        await store.settle([deferred(one, UNTIL) for one in claimed], NOW)
        assert await store.count(Selector()) == {State.HELD: 7}
        assert asked(tmp_path, NOTED) == [("hold", "moved 5, in flight 2")]


async def test_what_lands_behind_its_back_is_moved_too(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(*(post.entry() for _ in range(9)))
        (early,) = await lease(store, limit=1)

        async def land(made: int) -> None:
            if made == 2:
                # Given back as if it had been claimed and returned between two looks.
                await store._writer.call(
                    lambda t: t.connection.execute("UPDATE delivery SET leased_until = 0")
                )
                await store.give_back([early])

        changed = await change(store, "remove", land)
        assert changed.moved == 9
        assert await store.count(Selector()) == {}


async def test_one_that_fails_midway_says_how_far_it_came(tmp_path: Path) -> None:
    post = Post()
    async with opened(tmp_path) as store:
        await store.put(*(post.entry() for _ in range(9)))

        async def fail(made: int) -> None:
            if made == 3:
                raise StoreError("no room")

        with pytest.raises(StoreError, match="no room"):
            await change(store, "hold", fail)
        assert await store.count(Selector()) == {State.READY: 3, State.HELD: 6}
        assert asked(tmp_path, NOTED) == [("hold", "moved 6, in flight 0")]
