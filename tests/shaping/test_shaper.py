"""Shaper: two permits, a refusal's pause, one letter that asks, the way back step by step."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from relay.mail import events
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.meaning import Meaning, meaning
from tests.shaping.house import (
    BLOCK,
    BUSY,
    DEAD,
    DOWN,
    GMAIL,
    GREY,
    LOST,
    NOW,
    OURS,
    ROUTE,
    SIGNING,
    THROTTLE,
    UNCLEAR,
    admit,
    paused_until,
    say,
    shaper,
    state,
    warmed,
)


def test_no_more_connections_than_the_profile_has() -> None:
    made = shaper()
    assert [made.connect(GMAIL, NOW) is None for _ in range(6)] == [True] * 4 + [False] * 2
    made.disconnected(GMAIL, NOW)
    assert made.connect(GMAIL, NOW) is None
    assert made.connections(GMAIL, NOW) == 4
    assert made.connections(ROUTE, NOW) > 4
    assert all(made.connect(ROUTE, NOW) is None for _ in range(50))


def test_peek_spends_nothing_and_counts_what_is_under_way() -> None:
    made = shaper()
    for _ in range(10):
        assert made.peek(GMAIL, "gmail.com", 1, NOW) is None
    assert made.peek(GMAIL, "gmail.com", 1, NOW, ahead=3) is not None
    assert made.peek(GMAIL, "gmail.com", 61, NOW) is not None
    assert admit(made, NOW)


def test_a_domains_own_limit_names_the_domain() -> None:
    made, now = shaper(), NOW
    for _ in range(2):
        assert admit(made, now, GMAIL, "kampus.ac.id")
        now += 30 * SECOND
    now -= 25 * SECOND
    wait = made.peek(GMAIL, "kampus.ac.id", 1, now)
    assert wait is not None
    assert wait.domain == "kampus.ac.id"
    assert "kampus.ac.id: 2/min" in wait.why
    assert made.peek(GMAIL, "gmail.com", 1, now) is None


def test_units_come_back_by_the_moment_they_were_spent_at() -> None:
    one = Destination("one", Profile("one", rates=(Rate(2, timedelta(minutes=1)),)))
    made = shaper()
    assert admit(made, NOW, one)
    assert admit(made, NOW + 40 * SECOND, one)
    made.refund(one, "one", 1, NOW + 50 * SECOND, NOW)  # the first one's RCPT was never written
    assert admit(made, NOW + 75 * SECOND, one)
    wait = made.peek(one, "one", 1, NOW + 80 * SECOND)
    assert wait is not None  # the second still counts, until a minute after it was written
    assert wait.until >= NOW + 100 * SECOND


@pytest.mark.parametrize(
    ("read", "is_probing", "means"),
    [
        (None, False, Meaning.ALIVE),
        (THROTTLE, False, Meaning.REFUSAL),
        (BLOCK, True, Meaning.REFUSAL),
        (OURS, False, Meaning.REFUSAL),
        (SIGNING, False, Meaning.NOTHING),
        (DOWN, False, Meaning.UNREACHED),
        (BUSY, False, Meaning.UNREACHED),
        (UNCLEAR, False, Meaning.ALIVE),
        (UNCLEAR, True, Meaning.UNREACHED),
        (LOST, False, Meaning.UNREACHED),
        (GREY, True, Meaning.ALIVE),
        (DEAD, True, Meaning.ALIVE),
    ],
)
def test_what_a_reading_says_of_the_destination(
    read: Classification | None, is_probing: bool, means: Meaning
) -> None:
    assert meaning(read, is_probing) is means


def test_a_pause_counts_from_the_last_refusal_of_any_session() -> None:
    made, now = warmed()
    assert say(made, THROTTLE, now) == [events.Paused]
    assert say(made, THROTTLE, now + MINUTE) == []
    until = paused_until(made, now + MINUTE)
    assert now + 11 * MINUTE <= until
    assert made.is_paused("gmail", until - 1)
    assert not admit(made, until - 1)
    assert made.connect(GMAIL, until - 1) is not None
    assert not made.is_paused("gmail", until)


def test_a_first_pause_of_few_letters_is_ten_minutes_from_the_last_refusal() -> None:
    made, now = warmed(5)
    assert say(made, THROTTLE, now) == [events.Paused]
    assert say(made, THROTTLE, now + MINUTE) == []
    until = paused_until(made, now + MINUTE)
    assert now + 11.2 * MINUTE <= until <= now + 12.2 * MINUTE


@pytest.mark.parametrize(
    ("read", "code", "alert"),
    [
        (THROTTLE, 421, None),
        (THROTTLE, 550, "blocked:gmail"),
        (BLOCK, 451, "blocked:gmail"),
        (BLOCK, 550, "blocked:gmail"),
        (OURS, 550, "fix_config:gmail"),
    ],
)
def test_who_is_called(read: Classification, code: int, alert: str | None) -> None:
    made, now = warmed()
    told = made.feedback(GMAIL, read, f"{code} said", now)
    assert [e.name for e in told if isinstance(e, events.Alert)] == ([alert] if alert else [])


def test_after_the_pause_one_letter_asks_on_one_connection() -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    now = paused_until(made, now)
    assert made.connections(GMAIL, now) == 1
    assert made.connect(GMAIL, now) is None
    assert made.connect(GMAIL, now) is not None
    assert admit(made, now)
    assert not admit(made, now + 30 * SECOND)  # until that one is answered
    assert state(made, now) == "probing"
    assert say(made, None, now + 30 * SECOND) == [events.Resumed]
    assert state(made, now + 30 * SECOND) == "slow"


def test_a_blocks_pause_doubles_with_each_refused_probe_up_to_the_longest() -> None:
    made, now = warmed()
    say(made, BLOCK, now)
    lengths = []
    for _ in range(12):
        until = paused_until(made, now)
        lengths.append(until - now)
        now = until
        assert admit(made, now)
        assert events.Paused in say(made, BLOCK, now)
    assert lengths[2] > 1.8 * lengths[1]
    assert all(b >= a * 0.85 for a, b in pairwise(lengths[1:]))
    assert max(lengths) <= 1.13 * DAY
    assert lengths[-1] >= DAY


def test_a_throttles_pause_grows_by_half_and_the_next_one_begins_where_it_was_enough() -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    lengths = []
    for _ in range(6):
        until = paused_until(made, now)
        lengths.append(until - now)
        now = until
        assert admit(made, now)
        say(made, THROTTLE, now)
    assert all(1.3 <= after / before <= 1.7 for before, after in pairwise(lengths[2:]))
    now = paused_until(made, now)
    assert admit(made, now)
    say(made, None, now)
    now += HOUR
    say(made, THROTTLE, now)
    assert paused_until(made, now) - now >= lengths[-1]
    now += 3 * DAY  # long forgotten
    assert admit(made, now)
    say(made, None, now)
    now += DAY + MINUTE
    say(made, THROTTLE, now)
    assert paused_until(made, now) - now <= 1.5 * 11.3 * MINUTE


def test_the_way_back_is_steps_and_never_a_leap() -> None:
    made, now = warmed()  # two a minute were accepted
    say(made, THROTTLE, now)
    now = paused_until(made, now)
    assert admit(made, now)
    say(made, None, now)
    counts: list[int] = []
    connections: list[int] = []
    for _ in range(30):
        end, count = now + 10 * MINUTE, 0
        while now < end:
            if admit(made, now):
                say(made, None, now)
                count += 1
            now += SECOND // 2
        counts.append(count)
        connections.append(made.connections(GMAIL, now))
    assert counts[0] <= 20  # below the two a minute that had been accepted
    assert all(b <= 1.7 * a + 2 for a, b in pairwise(counts))
    assert connections[0] <= 2
    assert all(b - a <= 1 for a, b in pairwise(connections))
    assert connections[-1] == 4
    assert sum(counts) > 140  # the hour's thirty, and what is tried above them


def test_a_site_out_of_reach_rests_briefly_and_comes_back_at_its_old_pace() -> None:
    made, now = warmed()
    assert say(made, DOWN, now) == []
    assert say(made, DOWN, now) == []
    assert say(made, DOWN, now) == [events.Paused]
    rests = []
    for _ in range(8):
        until = paused_until(made, now)
        rests.append(until - now)
        now = until
        assert admit(made, now)
        say(made, DOWN, now)
    assert rests[0] == 30 * SECOND
    assert rests == sorted(rests)
    assert rests[-1] == 15 * MINUTE
    now = paused_until(made, now)
    assert admit(made, now)
    assert say(made, None, now) == [events.Resumed]
    assert state(made, now) == "ok"


def test_a_probe_that_is_not_answered_asks_again_and_proves_nothing() -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    now = paused_until(made, now)
    assert admit(made, now)
    assert say(made, BUSY, now) == [events.Paused]
    now = paused_until(made, now)
    assert admit(made, now)
    assert say(made, None, now) == [events.Resumed]
    assert state(made, now) == "slow"  # a refusal's way back, not a leap


def test_a_probe_that_never_left_does_not_shut_the_door() -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    now = paused_until(made, now)
    for undo in ("refund", "signing", "lost"):
        assert admit(made, now)
        if undo == "refund":
            made.refund(GMAIL, "gmail.com", 1, now, now)
        else:
            say(made, SIGNING if undo == "signing" else LOST, now)
        now += MINUTE
    assert admit(made, now)


@pytest.mark.parametrize("kind", ["unsupported", "no_ehlo", "address", "no_address"])
def test_what_no_provider_said_is_no_answer_to_a_probe(kind: str) -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    now = paused_until(made, now)
    assert admit(made, now)
    ours = Classification(
        Category.PROTOCOL, Scope.MESSAGE, Action.BOUNCE_MESSAGE, f"failure.{kind}"
    )
    assert say(made, ours, now) == []
    assert state(made, now) == "probing"
    assert admit(made, now)


def test_our_own_signing_stops_no_provider() -> None:
    made, now = warmed()
    assert say(made, SIGNING, now) == []
    assert admit(made, now)
