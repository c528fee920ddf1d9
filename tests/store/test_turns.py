"""Turns: fairness between flows, bounded, and undone with its transaction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.store.turns import Lane, Turns

LANE: Lane = (1, 3)


def _none(lane: Lane) -> int | None:
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
    turns = Turns(lambda lane: 500)
    assert turns.virtual(LANE) == 499
    assert turns.give(LANE, "new") == 500


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
