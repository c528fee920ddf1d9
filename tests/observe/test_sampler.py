"""The sampler: how often it asks a store, and what it makes of depths and reasons."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from relay.mail.delivery import State
from relay.observe.pulse import Pulse
from relay.observe.sampler import AT_ONCE, Sampler
from relay.shaping.base import Standing
from relay.shaping.destination import Rate
from relay.store.base import Depth
from tests.observe.examples import NOW, HandClock
from tests.observe.figures import (
    PER_DAY,
    PER_MINUTE,
    Readings,
    new_metrics,
    scraped,
    standing,
)


async def test_rows_are_counted_each_time_while_that_is_quick() -> None:
    readings = Readings([])
    metrics = new_metrics()
    sampler = Sampler(readings, lambda: [], lambda domain: None, metrics, HandClock())
    for rows in (312, 313):
        await sampler.sample()
        assert scraped(metrics)["lpse_inbox_rows", ()] == rows


async def test_what_waits_is_counted_by_its_reason_and_adds_up_to_the_queue() -> None:
    domains = [f"d{n}.example" for n in range(600)]
    readings = Readings(
        [Depth(one, state, 3, NOW) for one in domains for state in (State.READY, State.HELD)]
        + [Depth("gmail.com", State.READY, 40, NOW), Depth("gmail.com", State.WAITING, 2, NOW)]
    )
    metrics = new_metrics()

    def reason_of(domain: str, state: State, count: int) -> str:
        if state is not State.READY:
            return {State.HELD: "hold", State.WAITING: "retry"}[state]
        return "pause" if domain in domains[:100] or count == 40 else "next"

    sampler = Sampler(
        readings,
        lambda: [],
        {"gmail.com": "gmail"}.get,
        metrics,
        HandClock(),
        reason_of=reason_of,
    )
    await sampler.sample()
    found = scraped(metrics)
    assert {
        tuple(value for _, value in labels): count
        for (name, labels), count in found.items()
        if name == "lpse_waiting_deliveries"
    } == {
        ("gmail", "pause"): 40,
        ("gmail", "retry"): 2,
        ("other", "pause"): 300,
        ("other", "next"): 1500,
        ("other", "hold"): 1800,
    }
    sums = {
        name: sum(count for (one, _), count in found.items() if one == name)
        for name in ("lpse_waiting_deliveries", "lpse_queue_deliveries")
    }
    assert set(sums.values()) == {3642}


async def test_reasons_that_are_slow_to_tell_are_asked_for_with_every_third_sample() -> None:
    clock = HandClock()
    readings = Readings([Depth("gmail.com", State.READY, 4, NOW)])
    metrics = new_metrics()
    asked: list[str] = []
    takes = 0.0

    def reason_of(domain: str, state: State, count: int) -> str:
        asked.append(domain)
        clock.at += int(takes * 1000)
        return "limit"

    sampler = Sampler(readings, lambda: [], lambda one: None, metrics, clock, reason_of=reason_of)
    await sampler.sample()
    await sampler.sample()
    assert len(asked) == 2
    takes = 0.05
    for _ in range(7):
        await sampler.sample()
    assert len(asked) == 2 + 3
    readings._depths.append(Depth("new.example", State.READY, 1, NOW))
    await sampler.sample()
    assert asked[5:] == ["new.example"]
    (labels,) = [one for name, one in scraped(metrics) if name == "lpse_waiting_deliveries"]
    assert scraped(metrics)["lpse_waiting_deliveries", labels] == 5


async def test_domains_become_providers_and_slow_rows_are_counted_seldom() -> None:
    clock = HandClock()
    readings = Readings(
        [
            Depth("gmail.com", State.READY, 4, NOW - 9000),
            Depth("example.co.id", State.READY, 2, NOW - 99_000),
            Depth("one.example", State.WAITING, 1, NOW),
            Depth("two.example", State.WAITING, 1, NOW - 5),
        ],
        clock,
    )
    metrics = new_metrics()
    names = {"gmail.com": "gmail", "example.co.id": "gmail"}
    sampler = Sampler(readings, lambda: [], names.get, metrics, clock)
    for _ in range(12):
        await sampler.sample()
    assert readings.rows_asked == 1
    await sampler.sample()
    assert readings.rows_asked == 2
    assert {(d.provider, d.state, d.count, d.oldest_at) for d in metrics.snapshot.depths} == {
        ("gmail", State.READY, 6, NOW - 99_000),
        (None, State.WAITING, 2, NOW - 5),
    }


async def test_destinations_without_a_provider_are_one_in_the_snapshot() -> None:
    metrics = new_metrics()
    found = [
        standing("gmail", "ok", (PER_DAY,), 3.0),
        standing(None, "paused", (PER_MINUTE, PER_DAY), 10.0),
        standing(None, "ok", (Rate(5, timedelta(minutes=1)),), 5.0),
        standing(None, "ok"),
    ]
    sampler = Sampler(Readings([]), lambda: found, lambda one: None, metrics, HandClock())
    await sampler.sample()
    assert [one.provider for one in metrics.snapshot.standings] == ["gmail", None]
    shown, other = scraped(metrics), ("provider", "other")
    assert shown["lpse_rate_limit", (other, ("window", "min"))] == 5
    assert shown["lpse_rate_limit", (other, ("window", "day"))] == 1500
    assert shown["lpse_rate_now", (other,)] == 15
    assert shown["lpse_provider_paused", (other,)] == 1
    assert shown["lpse_connections_open", (other,)] == 3
    del found[1:]
    await sampler.sample()
    assert [one.provider for one in metrics.snapshot.standings] == ["gmail"]


async def test_thousands_of_standings_leave_turns_to_others_and_are_made_seldom() -> None:
    clock, metrics, made, turns = HandClock(), new_metrics(), 0, 0

    def standings() -> Iterator[Standing]:
        nonlocal made
        for _ in range(600):
            made += 1
            clock.at += made % 5 == 0
            yield standing(None)

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    sampler = Sampler(Readings([]), standings, lambda one: None, metrics, clock)
    task = asyncio.create_task(other_work())
    await sampler.sample()
    task.cancel()
    assert (made, turns) == (600, 600 // AT_ONCE)
    for _ in range(3):
        await sampler.sample()
    assert made == 2 * 600


async def test_a_failed_sample_leaves_the_last_one(caplog: pytest.LogCaptureFixture) -> None:
    readings = Readings([Depth("gmail.com", State.READY, 4, NOW)])
    metrics = new_metrics()
    clock = HandClock()
    sampler = Sampler(
        readings,
        lambda: [],
        lambda domain: None,
        metrics,
        clock,
        Pulse(_never_called, clock),
    )
    await sampler.sample()
    readings.is_broken = True
    task = asyncio.create_task(sampler.run(every=0))
    while "no disk" not in caplog.text:
        await asyncio.sleep(0)
    task.cancel()
    assert metrics.snapshot.depths[0].count == 4


async def _never_called() -> None:
    raise AssertionError("no beat was asked for")
