"""Round: everything is looked at once, a few to a turn of the loop, and nothing is forgotten."""

from __future__ import annotations

import asyncio

from relay.lab.virtual_time import VirtualClock, run
from relay.mail.delivery import State
from relay.scheduler.round import AT_ONCE, Round
from relay.scheduler.scheduler import NOTED
from relay.store.memory import MemoryStore
from tests.scheduling import accept, house

KEYS = [f"d{n}" for n in range(3 * AT_ONCE + 1)]


async def test_a_few_to_a_turn_and_the_first_at_once() -> None:
    seen: list[str] = []
    Round(seen.append).begin(KEYS)
    counted = [len(seen)]
    while len(seen) < len(KEYS):
        await asyncio.sleep(0)
        counted.append(len(seen))
    assert counted == [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE, len(KEYS)]
    assert seen == KEYS


async def test_one_begun_meanwhile_looks_at_all_again() -> None:
    seen: list[str] = []
    looking = Round(seen.append)
    looking.begin(KEYS)
    looking.begin(KEYS)
    while len(seen) < len(KEYS) + AT_ONCE:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sorted(seen) == sorted([*KEYS, *KEYS[:AT_ONCE]])


async def test_a_look_that_fails_keeps_no_other_from_being_looked_at() -> None:
    seen: list[str] = []

    def look(key: str) -> None:
        seen.append(key)
        if key == KEYS[AT_ONCE]:
            raise ValueError(key)

    asyncio.get_running_loop().set_exception_handler(lambda loop, told: None)
    Round(look).begin(KEYS)
    for _ in range(9):
        await asyncio.sleep(0)
    assert seen[-1] == KEYS[-1]


def test_all_that_a_start_finds_is_sent() -> None:
    """More domains than are noted in one turn."""

    async def main(clock: VirtualClock) -> None:
        store = MemoryStore()
        async with house(clock, accept, store=store) as h:
            await h.scheduler.recall()
            await h.put(*(f"v@d{n}.example.co.id" for n in range(NOTED + 10)))
        async with house(clock, accept, store=store) as h:
            await asyncio.sleep(60)
            assert await h.states() == {State.DELIVERED: NOTED + 10}

    run(main)
