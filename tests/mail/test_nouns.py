"""The small nouns: ids, instants, urgencies, states, attempts, contents, sources."""

from __future__ import annotations

import dataclasses
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import events, ids, instant, letter
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import (
    TRANSITIONS,
    Attempt,
    Delivery,
    Failure,
    FailureKind,
    State,
    TransitionError,
    has_fixed_life,
)
from relay.mail.envelope import Content, Source, sending_domain
from relay.mail.reply import Reply, Stage
from relay.mail.urgency import Urgency

NOW = 1_700_000_000_000


@given(st.integers(0, (1 << 63) - 1), st.none() | st.integers(0, 10**9 - 1))
def test_an_id_reads_as_it_is_shown(message_id: int, n: int | None) -> None:
    shown = ids.show(message_id, n)
    assert ids.read(shown) == ids.read(f" {shown.lower()}\n") == (message_id, n)


@given(st.lists(st.integers(NOW - 10_000, NOW + 10_000), min_size=2, max_size=50))
def test_ids_grow_whatever_the_clock_does(moments: list[int]) -> None:
    maker = ids.Ids(node=3)
    made = [maker.next(now) for now in moments]
    assert made == sorted(set(made))
    assert ids.made_at(made[0]) == moments[0]


def test_a_full_sequence_borrows_the_next_millisecond() -> None:
    maker = ids.Ids()
    made = [maker.next(NOW) for _ in range(4097)]
    assert ids.made_at(made[-2]) == NOW and ids.made_at(made[-1]) == NOW + 1


