"""Shaper: two permits, a refusal's pause, one letter that asks, the way back step by step."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import events
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import FailureKind
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.feedback import Meaning, Mode, meaning
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper

NOW = 1_700_000_000_000
RATES = (Rate(60, timedelta(minutes=1)), Rate(20_000, timedelta(days=1)))
GMAIL = Destination("gmail", Profile("gmail", connections=4, rates=RATES), "gmail")
ROUTE = Destination("smtp://127.0.0.1:2526", Profile("route", connections=None))
THROTTLE = Classification(
    Category.RATE_LIMITED, Scope.SENDER, Action.SLOW_DOWN_PROVIDER, "google.rate"
)
BLOCK = Classification(
    Category.SENDER_BLOCKED, Scope.SENDER, Action.SLOW_DOWN_PROVIDER, "google.block"
)
OURS = Classification(Category.AUTH_FAILED, Scope.OURSELVES, Action.FIX_CONFIG, "google.spf")
SIGNING = Classification(
    Category.AUTH_FAILED, Scope.OURSELVES, Action.FIX_CONFIG, f"failure.{FailureKind.SIGNING}"
)
DOWN = Classification(Category.NETWORK, Scope.DESTINATION, Action.RETRY_LATER, "failure.refused")
BUSY = Classification(Category.SERVER_ERROR, Scope.DESTINATION, Action.RETRY_LATER, "code.4")
UNCLEAR = Classification(Category.OTHER, Scope.DESTINATION, Action.RETRY_LATER, "unknown")
LOST = Classification(Category.NETWORK, Scope.MESSAGE, Action.RETRY_LATER, "failure.ambiguous")
GREY = Classification(Category.GREYLISTED, Scope.DESTINATION, Action.RETRY_LATER, "grey")
DEAD = Classification(Category.UNKNOWN_USER, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, "user")


def no_rates(domain: str) -> tuple[Rate, ...]:
    return (Rate(2, timedelta(minutes=1)),) if domain == "kampus.ac.id" else ()


def shaper() -> Shaper:
    return Shaper(PauseSettings(), no_rates)


def say(
    made: Shaper, read: Classification | None, now: Instant, to: Destination = GMAIL
) -> list[type]:
    return [type(event) for event in made.feedback(to, read, "421 said", now)]


def admit(made: Shaper, now: Instant, to: Destination = GMAIL) -> bool:
    return made.admit(to, "gmail.com", 1, now) is None


def state(made: Shaper, now: Instant, key: str = "gmail") -> str:
    return next(s.state for s in made.standings(now) if s.key == key)


def paused_until(made: Shaper, now: Instant) -> Instant:
    until = next(s.paused_until for s in made.standings(now) if s.key == "gmail")
    assert until is not None
    return until


def warmed(letters: int = 30) -> tuple[Shaper, Instant]:
    """Has sent some, half a minute apart."""
    made, now = shaper(), NOW
    for _ in range(letters):
        assert admit(made, now)
        say(made, None, now)
        now += 30 * SECOND
    return made, now


# Permit one


def test_no_more_connections_than_the_profile_has() -> None:
    made = shaper()
    assert [made.connect(GMAIL, NOW) is None for _ in range(6)] == [True] * 4 + [False] * 2
    made.disconnected(GMAIL, NOW)
    assert made.connect(GMAIL, NOW) is None
    assert made.connections(GMAIL, NOW) == 4
    assert made.connections(ROUTE, NOW) > 4
    assert all(made.connect(ROUTE, NOW) is None for _ in range(50))


# Permit two


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
        assert made.admit(GMAIL, "kampus.ac.id", 1, now) is None
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


# Feedback


@pytest.mark.parametrize(
    ("read", "mode", "means"),
    [
        (None, Mode.OK, Meaning.ALIVE),
        (THROTTLE, Mode.OK, Meaning.REFUSAL),
        (BLOCK, Mode.PROBING, Meaning.REFUSAL),
        (OURS, Mode.OK, Meaning.REFUSAL),
        (SIGNING, Mode.OK, Meaning.NOTHING),
        (DOWN, Mode.OK, Meaning.UNREACHED),
        (BUSY, Mode.OK, Meaning.UNREACHED),
        (UNCLEAR, Mode.OK, Meaning.ALIVE),
        (UNCLEAR, Mode.PROBING, Meaning.UNREACHED),
        (LOST, Mode.OK, Meaning.NOTHING),
        (GREY, Mode.PROBING, Meaning.ALIVE),
        (DEAD, Mode.PROBING, Meaning.ALIVE),
    ],
)
def test_what_a_reading_says_of_the_destination(
    read: Classification | None, mode: Mode, means: Meaning
) -> None:
    assert meaning(read, mode) is means


def test_a_pause_counts_from_the_last_refusal_of_any_session() -> None:
    made, now = warmed()
    assert say(made, THROTTLE, now) == [events.Paused]
    assert say(made, THROTTLE, now + MINUTE) == []
    until = paused_until(made, now + MINUTE)
    assert now + 11 * MINUTE <= until <= now + 13 * MINUTE
    assert made.is_paused("gmail", until - 1)
    assert not admit(made, until - 1)
    assert made.connect(GMAIL, until - 1) is not None
    assert not made.is_paused("gmail", until)


@pytest.mark.parametrize(("read", "alerts"), [(THROTTLE, 0), (BLOCK, 1), (OURS, 1)])
def test_who_is_called(read: Classification, alerts: int) -> None:
    made, now = warmed()
    told = made.feedback(GMAIL, read, "550 said", now)
    assert sum(isinstance(event, events.Alert) for event in told) == alerts


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
    assert lengths[1] > 1.8 * lengths[0]
    assert all(b >= a * 0.85 for a, b in pairwise(lengths))
    assert max(lengths) <= 1.13 * DAY
    assert lengths[-1] >= DAY


def test_a_throttles_pause_does_not_double() -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    for _ in range(5):
        until = paused_until(made, now)
        assert 10 * MINUTE <= until - now <= 11.3 * MINUTE
        now = until
        assert admit(made, now)
        say(made, THROTTLE, now)


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
    assert sum(counts) > 300


def test_a_site_out_of_reach_rests_briefly_and_comes_back_whole() -> None:
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


def test_our_own_signing_stops_no_provider() -> None:
    made, now = warmed()
    assert say(made, SIGNING, now) == []
    assert admit(made, now)


# By hand


@pytest.mark.parametrize("key", ["gmail", "*"])
def test_by_hand_until_resume(key: str) -> None:
    made, now = warmed()
    made.pause(key, None, "root: wrong letter", now)
    assert made.is_paused("gmail", now + 30 * DAY)
    wait = made.peek(GMAIL, "gmail.com", 1, now + DAY)
    assert wait is not None
    assert "wrong letter" in wait.why
    assert made.resume(key, "root: mended", now + DAY)
    assert not made.resume(key, "root: mended", now + DAY)
    assert admit(made, now + DAY)
    assert state(made, now + DAY) == "ok"


@pytest.mark.parametrize("key", ["gmail", "*"])
def test_by_hand_until_a_time(key: str) -> None:
    made, now = warmed()
    made.pause(key, now + HOUR, "root: night", now)
    assert not admit(made, now + HOUR - 1)
    assert admit(made, now + HOUR)


def test_a_late_refusal_does_not_hide_who_paused() -> None:
    made, now = warmed()
    made.pause("gmail", None, "root: wrong letter", now)
    say(made, THROTTLE, now)
    say(made, DOWN, now)
    (shown,) = (s for s in made.standings(now) if s.key == "gmail")
    assert shown.why == "root: wrong letter"
    assert made.is_paused("gmail", now + 30 * DAY)
    assert made.resume("gmail", "root", now + HOUR)
    assert made.connections(GMAIL, now + HOUR) == 1  # it had refused us meanwhile: one asks first


def test_resume_ends_a_providers_pause_with_one_letter() -> None:
    made, now = warmed()
    say(made, BLOCK, now)
    assert made.resume("gmail", "root: delisted", now + MINUTE)
    assert state(made, now + MINUTE) == "probing"
    assert admit(made, now + MINUTE)
    assert not admit(made, now + MINUTE + SECOND)


# What survives


def reborn(made: Shaper, now: Instant) -> Shaper:
    again = shaper()
    again.restore(json.loads(json.dumps(dict(made.dirty(now)))), now)
    return again


def test_counts_and_pauses_survive_a_restart() -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    until = paused_until(made, now)
    again = reborn(made, now)
    assert not admit(again, until - 1)
    assert admit(again, until)
    full = shaper()
    now = NOW
    for _ in range(60):
        assert admit(full, now)
        now += SECOND
    assert not admit(reborn(full, now), now - 1)
    assert made.dirty(now) == {}


def test_a_kept_pause_is_never_longer_than_one_can_be() -> None:
    made, now = warmed()
    say(made, BLOCK, now + 400 * DAY)  # the clock was a year ahead
    again = reborn(made, now)
    assert admit(again, now + 3 * DAY)


@pytest.mark.parametrize(
    ("name", "text"), [("state:gmail", "{"), ("state:gmail", "{}"), ("meter:gmail", "[1]")]
)
def test_what_cannot_be_read_is_named_and_the_rest_taken(name: str, text: str) -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    kept = {key.replace("gmail", "other"): value for key, value in made.dirty(now).items()}
    again = shaper()
    with pytest.raises(ValueError, match=name):
        again.restore({name: text, **kept}, now)
    assert again.is_paused("other", now)


def test_new_limits_keep_what_was_counted() -> None:
    made, now = warmed(20)
    tight = Destination("gmail", Profile("gmail", rates=(Rate(20, timedelta(hours=1)),)), "gmail")
    made.use(PauseSettings(), no_rates)
    assert not admit(made, now, tight)


Kind = Literal["admit", "ok", "throttle", "block", "down", "hand", "resume", "restart"]
steps = st.lists(
    st.tuples(st.sampled_from(Kind.__args__), st.integers(0, 5 * MINUTE)),  # type: ignore[attr-defined]
    max_size=80,
)


@given(steps)
def test_nothing_is_admitted_within_a_pause_and_it_always_ends(
    schedule: list[tuple[Kind, int]],
) -> None:
    made, now, last, by_hand = shaper(), NOW, 0, False
    kept: dict[str, str] = {}
    reads = {"ok": None, "throttle": THROTTLE, "block": BLOCK, "down": DOWN}
    for kind, wait in schedule:
        now += wait
        if kind == "admit":
            if admit(made, now):
                assert not by_hand
                assert not last or now >= last + 10 * MINUTE
                last = 0
        elif kind == "hand":
            made.pause("gmail", None, "root", now)
            by_hand = True
        elif kind == "resume":
            made.resume("gmail", "root", now)
            by_hand, last = False, 0
        elif kind == "restart":
            kept = {k: text for k, text in (kept | dict(made.dirty(now))).items() if text}
            made = shaper()
            made.restore(kept, now)
        else:
            say(made, reads[kind], now)
            if kind in ("throttle", "block"):
                last = now
    made.resume("gmail", "root", now)
    assert any(admit(made, now + wait) for wait in range(0, 4 * DAY, 10 * MINUTE))


def test_what_counts_nothing_any_more_is_given_up_here_and_in_the_store() -> None:
    made, now = warmed(3)
    assert json.loads(made.dirty(now)["meter:gmail"])
    assert made.dirty(now + HOUR) == {}  # the day's count still stands
    assert made.dirty(now + 2 * DAY) == {"meter:gmail": ""}
    assert made.dirty(now + 2 * DAY) == {}


def test_ten_thousand_destinations_cost_little() -> None:
    made, now = shaper(), NOW
    places = [
        Destination(f"mx{n}.example.co.id", Profile(f"mx{n}.example.co.id", rates=RATES[:1]))
        for n in range(10_000)
    ]
    began = time.process_time()
    for place in places:
        assert made.admit(place, place.key, 1, now) is None
        made.feedback(place, None, "", now)
    spent = (time.process_time() - began) / len(places)
    assert spent < 2e-3  # 30 µs on a quiet machine; a scan of all would be far over
    kept = made.dirty(now)
    assert len(kept) == 10_000
    assert sum(map(len, kept.values())) < 1_000_000
    for _ in range(25):
        made.dirty(now + DAY)
    assert not made._meters


def test_admit_and_feedback_are_cheap() -> None:
    made, now, count = shaper(), NOW, 5_000
    began = time.process_time()
    for n in range(count):
        now = NOW + n * SECOND
        if made.admit(GMAIL, "gmail.com", 1, now) is None:
            made.feedback(GMAIL, None, "250", now)
    assert (time.process_time() - began) / count < 0.001  # 10 µs each on a quiet machine


def test_the_oldest_of_very_many_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.shaping.shaper.FORGET", 10)
    made = shaper()
    for n in range(20):
        say(made, None, NOW, Destination(f"site{n}", Profile("x"), None))
    say(made, THROTTLE, NOW)
    made.dirty(NOW)
    assert [s.key for s in made.standings(NOW)] == ["gmail"]


def test_a_slow_destination_counts_what_is_under_way() -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    now = paused_until(made, now)
    assert admit(made, now)
    say(made, None, now)
    assert made.peek(GMAIL, "gmail.com", 1, now, ahead=1) is not None
    assert made.messages_per_connection(GMAIL, now) == 10
    (shown,) = (s for s in made.standings(now) if s.key == "gmail")
    assert shown.rate_now is not None
    assert shown.rate_now < 60
