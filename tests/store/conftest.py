"""The contract's modules are no test files: pytest must be told to explain their asserts."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(f"tests.store.contract_{part}" for part in ("putting", "leasing", "settling", "operating")),
    "tests.store.contract_inbox",
)
