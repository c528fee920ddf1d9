"""Memory that a backlog took is given back, and not asked for in vain."""

from __future__ import annotations

import os
import subprocess
import sys

from relay.service.memory import GIVEN, GROWN, Trimming, resident, trim


class Process:
    """Its size, and what of it a trim would give back."""

    def __init__(self) -> None:
        self.size, self.free, self.trims = 100 << 20, 0, 0
        self.trimming = Trimming(lambda: self.size, self.trim)

    def trim(self) -> None:
        self.trims += 1
        self.size -= self.free
        self.free = 0

    async def looks(self, count: int) -> list[int]:
        """Which of so many looks trimmed."""
        return [n for n in range(count) if await self.trimming.look()]


async def test_where_nothing_changes_it_trims_ever_more_rarely() -> None:
    process = Process()
    assert await process.looks(16) == [0, 2, 6, 10, 14]


async def test_growth_is_trimmed_at_once() -> None:
    process = Process()
    await process.looks(7)
    process.size += GROWN
    assert await process.looks(1) == [0]


async def test_what_becomes_free_later_is_given_back_though_nothing_grew() -> None:
    process = Process()
    process.size += GROWN  # a backlog, still in use
    assert await process.looks(1) == [0]
    process.free = GROWN
    assert await process.looks(1) == [0]
    assert process.size == 100 << 20


async def test_as_long_as_much_comes_back_it_is_tried_at_each_look() -> None:
    process = Process()
    tried = []
    for _ in range(12):
        tried += await process.looks(1)
        process.size, process.free = process.size + GIVEN, process.free + GIVEN
    assert len(tried) == 11  # after the second, each: that one gave nothing back


BACKLOG = """
import collections, os
from relay.service.memory import resident, trim
letters, between = collections.OrderedDict(), []
for n in range(30_000):
    letters[n] = os.urandom(3_000 + n % 2_000)
    if len(letters) > 10_000:
        letters.popitem(last=False)
    if n % 50 == 0:
        between.append(os.urandom(600))
full = resident()
letters.clear()
trim()
print(full, resident())
"""


def test_a_backlog_that_is_gone_takes_no_memory() -> None:
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        trim()  # does nothing here, and does not fail
        return
    asked = [sys.executable, "-c", BACKLOG]
    said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    full, after = map(int, said.split())
    assert full - after > 25 << 20
    assert resident() > 1 << 20
