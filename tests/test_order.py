"""The order of a whole run: what takes longest first, and who stays with whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from tests.order import APART, pytest_collection_modifyitems

UNIT = APART.parent / "mail" / "test_address.py"
ROAD = APART / "test_road.py"
DEMO = APART / "test_demo.py"


class Item:
    """As much of a collected test as the order looks at."""

    def __init__(self, path: Path, timeout: int | None = None) -> None:
        self.path = path
        self.marks = [] if timeout is None else [pytest.mark.timeout(timeout).mark]

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return next((mark for mark in self.marks if mark.name == name), None)

    def add_marker(self, marker: pytest.MarkDecorator) -> None:
        self.marks.append(marker.mark)

    @property
    def group(self) -> Any:
        mark = self.get_closest_marker("xdist_group")
        return mark and mark.args[0]


def ordered(*items: Item) -> list[Item]:
    given = list(items)
    pytest_collection_modifyitems(cast("list[pytest.Item]", given))
    return given


def test_end_to_end_leads_and_the_longest_of_it_first() -> None:
    units = Item(UNIT), Item(UNIT, timeout=900)
    first, second, longer, longest = Item(ROAD), Item(ROAD), Item(DEMO, 240), Item(ROAD, 600)
    assert ordered(*units, first, longer, second, longest) == [
        *(longest, longer, first, second),
        *(units[1], units[0]),
    ]


def test_a_module_stays_together_but_end_to_end_does_not() -> None:
    items = ordered(Item(UNIT), Item(UNIT), Item(UNIT.with_name("test_dsn.py")), Item(ROAD))
    assert [item.group for item in items] == [
        None,
        *["mail/test_address.py"] * 2,
        "mail/test_dsn.py",
    ]
