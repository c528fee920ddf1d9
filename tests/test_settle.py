"""Settle: the table of outcomes, and the laws over everything that could come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import reply as replies
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import (
    Attempt,
    Bounced,
    Deferred,
    Delivered,
    Delivery,
    Expired,
    Failure,
    FailureKind,
    Outcome,
    State,
    is_over,
    released_until,
)
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency
from relay.replies import failures
from relay.settle import Earlier, settle
from relay.shaping.settings import NxdomainSettings, RetrySettings

NOW = 1_700_000_000_000
RETRY = RetrySettings()
NXDOMAIN = NxdomainSettings()
LOOKED_UP = Earlier(2, NOW - 4 * HOUR)


def delivery(tries: int = 0, expires_at: Instant = NOW + 5 * DAY, n: int = 0) -> Delivery:
    return Delivery(
        77, n, "v@example.co.id", 1, "example.co.id", Urgency.TRANSAKSI, State.LEASED, NOW,
        expires_at, tries,
    )  # fmt: skip


def attempt(
    reply: str | None = None, failure: FailureKind | None = None, stage: Stage = Stage.EOD
) -> Attempt:
    return Attempt(
        77, 0, 1, NOW, 1, "", "mx.example.co.id", "", None, stage,
        replies.parse(reply, stage) if reply else None,
        Failure(failure, f"{failure}") if failure else None,
    )  # fmt: skip


def reading(
    action: Action, scope: Scope = Scope.RECIPIENT, category: Category = Category.OTHER
) -> Classification:
    return Classification(category, scope, action, "rule")


def judge(
    made: Attempt,
    read: Classification | None,
    about: Delivery | None = None,
    earlier: Earlier | None = None,
) -> Outcome:
    return settle(about or delivery(), made, read, NOW, RETRY, NXDOMAIN, earlier or Earlier())


def failed(
    kind: FailureKind, about: Delivery | None = None, past: Earlier | None = None
) -> Outcome:
    made = attempt(failure=kind, stage=Stage.CONNECT)
    assert made.failure is not None
    return judge(made, failures.classify(made.failure), about, past)


def test_accepted_is_delivered() -> None:
    assert judge(attempt("250 2.0.0 OK"), None) == Delivered()


@pytest.mark.parametrize("action", [Action.BOUNCE_ADDRESS, Action.BOUNCE_MESSAGE])
def test_what_is_permanent_bounces_with_the_words_that_were_said(action: Action) -> None:
    outcome = judge(attempt("550 5.1.1 No such user"), reading(action))
    assert outcome == Bounced("550 5.1.1 No such user", Category.OTHER)


@pytest.mark.parametrize("action", [Action.SLOW_DOWN_PROVIDER, Action.FIX_CONFIG])
@pytest.mark.parametrize("scope", [Scope.SENDER, Scope.DESTINATION, Scope.OURSELVES])
def test_a_providers_patience_never_advances_the_letters_backoff(
    action: Action, scope: Scope
) -> None:
    outcome = judge(attempt("421 4.7.28 rate"), reading(action, scope, Category.RATE_LIMITED))
    assert outcome == Deferred(NOW, "421 4.7.28 rate", Category.RATE_LIMITED, counts=False)


@pytest.mark.parametrize("scope", [Scope.RECIPIENT, Scope.MESSAGE])
def test_a_throttle_of_one_letter_or_recipient_is_its_own_backoff(scope: Scope) -> None:
    outcome = judge(attempt("421 4.7.28 url"), reading(Action.SLOW_DOWN_PROVIDER, scope))
    assert isinstance(outcome, Deferred)
    assert outcome.counts
    assert outcome.until >= NOW + 4 * MINUTE


@pytest.mark.parametrize("kind", [FailureKind.SIGNING, FailureKind.CREDENTIALS])
def test_our_own_fault_waits_and_never_advances(kind: FailureKind) -> None:
    outcome = failed(kind)
    assert isinstance(outcome, Deferred)
    assert not outcome.counts
    assert outcome.until >= NOW + 4 * MINUTE


@pytest.mark.parametrize(
    ("tries", "minutes"), [(0, 5), (1, 15), (2, 30), (3, 60), (4, 120), (5, 240), (9, 240)]
)
def test_the_schedule(tries: int, minutes: int) -> None:
    read = reading(Action.RETRY_LATER, Scope.DESTINATION, Category.SERVER_ERROR)
    outcome = judge(attempt("451 4.3.0 later"), read, delivery(tries))
    assert isinstance(outcome, Deferred)
    assert outcome.counts
    assert 0.9 * minutes * MINUTE <= outcome.until - NOW <= 1.1 * minutes * MINUTE


def test_the_jitter_differs_between_letters_and_not_between_runs() -> None:
    read = reading(Action.RETRY_LATER)
    made = attempt("451 later")
    times = [judge(made, read, delivery(n=n)) for n in range(20)]
    assert len({t.until for t in times if isinstance(t, Deferred)}) > 15
    assert times == [judge(made, read, delivery(n=n)) for n in range(20)]


@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("450 4.2.0 Greylisted, try again in 300 seconds", 300, 320),
        ("450 4.2.0 Greylisted, wait 15 minutes", 900, 920),
        ("450 4.2.0 Greylisted, wait 5 seconds", 270, 330),
        ("450 4.2.0 Greylisted, wait 99999 seconds", 270, 330),
        ("450 4.2.0 Greylisted", 270, 330),
    ],
)
def test_greylisting_is_asked_again_when_it_said(text: str, earliest: int, latest: int) -> None:
    read = reading(Action.RETRY_LATER, Scope.DESTINATION, Category.GREYLISTED)
    outcome = judge(attempt(text, stage=Stage.RCPT), read)
    assert isinstance(outcome, Deferred)
    assert earliest * SECOND <= outcome.until - NOW <= latest * SECOND


def test_one_recipients_hourly_limit_waits_over_an_hour() -> None:
    read = reading(Action.RETRY_LATER, Scope.RECIPIENT, Category.RATE_LIMITED)
    slow = judge(attempt("554 5.2.121 exceeded per hour"), read)
    soon = judge(attempt("450 4.2.1 too quickly"), read)
    assert isinstance(slow, Deferred)
    assert isinstance(soon, Deferred)
    assert slow.until >= NOW + HOUR > soon.until


@pytest.mark.parametrize(
    ("urgency", "least", "most"),
    [
        (Urgency.KRITIS, 4 * MINUTE, 6 * MINUTE),
        (Urgency.MENDESAK, 4 * MINUTE, 6 * MINUTE),
        (Urgency.TRANSAKSI, 6 * HOUR, 6 * HOUR),
        (Urgency.MASSAL, 6 * HOUR, 6 * HOUR),
    ],
)
def test_a_full_mailbox_is_left_alone_for_hours_but_by_urgent_letters(
    urgency: Urgency, least: int, most: int
) -> None:
    read = reading(Action.RETRY_LATER, Scope.RECIPIENT, Category.MAILBOX_FULL)
    outcome = judge(attempt("452 4.2.2 full"), read, replace(delivery(), urgency=urgency))
    assert isinstance(outcome, Deferred)
    assert least <= outcome.until - NOW <= most


@pytest.mark.parametrize(("tries", "hours"), [(0, 6), (1, 12), (2, 24), (40, 24)])
def test_a_mailbox_that_stays_full_is_asked_ever_less_up_to_once_a_day(
    tries: int, hours: int
) -> None:
    read = reading(Action.RETRY_LATER, Scope.RECIPIENT, Category.MAILBOX_FULL)
    outcome = judge(attempt("452 4.2.2 full"), read, delivery(tries))
    assert isinstance(outcome, Deferred)
    assert outcome.until - NOW == hours * HOUR


def test_lost_after_the_dot_is_not_tried_before_a_quarter_of_an_hour() -> None:
    outcome = failed(FailureKind.AMBIGUOUS)
    assert isinstance(outcome, Deferred)
    assert outcome.until >= NOW + 15 * MINUTE


@pytest.mark.parametrize(
    "kind", [FailureKind.NXDOMAIN, FailureKind.NO_ADDRESS, FailureKind.FORBIDDEN_ADDRESS]
)
@pytest.mark.parametrize(
    ("past", "bounces"),
    [
        (Earlier(), False),
        (Earlier(1, NOW - 5 * HOUR), False),
        (Earlier(5, NOW - 3 * HOUR), False),
        (LOOKED_UP, True),
    ],
)
def test_a_missing_domain_needs_three_lookups_and_four_hours(
    kind: FailureKind, past: Earlier, bounces: bool
) -> None:
    assert isinstance(failed(kind, past=past), Bounced if bounces else Deferred)


@pytest.mark.parametrize("kind", [FailureKind.NULL_MX, FailureKind.ADDRESS])
def test_what_can_never_take_mail_bounces_at_once(kind: FailureKind) -> None:
    outcome = failed(kind)
    assert isinstance(outcome, Bounced)
    assert outcome.category is Category.BAD_DOMAIN


def test_over_time_it_expires_with_its_cause() -> None:
    over = delivery(expires_at=NOW)
    read = reading(Action.RETRY_LATER, Scope.RECIPIENT, Category.MAILBOX_FULL)
    outcome = judge(attempt("452 4.2.2 full"), read, over)
    assert outcome == Expired("452 4.2.2 full", Category.MAILBOX_FULL)
    assert isinstance(failed(FailureKind.NXDOMAIN, over), Expired)


def test_the_last_try_is_not_after_the_end() -> None:
    late = delivery(tries=9, expires_at=NOW + MINUTE)
    outcome = judge(attempt("451 later"), reading(Action.RETRY_LATER), late)
    assert isinstance(outcome, Deferred)
    assert outcome.until == NOW + MINUTE


def unserved(is_fixed: bool, due_at: Instant) -> Delivery:
    """Due then, over an hour before now, and tried only now."""
    return replace(delivery(expires_at=NOW - HOUR), due_at=due_at, is_fixed=is_fixed)


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (unserved(False, NOW - 6 * HOUR), NOW + 5 * HOUR),  # it stood ready for six of its hours
        (unserved(False, NOW - HOUR - 1), NOW + 1),
        (unserved(False, NOW), None),  # tried as it was due: all that was left is used up
        (unserved(True, NOW - 6 * HOUR), None),
    ],
)
def test_what_it_stood_ready_unserved_does_not_count(
    about: Delivery, expected: Instant | None
) -> None:
    outcome = judge(attempt("451 later"), reading(Action.RETRY_LATER), about)
    if expected is None:
        assert isinstance(outcome, Expired)
    else:
        assert isinstance(outcome, Deferred)
        assert outcome.expires_at == expected
        assert outcome.until == min(expected, outcome.until)
    assert is_over(about, NOW) is (expected is None)


def test_a_life_that_was_served_in_time_stays_as_it_was() -> None:
    outcome = judge(attempt("451 later"), reading(Action.RETRY_LATER), delivery())
    assert isinstance(outcome, Deferred)
    assert outcome.expires_at is None


def test_behind_a_pause_too_the_life_grows() -> None:
    read = reading(Action.SLOW_DOWN_PROVIDER, Scope.SENDER)
    outcome = judge(attempt("421 4.7.28 slow"), read, unserved(False, NOW - 6 * HOUR))
    assert isinstance(outcome, Deferred)
    assert (outcome.until, outcome.expires_at) == (NOW, NOW + 5 * HOUR)


@pytest.mark.parametrize("state", [State.READY, State.WAITING, State.LEASED, State.HELD])
def test_when_a_life_is_over(state: State) -> None:
    one = replace(delivery(expires_at=NOW), state=state, due_at=NOW - 1)
    assert is_over(replace(one, is_fixed=True), NOW)
    assert not is_over(replace(one, is_fixed=True), NOW - 1)
    assert not is_over(one, NOW + 99 * DAY)
    assert is_over(replace(one, due_at=NOW), NOW) is (state is not State.HELD)


def test_time_in_which_it_was_held_does_not_count() -> None:
    held = replace(delivery(expires_at=NOW), state=State.HELD, due_at=NOW - DAY)
    assert released_until(held, NOW - HOUR, NOW + DAY) == NOW + 2 * DAY  # it was ready before
    later = replace(held, due_at=NOW + HOUR)  # it waited, and would have been tried in an hour
    assert released_until(later, NOW - HOUR, NOW + DAY) == NOW + DAY + HOUR
    assert released_until(replace(held, is_fixed=True), NOW, NOW + DAY) == NOW


readings = st.builds(
    Classification,
    st.sampled_from(Category),
    st.sampled_from(Scope),
    st.sampled_from(Action),
    st.just("rule"),
)
attempts = st.one_of(
    st.builds(attempt, st.sampled_from(["451 4.3.0 x", "550 5.7.1 x", "421 try in 5 minutes"])),
    st.builds(
        lambda kind: attempt(failure=kind, stage=Stage.CONNECT), st.sampled_from(FailureKind)
    ),
)
deliveries = st.builds(
    lambda tries, expires_at, due_at, is_fixed: replace(
        delivery(tries, expires_at), due_at=due_at, is_fixed=is_fixed
    ),
    st.integers(0, 40),
    st.integers(NOW - DAY, NOW + 5 * DAY),
    st.integers(NOW - 2 * DAY, NOW),
    st.booleans(),
)
pasts = st.builds(Earlier, st.integers(0, 5), st.integers(NOW - DAY, NOW))
retries = st.builds(
    lambda steps, jitter: RetrySettings(
        schedule=tuple(timedelta(seconds=s) for s in steps), jitter=jitter
    ),
    st.lists(st.integers(1, 90_000), min_size=1, max_size=7),
    st.floats(0, 0.5),
)


@given(deliveries, attempts, readings, pasts, retries)
def test_the_laws(
    about: Delivery, made: Attempt, read: Classification, past: Earlier, retry: RetrySettings
) -> None:
    outcome = settle(about, made, read, NOW, retry, NXDOMAIN, past)
    if read.keeps_the_mail:
        assert isinstance(outcome, Deferred | Expired)
    if isinstance(outcome, Deferred):
        assert NOW <= outcome.until <= (outcome.expires_at or about.expires_at)
        assert about.expires_at > NOW or outcome.expires_at is not None
        assert about.moved(State.WAITING)
        assert outcome.expires_at is None or not about.is_fixed
    if isinstance(outcome, Expired):
        assert about.expires_at <= NOW
    if isinstance(outcome, Bounced):
        assert read.action in (Action.BOUNCE_ADDRESS, Action.BOUNCE_MESSAGE)
    assert not isinstance(outcome, Delivered)
    assert outcome == settle(about, made, read, NOW, retry, NXDOMAIN, past)
