"""A hook within its deadline: what it returns and raises, a timer only where it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from relay.filters.bounded import within


async def computed() -> int:
    return 7


async def waited(seen: list[str]) -> int:
    try:
        await asyncio.sleep(0)
        return await asyncio.get_running_loop().run_in_executor(None, lambda: 7)
    finally:
        seen.append("over")


async def forgiving() -> int:
    broken: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(broken.set_exception, ValueError("broken"))
    try:
        return await broken
    except ValueError:
        return 7


async def hanging(seen: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        seen.append("over")


async def bounded_itself(seen: list[str]) -> int:
    try:
        async with asyncio.timeout(0.001):
            await hanging(seen)
    except TimeoutError:
        return 7
    raise AssertionError


async def test_what_it_returns_is_given_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    hooks: list[Coroutine[Any, Any, int]] = [waited(seen), forgiving(), bounded_itself(seen)]
    assert [await within(20, hook) for hook in hooks] == [7, 7, 7]
    assert seen == ["over", "over"]
    monkeypatch.delattr(asyncio, "timeout")
    assert await within(20, computed()) == 7


async def test_a_future_of_a_sites_own_filter_is_awaited() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    future.set_result(7)
    assert await within(20, future) == 7


@pytest.mark.parametrize("is_later", [False, True])
async def test_what_it_raises_is_given_on(is_later: bool) -> None:
    async def failing() -> None:
        if is_later:
            await asyncio.sleep(0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await within(20, failing())


async def test_one_that_waits_too_long_is_ended() -> None:
    seen: list[str] = []
    with pytest.raises(TimeoutError):
        await within(0.001, hanging(seen))
    assert seen == ["over"]


async def test_a_cancelled_caller_ends_it() -> None:
    seen: list[str] = []
    task = asyncio.create_task(within(20, hanging(seen)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["over"]


async def test_one_that_is_dropped_midway_is_closed() -> None:
    seen: list[str] = []
    running = within(20, hanging(seen))
    running.send(None)
    running.close()
    assert seen == ["over"]
