"""The fuse: tables of when it blows, what it says, when it is whole again."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.classification import Classification
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant
from relay.shaping import fuse as fuses
from relay.shaping.fuse import WHOLE
from tests.shaping.fusebox import FULL, INACTIVE, NOW, POLICY, SPAM, THROTTLE, UNKNOWN, Box


@pytest.mark.parametrize("read", [UNKNOWN, INACTIVE])
def test_an_hour_in_which_everything_is_dead_costs_29(read: Classification) -> None:
    box = Box()
    assert not box.note(read, 29).is_blown
    assert box.note(read).why == (
        "fuse:gmail: 30 of 30 attempts refused there within an hour as unknown or inactive, more"
        " than is normal"
    )
    assert box.note(read, 270).is_blown
    assert box.believed == 29
    (alert,) = box.alerts
    assert alert.name == "fuse:gmail"
    assert "lpse-relay fuse" in alert.detail
    assert box.box.pending("fuse:gmail") == [(n, 1) for n in range(1, 30)]


@pytest.mark.parametrize(
    ("accepted", "dead", "is_blown"),
    [
        (12, 17, False),  # 29 attempts
        (170, 30, False),  # 15 % exactly
        (169, 31, True),
        (1_000, 15, False),  # half of the last thirty
        (1_000, 16, True),  # a sudden change
    ],
)
def test_the_share_of_addresses(accepted: int, dead: int, is_blown: bool) -> None:
    box = Box()
    if accepted < 1_000:
        for n in range(accepted + dead):
            was = n * dead // (accepted + dead)
            is_dead = (n + 1) * dead // (accepted + dead) > was  # evenly among the accepted
            last = box.note(UNKNOWN if is_dead else None)
        assert last.is_blown is is_blown
    else:
        box.note(None, accepted)
        assert box.note(UNKNOWN, dead).is_blown is is_blown


def test_only_an_hour_counts() -> None:
    box = Box(apart=2 * MINUTE + 10 * SECOND)  # never thirty in an hour
    assert not box.note(UNKNOWN, 60).is_blown


def test_what_is_said_of_us_counts_for_nothing() -> None:
    box = Box()
    box.note(THROTTLE, 500)
    assert not box.note(UNKNOWN, 29).is_blown
    box = Box()
    box.note(UNKNOWN, 29)
    assert not box.note(FULL).is_blown  # it speaks of the recipient: the thirtieth attempt
    assert box.note(UNKNOWN).is_blown


def test_each_destination_by_itself() -> None:
    box = Box()
    box.note(UNKNOWN, 40)
    assert not box.note(UNKNOWN, at="yahoo").is_blown
    assert not box.note(None).is_blown


@pytest.mark.parametrize(
    ("dead", "attempts", "normal"),
    [(0, 100, 15), (4, 100, 15), (8, 100, 24), (50, 100, 90), (9, 9, 15)],
)
def test_normal_is_three_times_the_share_of_thirty_days(
    dead: int, attempts: int, normal: int
) -> None:
    box = Box()
    box.days(dead, attempts=attempts)
    assert box.box._watched["gmail"].normal(box.now) == Fraction(normal, 100)
    box.now += 30 * DAY
    assert box.box._watched["gmail"].normal(box.now) == Fraction(15, 100)


def test_where_a_quarter_is_normal_a_quarter_blows_nothing() -> None:
    box = Box()
    box.days(10)
    for _ in range(25):
        box.note(None, 3)
        box.note(UNKNOWN)
    assert not box.alerts
    for _ in range(25):
        box.note(None)
        box.note(UNKNOWN)
    assert len(box.alerts) == 1


def test_an_hour_that_blew_the_fuse_does_not_make_the_next_one_normal() -> None:
    box = Box(apart=10 * SECOND)
    box.note(None, 360)
    box.note(UNKNOWN, 200)
    box.note(None, 1000)
    assert box.box._watched["gmail"].strand.blown_at is None
    attempts, refused = box.box._watched["gmail"].days.totals(box.now)
    assert refused == 0
    assert attempts > 300
    box.note(UNKNOWN, 30)
    assert len(box.alerts) == 2


@pytest.mark.parametrize("read", [SPAM, POLICY])
def test_a_bad_letter(read: Classification) -> None:
    box = Box()
    assert not box.note(read, 4).is_blown
    fuse = box.note(read)
    assert fuse.why.startswith("fuse:gmail:content: 5 of 5 attempts of this letter")
    (alert,) = box.alerts
    assert alert.name == "fuse:gmail:content"
    assert not box.note(read, letter=b"\x02").is_blown
    assert not box.note(UNKNOWN).is_blown
    assert box.box.pending("fuse:gmail:content") == [(n, 1) for n in range(1, 5)]


@pytest.mark.parametrize(
    ("accepted", "refused", "is_blown"),
    [(20, 5, False), (19, 5, True), (2_000, 5, False), (2_000, 6, True)],
)
def test_a_letter_that_is_refused_here_and_there_is_not_bad(
    accepted: int, refused: int, is_blown: bool
) -> None:
    box = Box()
    box.note(None, accepted)
    assert box.note(SPAM, refused).is_blown is is_blown


def test_the_share_of_a_letter_is_its_own() -> None:
    box = Box()
    box.note(None, 1_000, letter=b"\x02")
    box.note(SPAM, 5)
    assert len(box.alerts) == 1


def test_it_cools_after_an_hour_at_a_normal_share_and_not_without_attempts() -> None:
    box = Box(apart=10 * SECOND)
    box.note(UNKNOWN, 40)
    (blown,) = box.box.blown()
    assert (blown.key, blown.name, blown.pending) == ("gmail", "fuse:gmail", 29)
    box.now += 9 * HOUR
    assert box.note(UNKNOWN).is_blown  # nothing in between says that it is over
    box.now += 9 * HOUR
    box.note(None, 3)
    assert not box.note(UNKNOWN).is_blown
    (blown,) = box.box.blown()  # what waits for the operator still does
    assert (blown.blown_at, blown.why, blown.pending) == (None, "", 29)


def test_it_does_not_cool_while_the_share_is_high() -> None:
    box = Box(apart=10 * SECOND)
    box.note(UNKNOWN, 30)
    for _ in range(400):
        box.note(None, 4)
        box.note(UNKNOWN)
    assert len(box.alerts) == 1
    assert box.box.blown()[0].blown_at is not None
    assert box.believed == 29


def test_a_letter_cools_too() -> None:
    box = Box(apart=10 * SECOND)
    box.note(SPAM, 5)
    box.note(None, 365)
    assert not box.note(SPAM).is_blown


def test_several_letters_are_one_name() -> None:
    box = Box()
    box.note(SPAM, 5)
    box.note(SPAM, 6, letter=b"\x02")
    box.note(SPAM, 2, letter=b"\x03")
    (blown,) = box.box.blown()
    assert (blown.pending, blown.blown_at) == (8, NOW + 10 * SECOND)
    assert len(box.box.pending("fuse:gmail:content")) == 8


def test_the_operator_confirms() -> None:
    box = Box()
    box.note(UNKNOWN, 100)
    box.box.decided("fuse:gmail", 71, box.now)
    assert box.box.blown() == []
    assert box.box._watched["gmail"].days.totals(box.now) == (71, 71)
    assert not box.note(UNKNOWN, 29).is_blown
    assert box.note(UNKNOWN).is_blown
    box = Box()
    box.note(SPAM, 6)
    box.box.decided("fuse:gmail:content", 2, box.now)
    assert box.box.blown() == []
    assert box.box._watched["gmail"].days.totals(box.now) == (0, 0)


def test_the_operator_requeues_and_the_fuse_stays_until_it_cools() -> None:
    box = Box()
    box.note(UNKNOWN, 30)
    box.box.decided("fuse:yahoo", None, box.now)
    assert box.box.pending("fuse:gmail")
    box.box.decided("fuse:gmail", None, box.now)
    (blown,) = box.box.blown()
    assert blown.pending == 0
    assert box.note(UNKNOWN).is_blown


def test_the_clock_set_back_takes_nothing_away() -> None:
    box = Box()
    box.note(UNKNOWN, 29)
    box.now -= 3 * HOUR
    assert box.note(UNKNOWN).is_blown


said = st.sampled_from([None, None, None, UNKNOWN, INACTIVE, SPAM, FULL, THROTTLE])
steps = st.lists(st.tuples(said, st.integers(0, 20 * MINUTE), st.sampled_from([b"a", b"b"])))


@given(steps, st.integers(0, 60))
def test_whatever_comes_the_books_agree(
    told: list[tuple[Classification | None, int, bytes]], restart: int
) -> None:
    """Against a plain list of all that was said: never blown below the least, always above."""
    box = Box(apart=0)
    seen: list[tuple[Instant, bool]] = []
    blown = False
    for n, (read, wait, letter) in enumerate(told):
        box.now += wait
        fuse = box.note(read, letter=letter)
        if n == restart:
            box.restarted()
        if read is THROTTLE:
            assert fuse == WHOLE
            continue
        is_dead = fuses.is_about_the_address(read)
        seen.append((box.now, is_dead))
        within = [dead for at, dead in seen if at > box.now - HOUR]
        if is_dead and len(within) < 30 and not blown:
            assert not fuse.is_blown
        surely = [dead for at, dead in seen if at > box.now - 55 * MINUTE]
        if is_dead and len(surely) >= 30 and sum(surely) > 0.151 * len(within):
            assert fuse.is_blown
        blown = blown or fuse.why.startswith("fuse:gmail: ")
    assert len([a for a in box.alerts if a.name == "fuse:gmail"]) >= blown


def test_the_fuse_of_an_address_is_asked_by_its_destination() -> None:
    box = Box()
    assert box.box.blown_at("gmail") == ""
    box.note(UNKNOWN, 29)
    assert box.box.blown_at("gmail") == ""
    box.note(UNKNOWN)
    assert box.box.blown_at("gmail") == "fuse:gmail"
    assert box.box.blown_at("yahoo") == ""


def test_what_was_not_tried_comes_back_with_the_bounces() -> None:
    box = Box()
    box.box.skipped("gmail", (99, 1), NOW)  # nothing is known of it: nothing to bring back
    box.note(UNKNOWN, 15)
    box.box.skipped("gmail", (100, 1), box.now)
    box.note(UNKNOWN, 15)
    pending = box.box.pending("fuse:gmail")
    assert (100, 1) in pending
    assert len(pending) == 30
