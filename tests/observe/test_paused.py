"""What `pause` shows in the metrics, from the shaper that pauses to the gauge."""

from __future__ import annotations

import pytest
from prometheus_client.exposition import generate_latest

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.instant import HOUR, MINUTE, Instant
from relay.observe.alerts import Alerts
from relay.observe.metrics import Metrics
from relay.observe.snapshot import Snapshot
from relay.shaping.destination import Destination, Profile
from relay.shaping.directives import PauseFor
from relay.shaping.operating import EVERYTHING
from relay.shaping.reaction_settings import Trigger
from relay.shaping.reactions import Reaction
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from tests.observe.examples import NOW, HandClock

NAMES = ("gmail", "yahoo")


def _shown(shaper: Shaper, now: Instant = NOW) -> list[str]:
    metrics = Metrics(NAMES, lambda: 0)
    metrics.snapshot = Snapshot(NOW, standings=tuple(shaper.standings(now)))
    text = generate_latest(metrics.registry).decode()
    gauges = ("lpse_provider_paused{", "lpse_rate_now{")
    return [line for line in text.splitlines() if line.startswith(gauges)]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_pause_before_any_letter_went_there(is_restarted: bool) -> None:
    shaper = Shaper(PauseSettings(), lambda _: (), NAMES)
    shaper.pause("gmail", None, "root: quiet", NOW)
    shaper.pause(EVERYTHING, None, "root: quiet", NOW)
    if is_restarted:
        kept = shaper.dirty(NOW)
        shaper = Shaper(PauseSettings(), lambda _: (), NAMES)
        shaper.restore(kept, NOW)
    assert sorted(_shown(shaper)) == [
        'lpse_provider_paused{provider="all"} 1.0',
        'lpse_provider_paused{provider="gmail"} 1.0',
        'lpse_rate_now{provider="all"} 0.0',
        'lpse_rate_now{provider="gmail"} 0.0',
    ]
    for key in ("gmail", EVERYTHING):
        shaper.resume(key, "root: go", NOW)
    assert sorted(_shown(shaper)) == [
        'lpse_provider_paused{provider="all"} 0.0',
        'lpse_provider_paused{provider="gmail"} 0.0',
    ]
    labels = {standing.key: standing.provider for standing in shaper.standings(NOW)}
    assert labels == {"gmail": "gmail", EVERYTHING: "all"}


def test_a_site_that_pauses_is_other_and_a_provider_may_lose_its_name() -> None:
    shaper = Shaper(PauseSettings(), lambda _: (), NAMES)
    shaper.pause("mx.example.co.id", None, "root: quiet", NOW)
    assert 'lpse_provider_paused{provider="other"} 1.0' in _shown(shaper)
    shaper.pause("gmail", None, "root: quiet", NOW)
    shaper.use(PauseSettings(), lambda _: (), ["yahoo"])
    assert {s.provider for s in shaper.standings(NOW)} == {None}


def test_a_pause_by_a_reaction_is_a_pause_until_its_end() -> None:
    rule = Reaction("stop", (PauseFor(2 * HOUR),), Trigger(1, MINUTE))
    shaper = Shaper(PauseSettings(), lambda _: (), NAMES, reactions=(rule,))
    gmail = Destination("gmail", Profile("gmail"), "gmail")
    read = Classification(Category.UNKNOWN_USER, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, "user")
    clock = HandClock()
    alerts = Alerts(lambda event: None, clock)
    for event in shaper.feedback(gmail, read, "550 5.1.1 no such user", NOW):
        alerts.heard(event)
    gauge = 'lpse_provider_paused{provider="gmail"}'
    assert f"{gauge} 1.0" in _shown(shaper)
    clock.at += 2 * HOUR - 1
    assert shaper.lapsed(clock.at) == []
    assert [one.name for one in alerts.current()] == ["pause:gmail"]
    clock.at += 1
    for event in shaper.lapsed(clock.at):
        alerts.heard(event)
    (left,) = alerts.current()
    assert left.name == "recovered:gmail"
    assert left.detail.startswith("the pause by a reaction is over; before, since 2011-10-04T")
    assert f"{gauge} 0.0" in _shown(shaper, clock.at)
