"""Warm-up: more with each day that was used, frozen by a block."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from relay.mail import events
from relay.mail.instant import DAY, HOUR, SECOND
from relay.mail.urgency import Urgency
from relay.shaping.destination import Destination, Profile
from relay.shaping.settings import LimitSettings, PauseSettings
from relay.shaping.shaper import Shaper
from relay.shaping.warmup import Ahead, Warming, Warmup
from tests.shaping.house import BLOCK, NOW, THROTTLE, admit, no_rates, shaper

PLAN = Warmup(10, 1.4, 20)
GMAIL = Destination("gmail", Profile("gmail", connections=None, warmup=PLAN), "gmail")


def day(warming: Warming, now: int, most: int = 100) -> int:
    """So many as may go on one day."""
    sent = 0
    while sent < most and warming.free_at(PLAN, 1, now) <= now:
        warming.add(PLAN, 1, now)
        now += SECOND
        sent += 1
    return sent


def test_it_grows_with_each_day_that_was_used_and_ends() -> None:
    warming = Warming()
    assert [day(warming, NOW + n * (DAY + HOUR)) for n in range(4)] == [10, 14, 19, 20]
    assert day(warming, NOW + 5 * (DAY + HOUR)) == 100
    assert warming.is_over
    assert PLAN.of_day(10_000) == 20


def test_a_day_that_was_hardly_used_makes_the_next_no_larger() -> None:
    warming = Warming()
    assert day(warming, NOW, most=4) == 4
    assert day(warming, NOW + DAY) == 10
    assert day(warming, NOW + 2 * DAY) == 14


def test_what_was_not_written_comes_back() -> None:
    made, now = shaper(), NOW
    assert not made._warming
    for _ in range(3):  # a day that no letter was written on has not begun
        assert admit(made, now, GMAIL, units=10)
        made.refund(GMAIL, "gmail.com", 10, now, now)
        now += HOUR
    kept = dict(made.dirty(now, is_last=True))
    assert kept["warmup:gmail"].startswith("[0, 0, 0, ")
    assert admit(made, now, GMAIL, units=6) and admit(made, now + SECOND, GMAIL, units=4)
    made.refund(GMAIL, "gmail.com", 3, now + SECOND, now + SECOND)
    assert not admit(made, now + HOUR, GMAIL, units=4)
    assert admit(made, now + HOUR, GMAIL, units=3)
    assert admit(made, now + DAY, GMAIL, units=2)
    made.refund(GMAIL, "gmail.com", 3, now + DAY, now + HOUR)  # of the day before
    assert not admit(made, now + DAY, GMAIL, units=13)
    made.refund(GMAIL, "gmail.com", 2, now + DAY)
    assert admit(made, now + DAY + HOUR, GMAIL, units=14)


@pytest.mark.parametrize("start", [10, 500, 2_000])
def test_a_crash_makes_a_day_smaller_and_never_larger(start: int) -> None:
    plan = Warmup(start, 1.4, 40_000)
    to = replace(GMAIL, profile=replace(GMAIL.profile, warmup=plan, rates=()))
    made, store = shaper(), dict[str, str]()
    for n in range(start * 2):  # ten a second at most, and what is due is kept each second
        now = NOW + n * SECOND // 10
        if n % 10 == 0:
            store |= made.dirty(now)
        if n and n % 97 == 0 and n > 20:
            again = shaper()
            again.restore({name: text for name, text in store.items() if text}, now)
            sent, kept = made._warming["gmail"].sent, again._warming["gmail"].sent
            assert sent <= kept <= sent + max(1, start // 20)
        if not admit(made, now, to):
            break
    assert made._warming["gmail"].sent == start
    last = dict(made.dirty(now, is_last=True))
    assert json.loads(last["warmup:gmail"])[2] == start


def test_a_block_s_day_stays_frozen_though_its_letters_come_back() -> None:
    made = shaper()
    assert admit(made, NOW, GMAIL, units=10)
    made.feedback(GMAIL, BLOCK, "550 blocked", NOW)
    made.refund(GMAIL, "gmail.com", 10, NOW, NOW)
    assert made._warming["gmail"].is_frozen
    assert made._warming["gmail"].began_at == NOW


def test_a_throttle_freezes_nothing() -> None:
    made = shaper()
    assert admit(made, NOW, GMAIL)
    made.feedback(GMAIL, THROTTLE, "421 slow down", NOW)
    assert not made._warming["gmail"].is_frozen


def test_a_block_freezes_the_day_it_falls_on() -> None:
    warming = Warming()
    day(warming, NOW)
    assert warming.freeze()
    assert not warming.freeze()
    assert day(warming, NOW + DAY) == 10
    assert Warming.load(warming.dump(is_last=True), NOW + DAY) == warming


def test_urgent_letters_are_exempt_and_count() -> None:
    made, now = shaper(), NOW
    for n in range(10):
        now += SECOND
        assert admit(made, now, GMAIL, urgency=Urgency.KRITIS if n % 2 else Urgency.MASSAL)
    wait = made.peek(GMAIL, "gmail.com", 1, now)
    assert wait is not None
    assert wait.why == "the warm-up of gmail: 10 on sending day 1"
    assert wait.until == NOW + SECOND + DAY
    assert admit(made, now, GMAIL, urgency=Urgency.MENDESAK)
    kept = dict(made.dirty(now, is_last=True))
    again = shaper()
    again.restore(kept, now)
    assert not admit(again, now, GMAIL)


def test_a_block_freezes_it_and_says_so_once() -> None:
    made = shaper()
    assert admit(made, NOW, GMAIL)
    told = made.feedback(GMAIL, BLOCK, "550 blocked", NOW)
    assert [e.name for e in told if isinstance(e, events.Alert)] == [
        "blocked:gmail",
        "warmup_frozen:gmail",
    ]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"start": "500/day", "end": "400/day"}, "below its start"),
        ({"start": "500/hour", "end": "4000/day"}, "no number a day"),
        ({"start": "500/day", "end": "4000/day", "growth": 1.0}, "greater than 1"),
        ({"start": "500/day"}, "Field required"),
    ],
)
def test_what_cannot_be(written: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        LimitSettings.model_validate({"warmup": written})


def test_another_address_of_ours_begins_anew_and_no_clock_stops_it_for_long() -> None:
    def of(source: str) -> Shaper:
        return Shaper(PauseSettings(), no_rates, source=source, is_ramping=False)

    made, ahead = of("192.0.2.1"), NOW + 365 * DAY
    for _ in range(10):
        assert admit(made, ahead, GMAIL)
    kept = made.dirty(ahead, is_last=True)
    for source, may_go in (("192.0.2.1", False), ("", False), ("192.0.2.2", True)):
        again = of(source)  # its clock was set back by a year meanwhile
        again.restore(kept, NOW)
        assert admit(again, NOW, GMAIL) is may_go
        assert admit(again, NOW + DAY, GMAIL)
    old = of("192.0.2.2")
    old.restore({"warmup:gmail": "[0, 0, 10, false, true]"}, NOW)  # of a version without addresses
    assert all(admit(old, NOW, GMAIL) for _ in range(30))


def test_what_it_lets_go_from_where_it_stands() -> None:
    warming = Warming()
    assert warming.ahead(PLAN, NOW) == Ahead(PLAN, 0, 0, None)
    warming.add(PLAN, 4, NOW)
    assert warming.ahead(PLAN, NOW + HOUR) == Ahead(PLAN, 0, 4, NOW + DAY)
    warming.freeze()
    assert warming.ahead(PLAN, NOW + HOUR) == Ahead(PLAN, 0, 4, NOW + DAY, is_frozen=True)
    assert warming.ahead(PLAN, NOW + DAY) == Ahead(PLAN, 0, 0, None)
    for n in range(1, 5):
        day(warming, NOW + n * DAY)
    assert warming.ahead(PLAN, NOW + 5 * DAY) is None


@pytest.mark.parametrize(
    ("ahead", "count", "expected"),
    [
        (Ahead(PLAN, 0, 4, NOW + HOUR), 6, (NOW, 6)),
        (Ahead(PLAN, 0, 4, NOW + HOUR), 7, (NOW + HOUR, 1)),
        (Ahead(PLAN, 0, 4, NOW + HOUR), 21, (NOW + HOUR + DAY, 1)),
        (Ahead(PLAN, 0, 4, NOW + HOUR, is_frozen=True), 17, (NOW + HOUR + DAY, 1)),
        (Ahead(PLAN, 0, 15, NOW + HOUR), 1, (NOW + HOUR, 1)),  # urgent ones took more than all
        (Ahead(PLAN, 0, 4, NOW), 10, (NOW, 10)),  # hardly used: the next day is no larger
        (Ahead(PLAN, 0, 6, NOW), 15, (NOW + DAY, 1)),
        (Ahead(PLAN, 3, 0, None), 1000, (NOW + DAY, 980)),  # the last day; then it is over
        (Ahead(Warmup(1, 1.0, 5), 0, 0, None), 10**6, (NOW + 3650 * DAY, 10**6 - 3650)),
    ],
)
def test_when_the_last_of_many_goes(ahead: Ahead, count: int, expected: tuple[int, int]) -> None:
    assert ahead.last(count, NOW) == expected


@pytest.mark.parametrize(
    ("ahead", "most"),
    [
        (Ahead(PLAN, 0, 4, None), 6),
        (Ahead(PLAN, 0, 4, NOW + HOUR), 6),
        (Ahead(PLAN, 0, 4, NOW + HOUR - 1), 6 + 14),
        (Ahead(PLAN, 0, 4, NOW + HOUR - 1, is_frozen=True), 6 + 10),
        (Ahead(PLAN, 3, 15, NOW + HOUR - 1), None),
    ],
)
def test_how_many_go_within_an_hour(ahead: Ahead, most: int | None) -> None:
    assert ahead.within(NOW, NOW + HOUR) == most


def test_the_coming_hour_knows_it_and_urgent_classes_do_not_ask() -> None:
    made, now = shaper(), NOW
    for _ in range(8):
        now += SECOND
        assert admit(made, now, GMAIL)
    shown = made.explain(GMAIL, "gmail.com", now, Urgency.MASSAL)
    assert (shown.an_hour, shown.warmup) == (2, Ahead(PLAN, 0, 8, NOW + SECOND + DAY))
    assert shown.pace is None
    urgent = made.explain(GMAIL, "gmail.com", now, Urgency.MENDESAK)
    assert (urgent.an_hour, urgent.warmup) == (None, None)
    later = now + DAY - HOUR // 2
    assert made.explain(GMAIL, "gmail.com", later, Urgency.MASSAL).an_hour == 2 + 14
