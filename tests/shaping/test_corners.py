"""The corners of what shaping learned to do: nothing set, nothing known, nothing kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant
from relay.mail.urgency import Urgency
from relay.shaping.aside import Aside
from relay.shaping.base import SHORT
from relay.shaping.destination import Destination, Rate
from relay.shaping.learned import Learned
from relay.shaping.meaning import Kind, kind_of
from relay.shaping.profiles import Layer, Profiles
from relay.shaping.settings import LimitSettings, PauseSettings
from relay.shaping.shaper import Shaper
from relay.shaping.windows import Meter
from relay.strict_yaml import SourceError
from tests.shaping.house import (
    BLOCK,
    GMAIL,
    NOW,
    OURS,
    ROUTE,
    THROTTLE,
    admit,
    no_rates,
    say,
    shaper,
)
from tests.shaping.test_profiles import shipped


def limit(**said: object) -> LimitSettings:
    return LimitSettings.model_validate(said)


def test_nothing_set_aside_gives_nothing_and_takes_nothing() -> None:
    made = Aside("gmail", ())
    made.spend(3)
    made.take_back(3)
    assert made.corrections(NOW) == [] and made.is_empty()


def test_a_meter_without_limits_lets_everything_go() -> None:
    meter = Meter(())
    meter.add(1_000, NOW)
    assert meter.free_at(1_000, NOW) == NOW


def test_a_hop_without_limits_is_slow_on_one_connection_only() -> None:
    made, now = shaper(), NOW
    say(made, THROTTLE, now, ROUTE)
    now += 12 * MINUTE
    assert admit(made, now, ROUTE)
    say(made, None, now, ROUTE)
    assert made.connections(ROUTE, now) == 1
    assert made.explain(ROUTE, "a.example", now, Urgency.TRANSAKSI).bounds == ()
    closed = shaper()
    say(closed, OURS, NOW, ROUTE)
    assert closed.resume(ROUTE.key, "root: mended", NOW)
    assert admit(closed, NOW, ROUTE)
    say(closed, None, NOW, ROUTE)
    assert all(admit(closed, NOW, ROUTE) for _ in range(50))  # no rate was too fast


def test_who_asks_while_a_block_is_on_its_way_waits_for_it() -> None:
    made = shaper()
    assert made.admit(GMAIL, "gmail.com", 1, NOW) is SHORT
    (row,) = made.setting_aside(NOW)
    assert made.admit(GMAIL, "gmail.com", 1, NOW) is SHORT
    assert made.setting_aside(NOW) == []
    made.set_aside([row], NOW)
    assert made.admit(GMAIL, "gmail.com", 1, NOW) is None


def test_another_reason_to_slow_down() -> None:
    policy = Classification(Category.POLICY, Scope.SENDER, Action.SLOW_DOWN_PROVIDER, "x")
    assert kind_of(policy, "550 no") is Kind.BLOCK
    assert kind_of(policy, "451 no") is Kind.THROTTLE


def test_a_track_without_a_ceiling_has_room() -> None:
    learned = Learned()
    learned.blamed = 1
    learned.refused_too()
    assert all(track.room_at(9, 1.0, NOW) == NOW for track in learned.tracks)


def test_what_rises_is_kept_at_once_and_the_rest_within_a_minute() -> None:
    made = shaper()
    assert admit(made, NOW)
    assert "learned:gmail" in made.dirty(NOW)
    say(made, BLOCK, NOW + SECOND)
    kept = made.dirty(NOW + 2 * SECOND)
    assert "state:gmail" in kept and "learned:gmail" in kept
    assert made.dirty(NOW + 3 * SECOND) == {}
    made._dirty.add("nowhere")
    assert made.dirty(NOW + 4 * SECOND)["state:nowhere"] == ""


def touched(made: Shaper, count: int) -> list[Destination]:
    """So many providers; a letter went to each."""
    many = [replace(GMAIL, key=f"provider{n}", provider=f"provider{n}") for n in range(count)]
    assert all(admit(made, NOW, to) for to in many)
    return many


def learned_of(made: Shaper, now: Instant, is_last: bool = False) -> set[str]:
    """Of which destinations it is kept what they bear."""
    kept = made.dirty(now, is_last)
    return {name.partition(":")[2] for name in kept if name.startswith("learned:")}


def test_of_many_that_only_time_has_touched_a_few_are_kept_at_a_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relay.shaping.keeping.AT_ONCE", 2)
    made = shaper()
    many = touched(made, 5)
    looks = [learned_of(made, NOW)]
    assert admit(made, NOW + SECOND, many[0])  # touched again meanwhile: in the next round
    looks += [learned_of(made, NOW + n * SECOND) for n in range(1, 4)]
    assert [len(look) for look in looks] == [2, 2, 1, 0]
    assert set.union(*looks) == {to.key for to in many}
    assert learned_of(made, NOW + MINUTE - 1) == set()
    assert learned_of(made, NOW + MINUTE) == {many[0].key}


def test_at_the_end_all_that_was_touched_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.shaping.keeping.AT_ONCE", 2)
    made = shaper()
    many = touched(made, 5)
    first = learned_of(made, NOW)
    (again,) = [to for to in many if to.key == min(first)]
    assert admit(made, NOW + SECOND, again)
    rest = {to.key for to in many} - first
    assert learned_of(made, NOW + SECOND, is_last=True) == rest | {again.key}
    assert learned_of(made, NOW + SECOND, is_last=True) == set()


def test_a_round_that_takes_longer_than_a_minute_is_ended_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relay.shaping.keeping.AT_ONCE", 1)
    made = shaper()
    many = touched(made, 3)
    first = learned_of(made, NOW)
    (again,) = [to for to in many if to.key in first]
    assert admit(made, NOW + SECOND, again)
    later = [learned_of(made, NOW + MINUTE + n * SECOND) for n in range(3)]
    assert later[0] | later[1] == {to.key for to in many} - first
    assert later[2] == first


def test_a_ceiling_rises_by_time_alone_and_goes_where_the_limits_are_lower() -> None:
    made = shaper()
    assert admit(made, NOW)
    learned = made._learned_of("gmail")
    learned.tracks[0].cap, learned.tracks[0].is_pressed = 62.0, True
    learned.tracks[0].top = 100.0
    made.dirty(NOW)
    made.connections(GMAIL, NOW + 30 * HOUR)
    assert not learned.is_capped  # 62 a minute became 77, and the limit is 60
    assert "learned:gmail" in made.dirty(NOW + 30 * HOUR)


def test_the_least_recently_used_of_many_are_forgotten_only_where_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relay.shaping.keeping.FORGET", 2)
    made = Shaper(PauseSettings(), no_rates, is_ramping=False)
    for n in range(6):
        site = replace(GMAIL, key=f"site{n}", provider=None)
        assert admit(made, NOW, site)
    made._learned_of("site3").tracks[0].cap = 9.0
    made.dirty(NOW)
    assert set(made._known) == {"site3"}


@pytest.mark.parametrize(
    ("key", "said", "says"),
    [
        ("total", limit(rate="10/min", connections=2), "connections means nothing there"),
        ("source:lpse", limit(rate="10/min"), "'lpse' is no IP address"),
    ],
)
def test_sums_take_rates_only(key: str, said: LimitSettings, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        Profiles(shipped(), [Layer({key: said}, {}, "relay.yaml")])


def test_sums_and_places_are_told() -> None:
    limits = {
        "total": limit(rate="1000/min", burst=5),
        "source:203.0.113.7": limit(rate="500/min"),
        "a.example": limit(rate="5/min"),
        "gmail.com": limit(hours="06:00-22:00 WIB"),
        "*": limit(hours="07:00-21:00 WIB", warmup={"start": "50/day", "end": "500/day"}),
    }
    lines = {f"limits.{name}": n for n, name in enumerate(limits, 3)}
    book = Profiles(shipped(), [Layer(limits, {}, "relay.yaml", lines)])
    assert [(s.key, str(s.rates[0]), s.burst, s.where) for s in book.sums()] == [
        ("total", "1000/min", 5, "relay.yaml:3"),
        ("source:203.0.113.7", "500/min", 1, "relay.yaml:4"),
    ]
    assert [(s.key, s.where) for s in book.within("a.example")] == [("@a.example", "relay.yaml:5")]
    assert not book.within("b.example")
    gmail, yahoo = book.items()["gmail"], book.items()["yahoo"]
    assert str(gmail.hours) == "06:00-22:00 WIB" and gmail.where == "relay.yaml:6"
    assert str(yahoo.hours) == "07:00-21:00 WIB"
    assert gmail.warmup == yahoo.warmup and gmail.warmup is not None
    assert gmail.warmup.of_day(1) == 70


@pytest.mark.parametrize(
    "said", [{"hours": "6-22"}, {"burst": 0}, {"connection_rate": "0/min"}, {"hours": 6}]
)
def test_what_cannot_be_written(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LimitSettings.model_validate(said)


def test_rates_by_second_are_a_rate_too() -> None:
    assert Rate(5, timedelta(seconds=1)) == limit(rate="5/s").rate[0]  # type: ignore[index]


def test_a_new_configuration_is_shown_before_the_next_letter() -> None:
    made = shaper()
    assert admit(made, NOW)
    wider = replace(GMAIL.profile, rates=(Rate(90, timedelta(minutes=1)),))
    profiles = {"gmail": wider, "yahoo": wider}
    made.use(made._pauses, no_rates, {"gmail"}, (), (), profiles)
    (shown,) = made.standings(NOW)
    assert [str(rate) for rate in shown.limits] == ["90/min"]
