"""Deadlines that will be missed: the reckoning as a table, and the alert at acceptance."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.instant import DAY, HOUR, MINUTE, Instant, iso
from relay.mail.urgency import Urgency
from relay.scheduler.deadlines import Risk, risks, through_at, warning
from relay.shaping.base import Bound, Explained
from relay.shaping.destination import Rate
from relay.shaping.settings import LimitSettings
from relay.store.base import Backlog, StoreError
from relay.store.memory import MemoryStore
from tests.scheduling import House, accept, house, per_minute, profiles

NOW = 1_764_000_000_000 // MINUTE * MINUTE
MASSAL, KRITIS, MENDESAK = Urgency.MASSAL, Urgency.KRITIS, Urgency.MENDESAK


def explained(
    an_hour: int | None = None,
    *bounds: tuple[int, timedelta, int],
    learned: float | None = None,
    next_at: Instant | None = NOW,
) -> Explained:
    made = tuple(Bound("gmail", Rate(count, span), "", used, None) for count, span, used in bounds)
    return Explained("gmail", "gmail", "ok", "", made, learned, None, next_at, an_hour, 1)


A_MINUTE, AN_HOUR, A_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("said", "count", "expected"),
    [
        (explained(), 10**6, 0),  # no limit
        (explained(learned=1e-300), 1, 3650 * DAY),
        (explained(1200), 6000, 5 * HOUR),
        (explained(1200, next_at=NOW + HOUR), 6000, 6 * HOUR),  # a pause comes first
        (explained(1200, next_at=None), 6000, 5 * HOUR),
        (explained(0, next_at=NOW + 2 * HOUR), 6000, 2 * HOUR),  # paused, and no limit known
        (explained(1200, (20, A_MINUTE, 20)), 6000, 5 * HOUR),
        (explained(1080, (20, A_MINUTE, 20)), 5400, 5 * HOUR),  # a tenth is closed to massal
        (explained(1200, learned=10.0), 6000, 10 * HOUR),  # slower for hours on end
        # Of 1500 a day none are used: the first 1500 in an hour and a quarter, 4500 in three days.
        (explained(1200, (20, A_MINUTE, 0), (1500, A_DAY, 0)), 6000, 3 * DAY),
        (explained(1200, (20, A_MINUTE, 0), (1500, A_DAY, 0)), 1200, HOUR),
        # All used: what may leave in the coming hour says nothing of those after it.
        (explained(0, (20, A_MINUTE, 0), (1500, A_DAY, 1500)), 125, 2 * HOUR),
        (explained(1, (20, A_MINUTE, 0), (2400, A_DAY, 2399)), 101, HOUR),
    ],
)
def test_when_letters_are_through(said: Explained, count: int, expected: int) -> None:
    assert through_at(said, count, NOW) == NOW + expected


@given(
    st.integers(0, 10**5),
    st.integers(0, 10**4),
    st.none() | st.integers(0, 10**4),
    st.none() | st.floats(0, 100),
    st.lists(
        st.tuples(st.integers(1, 5000), st.sampled_from([A_MINUTE, AN_HOUR, A_DAY]), st.just(7)),
        max_size=3,
    ),
)
def test_more_letters_are_never_through_earlier(
    count: int,
    more: int,
    an_hour: int | None,
    learned: float | None,
    bounds: list[tuple[int, timedelta, int]],
) -> None:
    said = explained(an_hour, *bounds, learned=learned)
    assert NOW <= through_at(said, count, NOW) <= through_at(said, count + more, NOW)


def backlog(urgency: Urgency, deadline_at: Instant | None, count: int) -> Backlog:
    return Backlog("gmail.com", urgency, deadline_at, count)


def test_what_stands_before_a_deadline_is_counted_in_its_order() -> None:
    rows = [
        backlog(KRITIS, None, 600),
        backlog(MASSAL, NOW + 4 * HOUR, 3000),
        Backlog("googlemail.com", MASSAL, NOW + 4 * HOUR, 600),
        backlog(MASSAL, NOW + HOUR, 600),
        backlog(MASSAL, NOW - HOUR, 600),  # past already, and still before the others
        backlog(MASSAL, NOW + DAY, 600),
        backlog(MASSAL, None, 10**6),  # those without a deadline come after all
    ]
    assert risks(rows, explained(1200), NOW) == [
        Risk(MASSAL, NOW + HOUR, 600, 1800, NOW + 90 * MINUTE),
        Risk(MASSAL, NOW + 4 * HOUR, 600, 5400, NOW + 270 * MINUTE),
    ]
    assert risks(rows, explained(), NOW) == []
    assert risks([], explained(1), NOW) == []


def test_the_sentence_says_how_many_by_when_and_how_fast() -> None:
    risk = Risk(MASSAL, NOW + HOUR, 600, 1800, NOW + 90 * MINUTE)
    said = warning("gmail", risk, 2, "the limit 20/min", 1200)
    assert said == (
        f"600 massal letters to gmail will miss their deadline {iso(NOW + HOUR)}: 1800 stand in"
        f" line until then, 1200 an hour, and the last of them will be through by"
        f" {iso(NOW + 90 * MINUTE)}; 2 other deadlines there will be missed too (the limit 20/min)"
    )
    assert warning("gmail", risk, 0, "", 0).endswith(iso(NOW + 90 * MINUTE))


class Counted(MemoryStore):
    """Says how often the order was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[frozenset[str]] = []
        self.failing = 0

    async def backlog(self, domains: Collection[str]) -> list[Backlog]:
        self.asked.append(frozenset(domains))
        if self.failing:
            self.failing -= 1
            raise StoreError("busy")
        return await super().backlog(domains)


