"""Work that comes many at once is spread over turns of the loop, in its order."""

from __future__ import annotations

import asyncio
from collections import Counter

from relay.transports.turn import LoopTurn


async def test_a_few_to_a_turn_and_in_their_order() -> None:
    turn, done = LoopTurn(3), list[tuple[int, int]]()
    at = 0

    def turned() -> None:
        nonlocal at
        at += 1
        asyncio.get_running_loop().call_soon(turned)

    async def work(number: int) -> None:
        await turn.take()
        done.append((at, number))

    turned()
    tasks = [asyncio.create_task(work(number)) for number in range(10)]
    await asyncio.sleep(0)
    tasks[4].cancel()
    await asyncio.wait(tasks)
    tasks = [asyncio.create_task(work(number)) for number in range(10, 12)]
    await asyncio.wait(tasks)
    assert [number for _, number in done] == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    assert max(Counter(when for when, _ in done).values()) == 3


async def test_where_there_is_room_nobody_waits() -> None:
    turn = LoopTurn(2)
    for _ in range(3):
        first, second = turn.take(), turn.take()
        for taking in (first, second):
            try:
                taking.send(None)
            except StopIteration:
                continue
            raise AssertionError("it waited")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
