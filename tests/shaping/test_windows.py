"""Windows: over any schedule, restart and step of the clock, never more than N in any window."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.mail.instant import DAY, HOUR, MINUTE, SECOND
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.shaping.counting import Counting
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.windows import EXACT, Meter, closed_to_massal

T0 = 1_700_000_000_000


def rate(count: int, milliseconds: int) -> Rate:
    return Rate(count, timedelta(milliseconds=milliseconds))


def most_in_any_window(times: list[int], window: int) -> int:
    """The greatest number of times within a half-open window of that length."""
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def spend(meter: Meter, now: int, units: int = 1) -> bool:
    if meter.free_at(units, now) > now:
        return False
    meter.add(units, now)
    return True


rates = st.lists(
    st.builds(rate, st.integers(1, 12), st.sampled_from([SECOND, 7 * SECOND, MINUTE])),
    min_size=1,
    max_size=3,
    unique_by=lambda r: r.window,
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "restart", "crash", "tidy", "back"]),
        st.integers(0, 20 * SECOND),
        st.integers(1, 3),
    ),
    max_size=150,
)


class Disk:
    """What a store would keep of one limit, and a count that goes on after each restart."""

    def __init__(self, limits: list[Rate]) -> None:
        self.to = Destination("gmail", Profile("gmail", rates=tuple(limits)), "gmail")
        self.rows: dict[tuple[str, int], int] = {}
        self.counting = Counting(lambda domain: ())

    def keep(self, rows: list[Spent]) -> None:
        for row in rows:
            self.rows[row.key, row.at] = row.units
        self.rows = {at: units for at, units in self.rows.items() if units}

    def spend(self, now: int, units: int, is_cut: bool = False) -> bool:
        """`is_cut`: the process dies when the units were made durable, and spends none."""
        asked = self.counting.asked(self.to, "gmail.com")
        if asked[0].meter.free_at(units, now) > now:
            return False
        if self.counting.are_short(asked, units, now):
            rows = self.counting.setting_aside(now)
            self.keep(rows)
            if is_cut:
                return True
            self.counting.set_aside(rows, now)
            assert not self.counting.are_short(asked, units, now)
        self.counting.spend(asked, units, now, Urgency.TRANSAKSI)
        return True

    def restart(self, now: int) -> None:
        self.counting = Counting(lambda domain: ())
        spent = [Spent(key, at, units) for (key, at), units in sorted(self.rows.items())]
        self.counting.restore(spent, now)


@example(  # the second restart took the row of before the clock was set back for the latest
    [rate(4, 7 * SECOND)],
    [
        *[("ask", 0, 2), ("back", 6581, 1), ("restart", 0, 1), ("ask", 0, 1)],
        *[("restart", 0, 1), ("ask", 0, 2)],
    ],
)
@settings(max_examples=150, deadline=None)
@given(rates, steps)
def test_never_more_than_the_limit_in_any_window(
    limits: list[Rate], schedule: list[tuple[str, int, int]]
) -> None:
    """`back` sets the wall clock back; the windows are checked in time that really passed. A crash
    keeps what was made durable, and nothing else."""
    disk = Disk(limits)
    real, wrong = T0, 0
    written: list[int] = []
    for what, wait, units in schedule:
        if what in ("ask", "crash"):
            real += wait
            while disk.spend(real + wrong, units, is_cut=what == "crash"):
                if what == "crash":
                    disk.restart(real + wrong)
                    break
                written += [real] * units
        elif what == "restart":
            disk.restart(real + wrong)
        elif what == "tidy":
            disk.keep(disk.counting.corrections(real + wrong))
        else:
            wrong -= wait * 100
    for limit in limits:
        window = round(limit.window.total_seconds() * 1000)
        assert most_in_any_window(written, window) <= limit.count


@settings(max_examples=20, deadline=None)
@given(st.integers(EXACT + 1, 4 * EXACT), st.lists(st.integers(0, 900), min_size=50, max_size=200))
def test_a_great_count_is_kept_in_slices_and_never_over(count: int, waits: list[int]) -> None:
    meter = Meter([rate(count, 10 * SECOND)])
    now, written = T0, []
    for wait in waits:
        now += wait
        units = count // 9
        if spend(meter, now, units):
            written += [now] * units
    assert most_in_any_window(written, 10 * SECOND) <= count


def test_a_great_count_is_bounded_in_size_and_reaches_its_rate() -> None:
    meter = Meter([rate(50_000, HOUR)])
    now, spent = T0, 0
    while now < T0 + 3 * HOUR:
        if spend(meter, now, 10):
            spent += 10
        now += 100
    assert len(meter.windows[0]) < 1_000
    assert 0.97 * 150_000 <= spent <= 150_000 + 50_000


def test_one_means_one() -> None:
    meter = Meter([rate(1, MINUTE)])
    assert spend(meter, T0)
    assert not spend(meter, T0 + MINUTE - 1)
    assert spend(meter, T0 + MINUTE + 1)


def test_sends_are_spaced_within_the_shortest_window() -> None:
    meter = Meter([rate(20, MINUTE), rate(1500, DAY)])
    now = T0
    written: list[int] = []
    while len(written) < 60:
        now = max(meter.free_at(1, now), now)
        meter.add(1, now)
        written.append(now)
    gaps = [after - before for before, after in pairwise(written)]
    assert min(gaps) >= 2 * SECOND  # a second may be caught up, once
    assert sum(gap < 3 * SECOND for gap in gaps) <= 3
    assert written[-1] - written[0] <= 59 * 3 * SECOND + 100  # the rate is reached, too


def test_a_late_letter_loses_no_slot() -> None:
    meter = Meter([rate(20, MINUTE)])
    now, spent = T0, 0
    while now < T0 + 10 * MINUTE:
        now = max(meter.free_at(1, now), now) + 400  # each comes 400 ms after its moment
        meter.add(1, now)
        spent += 1
    assert spent >= 0.98 * 200


def test_the_free_moment_is_told_exactly() -> None:
    meter = Meter([rate(3, DAY)])
    for at in (0, 10_000_000, 60_000_000):
        assert spend(meter, T0 + at)
    free_at = meter.free_at(1, T0 + 60_000_001)
    assert DAY <= free_at - T0 <= DAY + 1
    assert not spend(meter, free_at - 1)
    assert spend(meter, free_at)


def test_more_units_than_the_window_holds_wait_and_never_pass() -> None:
    meter = Meter([rate(2, MINUTE)])
    assert not spend(meter, T0, 3)
    assert not spend(meter, T0 + 10 * MINUTE, 3)
    assert spend(meter, T0 + 10 * MINUTE, 2)


@pytest.mark.parametrize("back", [5 * MINUTE, DAY, 400 * DAY])
def test_a_clock_set_back_grants_nothing_and_stops_nothing_for_ever(back: int) -> None:
    meter = Meter([rate(5, 10 * MINUTE)])
    now = T0
    while meter.windows[0].used(now) < 5:
        now = max(meter.free_at(1, now), now)
        meter.add(1, now)
    full = meter.free_at(1, now) - now
    assert full > 0
    now -= back
    assert not spend(meter, now)
    assert meter.free_at(1, now) - now <= full + 20 * MINUTE


def test_a_changed_limit_counts_what_was_written_under_the_old_one() -> None:
    disk = Disk([rate(20, MINUTE), rate(1500, DAY)])
    now = T0
    for _ in range(10):
        now += 3 * SECOND
        assert disk.spend(now, 1)
    for limit, at_least in ((rate(10, HOUR), 50 * MINUTE), (rate(10, MINUTE), 20 * SECOND)):
        to = Destination("gmail", Profile("gmail", rates=(limit,)), "gmail")
        (narrower,) = disk.counting.asked(to, "gmail.com")
        assert narrower.meter.free_at(1, now) > now + at_least


def test_a_tenth_of_a_window_is_closed_to_massal() -> None:
    assert [closed_to_massal(n) for n in (1, 4, 5, 10, 11, 20, 100)] == [0, 0, 1, 1, 2, 2, 10]
    meter = Meter([rate(20, MINUTE)], burst=20)
    for _ in range(18):
        assert meter.free_at(1, T0, urgency=Urgency.MASSAL) <= T0
        meter.add(1, T0, Urgency.MASSAL)
    assert meter.free_at(1, T0, urgency=Urgency.MASSAL) > T0
    assert meter.binding(1, T0, Urgency.MASSAL) == rate(20, MINUTE)
    assert meter.binding(1, T0, Urgency.KRITIS) is None
    for _ in range(2):
        assert meter.free_at(1, T0, urgency=Urgency.KRITIS) <= T0 + 10 * SECOND
        meter.add(1, T0, Urgency.KRITIS)
    assert meter.free_at(1, T0 + 30 * SECOND, urgency=Urgency.KRITIS) > T0 + MINUTE - 1


@pytest.mark.parametrize("burst", [1, 5, 20, 50])
def test_a_burst_goes_back_to_back_and_adds_nothing(burst: int) -> None:
    meter, now, written = Meter([rate(20, MINUTE)], burst), T0, 0
    while spend(meter, now):
        written += 1
    assert written == min(burst, 20)
    times: list[int] = [now] * written
    while now < T0 + 10 * MINUTE:
        now = max(meter.free_at(1, now), now)
        meter.add(1, now)
        times.append(now)
    assert most_in_any_window(times, MINUTE) <= 20


def test_admitting_costs_little() -> None:
    meter = Meter([rate(1000, SECOND), rate(2000, MINUTE), rate(100_000, DAY)])
    began, now = time.process_time(), T0
    for n in range(20_000):
        now = T0 + n * 30
        if meter.free_at(1, now) <= now:
            meter.add(1, now)
    assert (time.process_time() - began) / 20_000 < 0.0005  # 10 µs on a quiet machine


def test_massal_has_one_unit_of_ten_where_others_fill_the_window() -> None:
    meter, sent = Meter([rate(20, MINUTE)]), []
    now, end = T0, T0 + 10 * MINUTE
    while now < end:
        for urgency in (Urgency.MASSAL, Urgency.MENDESAK):
            if meter.free_at(1, now, urgency=urgency) <= now:
                meter.add(1, now, urgency)
                sent.append((now, urgency))
        now += 100
    late = [urgency for at, urgency in sent if at >= T0 + 2 * MINUTE]
    assert 0.09 * len(late) <= late.count(Urgency.MASSAL) <= 0.11 * len(late)
    assert most_in_any_window([at for at, _ in sent], MINUTE) <= 20
    assert len(sent) >= 0.98 * 200


def test_massal_keeps_out_of_the_closed_tenth_where_it_had_the_rest() -> None:
    meter, now = Meter([rate(100, HOUR)], burst=100), T0
    while meter.free_at(1, now, urgency=Urgency.MASSAL) <= now:
        meter.add(1, now, Urgency.MASSAL)
    assert meter.windows[0].used(now) == 90
    meter.add(9, now, Urgency.MENDESAK)
    assert meter.free_at(1, now) <= now
    assert meter.free_at(1, now, urgency=Urgency.MASSAL) > now
    assert meter.binding(1, now, Urgency.MASSAL) == rate(100, HOUR)


@settings(max_examples=150, deadline=None)
@given(
    rates,
    st.lists(
        st.tuples(st.sampled_from(Urgency), st.integers(0, 9 * SECOND), st.integers(1, 3)),
        max_size=200,
    ),
)
def test_massal_never_has_more_than_what_is_open_to_it(
    limits: list[Rate], schedule: list[tuple[Urgency, int, int]]
) -> None:
    """Whatever the others do, and whatever comes back unwritten."""
    meter, now = Meter(limits, burst=20), T0
    written: list[tuple[int, Urgency]] = []
    for urgency, wait, units in schedule:
        now += wait
        while meter.free_at(units, now, urgency=urgency) <= now:
            at = meter.add(units, now, urgency)
            if wait % 5 == 0:
                meter.take_back(units, at)
                break
            written += [(now, urgency)] * units
    for limit in limits:
        window = round(limit.window.total_seconds() * 1000)
        massal = [at for at, urgency in written if urgency is Urgency.MASSAL]
        assert most_in_any_window([at for at, _ in written], window) <= limit.count
        most = limit.count - closed_to_massal(limit.count)
        assert most_in_any_window(massal, window) <= most


def test_a_massal_unit_that_comes_back_is_no_massal_any_more() -> None:
    meter = Meter([rate(100, HOUR)], burst=100)
    at = meter.add(90, T0, Urgency.MASSAL)
    meter.take_back(20, at)
    meter.add(9, T0, Urgency.MENDESAK)
    assert meter.windows[0].has_share(20, T0)
    assert not meter.windows[0].has_share(21, T0)
    meter.forward(T0 - DAY)  # the clock was set back: what is counted moves with it
    assert not meter.windows[0].has_share(21, T0 - DAY)
    assert meter.windows[0].has_share(90, T0 + HOUR + 1)


@given(
    st.lists(
        st.tuples(st.integers(0, 4_000), st.integers(1, 3), st.sampled_from(list(Urgency))),
        max_size=150,
    ),
    st.sampled_from((rate(70, MINUTE), rate(3000, MINUTE), rate(9, SECOND))),
)
def test_windows_that_are_told_of_many_at_once_say_the_same(
    steps: list[tuple[int, int, Urgency]], shortest: Rate
) -> None:
    """One is looked at after each letter, the other only when it must be."""
    rates = (shortest, rate(5000, DAY))
    looked_at, other, now = Meter(rates), Meter(rates), T0
    for after, units, urgency in steps:
        now += after
        found = {meter.free_at(units, now, 0, urgency) for meter in (looked_at, other)}
        assert len(found) == 1
        for meter in (looked_at, other):
            meter.add(units, now, urgency)
        assert looked_at.windows
    used = [[w.used(now) for w in meter.windows] for meter in (looked_at, other)]
    assert used[0] == used[1]
    assert looked_at.windows[0].free_at(1, now) == other.windows[0].free_at(1, now)
    later = [w.lasting(now + 7_000) for w in looked_at.windows]
    assert later == [w.lasting(now + 7_000) for w in other.windows]


def test_what_stands_a_moment_ahead_after_a_restart_is_told_there() -> None:
    meter = Meter((rate(100, MINUTE),))
    meter.load([(T0 + 2_000, 5)])
    assert meter.free_at(1, T0) == T0
    meter.add(1, T0)
    meter.add(1, T0)  # of one moment: one slice
    assert meter.windows[0].used(T0 + 1) == 7 and len(meter.windows[0]) == 1


def test_rows_that_move_with_the_clock_are_written_again_where_the_store_failed() -> None:
    disk = Disk([rate(4, 7000)])
    assert disk.spend(T0, 2)
    now = T0 - HOUR
    disk.restart(now)
    asked = disk.counting.asked(disk.to, "gmail.com")
    assert disk.counting.are_short(asked, 1, now)
    rows = disk.counting.setting_aside(now)
    assert [row.units for row in rows] == [0, 2, 1]
    disk.counting.not_set_aside(rows)
    assert disk.counting.are_short(asked, 1, now)
    again = disk.counting.setting_aside(now)
    assert again[:2] == rows[:2]
    disk.counting.set_aside(again, now)
    assert [row.at for row in disk.counting.corrections(now)] == [rows[2].at]  # what failed
