"""The pytest plugin for the order of a whole run: what takes longest is begun first.

The end-to-end tests lead, those that may take longest (their own `timeout`) before the others, and
each goes to whichever process is free. The modules of all other folders stay in one piece, with
what is set up once for them. So nothing long is left for the end, when the other processes rest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

APART = Path(__file__).parent / "e2e"
"""Whose tests start a relay each; those that do share something name their `xdist_group`."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(APART):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(APART.parent).as_posix()))
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> tuple[bool, float]:
    """The smaller, the earlier; equal ones stay as they were collected."""
    marker = item.get_closest_marker("timeout")
    own = float(marker.args[0]) if marker is not None else 0.0
    return not item.path.is_relative_to(APART), -own