def test_ids_of_two_nodes_differ() -> None:
    assert ids.Ids(1).next(NOW) != ids.Ids(2).next(NOW)
    for node in (-1, 256):
        with pytest.raises(ValueError, match="node must be 0–255"):
            ids.Ids(node)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not a letter's id"),
        ("0G4P2K7M1V0A", "not a letter's id"),
        ("0G4P2K7M1V0AU", "not a letter's id"),
        ("ZZZZZZZZZZZZZ", "too large"),
        ("0G4P2K7M1V0A0.", "number after the dot"),
        ("0G4P2K7M1V0A0.x", "number after the dot"),
        ("0G4P2K7M1V0A0.١", "number after the dot"),
        ("0G4P2K7M1V0A0.1234567890", "number after the dot"),
    ],
)
def test_a_bad_id_is_named(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        ids.read(text)


def test_look_alikes_are_forgiven() -> None:
    assert ids.read("oG4P2K7M1VOAo") == ids.read("0G4P2K7M1V0A0")
    assert ids.read("iG4P2K7MLV0A0") == ids.read("1G4P2K7M1V0A0")


@given(st.integers(0, 253_402_300_799_999))
def test_a_moment_reads_as_it_is_written(at: int) -> None:
    text = instant.iso(at)
    assert text.endswith("Z") and len(text) == 24
    assert instant.from_iso(text) == at


def test_a_moment_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        instant.from_iso("2026-01-01T00:00:00")
    assert instant.from_iso("2026-01-01T07:00:00+07:00") == instant.from_iso("2026-01-01T00:00:00Z")


def test_urgencies() -> None:
    assert [urgency.word for urgency in Urgency] == ["kritis", "mendesak", "transaksi", "massal"]
    assert Urgency.of(" Kritis ") is Urgency.KRITIS
    with pytest.raises(ValueError, match=r"unknown class 'bulk': one of kritis, mendesak"):
        Urgency.of("bulk")


def delivery(state: State) -> Delivery:
    return Delivery(1, 2, "a@b.id", 3, "b.id", Urgency.KRITIS, state, NOW, NOW)


@given(st.sampled_from(State), st.sampled_from(State))
def test_only_the_table_moves_a_delivery(before: State, after: State) -> None:
    one = delivery(before)
    if after in TRANSITIONS[before]:
        moved = one.moved(after, why="x")
        assert (moved.state, moved.why, moved.ref) == (after, "x", "0000000000001.2")
    else:
        with pytest.raises(TransitionError, match=rf"{before.word} → {after.word} is no step"):
            one.moved(after)


def test_the_table_is_whole() -> None:
    assert set(TRANSITIONS) == set(State)
    assert not TRANSITIONS[State.DELIVERED]
    assert State.DELIVERED.is_final and not State.HELD.is_final
    for state in State:
        assert state not in TRANSITIONS[state]
        assert not state.is_final or TRANSITIONS[state] <= {State.READY}


@pytest.mark.parametrize(
    ("reply", "stage", "is_accepted", "said"),
    [
        (Reply(250, None, "ok\n2"), Stage.EOD, True, "250 ok 2"),
        (Reply(250, None, "ok"), Stage.RCPT, False, "250 ok"),
        (Reply(451, None, "later"), Stage.EOD, False, "451 later"),
        (None, Stage.EOD, False, "timed out"),
    ],
)
def test_attempts(reply: Reply | None, stage: Stage, is_accepted: bool, said: str) -> None:
    failure = None if reply else Failure(FailureKind.TIMEOUT, "timed out")
    one = Attempt(1, 2, 1, NOW, 5, "", "mx", "192.0.2.1", None, stage, reply, failure)
    assert (one.is_accepted, one.said()) == (is_accepted, said)


def test_an_attempt_without_an_answer_says_nothing() -> None:
    assert Attempt(1, 2, 1, NOW, 5, "", "mx", "", None, Stage.EOD, None, None).said() == ""


@pytest.mark.parametrize("action", Action)
def test_unsure_keeps_the_mail(action: Action) -> None:
    reading = Classification(Category.OTHER, Scope.MESSAGE, action, "x")
    assert reading.keeps_the_mail is not action.value.startswith("bounce")


def test_who_may_relay() -> None:
    assert Source("192.0.2.1", "x", None, None, "l", is_trusted=True).may_relay
    assert Source("192.0.2.1", "x", None, "app", "l", is_trusted=False).may_relay
    assert not Source("192.0.2.1", "x", None, None, "l", is_trusted=False).may_relay


@pytest.mark.parametrize(
    ("sender", "instead", "shown"),
    [
        ("panitia@LPSE.example.go.id", "", "lpse.example.go.id"),
        ('"a@b"@lpse.example.go.id', "", "lpse.example.go.id"),
        ("panitia@lpse.example.go.id", "bounce.example", "bounce.example"),
        ("", "", ""),
        ("", "bounce.example", ""),
    ],
)
def test_which_domain_mail_from_shows(sender: str, instead: str, shown: str) -> None:
    assert sending_domain(sender, instead) == shown


def test_a_contents_size_has_the_blank_line() -> None:
    assert Content(b"A: b\r\n", b"Yth.\r\n", b"", b"").size == 6 + 2 + 6


def test_every_event_is_a_frozen_value_with_its_moment() -> None:
    for kind in typing.get_args(events.Event):
        fields = [field.name for field in dataclasses.fields(kind)]
        assert fields[0] == "at" and kind.__dataclass_params__.frozen
    assert dataclasses.is_dataclass(letter.Letter)


def test_an_event_by_a_steady_clock_is_told_by_the_walls() -> None:
    paused = events.Paused(NOW, "gmail", "gmail", NOW + 5, "421")
    assert events.by_the_wall(paused, 0) is paused
    later = events.Paused(NOW + 7, "gmail", "gmail", NOW + 12, "421")
    assert events.by_the_wall(paused, 7) == later
    by_hand = events.Paused(NOW, "gmail", "gmail", None, "siti")
    assert events.by_the_wall(by_hand, -7).at == NOW - 7
    assert events.by_the_wall(events.Alert(NOW, "a", "b"), 7) == events.Alert(NOW + 7, "a", "b")


def test_an_id_is_never_below_the_first_of_its_moment() -> None:
    made = ids.Ids()
    assert ids.first_of(NOW) <= made.next(NOW) < ids.first_of(NOW + 1)
    assert ids.first_of(-5) == 0


@pytest.mark.parametrize("urgency", Urgency)
def test_whose_life_is_fixed(urgency: Urgency) -> None:
    assert has_fixed_life(urgency, None) is (urgency is Urgency.KRITIS)
    assert has_fixed_life(urgency, NOW) is (urgency is not Urgency.TRANSAKSI)
