"""A clock that was set while the relay ran: after a restart all is as old as it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from relay.mail.instant import DAY, HOUR, MINUTE, SECOND
from relay.mail.spent import Spent
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.directives import PauseFor
from relay.shaping.keeping import CLOCK, step_of
from relay.shaping.reaction_settings import Trigger
from relay.shaping.reactions import Reaction
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from relay.shaping.warmup import Warmup
from tests.shaping.house import (
    DEAD,
    GMAIL,
    NOW,
    THROTTLE,
    admit,
    dial,
    no_rates,
    paused_until,
    say,
    shaper,
)

DAILY = Destination("x", Profile("x", rates=(Rate(5, timedelta(days=1)),)))
NEW = Destination("new", Profile("new", warmup=Warmup(10, 1.4, 20)))
STEPS = (26 * HOUR, 3 * HOUR, -26 * HOUR)


def kept(made: Shaper, now: int, step: int) -> dict[str, str]:
    texts = {name: text for name, text in made.dirty(now, is_last=True).items() if text}
    return texts | {CLOCK: str(step)}


@pytest.mark.parametrize("step", STEPS)
def test_counts_of_a_limit_are_as_old_as_they_are(step: int) -> None:
    made, rows = shaper(), list[Spent]()
    for n in range(5):
        now = NOW + n * MINUTE
        made.admit(DAILY, "x.id", 1, now)
        rows += made.setting_aside(now)
        made.set_aside(rows[-1:], now)
        assert made.admit(DAILY, "x.id", 1, now) is None
    again = shaper()
    wall = now + SECOND + step
    again.restore(kept(made, now + SECOND, step), wall, rows)
    assert not admit(again, wall + HOUR, DAILY, "x.id")
    assert admit(again, wall + DAY, DAILY, "x.id")


@pytest.mark.parametrize("step", STEPS)
def test_a_pause_ends_when_it_was_to_end(step: int) -> None:
    made = shaper()
    say(made, THROTTLE, NOW)
    left = paused_until(made, NOW) - NOW
    again = shaper()
    again.restore(kept(made, NOW, step), NOW + step)
    assert paused_until(again, NOW + step) == NOW + step + left
    assert "state:gmail" in again.dirty(NOW + step)  # by the clock of now, from now on


@pytest.mark.parametrize("step", STEPS)
def test_so_does_a_reactions(step: int) -> None:
    rule = Reaction("rest", (PauseFor(2 * HOUR),), Trigger(1, MINUTE), is_of_domain=False)
    made, again = (
        Shaper(PauseSettings(), no_rates, reactions=(rule,), is_ramping=False) for _ in range(2)
    )
    made.feedback(GMAIL, DEAD, "550 5.1.1 no such user", NOW)
    again.restore(kept(made, NOW + HOUR, step), NOW + HOUR + step)
    assert not admit(again, NOW + 2 * HOUR + step - SECOND)
    assert admit(again, NOW + 2 * HOUR + step)


@pytest.mark.parametrize("step", STEPS)
def test_a_day_of_a_warm_up_lasts_a_day(step: int) -> None:
    made = shaper()
    for _ in range(10):
        assert admit(made, NOW, NEW, "new.id")
    again, now = shaper(), NOW + HOUR + step
    again.restore(kept(made, NOW + HOUR, step), now)
    assert not admit(again, now + 22 * HOUR, NEW, "new.id")
    assert admit(again, now + 23 * HOUR, NEW, "new.id")


def test_a_step_that_cannot_be_read_is_none() -> None:
    assert step_of({CLOCK: "yesterday"}) == step_of({}) == 0
    made, again = shaper(), shaper()
    say(made, THROTTLE, NOW)
    again.restore(kept(made, NOW, 0) | {CLOCK: "?"}, NOW)
    assert paused_until(again, NOW) == paused_until(made, NOW)


def test_what_was_kept_of_another_address_and_cannot_be_read_is_named() -> None:
    again = Shaper(PauseSettings(), no_rates, source="192.0.2.2", is_ramping=False)
    kept = {"source:address": "192.0.2.1", "state:x": "[1]", "state:y": "{}"}
    with pytest.raises(ValueError, match=r"state:x: TypeError.*state:y: KeyError"):
        again.restore(kept, NOW)


def test_who_has_connections_is_known_by_key() -> None:
    made = shaper()
    assert made.open_keys() == []
    assert dial(made, GMAIL, NOW) is None
    assert made.open_keys() == ["gmail"]
    made.disconnected(GMAIL, NOW)
    assert made.open_keys() == []
