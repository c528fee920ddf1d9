"""Triggers and actions in the users' words: what is read, and what is refused with a hint."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from relay.mail.instant import DAY, HOUR, MINUTE, SECOND
from relay.shaping.destination import Rate
from relay.shaping.directives import Action, Alarm, ConnectionsOf, PauseFor, RateOf, SlowBy
from relay.shaping.reaction_settings import ReactionSettings, Trigger, action, trigger


@pytest.mark.parametrize(
    ("text", "read", "shown"),
    [
        ("immediately", Trigger(1), "immediately"),
        ("  Immediately ", Trigger(1), "immediately"),
        ("5 in 1h", Trigger(5, HOUR), "5 in 1h"),
        ("2  in 90m", Trigger(2, 90 * MINUTE), "2 in 1h30m"),
        ("1000 in 7d", Trigger(1000, 7 * DAY), "1000 in 7d"),
        ("3 in 1d12h", Trigger(3, DAY + 12 * HOUR), "3 in 1d12h"),
        ("3 in 1s500ms", Trigger(3, SECOND + 500), "3 in 1s500ms"),
    ],
)
def test_triggers(text: str, read: Trigger, shown: str) -> None:
    assert trigger(text) == read
    assert str(read) == shown
    assert trigger(read) is read


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("at once", r"no trigger: 'at once' \(write immediately, or 5 in 1h\)"),
        ("5 per 1h", "no trigger"),
        ("5 in hour", r"not a duration: 'hour' \(write 30s, 5m"),
        ("5 in 60", "not a duration: '60'"),
        ("0 in 1h", "would act without a reply"),
        ("1 in 1h", r"the first reply acts, whatever the time \(write immediately\)"),
        ("5 in 0s", "that lasts no time"),
        ("5 in 8d", "longer than 7d"),
        ("1001 in 1h", "counts more than 1000 replies"),
        ("-5 in 1h", "no trigger"),
        (5, "no trigger: 5"),
        (None, "no trigger: None"),
    ],
)
def test_what_is_no_trigger(text: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        trigger(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("slow 50%", SlowBy(50)),
        ("Slow  99 %", SlowBy(99)),
        ("pause 2h", PauseFor(2 * HOUR)),
        ("pause for 30m", PauseFor(30 * MINUTE)),
        ("rate 1/min for 30m", RateOf(Rate(1, timedelta(minutes=1)), 30 * MINUTE)),
        ("rate 300/5m for 1d", RateOf(Rate(300, timedelta(minutes=5)), DAY)),
        ("connections 1 for 1h", ConnectionsOf(1, HOUR)),
        ("alert", Alarm()),
    ],
)
def test_actions(text: str, read: Action) -> None:
    assert action(text) == read
    assert action(read) is read


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("slo 50%", r"no action: 'slo 50%' \(did you mean slow\?\)"),
        ("stop", r"no action: 'stop' \("),
        ("", r"no action: '' \(one of slow, pause, rate, connections, alert\)"),
        (7, r"no action: 7 \(one of slow"),
        ("slow", r"a share is expected \(write slow 50%\)"),
        ("slow 50", "a share is expected"),
        ("slow 0%", "a share lies between 1% and 99%"),
        ("slow 150%", r"'slow 150%': a share lies between 1% and 99% \(write slow 50%\)"),
        ("slow 100%", r"that is to send nothing \(write pause 2h\)"),
        ("pause", r"how long\? \(write pause 2h\)"),
        ("pause 0s", r"'pause 0s': that lasts no time \(write 30m, 2h\)"),
        ("pause 2 hours", "not a duration: '2 hours'"),
        ("pause 30d", "longer than 7d; for that use `lpse-relay pause`"),
        ("rate 0/min for 1h", r"0 is no rate: that is a pause \(write pause 2h\)"),
        ("rate 0/min", r"for how long\? \(write rate 1/min for 30m\)"),
        ("rate fast for 1h", "not a rate: 'fast'"),
        ("rate 1/min for 0m", "that lasts no time"),
        ("rate 1/0s for 1h", "a window needs a length"),
        ("connections 0 for 1h", r"without a connection nothing is sent \(write pause 2h\)"),
        ("connections few for 1h", "'few' is no number"),
        ("connections 501 for 1h", "more than 500 are never opened"),
        ("connections 1", r"for how long\? \(write connections 1 for 1h\)"),
        ("alert me", r"nothing more can be said of it \(write alert\)"),
    ],
)
def test_what_is_no_action(text: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        action(text)


def test_one_may_stand_for_a_list_and_a_text_for_a_sample() -> None:
    one = ReactionSettings.model_validate(
        {"id": "a", "pattern": "x", "action": "alert", "samples": "421 x", "codes": None}
    )
    many = ReactionSettings.model_validate(
        {"id": "a", "pattern": ["x"], "action": ["alert"], "samples": [{"text": "421 x"}]}
    )
    assert one == many
    assert (one.trigger, one.scope, one.provider, one.codes) == (Trigger(1), "provider", "*", ())


def test_the_fault_of_one_action_of_several_says_which() -> None:
    with pytest.raises(ValidationError) as caught:
        ReactionSettings.model_validate({"action": ["alert", "slow 150%"]})
    assert [error["loc"][:2] for error in caught.value.errors()] == [("action", 1)]
