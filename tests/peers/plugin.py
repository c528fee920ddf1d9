"""The pytest plugin for tests that need a real peer: skipped where it is missing, never quietly.

`@pytest.mark.peer("clients", "postfix")` names what a test needs. Where a peer is missing the test
is skipped, and the end of the run names each missing peer, its packages and how many tests it cost.
In CI as root (CI=true) a missing peer fails the test instead.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.peers.catalogue import PEERS
from tests.peers.roots import available, is_ci

MARK = "peer missing: "


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "peer(*names): needs these real mail programs (make peers)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peer"):
        if not marker.args:
            raise pytest.UsageError(f"{item.nodeid}: the peer marker names no peer")
        for name in marker.args:
            if name not in PEERS:
                raise pytest.UsageError(f"{item.nodeid}: no such peer: {name}")
            require(name)


def require(name: str) -> None:
    """Skips the running test if the peer is missing, or fails it in CI."""
    reason = available(name)
    if reason is None:
        return
    message = f"{MARK}{name}: {reason}"
    if is_ci():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def missing_peers(reports: list[pytest.TestReport]) -> Counter[str]:
    """Counts the skipped tests by what each lacked; works on the reports of other processes too."""
    counted: Counter[str] = Counter()
    for report in reports:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _, found, lacked = text.partition(MARK)
        if found:
            counted[lacked] += 1
    return counted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = missing_peers(terminalreporter.stats.get("skipped", []))
    if not missing:
        return
    terminalreporter.section("PEERS MISSING", sep="!", red=True, bold=True)
    for lacked, count in sorted(missing.items()):
        tests = "1 test" if count == 1 else f"{count} tests"
        terminalreporter.write_line(f"{tests} skipped for want of {lacked}", red=True)
