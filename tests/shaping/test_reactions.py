"""Reactions: which rule meets a reply, when its trigger is reached, and what it then asks for."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.classification import Category, Classification
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant
from relay.shaping import reactions
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.directives import (
    Alarm,
    Alert,
    ConnectionsFor,
    ConnectionsOf,
    Directive,
    Pause,
    PauseFor,
    RateFor,
    RateOf,
    Slow,
    SlowBy,
)
from relay.shaping.reaction_settings import Trigger
from relay.shaping.reactions import Reaction, Reactions
from tests.shaping.house import BLOCK, DOWN, GMAIL, NOW, THROTTLE

ONCE = Trigger()
FIVE = Trigger(5, HOUR)
SITE = Destination("mx1.example.co.id", Profile("mx1.example.co.id"), None)
SAID = "421 4.7.28 an unusual rate"


def read(
    made: Reactions,
    now: Instant = NOW,
    said: Classification = THROTTLE,
    to: Destination = GMAIL,
    domain: str = "gmail.com",
    reply: str = SAID,
) -> list[Directive]:
    return made.read(to, domain, said, reply, now)


def rule(id: str = "r", trigger: Trigger = ONCE, **more: object) -> Reaction:
    return Reaction(id, (PauseFor(HOUR),), trigger, **more)  # type: ignore[arg-type]


def test_without_rules_nothing_follows() -> None:
    assert read(Reactions()) == []


@pytest.mark.parametrize(
    ("made", "meets"),
    [
        (rule(), True),
        (rule(provider="gmail"), True),
        (rule(provider="yahoo"), False),
        (rule(categories=frozenset({Category.RATE_LIMITED, Category.OTHER})), True),
        (rule(categories=frozenset({Category.OTHER})), False),
        (rule(rules=frozenset({"google.rate"})), True),
        (rule(rules=frozenset({"google.block"})), False),
        (rule(fits=lambda text: "unusual" in text), True),
        (rule(fits=lambda text: "virus" in text), False),
        (rule(rules=frozenset({"google.rate"}), fits=lambda text: "virus" in text), False),
    ],
)
def test_every_condition_that_is_named_must_hold(made: Reaction, meets: bool) -> None:
    assert bool(read(Reactions([made]))) is meets


def test_a_destination_that_is_no_provider_is_met_by_a_rule_for_every_one_only() -> None:
    assert read(Reactions([rule(provider="gmail")]), to=SITE) == []
    assert read(Reactions([rule()]), to=SITE) == [Pause("r", SITE.key, NOW + HOUR)]


def test_what_each_action_asks_for() -> None:
    rate = Rate(1, timedelta(minutes=1))
    actions = (SlowBy(30), PauseFor(HOUR), RateOf(rate, MINUTE), ConnectionsOf(1, HOUR), Alarm())
    found = read(Reactions([Reaction("kantor.all", actions, ONCE)]), reply="421 4.7.0  a\n b")
    assert found == [
        Slow("kantor.all", "gmail", 0.7),
        Pause("kantor.all", "gmail", NOW + HOUR),
        RateFor("kantor.all", "gmail", rate, NOW + MINUTE),
        ConnectionsFor("kantor.all", "gmail", 1, NOW + HOUR),
        Alert("kantor.all", "gmail", "gmail: reaction kantor.all (immediately), on: 421 4.7.0 a b"),
    ]


def test_an_alert_is_never_long() -> None:
    (found,) = read(Reactions([Reaction("r", (Alarm(),), ONCE)]), reply="421 " + "x" * 5000)
    assert isinstance(found, Alert)
    assert len(found.text) < 300


def test_the_fifth_in_an_hour_acts_and_counting_begins_anew() -> None:
    made = Reactions([rule(trigger=FIVE)])
    acted = [n for n in range(1, 13) if read(made, NOW + n * MINUTE)]
    assert acted == [5, 10]


def test_what_is_an_hour_old_no_longer_counts() -> None:
    made = Reactions([rule(trigger=Trigger(2, HOUR))])
    assert not read(made, NOW)
    assert not read(made, NOW + HOUR)  # the first is an hour old: out
    assert read(made, NOW + 2 * HOUR - 1)


def test_destinations_count_for_themselves() -> None:
    made = Reactions([rule(trigger=Trigger(2, HOUR))])
    assert not read(made)
    assert not read(made, to=SITE)
    assert read(made, to=SITE) == [Pause("r", SITE.key, NOW + HOUR)]


def test_domains_count_for_themselves_where_the_rule_says_so() -> None:
    made = Reactions([rule(trigger=Trigger(2, HOUR), is_of_domain=True)])
    assert not read(made, domain="a.example.co.id")
    assert not read(made, domain="b.example.co.id")
    assert read(made, domain="a.example.co.id") == [Pause("r", "@a.example.co.id", NOW + HOUR)]


def test_the_first_whose_trigger_is_reached_acts_alone() -> None:
    made = Reactions([rule("many", Trigger(3, HOUR)), rule("each"), rule("never")])
    acted = [[one.rule for one in read(made, NOW + n * MINUTE)] for n in range(4)]
    assert acted == [["each"], ["each"], ["many"], ["each"]]


def test_one_that_is_not_asked_does_not_count() -> None:
    made = Reactions([rule("a", Trigger(2, HOUR)), rule("b", Trigger(2, HOUR))])
    acted = [[one.rule for one in read(made, NOW + n)] for n in range(4)]
    assert acted == [[], ["a"], ["b"], ["a"]]


def test_letters_under_way_neither_slow_nor_alert_twice() -> None:
    made = Reactions([Reaction("r", (SlowBy(50), Alarm(), PauseFor(HOUR)), ONCE)])
    kinds = [[type(one) for one in read(made, NOW + at)] for at in (0, 1, MINUTE - 1, MINUTE)]
    assert kinds == [[Slow, Alert, Pause], [Pause], [Pause], [Slow, Alert, Pause]]


def test_a_clock_set_back_makes_nothing_older_or_younger() -> None:
    made = Reactions([rule(trigger=Trigger(3, HOUR))])
    read(made, NOW + 9 * HOUR)
    read(made, NOW)
    assert read(made, NOW + MINUTE)
    made = Reactions([rule(trigger=Trigger(3, HOUR))])
    read(made, NOW + 9 * HOUR)
    read(made, NOW)
    assert not read(made, NOW + HOUR)  # both count from the moment to which the clock was set


@given(
    count=st.integers(2, 6),
    span=st.integers(1, 50),
    steps=st.lists(st.integers(0, 40), max_size=60),
)
def test_a_trigger_is_reached_exactly_with_so_many_within_its_span(
    count: int, span: int, steps: list[int]
) -> None:
    made = Reactions([rule(trigger=Trigger(count, span))])
    now, since = NOW, []  # every reply since the last that acted
    for step in steps:
        now += step
        since.append(now)
        is_reached = sum(1 for at in since if at > now - span) >= count
        assert bool(read(made, now)) is is_reached
        if is_reached:
            since = []


@given(st.lists(st.tuples(st.integers(-100, 100), st.sampled_from("abc")), max_size=60))
def test_what_is_kept_goes_on_where_it_was(steps: list[tuple[int, str]]) -> None:
    rules = [
        rule("d", Trigger(3, 60), is_of_domain=True),
        Reaction("p", (SlowBy(50), Alarm()), Trigger(2, 90)),
    ]
    made, now = Reactions(rules), NOW
    for step, domain in steps:
        now += step
        again = Reactions(rules)
        again.load(made.dump())
        assert read(again, now, domain=domain) == read(made, now, domain=domain)
        assert again.dump() == made.dump()
        made = again


def test_it_never_counts_more_than_its_trigger() -> None:
    made = Reactions([rule(trigger=Trigger(3, HOUR))])
    for n in range(100):
        read(made, NOW + n)
        kept = made.dump()
        assert not kept or all(len(seen) < 3 for *_, seen in json.loads(kept)["counted"])


def test_nothing_counted_is_nothing_to_keep() -> None:
    made = Reactions([rule()])
    assert made.dump() == ""
    made.load("")
    assert made.dump() == ""


def test_what_belongs_to_rules_that_are_no_more_is_dropped() -> None:
    old = Reactions([rule("a", Trigger(2, HOUR)), rule("b", Trigger(2, HOUR)), rule("c")])
    read(old)
    kept = json.loads(old.dump())
    assert {row[0] for rows in kept.values() for row in rows} == {"a", "b", "c"}
    new = Reactions([rule("a", Trigger(2, HOUR))])
    new.load(old.dump())
    assert json.loads(new.dump()) == {"counted": [["a", "gmail", [NOW]]], "acted": []}
    old.renew(new.rules)
    assert old.dump() == new.dump()
    assert [made.id for made in old.rules] == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"counted": [[1]], "acted": []}',
        '{"counted": [["r", "gmail", ["x"]]], "acted": []}',
        '{"counted": [], "acted": [["r", "gmail", null]]}',
    ],
)
def test_what_was_not_kept_by_it_is_refused_whole(text: str) -> None:
    made = Reactions([rule(trigger=FIVE)])
    read(made)
    before = made.dump()
    with pytest.raises(ValueError, match="reactions: not what was kept"):
        made.load(text)
    assert made.dump() == before


def test_many_keys_are_forgotten_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactions, "MAX_COUNTED", 10)
    made = Reactions([rule("d", FIVE, is_of_domain=True), Reaction("s", (SlowBy(9),), ONCE)])
    for n in range(200):
        at = Destination(f"mx{n}.example", Profile("x"), None)
        made.read(at, f"d{n}.example", BLOCK, SAID, NOW + n * SECOND)
    kept = json.loads(made.dump())
    for rows in (kept["counted"], kept["acted"]):
        assert len(rows) <= 10
        assert any(key.endswith("199.example") for _, key, _ in rows)


def test_what_counts_nothing_any_more_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactions, "MAX_COUNTED", 2)
    made = Reactions([rule(trigger=Trigger(5, SECOND), is_of_domain=True)])
    for n, domain in enumerate("abc"):
        read(made, NOW + n * 2 * SECOND, DOWN, domain=domain)
    assert [key for _, key, _ in json.loads(made.dump())["counted"]] == ["@c"]
