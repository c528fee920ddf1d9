"""Overrides: what lasts, the strictest of it, until when, and over a restart."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.instant import HOUR, MINUTE
from relay.shaping import overrides
from relay.shaping.destination import Rate
from relay.shaping.directives import ConnectionsFor, Lasting, Pause, RateFor
from relay.shaping.overrides import Overrides
from tests.shaping.house import NOW

SLOW, FAST = Rate(60, timedelta(hours=1)), Rate(2, timedelta(minutes=1))
END = NOW + HOUR


def made(*held: Lasting) -> Overrides:
    found = Overrides()
    for one in held:
        found.hold(one, NOW)
    return found


def test_nothing_lasts_where_nothing_was_asked_for() -> None:
    empty = Overrides()
    assert empty.rate("gmail", NOW) is None
    assert empty.connections("gmail", NOW) is None
    assert empty.pause_until("gmail", NOW) is None
    assert (empty.active("gmail", NOW), empty.dump(), empty.keys()) == ([], "", [])


def test_each_lasts_until_its_end_and_for_its_key() -> None:
    pause, rate = Pause("a", "gmail", END), RateFor("b", "gmail", SLOW, END + 1)
    held = made(pause, rate, ConnectionsFor("c", "@a.id", 1, END))
    assert held.active("gmail", END - 1) == [pause, rate]
    assert held.pause_until("gmail", END - 1) == END
    assert held.connections("gmail", END - 1) is None
    assert held.connections("@a.id", END - 1) == 1
    assert held.pause_until("gmail", END) is None
    assert held.rate("gmail", END) == SLOW
    assert held.rate("gmail", END + 1) is None
    assert held.keys() == ["@a.id"]


def test_the_strictest_of_several_rules_counts() -> None:
    held = made(
        RateFor("a", "gmail", FAST, END),
        RateFor("b", "gmail", SLOW, END),
        ConnectionsFor("a", "gmail", 3, END),
        ConnectionsFor("b", "gmail", 2, END),
        Pause("a", "gmail", END),
        Pause("b", "gmail", END - 1),
    )
    assert held.rate("gmail", NOW) == SLOW
    assert held.connections("gmail", NOW) == 2
    assert held.pause_until("gmail", NOW) == END


def test_the_same_rule_again_prolongs_and_never_shortens() -> None:
    held = made(RateFor("a", "gmail", SLOW, END))
    held.hold(RateFor("a", "gmail", FAST, END - 1), NOW)
    assert held.active("gmail", NOW) == [RateFor("a", "gmail", FAST, END)]
    held.hold(RateFor("a", "gmail", FAST, END + MINUTE), NOW + MINUTE)
    assert held.active("gmail", END) == [RateFor("a", "gmail", FAST, END + MINUTE)]


def test_a_clock_set_back_prolongs_nothing() -> None:
    held = made(Pause("a", "gmail", END))
    assert held.pause_until("gmail", NOW - 9 * HOUR) == NOW - 8 * HOUR
    assert held.pause_until("gmail", NOW - 8 * HOUR) is None
    held = made(Pause("a", "gmail", END))
    held.hold(Pause("a", "gmail", NOW - 9 * HOUR + MINUTE), NOW - 9 * HOUR)
    assert held.pause_until("gmail", NOW - 9 * HOUR) == NOW - 9 * HOUR + MINUTE


def test_by_hand_all_of_a_key_ends() -> None:
    held = made(Pause("a", "gmail", END), Pause("a", "yahoo", END))
    assert held.clear("gmail")
    assert not held.clear("gmail")
    assert held.keys() == ["yahoo"]


def test_it_prunes_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overrides, "MANY", 10)
    held = Overrides()
    for n in range(1000):
        held.hold(Pause("a", f"@d{n}.example", NOW + n + 5), NOW + n)
        assert len(held.keys()) <= 21
    held.prune(NOW + HOUR)
    assert held.keys() == []


def test_what_all_lasts_is_not_dropped_for_being_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overrides, "MANY", 2)
    held = made(*(Pause("a", f"k{n}", END) for n in range(50)))
    assert len(held.keys()) == 50


_lasting = st.one_of(
    st.builds(Pause, st.sampled_from("ab"), st.sampled_from("xy"), st.integers(NOW + 1, NOW + 99)),
    st.builds(
        RateFor,
        st.sampled_from("ab"),
        st.sampled_from("xy"),
        st.sampled_from([SLOW, FAST]),
        st.integers(NOW + 1, NOW + 99),
    ),
    st.builds(
        ConnectionsFor,
        st.sampled_from("ab"),
        st.sampled_from("xy"),
        st.integers(1, 9),
        st.integers(NOW + 1, NOW + 99),
    ),
)


@given(st.lists(_lasting, max_size=20), st.integers(0, 120))
def test_a_restart_changes_nothing(held: list[Lasting], later: int) -> None:
    before, after = made(*held), Overrides()
    after.load(before.dump(), NOW + later)
    for key in "xy":
        at = NOW + later
        assert after.rate(key, at) == before.rate(key, at)
        assert after.connections(key, at) == before.connections(key, at)
        assert after.pause_until(key, at) == before.pause_until(key, at)
    after.prune(NOW + later)
    before.prune(NOW + later)
    assert after.dump() == before.dump()


def test_nothing_kept_is_nothing_held() -> None:
    held = made(Pause("a", "gmail", END))
    held.load("", NOW)
    assert held.keys() == []


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "5",
        "[[1, 2]]",
        '[["slow", "a", "gmail", 1, 2, null]]',
        '[["rate", "a", "gmail", 1, 2, [0, 60000]]]',
        '[["rate", "a", "gmail", 1, 2, null]]',
        '[["rate", "a", "gmail", 1, 2, [1, 1e300]]]',
        '[["connections", "a", "gmail", 1, 2, 0]]',
        '[["pause", "a", "gmail", 1, "soon", null]]',
    ],
)
def test_what_was_not_kept_by_it_is_refused_whole(text: str) -> None:
    held = made(Pause("a", "gmail", END))
    with pytest.raises(ValueError, match="overrides: not what was kept"):
        held.load(text, NOW)
    assert held.pause_until("gmail", NOW) == END