def alerts(h: House) -> list[tuple[str, str]]:
    found = [event for event in h.events if isinstance(event, events.Alert)]
    return [(a.name, a.detail) for a in found if a.name.startswith("deadline_at_risk")]


def test_the_alert_goes_out_at_acceptance() -> None:
    async def main(clock: VirtualClock) -> None:
        book = profiles(**{"gmail.com": per_minute(20)})
        async with house(clock, accept, book=book, store=Counted()) as h:
            soon, later = clock.now() + 3 * HOUR, clock.now() + 2 * DAY
            for n in range(2000):
                await h.put(f"v{n}@gmail.com", urgency=MASSAL, deadline_at=later)
            await asyncio.sleep(2)
            assert alerts(h) == []
            for n in range(4000):
                await h.put(f"w{n}@gmail.com", urgency=MASSAL, deadline_at=soon)
            await asyncio.sleep(2)
            ((name, detail),) = alerts(h)
            assert name == "deadline_at_risk:gmail"
            late = int(detail.split()[0])
            assert 700 < late < 900  # 18 a minute for massal: 3240 in three hours
            assert iso(soon // MINUTE * MINUTE) in detail
            await h.put("one@gmail.com", urgency=MASSAL, deadline_at=soon)
            await asyncio.sleep(3)
            assert len(alerts(h)) == 1  # told already

    run(main)


def test_it_is_told_again_where_it_is_twice_as_bad() -> None:
    async def main(clock: VirtualClock) -> None:
        book = profiles(**{"gmail.com": per_minute(20)})
        async with house(clock, accept, book=book) as h:
            soon = clock.now() + HOUR
            for _ in range(40):
                for n in range(100):
                    await h.put(f"v{n}@gmail.com", urgency=MENDESAK, deadline_at=soon)
                await asyncio.sleep(1.5)
            told = [int(detail.split()[0]) for _, detail in alerts(h)]
            assert 2 < len(told) < 9
            assert all(b >= 2 * a for a, b in pairwise(told))

    run(main)


def test_letters_without_a_deadline_ask_for_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        store = Counted()
        async with house(clock, accept, store=store) as h:
            for n in range(50):
                await h.put(f"v@d{n}.example", urgency=MASSAL)
                await asyncio.sleep(0.1)
            assert store.asked == []
            for n in range(100):
                await h.put(f"v@d{n % 10}.example", urgency=MASSAL, deadline_at=clock.now() + DAY)
                await asyncio.sleep(0.1)
            assert len(store.asked) <= 12  # a look a second, for all destinations together
            assert alerts(h) == []

    run(main)


def test_a_store_that_cannot_be_asked_is_asked_again() -> None:
    async def main(clock: VirtualClock) -> None:
        store = Counted()
        store.failing = 3
        book = profiles(**{"gmail.com": per_minute(1)})
        async with house(clock, accept, book=book, store=store) as h:
            for n in range(20):
                await h.put(f"v{n}@gmail.com", urgency=MASSAL, deadline_at=clock.now() + MINUTE)
            await asyncio.sleep(2)
            assert alerts(h) == []
            await asyncio.sleep(4)
            assert [name for name, _ in alerts(h)] == ["deadline_at_risk:gmail"]

    run(main)


def test_a_route_that_is_known_later_is_reckoned_with_later() -> None:
    async def main(clock: VirtualClock) -> None:
        limits = {"example.co.id": LimitSettings(rate=("1/hour",))}  # type: ignore[arg-type]
        async with house(clock, accept, book=profiles(**limits)) as h:
            h.shaper.pause("*", None, "root", clock.now())
            for _ in range(9):
                await h.put("a@example.co.id", urgency=MASSAL, deadline_at=clock.now() + HOUR // 2)
            await asyncio.sleep(3)
            ((name, detail),) = alerts(h)
            assert name == "deadline_at_risk:example.co.id"
            assert "paused" in detail

    run(main)
