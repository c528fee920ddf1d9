"""What is made durable before it is spent: a crash can only under-send."""

from __future__ import annotations

from datetime import timedelta

import pytest

from relay.mail.instant import DAY, MINUTE, SECOND
from relay.mail.spent import Spent
from relay.shaping import aside, counting
from relay.shaping.aside import LONGEST, VALID, Aside, a_second
from relay.shaping.base import SHORT, Identity
from relay.shaping.counting import Counting
from relay.shaping.destination import Destination, Profile, Rate, Sum
from tests.shaping.house import GMAIL, NOW, admit, shaper

FAST = (Rate(600, timedelta(minutes=1)),)
SLOW = (Rate(20, timedelta(minutes=1)), Rate(1500, timedelta(days=1)))


def test_a_block_is_at_most_a_seconds_worth_and_at_least_one() -> None:
    assert [a_second(rates) for rates in (FAST, SLOW, ())] == [10, 1, 1]
    made = Aside("gmail", FAST)
    assert made.ask(FAST, NOW) is None  # nothing is wanted
    made.want(1)
    row = made.ask(FAST, NOW)
    assert row == Spent("gmail", NOW + VALID, 10)
    assert made.ask(FAST, NOW) is None  # one is on its way
    assert not made.has(1, NOW)
    made.kept(row, NOW + 5)
    assert made.has(10, NOW + VALID) and not made.has(11, NOW) and not made.has(1, NOW + VALID + 1)


@pytest.mark.parametrize(
    ("rates", "burst", "wanted", "units"),
    [
        (SLOW, 1, [1] * 100, 1),  # however many wait, one goes, and the spacing holds the others
        (FAST, 1, [1] * 100, 10),
        (SLOW, 1, [1, 50, 1], 50),  # one transaction needs all of its own at once
        (SLOW, 20, [1] * 7, 7),  # one commit for all who may go back to back
        (SLOW, 20, [1] * 100, 20),
        (SLOW, 20, [1, 50, 50], 69),
    ],
)
def test_a_block_is_no_greater_for_many_that_wait(
    rates: tuple[Rate, ...], burst: int, wanted: list[int], units: int
) -> None:
    made = Aside("total", rates)
    for some in wanted:
        made.want(some)
    row = made.ask(rates, NOW, burst)
    assert row is not None and row.units == units
    made.kept(row, NOW)
    made.want(1)
    made.spend(units)
    again = made.ask(rates, NOW, burst)  # what waited before is not counted twice
    assert again is not None and again.units == a_second(rates)


def test_a_crash_costs_a_limit_of_all_no_more_than_that_though_many_destinations_wait() -> None:
    total = Sum("total", (Rate(20, timedelta(minutes=1)),), where="relay.yaml:4")
    made = shaper()
    made.use(made._pauses, lambda domain: (), (), (total,))
    many = [Destination(f"mx{n}", Profile(f"mx{n}")) for n in range(50)]
    assert all(made.admit(one, "a.go.id", 1, NOW) is SHORT for one in many)
    rows = made.setting_aside(NOW)
    assert [(row.key, row.units) for row in rows] == [("total", 1)]
    made.set_aside(rows, NOW)
    said = [made.admit(one, "a.go.id", 1, NOW) for one in many]
    assert said.count(None) == 1 and SHORT not in said  # none asks for another commit


def test_what_was_not_spent_is_corrected_and_what_counts_no_more_removed() -> None:
    made = Aside("gmail", FAST)
    made.want(1)
    row = made.ask(FAST, NOW)
    assert row is not None
    made.kept(row, NOW)
    made.spend(4)
    made.take_back(1)
    assert made.corrections(NOW + SECOND) == []
    assert made.corrections(NOW + VALID + 1) == [Spent("gmail", row.at, 3)]
    assert made.corrections(NOW + 30 * SECOND) == []
    assert made.corrections(row.at + MINUTE + 1) == [Spent("gmail", row.at, 0)]
    assert made.is_empty()


def test_a_slow_commit_makes_the_next_block_last_longer() -> None:
    made = Aside("gmail", SLOW)
    now = NOW
    for _ in range(8):
        made.want(1)
        row = made.ask(SLOW, now)
        assert row is not None
        if row.at >= now + 10 * SECOND:
            break
        now += 10 * SECOND
        made.kept(row, now)
        assert not made.has(1, now)
    assert now < NOW + 50 * SECOND
    assert made._valid <= LONGEST


def test_a_row_that_could_not_be_kept_is_asked_for_anew_and_counts_if_it_is_there() -> None:
    made = Aside("gmail", SLOW)
    made.want(1)
    row = made.ask(SLOW, NOW)
    assert row is not None
    made.failed(Spent("gmail", 1, 1))  # another one's
    made.failed(row)
    made.kept(row, NOW)  # too late
    assert not made.has(1, NOW)
    again = made.ask(SLOW, NOW)
    assert again is not None and again.at > row.at
    made.kept(again, NOW)
    assert made.has(1, NOW)
    assert made.corrections(NOW + SECOND) == [Spent("gmail", row.at, 0)]


