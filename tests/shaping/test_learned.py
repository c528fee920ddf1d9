"""What is learned of quotas that nobody tells: which span is blamed, and how it rises again."""

from __future__ import annotations

import json

import pytest

from relay.mail.instant import DAY, HOUR, MINUTE, SECOND
from relay.shaping.learned import (
    BACK_CALM,
    CALM,
    DOUBT,
    GIVE_MORE,
    GIVE_WAY,
    SURE,
    TRIED,
    UP,
    Learned,
)
from relay.shaping.spans import LEAST, SPANS
from relay.shaping.track import BELOW, Track
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
        (6 * SECOND, 2_000, DAYS),  # nobody counts a quarter of a day
        (30 * SECOND, 1_500, DAYS),
        (2 * SECOND, 60, FOURS),
        (2 * SECOND, 240, HOURS),  # nor one of an hour
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


def flow(learned: Learned, now: int, every: int, until: int) -> int:
    """Write at that pace as far as the ceilings let go."""
    while now < until:
        at = learned.room_at(1, 1.0, now)
        if at > now:
            now = at
            continue
        learned.add(1, now)
        now += every
    return now


def test_a_count_that_stands_where_it_stood_explains_both_refusals() -> None:
    """A hundred an hour, put down to four minutes at first."""
    learned = Learned()
    now = steady(learned, NOW, 2 * SECOND, 100)
    learned.refused(now)
    assert learned.blamed == FOURS
    learned.borne_again(now, now + 70 * MINUTE)
    now = steady(learned, now + 70 * MINUTE, 30 * SECOND, 100)
    learned.refused(now)
    assert learned.blamed == HOURS
    assert caps(learned)[FOURS] is None
    cap = caps(learned)[HOURS]
    assert cap is not None and 90 <= cap <= 100
    learned.borne_again(now, now + 70 * MINUTE)
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
    assert learned.blamed >= 0
    first = (caps(learned)[learned.blamed] or 0) / SPANS[learned.blamed]
    assert first == pytest.approx(GIVE_WAY / (6 * SECOND), rel=0.1)
    for n in range(40):
        learned.borne_again(now, now + HOUR)
        now = steady(learned, now + HOUR, SECOND, 1 + n % 3)
        learned.refused(now, is_block=n % 2 == 0)
    assert all(cap is None or cap >= least for cap, least in zip(caps(learned), LEAST, strict=True))


def test_blocked_below_a_ceiling_all_of_them_give_way() -> None:
    learned = Learned()
    now = steady(learned, NOW, 6 * SECOND, 20_000)
    learned.tracks[HOURS].cap, learned.tracks[QUARTERS].cap = 600.0, 200.0
    learned.refused(now, is_block=True)
    assert learned.blamed == HOURS
    assert caps(learned)[QUARTERS] == pytest.approx(200 * GIVE_WAY * GIVE_MORE)


def test_after_it_fell_the_first_count_that_is_refused_is_the_new_ceiling() -> None:
    """A hundred an hour instead of 400: seen as it comes back from a pause of hours."""
    learned = Learned()
    now = steady(learned, NOW, 9 * SECOND, 9_000)
    learned.refused(now)
    learned.borne_again(now, now + 5 * HOUR)
    now = flow(learned, now + 5 * HOUR, 20 * SECOND, now + 5 * HOUR + 33 * MINUTE)
    learned.refused(now)
    assert learned.blamed == HOURS
    assert caps(learned)[HOURS] == pytest.approx(98, abs=3)


def test_what_bears_as_many_again_is_not_what_refused() -> None:
    learned = Learned()
    now = steady(learned, NOW, 2 * SECOND, 3_000)
    learned.refused(now)
    assert learned.blamed == HOURS or learned.blamed == DAYS
    learned.blamed, learned.records = DAYS, (DAYS,)
    learned.add(1, now)
    learned.borne_again(now, now + 11 * MINUTE)  # the day's count has not gone down
    assert learned.blamed == -1
    assert caps(learned)[DAYS] is None


def test_another_that_went_down_is_blamed_instead() -> None:
    learned = Learned()
    now = steady(learned, NOW, 10 * SECOND, 360)
    learned.refused(now)
    learned.tracks[learned.blamed].cap = None
    learned.blamed, learned.records = DAYS, (HOURS, DAYS)
    learned.add(1, now)
    learned.borne_again(now, now + 40 * MINUTE)
    assert learned.blamed == HOURS
    assert caps(learned)[HOURS] == 359


def test_refused_for_hours_with_room_it_is_a_longer_span() -> None:
    learned = Learned()
    learned.refused_again(NOW)  # nothing is blamed yet
    now = steady(learned, NOW, MINUTE, 480)
    learned.refused(now)
    learned._blame_instead(SIXES)
    learned.refused_again(now + MINUTE)  # no room yet
    for hours in (3, 5):
        learned.refused_again(now + hours * HOUR)
        assert learned.blamed == SIXES
    learned.refused_again(now + 3 * HOUR + DOUBT)
    assert learned.blamed == DAYS
    assert caps(learned)[SIXES] is None
    for hours in (20, 30):
        learned.refused_again(now + hours * HOUR)  # no longer one is left
    assert learned.blamed == DAYS


def test_a_refusal_that_lasts_long_is_not_risked_again_to_tell_two_spans() -> None:
    learned = Learned()
    now = steady(learned, NOW, 6 * SECOND, 20)
    now = steady(learned, now, 2 * SECOND, 15)
    learned.refused(now)
    assert learned.blamed == MINUTES
    learned.borne_again(now, now + 2 * HOUR)
    assert caps(learned)[FOURS] == pytest.approx(34, abs=2)
    again = Learned()
    now = steady(again, NOW, 2 * SECOND, 25)
    again.refused(now)
    again.borne_again(now, now + 2 * HOUR)  # all of it was within the minute: nothing to tell
    assert caps(again)[FOURS] is None


