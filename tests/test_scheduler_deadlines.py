"""Deadlines that will be missed: the reckoning as a table, and the alert at acceptance."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.instant import DAY, HOUR, MINUTE, Instant, from_iso, iso
from relay.mail.urgency import Urgency
from relay.scheduler.deadlines import Risk, risks, through_at, warning
from relay.shaping import hours
from relay.shaping.base import SHORT, Bound, Explained, Start
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.settings import LimitSettings, PauseSettings
from relay.shaping.shaper import Shaper
from relay.shaping.warmup import Ahead, Warmup
from relay.store.base import Backlog, StoreError
from relay.store.memory import MemoryStore
from tests.scheduling import House, accept, house, per_minute, profiles

NOW = 1_764_000_000_000 // MINUTE * MINUTE
MASSAL, KRITIS, MENDESAK = Urgency.MASSAL, Urgency.KRITIS, Urgency.MENDESAK


def explained(
    pace: float | None = None,
    *bounds: tuple[int, timedelta, int],
    next_at: Instant | None = NOW,
) -> Explained:
    made = tuple(Bound("gmail", Rate(count, span), "", used, None) for count, span, used in bounds)
    told = Explained("gmail", "gmail", "ok", "", made, None, None, next_at, None, 1)
    return replace(told, pace=pace)


A_MINUTE, AN_HOUR, A_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("said", "count", "expected"),
    [
        (explained(), 10**6, 0),  # no limit
        (explained(1e-300), 1, 3650 * DAY),
        (explained(1200), 6000, 5 * HOUR),
        (explained(1200, next_at=NOW + HOUR), 6000, 6 * HOUR),  # a pause comes first
        (explained(1200, next_at=None), 6000, 5 * HOUR),
        (explained(0, next_at=NOW + 2 * HOUR), 6000, 2 * HOUR),  # paused, and no limit known
        (explained(1200, (20, A_MINUTE, 20)), 6000, 5 * HOUR),
        (explained(1080, (20, A_MINUTE, 20)), 5400, 5 * HOUR),  # a tenth is closed to massal
        (explained(600, (20, A_MINUTE, 20)), 6000, 10 * HOUR),  # slower for hours on end
        # Of 1500 a day none are used: the first 1500 in an hour and a quarter, 4500 in three days.
        (explained(1200, (20, A_MINUTE, 0), (1500, A_DAY, 0)), 6000, 3 * DAY),
        (explained(1200, (20, A_MINUTE, 0), (1500, A_DAY, 0)), 1200, HOUR),
        (explained(1200, (20, A_MINUTE, 0), (1500, A_DAY, 1500)), 125, 2 * HOUR),  # all used
        (explained(1200, (20, A_MINUTE, 0), (2400, A_DAY, 2399)), 101, HOUR),
    ],
)
def test_when_letters_are_through(said: Explained, count: int, expected: int) -> None:
    assert through_at(said, count, NOW) == NOW + expected


# At 20:00 WIB.
EVENING = from_iso("2026-11-30T13:00:00Z")
NIGHTLY = hours.parse("06:00-22:00 WIB")


@pytest.mark.parametrize(
    ("count", "through"),
    [
        (2400, EVENING + 2 * HOUR),  # just as it closes
        (3600, EVENING + 11 * HOUR),  # the rest in the morning
        (2400 + 16 * 1200, EVENING + 26 * HOUR),
        (2400 + 33 * 1200, EVENING + 59 * HOUR),
    ],
)
def test_the_night_is_no_time_to_send_in(count: int, through: Instant) -> None:
    said = replace(explained(1200, next_at=EVENING), hours=NIGHTLY)
    assert through_at(said, count, EVENING) == through
    free = replace(explained(next_at=EVENING), hours=NIGHTLY)
    assert through_at(free, count, EVENING + 3 * HOUR) == EVENING + 10 * HOUR


def test_what_is_kept_for_other_classes_is_not_reckoned_with() -> None:
    shaper = Shaper(PauseSettings(), lambda domain: (), is_ramping=False)
    to = Destination("gmail", Profile("gmail", rates=(Rate(1500, A_DAY),)), "gmail")
    massal = shaper.explain(to, "gmail.com", NOW, MASSAL)
    urgent = shaper.explain(to, "gmail.com", NOW, MENDESAK)
    assert through_at(massal, 1350, NOW) == through_at(urgent, 1500, NOW) == NOW
    assert through_at(massal, 4050, NOW) == through_at(urgent, 4500, NOW) == NOW + 2 * DAY


def test_a_warm_up_says_how_many_go_on_each_day() -> None:
    plan = Warmup(500, 1.4, 20_000)
    said = replace(explained(1200), warmup=Ahead(plan, 0, 0, None))
    assert through_at(said, 500, NOW) == NOW + 25 * MINUTE
    assert through_at(said, 1200, NOW) == NOW + DAY + 35 * MINUTE  # 500 and 700
    assert through_at(said, 6000, NOW) == NOW + 5 * DAY + 530 * 3_000
    begun = replace(said, warmup=Ahead(plan, 0, 400, NOW + HOUR), hours=None)
    assert through_at(begun, 101, NOW) == NOW + HOUR + 3_000
    assert [one.late for one in risks([backlog(MASSAL, NOW + DAY, 6000)], said, NOW)] == [5500]


def test_where_a_day_ends_at_night_what_is_left_of_it_is_lost() -> None:
    said = replace(
        explained(1200, next_at=EVENING),
        hours=NIGHTLY,
        warmup=Ahead(Warmup(500, 1.4, 20_000), 0, 100, EVENING + 5 * HOUR),
    )
    # From 06:00 on there are 500 again: too few went on the day before.
    closed = EVENING + 3 * HOUR
    assert through_at(said, 500, closed) == EVENING + 10 * HOUR + 25 * MINUTE
    assert through_at(said, 501, closed) == EVENING + 34 * HOUR + 3_000


@pytest.mark.parametrize(
    ("limit", "letters"), [((20, A_MINUTE), 2000), ((20, A_MINUTE), 40), ((60, AN_HOUR), 200)]
)
def test_what_is_said_of_a_new_provider_is_what_comes(
    limit: tuple[int, timedelta], letters: int
) -> None:
    shaper = Shaper(PauseSettings(), lambda domain: ())
    to = Destination("gmail", Profile("gmail", rates=(Rate(*limit),)), "gmail")
    shaper.peek(to, "gmail.com", 1, NOW)  # somebody looks at it, and it is new
    told = shaper.explain(to, "gmail.com", NOW, MASSAL)
    assert told.start is not None
    assert told.an_hour == told.pace == (1080 if limit[1] is A_MINUTE else 54)
    now, sent = NOW, 0
    while sent < letters:
        said = shaper.admit(to, "gmail.com", 1, now, MASSAL)
        if said is SHORT:
            shaper.set_aside(shaper.setting_aside(now), now)
        elif said is None:
            sent += 1
            shaper.feedback(to, None, "", now)
        else:
            now = max(now + 1, said.until)
    assert told.pace is not None
    slack = 2 * HOUR / told.pace + 0.02 * (now - NOW)
    assert abs(through_at(told, letters, NOW) - now) <= slack


PLANS = st.sampled_from([Warmup(50, 1.4, 400), Warmup(1, 1.0, 5), Warmup(3, 1.1, 3)])
ENDS = st.none() | st.integers(NOW - HOUR, NOW + DAY)


@given(
    st.integers(0, 10**5),
    st.integers(0, 10**4),
    st.none() | st.integers(0, 10**4) | st.floats(0, 6000),
    st.lists(
        st.tuples(st.integers(1, 5000), st.sampled_from([A_MINUTE, AN_HOUR, A_DAY]), st.just(7)),
        max_size=3,
    ),
    st.sampled_from([None, "06:00-22:00 WIB", "22:00-06:00 WIB", "00:00-24:00 UTC"]),
    st.none() | st.builds(Ahead, PLANS, st.integers(0, 9), st.integers(0, 60), ENDS, st.booleans()),
    st.none() | st.just(Start(0.25, 59_000)),
)
def test_more_letters_are_never_through_earlier(
    count: int,
    more: int,
    pace: float | None,
    bounds: list[tuple[int, timedelta, int]],
    written: str | None,
    warmup: Ahead | None,
    start: Start | None,
) -> None:
    said = explained(pace, *bounds)
    opened = None if written is None else hours.parse(written)
    said = replace(said, hours=opened, warmup=warmup, start=start)
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
    said = warning("gmail", risk, 2, "the limit 20/min", "1200 an hour")
    assert said == (
        f"600 massal letters to gmail will miss their deadline {iso(NOW + HOUR)}: 1800 stand in"
        f" line until then, 1200 an hour, and the last of them will be through by"
        f" {iso(NOW + 90 * MINUTE)}; 2 other deadlines there will be missed too (the limit 20/min)"
    )
    assert warning("gmail", risk, 0, "", "").endswith(iso(NOW + 90 * MINUTE))


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
            assert "would be through by" in detail and "if it were resumed now" in detail

    run(main)


def test_what_its_hours_and_its_warm_up_will_not_let_go_is_told() -> None:
    async def main(clock: VirtualClock) -> None:
        limits = LimitSettings(rate=("20/min",), warmup={"start": "500/day", "end": "20000/day"})  # type: ignore[arg-type]
        async with house(clock, accept, book=profiles(**{"gmail.com": limits})) as h:
            for n in range(520):
                await h.put(f"v{n}@gmail.com", urgency=MASSAL, deadline_at=clock.now() + 20 * HOUR)
            await asyncio.sleep(3)
            ((name, detail),) = alerts(h)
            assert name == "deadline_at_risk:gmail"
            assert 10 <= int(detail.split()[0]) <= 20
            assert "1080 an hour, sending day 1 of its warm-up, and the last" in detail
        limits = LimitSettings(rate=("20/min",), hours="06:00-22:00 WIB")  # type: ignore[arg-type]
        late = from_iso(iso(clock.now())[:10] + "T14:00:00Z") + DAY - clock.now()
        await asyncio.sleep(late / 1000)
        async with house(clock, accept, book=profiles(**{"gmail.com": limits})) as h:
            for n in range(1200):
                await h.put(f"v{n}@gmail.com", urgency=MASSAL, deadline_at=clock.now() + 6 * HOUR)
            await asyncio.sleep(3)
            ((name, detail),) = alerts(h)
            assert "1080 an hour, only at 06:00-22:00 WIB, and the last" in detail

    run(main)
