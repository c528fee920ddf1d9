"""Letters that are passed over: what the writing connection keeps of them, and for how long."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from relay.mail.urgency import Urgency
from relay.store import leasing
from relay.store.base import Named, StoreError
from relay.store.besides import Besides
from relay.store.operation import Transaction
from relay.store.sqlite import SqliteStore
from tests.store.contract_named import LPSE, OF_LPSE, ULP, of, others
from tests.store.contract_terms import DOMAIN, UNTIL, lease
from tests.store.letters import Post
from tests.store.opening import opened


async def kept(store: SqliteStore) -> list[str]:
    """The tables and triggers that only the writing connection sees."""

    def look(transaction: Transaction) -> list[str]:
        sql = "SELECT name FROM sqlite_temp_schema WHERE sql IS NOT NULL ORDER BY name"
        return [name for (name,) in transaction.connection.execute(sql)]

    return await store._writer.call(look)


async def looked(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many letters each look is for, from now on."""
    counts: list[int] = []
    look = Besides.look

    def counted(self: Besides, *args: object) -> tuple[list[tuple[int, int, int]], int]:
        places, count = look(self, *args)  # type: ignore[arg-type]
        counts.append(count)
        return places, count

    monkeypatch.setattr(Besides, "look", counted)
    return counts


async def test_it_is_there_only_while_letters_are_passed_over(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        post = Post()
        await store.put(post.entry(("a@one.example",)), post.entry(("a@two.example",)))
        await lease(store, "one.example", limit=0)
        assert await kept(store) == []
        await others(store, "one.example", "two.example")
        assert await kept(store) == ["met", "met_again", "met_new", "passed", "passing"]
        await lease(store, "one.example", "three.example")
        assert len(await kept(store)) == 5
        await lease(store, "two.example")
        assert await kept(store) == []


async def test_a_thousand_in_front_are_looked_at_once_and_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "LOOKED", 100)
    async with opened(tmp_path) as store:
        post = Post()
        await store.put(*(post.entry(**of(LPSE)) for _ in range(1000)))
        await store.put(post.entry(urgency=Urgency.MASSAL, subject="lain", **of(ULP)))
        counts = await looked(store, monkeypatch)
        assert len(await others(store, limit=1)) == 1
        assert await others(store, limit=1) == []
        assert sum(counts) <= 1001 and max(counts) <= 100
        counts.clear()
        for n in range(20):
            await store.put(post.entry(subject=f"{n}", **of(ULP)), post.entry(**of(LPSE)))
            (one,) = await others(store, limit=8)
            assert (await store.letter(one.message_id)).particulars.from_domain == ULP
        assert sum(counts) < 20 * 5


async def test_where_a_transaction_fails_nothing_is_taken_for_passed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        post = Post()
        await store.put(*(post.entry(**of(name)) for name in (LPSE, ULP, LPSE, ULP)))

        async def failing(named: Named | None) -> None:
            def fail(transaction: Transaction) -> None:
                names, back = store._names, store._give_back_later
                asked = (names, (DOMAIN,), 1, UNTIL, back)
                claim: leasing.Claim | leasing.ClaimOthers = leasing.Claim(*asked)
                if named is not None:
                    claim = leasing.ClaimOthers(*asked, range(4), named)
                claim.run(transaction)
                raise sqlite3.OperationalError("database or disk is full")

            with pytest.raises(StoreError, match="disk is full"):
                await store._writer.call(fail)

        await failing(OF_LPSE)
        assert await kept(store) == []
        first = await others(store, limit=1)
        await failing(OF_LPSE)
        await failing(None)
        assert len(await kept(store)) == 5
        second = await others(store)
        assert [len(first), len(second)] == [1, 1]
        await failing(None)
        assert len(await lease(store)) == 2
        assert await kept(store) == []