def test_very_many_rows_are_joined_against_us(monkeypatch: object) -> None:
    rows = [Spent("gmail", NOW + n, 1) for n in range(aside.MANY + 1)]
    made = Aside("gmail", (Rate(10_000, timedelta(days=1)),), rows)
    told = made.corrections(NOW + SECOND)
    kept = {row.at: row.units for row in rows} | {row.at: row.units for row in told}
    left = {at: units for at, units in kept.items() if units}
    assert sum(left.values()) == len(rows)
    assert len(left) < 0.8 * len(rows)
    assert [(row.at, row.units) for row in made.rows()] == sorted(left.items())


def test_rows_far_ahead_of_the_clock_move_with_it_and_are_written_anew() -> None:
    made = Counting(lambda domain: ())
    later = NOW + 400 * DAY
    made.restore([Spent("gmail", later - SECOND, 5), Spent("gmail", later, 7)], NOW)
    (one,) = made.asked(GMAIL, "gmail.com")
    assert one.meter.windows[0].used(NOW) == 12
    assert set(made.corrections(NOW)) >= {
        Spent("gmail", later - SECOND, 0),
        Spent("gmail", later, 0),
        Spent("gmail", NOW - SECOND, 5),
        Spent("gmail", NOW, 7),
    }


def test_rows_of_limits_that_nobody_meets_are_removed_once_no_window_holds_them() -> None:
    made = Counting(lambda domain: ())
    made.restore([Spent("gone", NOW, 5)], NOW)
    assert made.corrections(NOW + 31 * DAY) == []
    assert made.corrections(NOW + 31 * DAY + 1) == [Spent("gone", NOW, 0)]
    assert made.corrections(NOW + DAY + 2) == []


def test_sums_over_destinations_and_sources() -> None:
    sums = (
        Sum("total", (Rate(3, timedelta(minutes=1)),), burst=9, where="relay.yaml:4"),
        Sum("source:192.0.2.1", (Rate(2, timedelta(minutes=1)),), burst=9),
    )
    made = shaper()
    made.use(made._pauses, lambda domain: (), (), sums)
    made._source = "192.0.2.1"
    one, other = (Destination(name, Profile(name)) for name in ("one", "other"))
    assert admit(made, NOW, one) and admit(made, NOW, other)
    wait = made.peek(one, "one.example", 1, NOW)
    assert wait is not None and "source:192.0.2.1: 2/min" in wait.why
    named = Identity(ip="192.0.2.1")
    made._source = ""
    assert made.peek(one, "one.example", 1, NOW, identity=named) is not None
    made.refund(one, "one.example", 1, NOW, NOW, named)
    assert admit(made, NOW, one, identity=named), "what came back was that address's"
    made._source = "192.0.2.9"
    assert admit(made, NOW, one)
    wait = made.peek(other, "other.example", 1, NOW)
    assert wait is not None and "total: 3/min" in wait.why
    assert wait.domain is None


def test_a_store_that_fails_spends_nothing() -> None:
    made = shaper()
    assert made.admit(GMAIL, "gmail.com", 1, NOW) is not None
    rows = made.setting_aside(NOW)
    made.not_set_aside([*rows, Spent("nobody", NOW, 1)])
    made.set_aside([Spent("nobody", NOW, 1)], NOW)
    assert made._counting.asked(GMAIL, "gmail.com")[0].meter.windows[0].used(NOW) == 0
    assert admit(made, NOW)
    assert counting.AHEAD > LONGEST


def test_what_comes_back_of_an_earlier_block_is_not_spent_again_of_this_one() -> None:
    made = Aside("gmail", SLOW)
    for now in (NOW, NOW + 30 * SECOND):
        made.want(1)
        row = made.ask(SLOW, now)
        assert row is not None
        made.kept(row, now)
        made.spend(1)
    made.take_back(1, NOW)  # the first one's RCPT was never written
    assert not made.has(1, NOW + 30 * SECOND)
    made.take_back(1, NOW + 30 * SECOND)
    assert made.has(1, NOW + 30 * SECOND)


def test_blocks_that_came_too_late_to_be_spent_are_not_kept_in_memory() -> None:
    made, now = Aside("gmail", SLOW), NOW
    moments = set()
    for _ in range(20):
        made.want(1)
        row = made.ask(SLOW, now)
        assert row is not None
        assert row.at not in moments  # so that a correction never meets another row
        moments.add(row.at)
        made.kept(row, row.at + 1)  # its commit took too long
        now = row.at + 1
        made.corrections(now)
    assert sum(row.units for row in made.rows()) <= 1
    assert len(made.rows()) == 1


def test_a_window_longer_than_a_day_counts_over_a_restart_before_it_is_met() -> None:
    week = Destination(
        "gmail", Profile("gmail", rates=(Rate(3, timedelta(days=7)),), connections=None), "gmail"
    )
    made, now = shaper(), NOW
    for _ in range(3):
        assert admit(made, now, week)
        now += MINUTE
    spent = [Spent("gmail", NOW + n * MINUTE, 1) for n in range(3)]
    again, now = shaper(), now + 2 * DAY
    again.restore({}, now, spent)
    assert again.corrections(now) == []  # nothing of it is forgotten
    assert not admit(again, now, week)
    assert admit(again, NOW + 8 * DAY, week)
