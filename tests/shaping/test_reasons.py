"""Each wait has one word beside its sentence, and the words are all that there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from relay.mail.instant import HOUR, MINUTE, SECOND
from relay.shaping import hours
from relay.shaping.base import Reason
from relay.shaping.destination import Destination, Rate
from relay.shaping.directives import PauseFor, RateOf
from relay.shaping.reaction_settings import Trigger
from relay.shaping.reactions import Reaction
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from relay.shaping.warmup import Warmup
from tests.shaping.house import (
    DEAD,
    GMAIL,
    NOW,
    ROUTE,
    THROTTLE,
    admit,
    dial,
    no_rates,
    say,
    shaper,
)

ONE_A_MINUTE = Rate(1, timedelta(minutes=1))


def peeked(made: Shaper, at: int, to: Destination = GMAIL, ahead: int = 0) -> Reason | None:
    wait = made.peek(to, "gmail.com", 1, at, ahead)
    return None if wait is None else wait.reason


def limited() -> Reason | None:
    to = replace(GMAIL, profile=replace(GMAIL.profile, rates=(ONE_A_MINUTE,)))
    made = shaper()
    assert admit(made, NOW, to)
    return peeked(made, NOW + SECOND, to)


def paused(key: str = "gmail") -> Reason | None:
    made = shaper()
    made.pause(key, None, "siti", NOW)
    return peeked(made, NOW)


def probing() -> Reason | None:
    made = shaper()
    say(made, THROTTLE, NOW)
    assert admit(made, NOW + 2 * HOUR)
    return peeked(made, NOW + 2 * HOUR + SECOND)


def at_night() -> Reason | None:
    opening = hours.parse("06:00-06:01 WIB")
    to = replace(GMAIL, profile=replace(GMAIL.profile, hours=opening))
    return peeked(shaper(), NOW, to)


def warming() -> Reason | None:
    to = replace(GMAIL, profile=replace(GMAIL.profile, warmup=Warmup(1, 1.4, 10)))
    made = shaper()
    assert admit(made, NOW, to)
    return peeked(made, NOW + MINUTE, to)


def ruled(action: object) -> Reason | None:
    rules = [Reaction("r", (action,), Trigger())]  # type: ignore[arg-type]
    made = Shaper(PauseSettings(), no_rates, reactions=rules, is_ramping=False)
    say(made, DEAD, NOW)
    assert admit(made, NOW) or isinstance(action, PauseFor)
    return peeked(made, NOW + 2 * SECOND)


def new() -> Reason | None:
    made = Shaper(PauseSettings(), no_rates)
    assert admit(made, NOW)
    return peeked(made, NOW, ahead=1)


def dialled(to: Destination) -> Reason | None:
    made = shaper()
    assert dial(made, to, NOW) is None
    wait = dial(made, to, NOW)
    assert wait is not None
    return wait.reason


def connected() -> Reason | None:
    return dialled(replace(GMAIL, profile=replace(GMAIL.profile, connections=1)))


def dialled_often() -> Reason | None:
    return dialled(replace(GMAIL, profile=replace(GMAIL.profile, connection_rates=(ONE_A_MINUTE,))))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (limited, Reason.LIMIT),
        (paused, Reason.PAUSE),
        (lambda: paused("*"), Reason.PAUSE),
        (probing, Reason.PROBING),
        (at_night, Reason.HOURS),
        (warming, Reason.WARM_UP),
        (lambda: ruled(PauseFor(HOUR)), Reason.PAUSE),
        (lambda: ruled(RateOf(ONE_A_MINUTE, HOUR)), Reason.LIMIT),
        (new, Reason.PACE),
        (connected, Reason.CONNECTIONS),
        (dialled_often, Reason.CONNECTIONS),
        (lambda: peeked(shaper(), NOW), None),
    ],
)
def test_each_wait_has_its_word(given, reason) -> None:  # type: ignore[no-untyped-def]
    assert given() is reason


def test_it_is_full_where_as_many_connections_are_open_as_may_be() -> None:
    made = shaper()
    for _ in range(4):
        assert not made.is_full(GMAIL, NOW)
        assert made.connect(GMAIL, NOW) is None
    assert made.is_full(GMAIL, NOW)
    made.disconnected(GMAIL, NOW)
    assert not made.is_full(GMAIL, NOW)
    for _ in range(20):
        assert not made.is_full(ROUTE, NOW)
        made.connect(ROUTE, NOW)
    assert made.is_full(ROUTE, NOW)
