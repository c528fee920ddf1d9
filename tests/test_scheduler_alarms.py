"""Alarms: each lane is rung once, in its turn, and not after it was called off."""

from __future__ import annotations

import asyncio
import itertools

from relay.lab import virtual_time
from relay.lab.virtual_time import VirtualClock
from relay.scheduler.alarms import AT_ONCE, FEW, Alarms
from relay.scheduler.lane import Lane
from relay.shaping.destination import Destination, Profile

PROFILE = Profile("default")


def lane(name: str) -> Lane:
    return Lane(Destination(name, PROFILE))


class Rung:
    """What rang, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self.alarms = Alarms(self.ring)
        self.heard: list[tuple[str, float]] = []
        self._clock = clock

    def ring(self, lane: Lane) -> None:
        self.heard.append((lane.key, self._clock.monotonic()))
        if lane.key == "broken":
            raise ValueError("a lane that fails")


def test_the_earliest_rings_first_whenever_it_was_set() -> None:
    async def main(clock: VirtualClock) -> None:
        rung = Rung(clock)
        for name, wait in (("c", 30.0), ("a", 10.0), ("b", 20.0)):
            rung.alarms.set(lane(name), wait)
        await asyncio.sleep(60)
        assert rung.heard == [("a", 10.0), ("b", 20.0), ("c", 30.0)]

    virtual_time.run(main)


def test_at_the_latest_moves_no_alarm_that_is_earlier() -> None:
    async def main(clock: VirtualClock) -> None:
        rung, sooner, later, none = Rung(clock), lane("sooner"), lane("later"), lane("none")
        rung.alarms.set(sooner, 5)
        rung.alarms.set(later, 50)
        for one in (sooner, later, none):
            rung.alarms.set_by(one, 10)
        await asyncio.sleep(60)
        assert rung.heard == [("sooner", 5.0), ("later", 10.0), ("none", 10.0)]

    virtual_time.run(main)


def test_what_is_set_anew_or_called_off_does_not_ring_as_before() -> None:
    async def main(clock: VirtualClock) -> None:
        rung, later, sooner, never = Rung(clock), lane("later"), lane("sooner"), lane("never")
        for one in (later, sooner, never):
            rung.alarms.set(one, 10)
        rung.alarms.set(later, 20)
        rung.alarms.set(sooner, 5)
        rung.alarms.call_off(never)
        rung.alarms.call_off(never)
        await asyncio.sleep(60)
        assert rung.heard == [("sooner", 5.0), ("later", 20.0)]
        assert [one.alarm for one in (later, sooner, never)] == [None] * 3

    virtual_time.run(main)


def test_one_that_rings_at_the_same_moment_can_still_be_called_off() -> None:
    async def main(clock: VirtualClock) -> None:
        first, second = lane("first"), lane("second")
        heard = []

        def ring(one: Lane) -> None:
            heard.append(one.key)
            alarms.call_off(second if one is first else first)

        alarms = Alarms(ring)
        alarms.set(first, 10)
        alarms.set(second, 10)
        await asyncio.sleep(60)
        assert len(heard) == 1

    virtual_time.run(main)


def test_a_lane_that_fails_keeps_no_other_from_ringing() -> None:
    async def main(clock: VirtualClock) -> None:
        said: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, of: said.append(of["message"]))
        rung = Rung(clock)
        for name in ("broken", "whole"):
            rung.alarms.set(lane(name), 10)
        rung.alarms.set(lane("next"), 20)
        await asyncio.sleep(60)
        assert sorted(name for name, _ in rung.heard) == ["broken", "next", "whole"]
        assert len(said) == 1

    virtual_time.run(main)


def test_alarms_that_were_called_off_are_not_kept() -> None:
    async def main(clock: VirtualClock) -> None:
        rung = Rung(clock)
        one, other = lane("one"), lane("other")
        rung.alarms.set(other, 50)
        for n in range(20 * FEW):
            rung.alarms.set(one, 100 + n)
        assert len(rung.alarms) <= FEW + 2
        await asyncio.sleep(10_000)
        assert rung.heard == [("other", 50.0), ("one", 99.0 + 20 * FEW)]
        assert len(rung.alarms) == 0

    virtual_time.run(main)


def test_thousands_of_one_moment_ring_a_few_to_a_turn_of_the_loop() -> None:
    async def main(clock: VirtualClock) -> None:
        rung, counted = Rung(clock), []
        for n in range(3 * AT_ONCE + 1):
            rung.alarms.set(lane(f"d{n}"), 10)
        await asyncio.sleep(10)
        while len(rung.heard) < 3 * AT_ONCE + 1:
            counted.append(len(rung.heard))
            await asyncio.sleep(0)
        steps = [b - a for a, b in itertools.pairwise(counted)]
        assert max(steps) <= AT_ONCE
        assert len(rung.alarms) == 0

    virtual_time.run(main)
