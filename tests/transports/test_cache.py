"""Answers and failures of DNS are kept for their time, in bounds, and each is asked for once."""

from __future__ import annotations

import asyncio

import pytest

from relay.transports.base import Route
from relay.transports.lookup import LONGEST, SHORTEST, TtlCache
from tests.transports.desk import ZONE, Clock, Desk
from tests.transports.nameserver import NameServer


async def test_answers_are_kept_for_their_time() -> None:
    async with NameServer(ZONE, ttl=100) as names:
        desk = Desk(names)
        route = await desk.route("example.co.id")
        desk.clock.ahead = 99
        assert desk.router.known("example.co.id") is route
        assert await desk.route("example.co.id") is route
        desk.clock.ahead = 101
        assert desk.router.known("example.co.id") is None
        await desk.route("example.co.id")
        assert names.asked["example.co.id", "MX"] == 2


@pytest.mark.parametrize(("ttl", "kept"), [(0, SHORTEST), (10**6, LONGEST)])
async def test_the_time_has_a_floor_and_a_ceiling(ttl: int, kept: float) -> None:
    async with NameServer(ZONE, ttl=ttl) as names:
        desk = Desk(names)
        await desk.route("example.co.id")
        desk.clock.ahead = kept - 1
        assert desk.router.known("example.co.id") is not None
        desk.clock.ahead = kept + 1
        assert desk.router.known("example.co.id") is None


async def test_where_it_went_last_is_told_after_its_time_and_after_a_reload() -> None:
    async with NameServer(ZONE) as names:
        desk = Desk(names)
        assert desk.router.last("example.co.id") is None
        route = await desk.route("example.co.id")
        await desk.failure("missing.example")
        desk.clock.ahead = LONGEST + 1
        assert desk.router.last("example.co.id") is route
        assert desk.router.last("missing.example") is None
        for _ in range(2):  # the second knows it from the first alone
            before = desk.router.hosts()
            desk = Desk(names, before=before)
            assert desk.router.known("example.co.id") is None
            again = desk.router.last("example.co.id")
            assert again is not None
            assert (again.destination.key, again.hosts) == (route.destination.key, route.hosts)
        assert desk.router.last("missing.example") is None
        small = Desk(names, capacity=1, before={f"{n}.example": route.hosts for n in range(9)})
        await small.route("example.co.id")
        assert list(small.router.hosts()) == ["example.co.id"]


async def test_failures_are_kept_too() -> None:
    async with NameServer(ZONE) as names:
        desk = Desk(names)
        for _ in range(5):
            await desk.failure("missing.example")
        assert names.asked["missing.example", "MX"] == 1
        desk.clock.ahead = SHORTEST - 1
        await desk.failure("missing.example")
        assert names.asked["missing.example", "MX"] == 1
        desk.clock.ahead = LONGEST + 1
        await desk.failure("missing.example")
        assert names.asked["missing.example", "MX"] == 2


async def test_many_who_ask_at_once_ask_once() -> None:
    async with NameServer(ZONE) as names:
        desk = Desk(names)
        asking = [asyncio.create_task(desk.router.route("example.co.id")) for _ in range(50)]
        await asyncio.sleep(0)
        asking[0].cancel()
        made = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(made[0], asyncio.CancelledError)
        assert all(isinstance(route, Route) for route in made[1:])
        assert names.asked["example.co.id", "MX"] == 1


async def test_the_cache_is_bounded() -> None:
    cache: TtlCache[int] = TtlCache(Clock(), capacity=10)

    async def ask() -> tuple[int, float]:
        return 1, 60.0

    for n in range(100):
        await cache.fetch(str(n), ask)
    assert len(cache) == 10
    assert cache.get("99") == 1 and cache.get("0") is None
