"""After a stop in which nothing was refused a destination stands where it stood: never a leap."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from relay.mail.classification import Classification
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant
from relay.shaping import feedback
from relay.shaping.base import Reason, Short
from relay.shaping.destination import Destination
from relay.shaping.feedback import REST, START
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from tests.shaping.house import (
    DEAD,
    DOWN,
    GMAIL,
    NOW,
    ROUTE,
    THROTTLE,
    admit,
    no_rates,
    shaper,
    state,
)


def share(made: Shaper, now: Instant) -> float:
    """Of its sixty a minute, as it is let go now."""
    made.connections(GMAIL, now)
    shown = next(one for one in made.standings(now) if one.key == "gmail")
    return (shown.rate_now or 0) / 60


def paused_by_hand(made: Shaper) -> Instant:
    made.pause("gmail", None, "siti: wait", NOW)
    assert made.resume("gmail", "siti: go on", NOW + DAY)
    return NOW + DAY


def paused_for_a_while(made: Shaper) -> Instant:
    made.pause("gmail", NOW + HOUR, "siti: wait", NOW)
    assert admit(made, NOW + 2 * HOUR)
    made.feedback(GMAIL, None, "250", NOW + 2 * HOUR)
    return NOW + 2 * HOUR


def unreached(made: Shaper, read: Classification | None = None) -> Instant:
    assert made.connect(GMAIL, NOW) is None
    for _ in range(3):
        made.feedback(GMAIL, DOWN, "connection refused", NOW)
    made.disconnected(GMAIL, NOW)
    assert admit(made, NOW + HOUR)
    made.feedback(GMAIL, read, "said", NOW + HOUR)
    return NOW + HOUR


def unreached_but_there(made: Shaper) -> Instant:
    return unreached(made, DEAD)


@pytest.mark.parametrize(
    "stopped", [paused_by_hand, paused_for_a_while, unreached, unreached_but_there]
)
@pytest.mark.parametrize("is_known", [True, False])
def test_what_is_new_is_as_new_after_a_stop_in_which_nothing_was_refused(
    stopped: Callable[[Shaper], Instant], is_known: bool
) -> None:
    made = Shaper(PauseSettings(), no_rates, {"gmail"})
    if is_known:
        assert admit(made, NOW - MINUTE)
    now = stopped(made)
    assert share(made, now) == START
    was_unreached = stopped in (unreached, unreached_but_there)
    assert made.connections(GMAIL, now) == (1 if was_unreached else 4)
    assert made.connections(GMAIL, now + 5 * MINUTE) == 4
    assert admit(made, now + 1) or admit(made, now + 4 * SECOND)
    assert share(made, now + 4 * SECOND) == START, "the time that it was left alone in is no step"
    again = Shaper(PauseSettings(), no_rates, {"gmail"})
    again.restore(dict(made.dirty(now, is_last=True)), now)
    assert share(again, now) == START


def test_what_a_rule_made_slow_is_as_slow_after_a_stop() -> None:
    for stopped in (paused_by_hand, unreached):
        made = shaper()
        feedback.slow(made._state(GMAIL), 0.3, NOW, PauseSettings())
        now = stopped(made)
        assert 0.3 <= share(made, now) <= 0.3 + feedback.STEP_UP
    made = shaper()
    feedback.slow(made._state(GMAIL), 0.3, NOW, PauseSettings())
    assert 0.3 <= share(made, paused_for_a_while(made)) <= 0.3 + feedback.STEP_UP


@pytest.mark.parametrize(("to", "most"), [(GMAIL, 4), (ROUTE, 20)])
def test_after_a_rest_only_its_connections_come_back_by_and_by(to: Destination, most: int) -> None:
    made = shaper()
    for _ in range(3):
        made.feedback(to, DOWN, "timed out", NOW)
    now = NOW + MINUTE
    assert admit(made, now, to)
    made.feedback(to, None, "250", now)
    assert state(made, now, to.key) == "ok"
    assert [made.connections(to, now + n * REST) for n in range(6)] == [
        min(most, count) for count in (1, 2, 4, 8, 16, most)
    ]
    assert made.connect(to, now) is None
    wait = made.connect(to, now)
    assert wait is not None and not isinstance(wait, Short)
    assert wait.reason is Reason.CONNECTIONS
    assert admit(made, now + SECOND, to)  # its pace is what it was


def test_out_of_reach_again_it_begins_with_one_again() -> None:
    made = shaper()
    for began in (NOW, NOW + 10 * MINUTE):
        for _ in range(3):
            made.feedback(GMAIL, DOWN, "timed out", began)
        now = began + MINUTE
        assert admit(made, now)
        made.feedback(GMAIL, None, "250", now)
        assert made.connections(GMAIL, now) == 1
        assert made.connections(GMAIL, now - DAY) == 4  # a clock that was set back holds nobody


def test_after_a_refusal_it_is_the_refusals_way_back() -> None:
    made = shaper()
    made.feedback(GMAIL, THROTTLE, "421 slow down", NOW)
    now = NOW + HOUR
    assert admit(made, now)
    made.feedback(GMAIL, DOWN, "timed out", now)
    now += MINUTE
    assert admit(made, now)
    made.feedback(GMAIL, None, "250", now)
    assert state(made, now) == "slow"
    assert made.connections(GMAIL, now + 5 * MINUTE) == 1
