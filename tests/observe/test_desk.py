"""When one way is told what: nothing is forgotten, and nobody is flooded."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.instant import HOUR, MINUTE, SECOND
from relay.observe.desk import AGAIN, BURST, GATHER, MAX_ROWS, MAX_TOLD, SPAN, Desk, wants
from relay.observe.notice import Message, Notice
from relay.observe.severity import Severity


def notice(name: str, at: int = 0, severity: Severity = Severity.WARNING) -> Notice:
    return Notice(at, name, severity, f"{name} at {at}", at)


def due(desk: Desk, now: int) -> Message | None:
    return desk.due(now, now, "h")


def names(message: Message | None) -> list[str]:
    return [] if message is None else [row.name for row in message.rows]


@pytest.mark.parametrize(
    ("only", "name", "is_wanted"),
    [
        ((), "anything", True),
        (("pause",), "pause:gmail", True),
        (("pause:gmail",), "pause:gmail", True),
        (("pause:gmail",), "pause:yahoo", False),
        (("pause:g*", "low_*"), "low_disk", True),
        (("blocked",), "pause:gmail", False),
        (("!unreachable",), "unreachable:mx.a.id", False),
        (("!unreachable",), "pause:gmail", True),
        (("*", "!pause:yahoo"), "pause:yahoo", False),
        (("pause", "!pause"), "pause:gmail", False),
        (("PAUSE",), "pause:gmail", False),
    ],
)
def test_only(only: tuple[str, ...], name: str, is_wanted: bool) -> None:
    assert wants(only, name) is is_wanted


def test_what_comes_together_goes_together_after_a_moment() -> None:
    desk = Desk(HOUR)
    assert desk.next_at() is None
    assert desk.take(notice("pause:gmail"), 0) == ""
    assert desk.take(notice("blocked:gmail"), 100) == ""
    assert due(desk, GATHER - 1) is None
    assert desk.next_at() == GATHER
    assert names(due(desk, GATHER + 100)) == ["pause:gmail", "blocked:gmail"]
    assert desk.next_at() is None


def test_a_name_once_in_every_with_what_was_suppressed() -> None:
    desk = Desk(HOUR)
    desk.take(notice("a"), 0)
    assert names(due(desk, GATHER)) == ["a"]
    for minute in range(1, 6):
        assert desk.take(notice("a", minute * MINUTE), minute * MINUTE) == "suppressed"
    assert desk.next_at() == GATHER + HOUR
    assert due(desk, GATHER + HOUR - 1) is None
    message = due(desk, GATHER + HOUR)
    assert message is not None
    (row,) = message.rows
    assert (row.count, row.first_at, row.at) == (5, MINUTE, 5 * MINUTE)
    assert row.detail == f"a at {5 * MINUTE}"


def test_another_name_is_not_held_back_by_it() -> None:
    desk = Desk(HOUR)
    desk.take(notice("a"), 0)
    due(desk, GATHER)
    desk.take(notice("a"), MINUTE)
    desk.take(notice("b"), MINUTE)
    assert names(due(desk, MINUTE + GATHER)) == ["b"]
    assert desk.names == ["a"]


def test_every_nought_tells_each_time() -> None:
    desk = Desk(0)
    for at in (0, MINUTE, 2 * MINUTE):
        assert desk.take(notice("a"), at) == ""
        assert names(due(desk, at + GATHER)) == ["a"]


def test_a_burst_is_one_digest() -> None:
    desk = Desk(HOUR)
    told = []
    for n in range(40):
        now = n * 10 * SECOND
        desk.take(notice(f"pause:{n}"), now)
        told.append(names(due(desk, now + GATHER)))
    assert told[:BURST] == [[f"pause:{n}"] for n in range(BURST)]
    assert not any(told[BURST:])
    assert desk.next_at() == GATHER + SPAN
    assert names(due(desk, GATHER + SPAN)) == [f"pause:{n}" for n in range(BURST, 40)]


def test_past_the_rows_alerts_are_counted_and_owned_up_to() -> None:
    desk = Desk(HOUR)
    for n in range(MAX_ROWS):
        desk.take(notice(f"a{n}"), 0)
    assert desk.take(notice("late"), 0) == "unlisted"
    assert desk.take(notice("a0"), 0) == "suppressed"
    assert desk.waiting == MAX_ROWS + 2
    message = due(desk, GATHER)
    assert message is not None
    assert (message.count, message.unlisted, desk.unlisted) == (MAX_ROWS + 2, 1, 0)


def test_a_graver_one_finds_room() -> None:
    desk = Desk(HOUR)
    for n in range(MAX_ROWS):
        desk.take(notice(f"a{n}", 0, Severity.INFO if n == 7 else Severity.WARNING), 0)
    assert desk.take(notice("grave", 0, Severity.CRITICAL), 0) == ""
    assert "a7" not in desk.names
    assert desk.names[-1] == "grave"
    assert (desk.unlisted, desk.waiting) == (1, MAX_ROWS + 1)


def test_what_failed_comes_back_before_the_later_and_waits_longer_each_time() -> None:
    desk = Desk(HOUR)
    desk.take(notice("a"), 0)
    now = GATHER
    for delay in (*AGAIN, AGAIN[-1]):
        message = due(desk, now)
        assert names(message)[0] == "a"
        assert message is not None
        desk.take(notice("a", now), now)
        desk.take(notice("b", now), now)
        desk.failed(message, now)
        assert desk.next_at() == now + delay
        now += delay
    message = due(desk, now)
    assert [(row.name, row.count) for row in message.rows] == [("a", 6), ("b", 5)] if message else 0
    desk.carried()
    desk.take(notice("c", now), now)
    assert names(due(desk, now + GATHER + SPAN)) == ["c"]


def test_what_failed_counts_as_never_told() -> None:
    desk = Desk(HOUR)
    desk.take(notice("a"), 0)
    message = due(desk, GATHER)
    assert message is not None
    desk.back(message, GATHER)
    assert names(due(desk, GATHER)) == ["a"]


def test_everything_at_the_end() -> None:
    desk = Desk(HOUR)
    assert desk.everything(0, 0, "h") is None
    desk.take(notice("a"), 0)
    due(desk, GATHER)
    desk.take(notice("a"), GATHER)
    desk.take(notice("b"), GATHER)
    assert names(desk.everything(GATHER, 0, "h")) == ["a", "b"]


def test_names_that_were_told_are_forgotten_in_the_end() -> None:
    desk = Desk(HOUR)
    for n in range(MAX_TOLD + 50):
        desk.take(notice(f"a{n}"), n * SPAN)
        due(desk, n * SPAN + GATHER)
    assert len(desk._told) == MAX_TOLD


STEP = st.tuples(
    st.sampled_from(["take", "take", "take", "due", "fail", "back", "end"]),
    st.integers(0, 130),
    st.sampled_from(list(Severity)),
    st.integers(0, 20 * MINUTE),
)


@given(st.lists(STEP, max_size=200), st.sampled_from([0, MINUTE, HOUR]))
def test_nothing_is_ever_lost_or_told_twice_and_names_keep_their_distance(
    steps: list[tuple[str, int, Severity, int]], every: int
) -> None:
    desk, now = Desk(every), 0
    taken = told = 0
    told_at: dict[str, int] = {}
    sent: list[int] = []
    for what, n, severity, wait in steps:
        now += wait
        if what == "take":
            desk.take(notice(f"a{n}", now, severity), now)
            taken += 1
        else:
            ready = desk.next_at()
            message = due(desk, now)
            assert (message is None) is (ready is None or now < ready)
            if message is None:
                continue
            if what == "fail":
                desk.failed(message, now)
            elif what == "back":
                desk.back(message, now)
            else:
                desk.carried()
                told += message.count
                for row in message.rows:
                    assert now - told_at.get(row.name, -HOUR) >= every
                    told_at[row.name] = now
                sent.append(now)
        assert taken == told + desk.waiting
        assert len(desk.names) <= MAX_ROWS
    windows = Counter(b for a, b in zip(sent, sent[BURST:], strict=False) if b - a < SPAN)
    assert not windows
