"""Settle: what the fuse and an address' past make of a refusal for good."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Bounced, Deferred, Delivered, Expired, Held, Outcome
from relay.mail.instant import DAY, HOUR, MINUTE
from relay.settle import APART, RECENT, Earlier, settle
from relay.shaping.fuse import WHOLE, Fuse
from tests.test_settle import NOW, NXDOMAIN, RETRY, attempt, attempts, deliveries, delivery

BLOWN = Fuse("fuse:gmail: 30 of 30 attempts refused")
SAID = "550 5.1.1 No such user"
UNKNOWN = Classification(
    Category.UNKNOWN_USER, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, "gmail.unknown"
)
INACTIVE = replace(UNKNOWN, category=Category.INACTIVE_USER)
SPAM = Classification(Category.SPAM_CONTENT, Scope.MESSAGE, Action.BOUNCE_MESSAGE, "gmail.spam")
LATELY = Earlier(accepted_at=NOW - DAY)


def judge(
    read: Classification | None,
    earlier: Earlier,
    fuse: Fuse = WHOLE,
    expires_at: int = NOW + 5 * DAY,
) -> Outcome:
    about = replace(delivery(expires_at=expires_at), is_fixed=True)
    return settle(about, attempt(SAID), read, NOW, RETRY, NXDOMAIN, earlier, fuse)


@pytest.mark.parametrize("read", [UNKNOWN, INACTIVE, SPAM])
def test_a_blown_fuse_holds_what_would_bounce_and_says_so(read: Classification) -> None:
    assert judge(read, Earlier()) == Bounced(SAID, read.category)
    assert judge(read, Earlier(), BLOWN) == Held(f"{BLOWN.why}; {SAID}", read.category)


def test_what_keeps_the_mail_or_is_accepted_is_none_of_the_fuses_business() -> None:
    full = replace(UNKNOWN, category=Category.MAILBOX_FULL, action=Action.RETRY_LATER)
    assert judge(full, Earlier(), BLOWN) == judge(full, Earlier())
    assert judge(None, Earlier(), BLOWN) == Delivered()


@pytest.mark.parametrize("read", [UNKNOWN, INACTIVE])
@pytest.mark.parametrize(
    ("earlier", "until"),
    [
        (LATELY, NOW + DAY),
        (Earlier(accepted_at=NOW - RECENT + 1), NOW + DAY),
        (replace(LATELY, refused_at=NOW - HOUR), NOW + DAY - HOUR),
        (replace(LATELY, refused_at=NOW - APART + 1), NOW + 1),
        (replace(LATELY, refused_at=NOW - APART), None),
        (Earlier(accepted_at=NOW - RECENT), None),
        (Earlier(), None),
    ],
)
def test_an_address_that_took_a_letter_lately_needs_two_refusals_a_day_apart(
    read: Classification, earlier: Earlier, until: int | None
) -> None:
    outcome = judge(read, earlier)
    if until is None:
        assert outcome == Bounced(SAID, read.category)
        return
    assert isinstance(outcome, Deferred)
    assert outcome.until == until
    assert outcome.counts
    assert outcome.why.startswith("the address took a letter within 30 days")
    assert outcome.why.endswith(SAID)


def test_of_the_content_an_address_past_says_nothing() -> None:
    assert judge(SPAM, LATELY) == Bounced(SAID, Category.SPAM_CONTENT)


def test_its_second_chance_is_never_past_its_end() -> None:
    """Then it expires; it does not bounce."""
    outcome = judge(UNKNOWN, LATELY, expires_at=NOW + HOUR)
    assert isinstance(outcome, Deferred)
    assert outcome.until == NOW + HOUR
    assert judge(UNKNOWN, LATELY, expires_at=NOW) == Expired(SAID, Category.UNKNOWN_USER)


@pytest.mark.parametrize(("life", "kind"), [(DAY + 1, Deferred), (DAY, Held), (MINUTE, Held)])
def test_what_asks_again_by_itself_in_time_is_not_held(life: int, kind: type[Outcome]) -> None:
    assert isinstance(judge(UNKNOWN, LATELY, BLOWN, NOW + life), kind)


readings = st.builds(
    Classification,
    st.sampled_from(Category),
    st.sampled_from(Scope),
    st.sampled_from(Action),
    st.just("rule"),
)
moments = st.none() | st.integers(NOW - 40 * DAY, NOW)
pasts = st.builds(Earlier, st.just(5), st.just(NOW - DAY), moments, moments)


@given(deliveries, attempts, readings, pasts)
def test_the_laws_of_a_blown_fuse(
    about: object, made: object, read: Classification, past: Earlier
) -> None:
    args = (about, made, read, NOW, RETRY, NXDOMAIN, past)
    whole: Outcome = settle(*args)  # type: ignore[arg-type]
    blown: Outcome = settle(*args, BLOWN)  # type: ignore[arg-type]
    assert not isinstance(blown, Bounced)
    if isinstance(whole, Bounced):
        assert blown == Held(f"{BLOWN.why}; {whole.why}", whole.category)
    elif not isinstance(blown, Held):
        assert blown == whole
