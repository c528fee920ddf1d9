"""The SQLite store keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.mail.instant import DAY
from relay.store import sqlite
from relay.store.base import Selector, Store
from tests.store.contract import Contract
from tests.store.contract_terms import NOW, lease
from tests.store.letters import Post, SteppingClock, delivered
from tests.store.opening import opened


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
