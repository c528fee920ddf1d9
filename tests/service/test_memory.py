"""Memory that a backlog took is given back, and not asked for in vain."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from relay.service.memory import (
    BUSY,
    DUE,
    EVERY,
    GIVEN,
    GROWN,
    LOOK,
    MANY,
    QUIET,
    Rest,
    Rings,
    Trimming,
    resident,
    trim,
)


class Process:
    """Its size, and what of it a trim would give back."""

    def __init__(self) -> None:
        self.size, self.free, self.trims = 100 << 20, 0, 0
        self.now = 1000.0
        self.rest = Rest(lambda: self.now)
        self.trimming = Trimming(self.rest, lambda: self.size, self.trim)
        self.now += QUIET

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


async def test_while_letters_move_it_waits_for_a_quiet_second() -> None:
    process = Process()
    await process.looks(1)
    process.size += GROWN
    process.rest.on_event()
    assert await process.looks(5) == []
    process.now += QUIET
    assert await process.looks(1) == [0]


async def test_where_letters_never_rest_it_is_done_all_the_same_but_rarely() -> None:
    process = Process()
    for _ in range(int(2.5 * BUSY / EVERY)):
        process.now += EVERY
        process.size += GROWN
        process.rest.on_event()
        await process.looks(1)
    assert process.trims == 2


async def test_what_was_put_off_is_tried_again_soon() -> None:
    process = Process()
    process.rest.on_event()
    running = asyncio.create_task(process.trimming.run(0.01))
    async with asyncio.timeout(20):
        while not process.trimming._is_put_off:
            await asyncio.sleep(0)
        process.now += QUIET
        while not process.trims:
            await asyncio.sleep(0)
    running.cancel()


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


# --- rings


class Heap:
    """A relay's time, how many objects it made, and how often all of them were gone through."""

    def __init__(self) -> None:
        self.now, self.made, self.looked = 1000.0, DUE, 0
        self.rest = Rest(lambda: self.now)
        self.rings = Rings(self.rest, self.collect, lambda: self.made)

    def collect(self) -> None:
        self.looked += 1
        self.made = 0


def test_all_objects_are_gone_through_when_nothing_moved_for_a_moment() -> None:
    heap = Heap()
    heap.rest.on_event()
    heap.now += QUIET / 2
    assert not heap.rings.look()
    heap.now += QUIET / 2
    assert heap.rings.look()
    assert heap.looked == 1


def test_not_in_vain() -> None:
    heap = Heap()
    heap.now += QUIET
    heap.made = DUE - 1
    assert not heap.rings.look()


def test_a_relay_that_never_rests_does_it_all_the_same_but_rarely() -> None:
    heap = Heap()
    for _ in range(int(2.5 * BUSY / LOOK)):
        heap.now += LOOK
        heap.made = DUE
        heap.rest.on_event()
        heap.rings.look()
    assert heap.looked == 2


def test_where_rings_pile_up_it_does_not_wait_for_rest() -> None:
    heap = Heap()
    heap.rest.on_event()
    heap.made = MANY - 1
    assert not heap.rings.look()
    heap.made = MANY
    assert heap.rings.look()


SERVED = """
import asyncio, gc, weakref
from relay.service import memory, running, serve
memory.LOOK = 0.001
class Ring: pass
async def run(self):
    memory.stand()
    now, seen = 1000.0, []
    gc.callbacks.append(lambda phase, about: seen.append(about["generation"]))
    kept = [[] for _ in range(memory.MANY // 2)]
    assert seen == [], seen  # Python itself never looks
    ring = Ring()
    ring.own, gone = ring, weakref.ref(ring)
    del ring
    rest = memory.Rest(lambda: now)
    looking = asyncio.create_task(memory.Rings(rest).run())
    await asyncio.sleep(0.05)
    assert gone() is not None
    now += memory.QUIET
    async with asyncio.timeout(20):
        while gone() is not None:
            await asyncio.sleep(0)
    assert gc.get_count()[0] < memory.DUE
    looking.cancel()
running.Running.__init__ = lambda self, *given: None
running.Running.run = run
serve(None)
assert gc.isenabled()
print("served")
"""


def test_only_the_relay_says_when_and_it_finds_them() -> None:
    asked = [sys.executable, "-c", SERVED]
    done = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "served\n"
