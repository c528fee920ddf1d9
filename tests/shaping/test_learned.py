"""What is learned of quotas that nobody tells: which span is blamed, and how it rises again."""

from __future__ import annotations

import json

import pytest

from relay.mail.instant import DAY, HOUR, MINUTE, SECOND
from relay.shaping.learned import BELOW, CALM, LEAST, SPANS, Learned, Track
from tests.shaping.house import NOW

MINUTES, FOURS, QUARTERS, HOURS, SIXES, DAYS = range(6)


def steady(learned: Learned, now: int, every: int, count: int) -> int:
    for _ in range(count):
        learned.add(1, now)
        now += every
    return now


def caps(learned: Learned) -> list[float | None]:
    return [track.cap for track in learned.tracks]


def test_a_growing_rate_is_blamed_on_the_minute() -> None:
    learned = Learned()
    now = steady(learned, NOW, 6 * SECOND, 40)
    now = steady(learned, now, 2 * SECOND, 15)
    learned.refused(now)
    assert learned.blamed == MINUTES
    assert 15 <= (learned.tracks[MINUTES].cap or 0) <= 25


@pytest.mark.parametrize(
    ("every", "count", "blamed"),
    [
        (2 * SECOND, 900, HOURS),
        (6 * SECOND, 2_000, SIXES),
        (30 * SECOND, 1_500, DAYS),
        (2 * SECOND, 60, FOURS),
        (2 * SECOND, 240, QUARTERS),
    ],
)
def test_a_steady_rate_is_blamed_on_what_still_grows(every: int, count: int, blamed: int) -> None:
    learned = Learned()
    now = steady(learned, NOW, every, count)
    learned.refused(now)
    assert learned.blamed == blamed
    borne = min(count, SPANS[blamed] // every)
    assert 0.95 * borne <= (learned.tracks[blamed].cap or 0) <= 1.05 * borne


def test_a_second_refusal_soon_is_put_down_to_the_longer_span() -> None:
    learned = Learned()
    now = steady(learned, NOW, SECOND, 45)
    learned.refused(now)
    assert caps(learned)[MINUTES] is not None
    now = steady(learned, now + 10 * MINUTE, 4 * SECOND, 20)
    learned.refused(now)
    assert learned.blamed > MINUTES


def test_a_count_that_stands_where_it_stood_explains_both_refusals() -> None:
    """A hundred an hour, put down to the shorter span at first."""
    learned = Learned()
    now = steady(learned, NOW, 6 * SECOND, 100)
    learned.refused(now)
    first = learned.blamed
    assert first < HOURS
    now += 70 * MINUTE
    now = steady(learned, now, 30 * SECOND, 100)
    learned.refused(now)
    assert learned.blamed == HOURS
    assert caps(learned)[first] is None
    cap = caps(learned)[HOURS]
    assert cap is not None and 90 <= cap <= 100
    now = steady(learned, now + 70 * MINUTE, 30 * SECOND, 97)
    learned.refused(now)  # the same once more: it gives way
    assert (caps(learned)[HOURS] or 0) <= 0.75 * cap


def test_late_refusals_of_the_same_moment_lower_it_by_one_each() -> None:
    learned = Learned()
    learned.refused_too()  # nothing is blamed yet
    now = steady(learned, NOW, SECOND, 30)
    learned.refused(now)
    before = learned.tracks[MINUTES].cap or 0
    learned.refused_too()
    assert learned.tracks[MINUTES].cap == before - 1


def test_a_quota_that_fell_makes_the_ceilings_give_way() -> None:
    learned = Learned()
    now = steady(learned, NOW, 6 * SECOND, 30_000)  # two days: nothing is at a record
    learned.refused(now)
    first = caps(learned)
    assert first[MINUTES] is not None and first[HOURS] is not None
    assert 0.6 * 600 <= (first[HOURS] or 0) <= 0.75 * 620
    now = steady(learned, now + HOUR, 20 * SECOND, 30)
    learned.refused(now)
    assert caps(learned) != first
    for n in range(20):
        now = steady(learned, now + HOUR, SECOND, 1 + n % 3)
        learned.refused(now)
    assert all(cap is None or cap >= least for cap, least in zip(caps(learned), LEAST, strict=True))


def test_room_is_found_when_what_was_written_is_old_enough() -> None:
    learned = Learned()
    now = steady(learned, NOW, SECOND, 31)
    learned.refused(now)
    cap = learned.tracks[MINUTES].cap or 0
    at = learned.room_at(1, 1.0, now)
    assert now < at <= now + MINUTE + 2 * SECOND
    assert learned.room_at(1, 1.0, at) == at
    assert learned.room_at(5_000, 1.0, now) == now + MINUTE
    assert learned.interval(0.5) == pytest.approx(MINUTE / (cap * BELOW * 0.5))
    assert learned.rate() == pytest.approx(cap * BELOW)
    assert learned.ceiling() == cap


def pressed(learned: Learned, now: int) -> int:
    """Send as fast as the ceilings let go, for an hour."""
    end = now + HOUR
    while now < end:
        at = learned.room_at(1, 1.0, now)
        if at > now:
            now = at
        else:
            learned.add(1, now)
            now += 500
    return now


def test_it_rises_after_clean_hours_in_which_it_was_in_the_way() -> None:
    learned = Learned()
    now = steady(learned, NOW, SECOND, 40)
    learned.refused(now)
    cap = learned.tracks[MINUTES].cap or 0
    learned.borne_again(now, now + 11 * MINUTE)
    assert not learned.rise(now + 10 * HOUR)  # nothing was in its way
    began = now = now + 11 * MINUTE
    while not learned.rise(now):
        now = pressed(learned, now)
    assert now - began >= CALM
    assert cap < (learned.tracks[MINUTES].cap or 0) <= 1.06 * cap
    learned.refused(now + MINUTE)
    assert learned.patience == 2


def test_below_what_was_borne_once_it_rises_sooner() -> None:
    learned = Learned()
    learned.tracks[MINUTES].cap, learned.tracks[MINUTES].top = 20.0, 60.0
    learned.calm_since = NOW
    now = pressed(learned, NOW)
    assert learned.rise(now + 1)
    assert learned.tracks[MINUTES].cap == 25.0


def test_a_ceiling_that_the_limits_keep_anyway_is_forgotten() -> None:
    learned = Learned()
    learned.tracks[MINUTES].cap = 40.0
    learned.lift({HOUR: 10, MINUTE: 39})
    assert learned.is_capped
    learned.lift({MINUTE: 20})
    assert not learned.is_capped


def test_it_survives_as_text_and_empties_with_time() -> None:
    learned = Learned()
    assert learned.is_empty(NOW)
    learned.add(1, NOW)
    assert not learned.is_empty(NOW + HOUR)
    assert learned.is_empty(NOW + DAY)
    now = steady(learned, NOW, SECOND, 40)
    assert not learned.is_empty(now)
    assert learned.is_empty(now + 2 * DAY)
    learned.refused(now)
    again = Learned.load(json.loads(json.dumps(learned.dump())))
    assert again.dump() == learned.dump()
    assert not again.is_empty(now + 2 * DAY)  # what was learned is not forgotten so


def test_a_long_silence_is_no_record() -> None:
    track = Track(MINUTE, 1)
    for n in range(30):
        track.add(1, NOW + n * SECOND)
    track.add(1, NOW + 5 * MINUTE)
    assert not track.is_record(NOW + 5 * MINUTE)
    track.add(1, NOW + 5 * MINUTE - 10)  # a clock that went back a little
    assert track.total == 2
