"""Turns: fairness between flows, bounded, and undone with its transaction."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.mail.instant import HOUR, MINUTE
from relay.store.turns import Lane, Turns, deadline_of

LANE: Lane = (1, 3)


def _none(lane: Lane, first: int, last: int) -> int | None:
    return None


def test_flows_interleave_and_a_newcomer_is_next_but_one() -> None:
    turns = Turns(_none)
    assert [turns.give(LANE, "a") for _ in range(4)] == [1, 2, 3, 4]
    assert [turns.give(LANE, "b") for _ in range(4)] == [1, 2, 3, 4]
    turns.leased(LANE, 3)
    assert turns.give(LANE, "c") == 4
    assert turns.give(LANE, "a") == 5
    assert turns.give((2, 3), "a") == 1  # another domain, another lane


def test_a_flow_that_slept_has_saved_nothing() -> None:
    turns = Turns(_none)
    turns.give(LANE, "sleeper")
    turns.leased(LANE, 900)
    assert turns.give(LANE, "sleeper") == 901


def test_time_never_goes_back() -> None:
    turns = Turns(_none)
    turns.leased(LANE, 9)
    turns.leased(LANE, 4)
    assert turns.virtual(LANE) == 9


def test_after_a_restart_time_is_where_the_queue_stands() -> None:
    turns = Turns(lambda lane, first, last: 500 if first == 0 else None)
    assert turns.virtual(LANE) == 499
    assert turns.give(LANE, "new") == 500


LAST = (1 << 33) - 1  # minutes: what lies behind the year 18,000 is one deadline


def kept(at: int) -> int:
    """The minute of a deadline, as a turn has room for it."""
    return min(max(at // MINUTE, 0), LAST)


@given(st.lists(st.one_of(st.none(), st.integers(-(10**15), 10**15)), min_size=2, max_size=30))
@example([LAST * MINUTE, (LAST + 1) * MINUTE])
def test_turns_are_in_the_order_of_deadlines_and_say_them(deadlines: list[int | None]) -> None:
    turns = Turns(_none)
    given_ = [(turns.give(LANE, f"flow {n}", at), at) for n, at in enumerate(deadlines)]
    for turn, at in given_:
        said = deadline_of(turn)
        if at is None:
            assert said is None
            assert turn > 0
        else:
            assert said == kept(at) * MINUTE
            assert -(1 << 63) <= turn < 0
    dated = [(turn, at) for turn, at in given_ if at is not None]
    for turn, at in dated:
        for other, then in dated:
            if kept(at) < kept(then):
                assert turn < other


def test_flows_of_one_deadline_interleave_and_a_newcomer_is_next_but_one() -> None:
    turns = Turns(_none)
    one = [turns.give(LANE, "a", 9 * MINUTE) for _ in range(4)]
    assert [turns.give(LANE, "b", 9 * MINUTE + 59_000) for _ in range(4)] == one
    turns.leased(LANE, one[2])
    assert turns.give(LANE, "c", 9 * MINUTE) == one[3]
    assert turns.give(LANE, "a", 10 * MINUTE) > one[3]
    assert turns.give(LANE, "a") == 1  # and those without one have a time of their own
    assert turns.virtual(LANE) == 0


def test_a_minute_holds_more_letters_than_it_has_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.store.turns.SPAN", 4)
    monkeypatch.setattr("relay.store.turns.BITS", 2)
    turns = Turns(_none)
    one = [turns.give(LANE, "a", MINUTE) for _ in range(9)]
    assert one == sorted(one)
    assert max(one) < turns.give(LANE, "a", 2 * MINUTE)


def test_rank_compares_lanes_by_deadline_then_by_their_own_time() -> None:
    turns = Turns(_none)
    busy, fresh = (1, 3), (2, 3)
    for _ in range(100):
        turns.leased(busy, turns.give(busy, "a", HOUR))
        turns.leased(busy, turns.give(busy, "a"))
    assert turns.rank(busy, turns.give(busy, "a", HOUR)) == turns.rank(
        fresh, turns.give(fresh, "b", HOUR)
    )
    assert turns.rank(fresh, turns.give(fresh, "b", MINUTE)) < turns.rank(
        busy, turns.give(busy, "a", HOUR)
    )
    assert turns.rank(fresh, turns.give(fresh, "b", 10**15)) < turns.rank(
        busy, turns.give(busy, "a")
    )


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=30))
def test_undo_is_exact(steps: list[tuple[str, int]]) -> None:
    turns = Turns(_none)
    turns.give(LANE, "a")
    turns.leased(LANE, 1)
    turns.keep()
    for flow, ahead in steps:
        turns.leased(LANE, turns.give(LANE, flow) + ahead)
    turns.undo()
    assert turns.virtual(LANE) == 1
    assert [turns.give(LANE, flow) for flow in "abc"] == [2, 2, 2]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.store.turns.MAX_FLOWS", 10)
    monkeypatch.setattr("relay.store.turns.MAX_LANES", 5)
    turns = Turns(_none)
    for n in range(100):
        turns.give((n, 0), f"flow {n}")
        turns.keep()
    assert len(turns._last) <= 10
    assert len(turns._virtual) <= 5


def test_a_flow_that_is_ahead_is_not_forgotten_for_those_that_are_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relay.store.turns.MAX_FLOWS", 10)
    turns = Turns(_none)
    for _ in range(50):
        last = turns.give(LANE, "announcement")
    for n in range(20):
        turns.leased(LANE, turns.give(LANE, f"single {n}"))
        turns.keep()
    assert turns.give(LANE, "announcement") == last + 1