def test_who_refuses_for_long_rather_counts_minutes_than_hours() -> None:
    learned = Learned()
    now = steady(learned, NOW, 6 * SECOND, 150)
    learned.refused(now)
    assert learned.blamed == HOURS
    assert learned.relief_at(now) >= NOW + HOUR - 5 * MINUTE  # asked sooner it would refuse again
    learned.borne_again(now, now + 2 * HOUR, asked=3)
    assert learned.blamed == QUARTERS
    assert caps(learned)[HOURS] is None


def test_relief_waits_for_each_span_that_it_may_be() -> None:
    learned = Learned()
    now = steady(learned, NOW, 2 * SECOND, 60)
    learned.refused(now)
    assert learned.blamed == FOURS and HOURS in learned.records
    assert learned.relief_at(now) >= NOW + HOUR
    assert learned.tracks[HOURS].gone_at(10_000, now) == now


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


def raised(learned: Learned, now: int, every: int = 500) -> int:
    """Send as fast as the ceilings let go until one rises."""
    while not learned.rise(now):
        now = flow(learned, now, every, now + 10 * MINUTE)
    return now


def refused_once() -> tuple[Learned, int]:
    """599 in an hour were borne, as far as anybody knows."""
    learned = Learned()
    now = steady(learned, NOW, 2 * SECOND, 600)
    learned.refused(now)
    assert learned.blamed == HOURS
    learned.tracks[HOURS].is_weak = False
    learned.borne_again(now, now + 50 * MINUTE)
    return learned, now + 50 * MINUTE


def test_it_rises_after_clean_hours_in_which_it_was_in_the_way() -> None:
    learned, now = refused_once()
    cap = learned.tracks[HOURS].cap or 0
    assert not learned.rise(now + 20 * HOUR)  # nothing was in its way
    at = raised(learned, now, 3 * SECOND)
    assert at - now >= CALM
    assert caps(learned)[HOURS] == pytest.approx(TRIED * cap)
    at = flow(learned, at, 3 * SECOND, at + 40 * MINUTE)
    learned.refused(at)  # the step is taken back, and no more
    assert caps(learned)[HOURS] == pytest.approx(cap, abs=2)
    assert learned.patience == 2


def test_refused_twice_within_a_day_nothing_is_tried_above_a_ceiling() -> None:
    learned, now = refused_once()
    learned.strikes = (*learned.strikes, now)
    assert not learned.rise(flow(learned, now, 3 * SECOND, now + CALM + HOUR))
    learned.strikes = learned.strikes[1:]
    assert learned.rise(flow(learned, now, 3 * SECOND, now + CALM + 2 * HOUR))


def test_what_is_borne_above_is_followed_by_larger_steps() -> None:
    learned, now = refused_once()
    cap = learned.tracks[HOURS].cap or 0
    at = raised(learned, now, 3 * SECOND)
    again = raised(learned, at, 3 * SECOND)
    assert again - at < 3 * HOUR
    assert caps(learned)[HOURS] == pytest.approx(TRIED * UP * cap)
    assert learned.patience == 1
    learned.tracks[HOURS].is_pressed = False
    learned.rise(again + SURE)
    assert learned.tracks[HOURS].tried_from is None  # borne for long enough


def test_a_ceiling_of_a_flow_that_had_just_begun_is_tried_sooner() -> None:
    learned = Learned()
    now = steady(learned, NOW, 2 * SECOND, 600)
    learned.refused(now)
    assert learned.blamed == HOURS and learned.tracks[HOURS].is_weak
    cap = learned.tracks[HOURS].cap or 0
    learned.borne_again(now, now + 50 * MINUTE)
    began = now + 50 * MINUTE
    at = raised(learned, began, 2 * SECOND)
    assert BACK_CALM <= at - began < CALM
    assert caps(learned)[HOURS] == pytest.approx(1.5 * cap)


def test_below_what_was_borne_once_it_rises_sooner() -> None:
    learned = Learned()
    learned.tracks[MINUTES].cap, learned.tracks[MINUTES].top = 20.0, 24.0
    learned.calm_since = NOW
    now = flow(learned, NOW, 500, NOW + BACK_CALM)
    assert learned.rise(now + 1)
    assert learned.tracks[MINUTES].cap == 24.0  # and no higher: that would be a step of its own
    now = flow(learned, now, 500, now + BACK_CALM)
    assert not learned.rise(now)


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
    again = Learned.load(json.loads(json.dumps(learned.dump())), 1.0, now)
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


def test_a_clock_set_back_over_a_restart_stops_nothing() -> None:
    learned, now = refused_once()
    flow(learned, now, 3 * SECOND, now + 2 * HOUR)
    early = NOW - 365 * DAY
    again = Learned.load(json.loads(json.dumps(learned.dump())), 1.0, early)
    assert again.room_at(1, 1.0, early) <= early + HOUR + 2 * MINUTE
    assert again.calm_since <= early and max(again.strikes) <= early
    assert again.tracks[HOURS].count(early + 2 * HOUR) == 0
    again.refused(early + 3 * HOUR)


def test_under_another_scale_only_the_ceilings_are_believed() -> None:
    learned, now = refused_once()
    again = Learned.load(json.loads(json.dumps(learned.dump())), 0.5, now)
    cap = caps(learned)[HOURS]
    assert cap is not None and caps(again)[HOURS] == cap / 2
    assert again.tracks[HOURS].count(now) == 0 and again.blamed == -1
    assert again.room_at(1, 1.0, now) == now
