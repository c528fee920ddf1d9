"""Suppression as tables: which history means what for which letter, at which moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from relay.mail.instant import DAY, HOUR, MINUTE, Instant, iso, millis
from relay.mail.strike import CAUSE_OF, Cause, History, Listed, Strike
from relay.mail.urgency import Urgency
from relay.suppression import (
    Asked,
    DeadSettings,
    FullSettings,
    Probe,
    Send,
    Skip,
    Standing,
    SuppressionSettings,
    decide,
    reach,
    since_of,
    standings,
)

T0 = 1_764_000_000_000 // DAY * DAY  # midnight, UTC
ADDRESS = "vendor@gmail.com"
SETTINGS = SuppressionSettings()
MASSAL = Asked(Urgency.MASSAL, (99, 0))
RULE = "google.no-such-user"


def struck(at: Instant, cause: Cause = Cause.UNKNOWN, **changes: Any) -> Strike:
    """One strike of a letter of its own."""
    values: dict[str, Any] = {
        "address": ADDRESS,
        "at": at,
        "cause": cause,
        "rule": RULE,
        "message_id": at,
        "n": 0,
        "is_documented": False,
    }
    return Strike(**(values | changes))


def known(*strikes: Strike, **changes: Any) -> History:
    return History(ADDRESS, strikes, **changes)


def documented(at: Instant, **changes: Any) -> Strike:
    return struck(at, is_documented=True, **changes)


def full(at: Instant, **changes: Any) -> Strike:
    return struck(at, Cause.FULL, **changes)


def verdict(history: History, now: Instant, asked: Asked = MASSAL) -> str:
    return type(decide(history, asked, now, SETTINGS)).__name__.lower()


DEAD = pytest.mark.parametrize("cause", [Cause.UNKNOWN, Cause.INACTIVE])


@DEAD
@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (None, "send"),
        (0, "send"),
        (MINUTE, "send"),
        (DAY - 1, "send"),
        (DAY, "skip"),
        (300 * DAY, "skip"),
        (366 * DAY, "send"),
    ],
)
def test_two_refusals_a_day_apart(cause: Cause, second: int | None, expected: str) -> None:
    strikes = [struck(T0, cause)]
    if second is not None:
        strikes.append(struck(T0 + second, cause, message_id=5))
    assert verdict(known(*strikes), strikes[-1].at + HOUR) == expected


def test_three_that_are_close_reach_back_to_the_first() -> None:
    strikes = [struck(T0), struck(T0 + 13 * HOUR), struck(T0 + 25 * HOUR)]
    assert verdict(known(*strikes), T0 + 26 * HOUR) == "skip"


@DEAD
def test_one_by_a_documented_rule(cause: Cause) -> None:
    history = known(documented(T0, cause=cause))
    decision = decide(history, MASSAL, T0 + MINUTE, SETTINGS)
    standing = Standing(cause, RULE, T0, T0 + 180 * DAY, 1)
    why = f"not tried: {cause.value} since {iso(T0)} ({RULE})"
    assert decision == Skip(why, standing)


@pytest.mark.parametrize(
    ("took", "source", "expected"),
    [
        (T0 - 31 * DAY, "reply", "skip"),
        (T0 - 30 * DAY, "reply", "skip"),
        (T0 - 30 * DAY + 1, "reply", "send"),
        (T0 - MINUTE, "reply", "send"),
        (T0 - MINUTE, "late", "skip"),  # the acceptance is what it takes back
        (T0, "reply", "send"),
        (T0 + MINUTE, "reply", "send"),
        (T0 + MINUTE, "late", "skip"),
    ],
)
def test_a_success_lately_speaks_for_the_address(took: Instant, source: str, expected: str) -> None:
    history = known(documented(T0, source=source), accepted_at=took)
    assert verdict(history, T0 + HOUR) == expected


def test_and_twice_it_is_dead_all_the_same() -> None:
    strikes = documented(T0), documented(T0 + DAY)
    assert verdict(known(*strikes, accepted_at=T0 - HOUR), T0 + DAY) == "skip"


def test_inactive_after_unknown_means_the_same() -> None:
    history = known(struck(T0), struck(T0 + DAY, Cause.INACTIVE, rule="other"))
    (one,) = standings(history, T0 + DAY, SETTINGS)
    assert one == Standing(Cause.INACTIVE, "other", T0 + DAY, T0 + 181 * DAY, 2)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (180 * DAY - 1, "skip"),
        (180 * DAY, "probe"),
        (365 * DAY, "probe"),
        (365 * DAY + 1, "send"),
    ],
)
def test_after_its_life_one_letter_asks(age: int, expected: str) -> None:
    assert verdict(known(documented(T0)), T0 + age) == expected


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (None, Probe),
        (((99, 0), 0), Probe),  # itself, however often
        (((98, 0), 0), Skip),
        (((98, 0), DAY - 1), Skip),
        (((98, 0), DAY), Probe),
    ],
)
def test_only_one_asks(probe: tuple[tuple[int, int], int] | None, expected: type) -> None:
    now = T0 + 181 * DAY
    since = None if probe is None else (probe[0], now - probe[1])
    decision = decide(known(documented(T0)), replace(MASSAL, probe=since), now, SETTINGS)
    assert isinstance(decision, expected)
    if isinstance(decision, Skip):
        assert decision.why.endswith("another letter asks at the moment")


def test_a_refused_probe_means_another_life() -> None:
    history = known(struck(T0), struck(T0 + DAY), struck(T0 + 182 * DAY))
    assert verdict(history, T0 + 183 * DAY) == "skip"
    (one,) = standings(history, T0 + 183 * DAY, SETTINGS)
    assert (one.since, one.until, one.count) == (T0 + DAY, T0 + 362 * DAY, 3)


def test_a_host_that_bounces_late_is_believed_again_after_the_life() -> None:
    late = documented(T0, source="late")
    took = T0 + 181 * DAY
    assert verdict(known(late, accepted_at=T0 + DAY), T0 + 2 * DAY) == "skip"
    assert verdict(known(late, accepted_at=took), took + HOUR) == "send"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((0, DAY), "send"),
        ((0, HOUR, 2 * HOUR, 3 * HOUR), "send"),  # one day
        ((0, DAY, 2 * DAY), "skip"),
        ((23 * HOUR, 24 * HOUR, 48 * HOUR), "skip"),
        ((0, DAY, 31 * DAY), "send"),
        ((0, DAY, 29 * DAY), "skip"),
        ((0, DAY, 2 * DAY, 60 * DAY), "send"),
    ],
)
def test_a_full_mailbox_takes_three_days(times: tuple[int, ...], expected: str) -> None:
    history = known(*(full(T0 + at) for at in times))
    assert verdict(history, T0 + times[-1] + MINUTE) == expected


def test_of_letters_not_of_attempts() -> None:
    history = known(*(full(T0 + day * DAY, message_id=7) for day in range(5)))
    assert verdict(history, T0 + 5 * DAY) == "send"


@pytest.mark.parametrize(("age", "expected"), [(14 * DAY - 1, "skip"), (14 * DAY, "send")])
def test_a_full_mailbox_is_tried_again_after_two_weeks(age: int, expected: str) -> None:
    days = [full(T0), full(T0 + DAY), full(T0 + 2 * DAY), full(T0 + 3 * DAY)]
    history = known(*days)
    assert verdict(history, T0 + 3 * DAY + age) == expected
    if expected == "skip":
        (one,) = standings(history, T0 + 3 * DAY + age, SETTINGS)
        assert one == Standing(Cause.FULL, RULE, T0 + 2 * DAY, T0 + 17 * DAY, 4)


def complaint(at: Instant = T0) -> Strike:
    return struck(at, Cause.COMPLAINT, source="complaint", rule="arf")


@pytest.mark.parametrize("urgency", Urgency)
def test_a_complaint_keeps_mass_mail_away_for_ever(urgency: Urgency) -> None:
    history = known(complaint(), accepted_at=T0 + HOUR)
    expected = "skip" if urgency is Urgency.MASSAL else "send"
    for now in (T0 + 2 * HOUR, T0 + 2000 * DAY):
        assert verdict(history, now, Asked(urgency, (1, 0))) == expected


def test_or_as_long_as_it_is_set_to() -> None:
    settings = SuppressionSettings.model_validate({"complaint": {"life": "30d"}})
    history = known(complaint(), complaint(T0 + DAY))
    assert isinstance(decide(history, MASSAL, T0 + 31 * DAY, settings), Send)
    (one,) = standings(history, T0 + 31 * DAY - 1, settings)
    assert one == Standing(Cause.COMPLAINT, "arf", T0, T0 + 31 * DAY, 2)


@pytest.mark.parametrize("urgency", Urgency)
@pytest.mark.parametrize("was_answered", [False, True])
def test_who_is_tried_once(urgency: Urgency, was_answered: bool) -> None:
    asked = Asked(urgency, (1, 0), was_answered)
    is_tried = urgency <= Urgency.MENDESAK and not was_answered
    for history in (
        known(documented(T0)),
        known(full(T0 - 2 * DAY), full(T0 - DAY), full(T0)),
        known(listed=Listed(ADDRESS, None, "surat", "uid 0", T0)),
    ):
        decision = decide(history, asked, T0 + HOUR, SETTINGS)
        if is_tried:
            assert decision == Send(f"{urgency.word} is tried once whatever the list says")
        else:
            assert isinstance(decision, Skip)


@pytest.mark.parametrize(
    ("until", "cause", "urgency", "expected"),
    [
        (None, None, Urgency.TRANSAKSI, "skip"),
        (T0 + HOUR, None, Urgency.TRANSAKSI, "skip"),
        (T0 + MINUTE, None, Urgency.TRANSAKSI, "send"),
        (None, Cause.COMPLAINT, Urgency.TRANSAKSI, "send"),
        (None, Cause.COMPLAINT, Urgency.MASSAL, "skip"),
        (None, Cause.UNKNOWN, Urgency.TRANSAKSI, "skip"),
    ],
)
def test_a_row_by_hand(
    until: Instant | None, cause: Cause | None, urgency: Urgency, expected: str
) -> None:
    history = known(listed=Listed(ADDRESS, cause, "surat", "uid 0", T0, until))
    assert verdict(history, T0 + MINUTE, Asked(urgency, (1, 0))) == expected


@pytest.mark.parametrize("cause", [None, *Cause])
def test_a_success_answers_what_a_person_said_of_a_mailbox_and_no_more(
    cause: Cause | None,
) -> None:
    history = known(listed=Listed(ADDRESS, cause, "surat", "uid 0", T0), accepted_at=T0)
    assert verdict(history, T0 + HOUR) == "skip"
    expected = "skip" if cause in (None, Cause.COMPLAINT) else "send"
    assert verdict(replace(history, accepted_at=T0 + 1), T0 + HOUR) == expected


def test_a_row_by_hand_says_so() -> None:
    history = known(documented(T0), listed=Listed(ADDRESS, None, "surat", "uid 0", T0))
    decision = decide(history, MASSAL, T0 + HOUR, SETTINGS)
    assert isinstance(decision, Skip)
    assert decision.why == f"not tried: on the list since {iso(T0)} (by hand: surat)"
    assert [one.cause for one in standings(history, T0 + HOUR, SETTINGS)] == [None, Cause.UNKNOWN]


def test_what_does_not_end_comes_before_what_one_letter_may_ask() -> None:
    history = known(documented(T0), complaint(T0))
    assert verdict(history, T0 + 181 * DAY) == "skip"
    assert verdict(history, T0 + 181 * DAY, Asked(Urgency.TRANSAKSI, (1, 0))) == "probe"


def test_what_its_owner_asked_for_again_is_tried() -> None:
    history = known(documented(T0), complaint(), resent=frozenset({(99, 0)}))
    assert decide(history, MASSAL, T0, SETTINGS) == Send("asked for again by the address' owner")
    assert verdict(history, T0, replace(MASSAL, ref=(99, 1))) == "skip"


def test_what_a_fuse_left_pending_says_nothing() -> None:
    pending = documented(T0, pending="fuse:gmail")
    assert verdict(known(pending), T0) == "send"
    assert verdict(known(struck(T0 - DAY), pending), T0) == "send"


def test_the_words_of_a_skip_name_its_moment() -> None:
    for history in (known(documented(T0)), known(listed=Listed(ADDRESS, None, "x", "y", T0))):
        decision = decide(history, MASSAL, T0 + HOUR, SETTINGS)
        assert isinstance(decision, Skip)
        assert since_of(decision.why) == T0
    assert since_of("550 5.1.1 User unknown") is None


def test_it_can_be_switched_off() -> None:
    off = SuppressionSettings(enabled=False)
    assert decide(known(documented(T0)), MASSAL, T0, off) == Send()


def test_the_times_are_settings() -> None:
    settings = SuppressionSettings.model_validate(
        {
            "unknown_user": {"apart": "1h", "life": "2d", "together": "3d"},
            "mailbox_full": {"days": 1, "within": "1d", "life": "1d"},
        }
    )
    history = known(struck(T0), struck(T0 + HOUR))
    assert isinstance(decide(history, MASSAL, T0 + 2 * HOUR, settings), Skip)
    assert isinstance(decide(history, MASSAL, T0 + 2 * DAY + HOUR, settings), Probe)
    assert isinstance(decide(known(full(T0)), MASSAL, T0 + DAY - 1, settings), Skip)
    assert isinstance(decide(known(full(T0)), MASSAL, T0 + DAY, settings), Send)


def test_a_span_that_ends_before_the_life_is_refused() -> None:
    with pytest.raises(ValidationError, match="together is shorter than life"):
        DeadSettings(life=timedelta(days=2), together=timedelta(days=1))
    with pytest.raises(ValidationError):
        FullSettings(days=0)


def test_only_three_categories_speak_against_an_address() -> None:
    assert sorted(CAUSE_OF) == ["inactive_user", "mailbox_full", "unknown_user"]


def test_how_far_back_anything_matters() -> None:
    assert reach(SuppressionSettings()) == timedelta(days=180 + 365)
    settings = SuppressionSettings.model_validate(
        {"complaint": {"life": "900d"}, "inactive_user": {"together": "400d"}}
    )
    assert reach(settings) == timedelta(days=900 + 400)


def test_what_lies_farther_back_speaks_against_nobody() -> None:
    settings = SuppressionSettings()
    far = T0 + millis(reach(settings))
    history = known(struck(T0), struck(T0 + DAY), full(T0), full(T0 + DAY), full(T0 + 2 * DAY))
    assert standings(history, T0 + 3 * DAY, settings)
    assert not standings(history, far, settings)
