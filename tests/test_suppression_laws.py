"""Suppression's laws, over any history and any letter."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from relay.mail.instant import DAY, HOUR
from relay.mail.strike import Cause, Heard, History, Listed, Strike
from relay.mail.urgency import Urgency
from relay.suppression import Asked, Probe, Send, Skip, SuppressionSettings, decide, standings

SETTINGS = SuppressionSettings()
NOW = 1_764_000_000_000
TIMES = st.integers(NOW - 800 * DAY, NOW)
STRIKES = st.builds(
    Strike,
    address=st.just("v@gmail.com"),
    at=TIMES,
    cause=st.sampled_from(Cause),
    rule=st.sampled_from(("one", "two")),
    message_id=st.integers(1, 5),
    n=st.just(0),
    is_documented=st.booleans(),
    source=st.sampled_from(get_args(Heard)),
    pending=st.sampled_from(("", "", "fuse:gmail")),
)
LISTED = st.builds(
    Listed,
    address=st.just("v@gmail.com"),
    cause=st.sampled_from((None, *Cause)),
    reason=st.just("surat"),
    who=st.just("uid 0"),
    at=TIMES,
    until_at=st.one_of(st.none(), TIMES),
)
HISTORIES = st.builds(
    History,
    address=st.just("v@gmail.com"),
    strikes=st.lists(STRIKES, max_size=8).map(
        lambda found: tuple(sorted(found, key=lambda one: one.at))
    ),
    listed=st.one_of(st.none(), LISTED),
    accepted_at=st.one_of(st.none(), TIMES),
    resent=st.sampled_from((frozenset(), frozenset({(9, 0)}))),
)
ASKED = st.builds(
    Asked,
    urgency=st.sampled_from(Urgency),
    ref=st.sampled_from(((8, 0), (9, 0))),
    was_answered=st.booleans(),
    probe=st.one_of(st.none(), st.tuples(st.sampled_from(((8, 0), (7, 0))), TIMES)),
)
LATER = st.integers(0, 800 * DAY)


@given(HISTORIES, ASKED, LATER)
def test_it_is_total_and_what_is_skipped_says_why(
    history: History, asked: Asked, later: int
) -> None:
    now = NOW + later
    decision = decide(history, asked, now, SETTINGS)
    assert isinstance(decision, Send | Probe | Skip)
    if isinstance(decision, Skip):
        assert decision.why.startswith("not tried: ")
        assert decision.standing in standings(history, now, SETTINGS)
        assert decision.standing.since <= now
        assert asked.ref not in history.resent
        assert asked.was_answered or asked.urgency > Urgency.MENDESAK
    if isinstance(decision, Probe):
        assert decision.standing.is_due


@given(HISTORIES, ASKED, LATER)
def test_a_success_without_anything_else_frees_it(
    history: History, asked: Asked, later: int
) -> None:
    """What was said in the dialog counts no more; late bounces, complaints and rows by hand do."""
    now = NOW + later
    said = tuple(one for one in history.strikes if one.source == "reply")
    history = replace(history, strikes=said, listed=None, accepted_at=NOW)
    assert decide(history, asked, now, SETTINGS) == Send()


@given(HISTORIES, ASKED, LATER)
def test_what_is_pending_changes_nothing(history: History, asked: Asked, later: int) -> None:
    firm = replace(history, strikes=tuple(one for one in history.strikes if not one.pending))
    now = NOW + later
    assert decide(history, asked, now, SETTINGS) == decide(firm, asked, now, SETTINGS)


@given(HISTORIES, ASKED)
def test_everything_but_a_complaint_and_a_hand_ends(history: History, asked: Asked) -> None:
    strikes = tuple(one for one in history.strikes if one.cause is not Cause.COMPLAINT)
    history = replace(history, strikes=strikes, listed=None)
    assert decide(history, asked, NOW + 366 * DAY, SETTINGS) == Send()


@given(HISTORIES, LATER)
def test_one_letter_asks_and_while_it_does_no_other(history: History, later: int) -> None:
    now = NOW + later
    first = decide(history, Asked(Urgency.MASSAL, (1, 0)), now, SETTINGS)
    if not isinstance(first, Probe):
        return
    probe = ((1, 0), now)
    for at in (now, now + HOUR):
        second = decide(history, Asked(Urgency.MASSAL, (2, 0), probe=probe), at, SETTINGS)
        assert not isinstance(second, Probe)
