"""The SQLite store keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.store import sqlite
from relay.store.base import Store
from tests.store.contract import Contract
from tests.store.letters import SteppingClock


class TestSqlite(Contract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        opened = await sqlite.open(tmp_path / "state", SteppingClock())
        yield opened
        await opened.close()
