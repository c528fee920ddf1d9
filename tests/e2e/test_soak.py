"""The short form of `make soak`: half a minute of troubles, and all comes back to where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.soak import soak
from tests.bench.soak_sides import Books


@pytest.mark.timeout(300)
async def test_after_troubles_all_comes_back_and_nothing_is_lost(tmp_path: Path) -> None:
    found = await soak(tmp_path, seconds=12, rate=20, warm=2)
    assert found["faults"] == {}
    assert found["grown"] == {}, (found["before"], found["after"])
    assert found["accepted"] > 100
    assert found["refused"] == 0


def test_the_books_see_what_is_missing_and_what_came_too_often() -> None:
    books = Books({(1, "a"), (2, "a"), (3, "a"), (4, "a")})
    books.taken.update([(2, "a"), (3, "a"), (3, "a"), (4, "a"), (4, "a")])
    books.unsaid.update([(3, "a")])
    assert books.faults() == {"missing": [(1, "a")], "twice": [(4, "a")]}
