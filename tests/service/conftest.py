"""A relay's commands, new for each test."""

from __future__ import annotations

import pytest

from tests.service.house import House


@pytest.fixture
def house() -> House:
    return House()
