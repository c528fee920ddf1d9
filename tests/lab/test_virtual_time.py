"""The virtual clock: days pass at once, in order, and a dead end is told."""

from __future__ import annotations

import asyncio

import pytest

from relay.lab.virtual_time import START, Stalled, VirtualClock, run

DAY = 86_400.0


def test_days_pass_at_once_and_in_order() -> None:
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float, clock: VirtualClock) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, clock.monotonic()))

    async def main(clock: VirtualClock) -> int:
        await asyncio.gather(sleeper("later", 2 * DAY, clock), sleeper("sooner", DAY, clock))
        return clock.now()

    assert run(main) == START + 2 * round(DAY) * 1000
    assert seen == [("sooner", DAY), ("later", 2 * DAY)]


def test_time_stands_still_while_there_is_work() -> None:
    async def main(clock: VirtualClock) -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return clock.monotonic()

    assert run(main) == 0.0


def test_timeouts_and_wakes_are_exact() -> None:
    async def main(clock: VirtualClock) -> tuple[float, float]:
        bell = asyncio.Event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await bell.wait()
        first = clock.monotonic()
        asyncio.get_running_loop().call_later(0.02, bell.set)
        await asyncio.wait_for(bell.wait(), 30)
        return first, clock.monotonic()

    first, second = run(main)
    assert first == pytest.approx(30.0)
    assert second == pytest.approx(30.02)


def test_the_wall_clock_can_be_set_and_the_monotonic_cannot() -> None:
    async def main(clock: VirtualClock) -> None:
        clock.step(-300_000)
        assert clock.now() == START - 300_000
        assert clock.monotonic() == 0.0
        await asyncio.sleep(1)
        assert clock.now() == START - 299_000

    run(main)


def test_a_dead_end_is_told_instead_of_hanging() -> None:
    async def main(clock: VirtualClock) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stalled, match="nothing would ever happen"):
        run(main)
