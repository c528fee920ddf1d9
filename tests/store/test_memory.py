"""The store in memory keeps the contract."""

from __future__ import annotations

import pytest

from relay.store.base import Store
from relay.store.memory import MemoryStore
from tests.store.contract import Contract


class TestMemory(Contract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()
