"""What all tests share: the plugin that skips, loudly, what needs a missing peer; the one that puts
the longest first; and the store's contract, whose modules are no test files, so that pytest must be
told to explain their asserts."""

import pytest

pytest.register_assert_rewrite(
    *(f"tests.store.contract_{part}" for part in ("putting", "leasing", "settling", "operating")),
    "tests.store.contract_inbox",
    "tests.store.contract_requeueing",
)
pytest_plugins = ("tests.peers.plugin", "tests.order")
