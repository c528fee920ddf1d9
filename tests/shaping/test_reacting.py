"""The site's own reactions at work in the shaper, and what is told of a destination."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from relay.mail import events
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.shaping.base import SHORT, Start
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.directives import Action, Alarm, ConnectionsOf, PauseFor, RateOf, SlowBy
from relay.shaping.feedback import SLOWEST
from relay.shaping.reaction_settings import Trigger
from relay.shaping.reactions import Reaction
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from tests.shaping.house import (
    BLOCK,
    DEAD,
    GMAIL,
    NOW,
    THROTTLE,
    admit,
    dial,
    no_rates,
    say,
    shaper,
    state,
)

HELD = Rate(1, timedelta(minutes=1))


def use(made: Shaper, *actions: Action, is_of_domain: bool = False) -> Shaper:
    rule = Reaction("stop", actions, Trigger(1, MINUTE), is_of_domain=is_of_domain)
    made.use(made._pauses, lambda domain: (), {"gmail"}, (), (rule,))
    return made


def hear(made: Shaper, now: int, domain: str = "gmail.com") -> list[events.Event]:
    return list(made.feedback(GMAIL, DEAD, "550 5.1.1 no such user", now, domain=domain))


def test_a_pause_by_rule_lasts_survives_and_is_lifted_by_hand() -> None:
    made = use(shaper(), PauseFor(2 * HOUR))
    (paused,) = hear(made, NOW)
    assert isinstance(paused, events.Paused)
    assert paused.why == "the reaction stop: 550 5.1.1 no such user"
    wait = made.peek(GMAIL, "gmail.com", 1, NOW + HOUR)
    assert wait is not None
    assert (wait.until, wait.why) == (NOW + 2 * HOUR, "gmail is paused by the reaction stop")
    kept = {name: text for name, text in made.dirty(NOW).items() if text}
    assert made.dirty(NOW) == {}
    again = use(shaper(), PauseFor(2 * HOUR))
    again.restore(kept, NOW)
    assert not admit(again, NOW + HOUR)
    assert admit(again, NOW + 2 * HOUR)
    assert made.resume("gmail", "root", NOW)
    assert admit(made, NOW)


def test_a_pause_by_rule_closes_it_from_its_first_beginning() -> None:
    made = use(shaper(), PauseFor(HOUR))
    assert made.closed_since("gmail", NOW) is None
    hear(made, NOW)
    hear(made, NOW + MINUTE)  # it lasts until an hour after this one
    assert made.closed_since("gmail", NOW + HOUR) == NOW
    kept = {name: text for name, text in made.dirty(NOW + MINUTE).items() if text}
    again = use(shaper(), PauseFor(HOUR))
    again.restore(kept, NOW + 2 * MINUTE)
    assert again.closed_since("gmail", NOW + 2 * MINUTE) == NOW + MINUTE  # what was kept of it
    assert made.closed_since("gmail", NOW + HOUR + MINUTE) is None
    hear(made, NOW + 3 * HOUR)
    assert made.closed_since("gmail", NOW + 3 * HOUR + MINUTE) == NOW + 3 * HOUR
    say(made, BLOCK, NOW + 3 * HOUR + MINUTE)
    assert made.closed_since("gmail", NOW + 3 * HOUR + MINUTE) == NOW + 3 * HOUR


def test_the_end_of_a_pause_by_rule_is_told_once() -> None:
    made = use(shaper(), PauseFor(2 * HOUR))
    hear(made, NOW)
    assert made.lapsed(NOW + 2 * HOUR - 1) == []
    (resumed,) = made.lapsed(NOW + 2 * HOUR)
    assert resumed == events.Resumed(
        NOW + 2 * HOUR, "gmail", "gmail", "the pause by a reaction is over"
    )
    assert made.lapsed(NOW + 2 * HOUR) == []
    hear(made, NOW + 3 * HOUR)
    assert made.resume("gmail", "root", NOW + 4 * HOUR)
    assert made.lapsed(NOW + 6 * HOUR) == []  # who resumed it has told so


def ends(made: Shaper, now: int) -> list[tuple[str, str]]:
    return [(e.provider, e.destination) for e in made.lapsed(now) if isinstance(e, events.Resumed)]


def test_of_a_domain_and_of_a_site_the_end_is_told_too() -> None:
    made, site = use(shaper(), PauseFor(HOUR), is_of_domain=True), Destination("x", Profile("x"))
    hear(made, NOW, "kampus.ac.id")
    use(made, PauseFor(HOUR))
    made.feedback(site, DEAD, "550 5.1.1 no such user", NOW)
    shown = [(s.key, s.provider, s.why) for s in made.standings(NOW) if s.state == "paused"]
    why = "the reaction stop"
    assert shown == [("@kampus.ac.id", None, why), ("x", None, why)]
    assert ends(made, NOW + HOUR) == [("gmail", "@kampus.ac.id"), ("other", "x")]


@pytest.mark.parametrize("is_past", [False, True])
def test_after_a_restart_the_end_is_told_too(is_past: bool) -> None:
    made, site = use(shaper(), PauseFor(HOUR)), Destination("x", Profile("x"))
    for to in (GMAIL, site):
        made.feedback(to, DEAD, "550 5.1.1 no such user", NOW)
    again, kept = use(shaper(), PauseFor(HOUR)), {k: v for k, v in made.dirty(NOW).items() if v}
    again.restore(kept, NOW + HOUR if is_past else NOW)
    if not is_past:
        shown = {s.key: (s.state, s.provider) for s in again.standings(NOW)}
        assert shown == {"gmail": ("paused", "gmail"), "x": ("paused", None)}
        assert not admit(again, NOW)
    assert ends(again, NOW + HOUR) == [("gmail", "gmail"), ("other", "x")]


@pytest.mark.parametrize("is_by_hand", [False, True])
def test_what_is_closed_for_another_cause_is_not_said_to_go_on(is_by_hand: bool) -> None:
    made = use(shaper(), PauseFor(5 * MINUTE))
    if is_by_hand:
        made.pause("gmail", None, "root: quiet", NOW)
    else:
        say(made, BLOCK, NOW)
    hear(made, NOW)
    assert made.lapsed(NOW + 5 * MINUTE) == []
    assert made.is_paused("gmail", NOW + 5 * MINUTE)


def test_a_pause_by_rule_is_shown_with_its_end() -> None:
    made = use(shaper(), PauseFor(2 * HOUR))
    hear(made, NOW)
    assert made.is_paused("gmail", NOW + HOUR)
    (shown,) = made.standings(NOW + HOUR)
    assert (shown.state, shown.paused_until, shown.rate_now) == ("paused", NOW + 2 * HOUR, 0.0)
    assert shown.why == "the reaction stop"
    assert made.explain(GMAIL, "gmail.com", NOW, Urgency.MASSAL).an_hour == 0
    (after,) = made.standings(NOW + 2 * HOUR)
    assert (after.state, after.paused_until) == ("ok", None)
    assert not made.is_paused("gmail", NOW + 2 * HOUR)


def test_of_two_pauses_the_longer_is_shown() -> None:
    made = use(shaper(), PauseFor(2 * HOUR))
    say(made, THROTTLE, NOW)
    (shown,) = made.standings(NOW)
    assert shown.paused_until == NOW + 2 * HOUR
    found = made.explain(GMAIL, "gmail.com", NOW, Urgency.MASSAL)
    assert (found.next_at, found.why) == (NOW + 2 * HOUR, "gmail is paused by the reaction stop")
    made = use(shaper(), PauseFor(SECOND))
    say(made, BLOCK, NOW)
    (shown,) = made.standings(NOW)
    assert shown.paused_until is not None and shown.paused_until > NOW + SECOND
    assert shown.why == "421 said"
    found = made.explain(GMAIL, "gmail.com", NOW, Urgency.MASSAL)
    assert found.why == "gmail is paused: 421 said"


def test_a_pause_by_hand_is_shown_before_one_by_rule() -> None:
    made = use(shaper(), PauseFor(2 * HOUR))
    hear(made, NOW)
    made.pause("gmail", None, "root: quiet", NOW)
    (shown,) = made.standings(NOW)
    assert (shown.paused_until, shown.why) == (None, "root: quiet")
    found = made.explain(GMAIL, "gmail.com", NOW, Urgency.MASSAL)
    assert found.why == "gmail is paused: root: quiet"


def test_of_a_domain_only_that_waits() -> None:
    made = use(shaper(), PauseFor(2 * HOUR), is_of_domain=True)
    hear(made, NOW, "kampus.ac.id")
    wait = made.peek(GMAIL, "kampus.ac.id", 1, NOW)
    assert wait is not None and wait.domain == "kampus.ac.id"
    assert admit(made, NOW)


def test_a_rate_by_rule_is_kept_and_ends() -> None:
    made = use(shaper(), RateOf(HELD, 30 * MINUTE))
    hear(made, NOW)
    assert admit(made, NOW)
    wait = made.peek(GMAIL, "gmail.com", 1, NOW + 30 * SECOND)
    assert wait is not None and "gmail is held to 1/min by the reaction stop" in wait.why
    assert made.peek(GMAIL, "gmail.com", 1, NOW + 62 * SECOND, ahead=1) is not None
    assert admit(made, NOW + 61 * SECOND)
    assert admit(made, NOW + 30 * MINUTE)
    assert admit(made, NOW + 30 * MINUTE + SECOND)


def test_connections_by_rule_never_raise() -> None:
    made = use(shaper(), ConnectionsOf(1, HOUR))
    hear(made, NOW)
    assert made.connections(GMAIL, NOW) == 1
    free = replace(GMAIL, profile=replace(GMAIL.profile, connections=None))
    assert made.connections(free, NOW) == 1
    assert made.connections(GMAIL, NOW + HOUR) == 4


def test_slower_by_rule_and_back_by_steps() -> None:
    made = use(shaper(), SlowBy(50), Alarm())
    told = hear(made, NOW)
    assert [e.name for e in told if isinstance(e, events.Alert)] == ["reaction:stop"]
    assert state(made, NOW) == "slow"
    assert admit(made, NOW + SECOND) and admit(made, NOW + SECOND)
    wait = made.peek(GMAIL, "gmail.com", 1, NOW + 2 * SECOND)
    assert wait is not None and "30.0 a minute" in wait.why
    assert state(made, NOW + 3 * HOUR) == "ok"
    for n in range(9):
        hear(made, NOW + n * 2 * MINUTE)
    assert made._states["gmail"].share == SLOWEST
    made.pause("gmail", None, "root", NOW + HOUR)
    hear(made, NOW + HOUR)
    assert state(made, NOW + HOUR) == "paused"  # slower than nothing there is not


@pytest.mark.parametrize("name", ["reaction:counted", "reaction:lasting"])
def test_what_cannot_be_read_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        use(shaper(), PauseFor(HOUR)).restore({name: "{", "reaction:other": ""}, NOW)


def test_new_connections_have_a_rate_too() -> None:
    rates = (Rate(2, timedelta(minutes=1)),)
    site = Destination("one", Profile("one", connections=9, connection_rates=rates))
    made = shaper()
    assert dial(made, site, NOW) is None
    assert dial(made, site, NOW + 31 * SECOND) is None
    wait = dial(made, site, NOW + 40 * SECOND)
    assert wait is not None and "connections to one: 2/min" in wait.why
    assert dial(made, site, NOW + 62 * SECOND) is None


def test_new_connections_are_on_disk_before_they_are_made() -> None:
    hourly, daily = Rate(2, timedelta(hours=1)), Rate(3, timedelta(days=1))
    site = Destination("one", Profile("one", connections=9, connection_rates=(hourly,)))
    made = shaper()
    disk: list[Spent] = []
    for at in (NOW, NOW + 40 * MINUTE):
        assert made.connect(site, at) is SHORT
        disk += made.setting_aside(at)
        made.set_aside(disk[-1:], at)
        assert made.connect(site, at) is None
    again = shaper()  # after a crash
    again.restore({}, NOW + 41 * MINUTE, disk)
    assert dial(again, site, NOW + 41 * MINUTE) is not None
    assert dial(again, site, NOW + 61 * MINUTE) is None
    other = Destination("one", Profile("one", connections=9, connection_rates=(hourly, daily)))
    wait = dial(again, other, NOW + 3 * HOUR)  # a reload
    assert wait is not None and wait.why == "the limit of connections to one: 3/day"


def test_explaining_says_what_binds_and_how_many_an_hour() -> None:
    made = shaper()
    shown = made.explain(GMAIL, "gmail.com", NOW, Urgency.TRANSAKSI)
    assert (shown.key, shown.state, shown.why, shown.next_at) == ("gmail", "ok", "", NOW)
    assert [(b.name, str(b.rate), b.used) for b in shown.bounds] == [
        ("gmail", "60/min", 0),
        ("gmail", "20000/day", 0),
    ]
    assert shown.an_hour == 3600
    assert made.explain(GMAIL, "gmail.com", NOW, Urgency.MASSAL).an_hour == 54 * 60
    odd = Destination("odd", Profile("odd", rates=(Rate(300, timedelta(minutes=50)),)))
    assert made.explain(odd, "odd.id", NOW, Urgency.KRITIS).an_hour == 600  # two windows touch it
    now = NOW
    for _ in range(2):
        assert admit(made, now, GMAIL, "kampus.ac.id")
        now += 30 * SECOND
    shown = made.explain(GMAIL, "kampus.ac.id", now - 20 * SECOND, Urgency.KRITIS)
    assert "kampus.ac.id: 2/min" in shown.why
    assert shown.bounds[-1].free_at is not None and shown.bounds[-1].used == 2
    assert shown.an_hour == 120
    say(made, BLOCK, now)
    assert made.explain(GMAIL, "gmail.com", now, Urgency.KRITIS).an_hour is not None
    made.pause("gmail", None, "root", now)
    assert made.explain(GMAIL, "gmail.com", now, Urgency.KRITIS).an_hour == 0


def test_explaining_what_was_learned() -> None:
    made, now = shaper(), NOW
    for _ in range(60):
        assert admit(made, now)
        now += SECOND
    say(made, THROTTLE, now)
    now += 70 * MINUTE
    assert admit(made, now)
    say(made, None, now)
    assert admit(made, now + SECOND) and admit(made, now + SECOND)
    shown = made.explain(GMAIL, "gmail.com", now + SECOND, Urgency.KRITIS)
    assert shown.state == "slow"
    assert shown.learned is not None and shown.ceiling is not None
    assert shown.learned < shown.ceiling <= 60
    # It is at four fifths, and at the whole of what it bore before the hour is over.
    assert shown.an_hour == int(shown.learned / 0.8 * 60)
    assert shown.pace == pytest.approx(shown.learned / 0.8 * 60)
    assert "slow after a refusal" in shown.why or "bore before it refused" in shown.why
    kept = json.loads(json.dumps(dict(made.dirty(now, is_last=True))))
    again = shaper()
    again.restore(kept, now)
    after = again.explain(GMAIL, "gmail.com", now + SECOND, Urgency.KRITIS)
    assert after.ceiling == shown.ceiling
    assert again.dirty(now + DAY, is_last=True) == {}


def test_what_a_start_without_history_costs_is_said_apart() -> None:
    made = Shaper(PauseSettings(), no_rates)
    assert admit(made, NOW)
    shown = made.explain(GMAIL, "gmail.com", NOW, Urgency.TRANSAKSI)
    assert (shown.state, shown.an_hour, shown.pace, shown.learned) == ("slow", 3600, 3600, None)
    # Half a minute each at 1/4, 3/8, 9/16 and 27/32 of it.
    assert shown.start == Start(0.25, int(30 * SECOND * (0.75 + 0.625 + 0.4375 + 0.15625)))
    assert shaper().explain(GMAIL, "gmail.com", NOW, Urgency.TRANSAKSI).start is None


def test_what_is_full_now_and_free_within_the_hour_may_go_within_it() -> None:
    rates = (Rate(100, timedelta(days=1)),)
    made, to = shaper(), Destination("dinas", Profile("dinas", rates=rates))
    for n in range(100):
        assert admit(made, NOW + n * 10 * MINUTE, to, "dinas.go.id")
    later = NOW + DAY - HOUR + 35 * MINUTE
    shown = made.explain(to, "dinas.go.id", later, Urgency.KRITIS)
    assert shown.bounds[0].used == 100
    assert shown.an_hour == 4  # those of the first half hour are a day old by then
