"""Our own fault: who must agree before everything stops, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from relay.mail import events
from relay.mail.classification import Classification
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant
from relay.shaping.base import NOBODY, Identity, Reason
from relay.shaping.destination import Destination, Profile
from relay.shaping.ourselves import MAX_SAID, Accusation, Ourselves, accusation
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from tests.shaping.house import (
    BLOCK,
    DEAD,
    DOWN,
    GMAIL,
    NOW,
    OURS,
    ROUTE,
    THROTTLE,
    admit,
    no_rates,
    shaper,
    state,
)

SPF = "550 5.7.26 SPF did not pass"
LISTED = "554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org"
RATE = "421 4.7.28 unusual rate"
SITE = Destination("mx.dinas.example.go.id", Profile("site"))
Said = tuple[str, Classification, str, Instant]


def provider(name: str) -> Destination:
    return Destination(name, Profile(name, connections=None), name)


@pytest.mark.parametrize(
    ("to", "read", "reply", "counts", "is_of_set_up"),
    [
        (GMAIL, OURS, SPF, True, True),
        (GMAIL, BLOCK, LISTED, True, False),
        (GMAIL, BLOCK, "550 5.7.1 unusual rate of mail", False, False),
        (GMAIL, THROTTLE, RATE, False, False),
        (SITE, OURS, SPF, False, False),
        (ROUTE, OURS, SPF, False, False),
    ],
)
def test_who_accuses_us(
    to: Destination, read: Classification, reply: str, counts: bool, is_of_set_up: bool
) -> None:
    found = accusation(to, read, reply, NOW)
    assert (found is not None) is counts
    if found is not None:
        assert found == Accusation(NOW, reply, is_of_set_up)
    long = accusation(to, read, reply + "x" * 5000, NOW)
    assert long is None or len(long.said) == MAX_SAID


@pytest.mark.parametrize(
    ("heard", "fault", "stops"),
    [
        ([("gmail", 0)], "", False),
        ([("gmail", 0), ("yahoo", 1)], "", False),
        ([("gmail", 0), ("gmail", 1), ("gmail", 2)], "", False),
        ([("gmail", 0), ("yahoo", 1), ("outlook", 2)], "", True),
        ([("gmail", 0), ("yahoo", 1), ("outlook", 59)], "", True),
        ([("gmail", 0), ("yahoo", 1), ("outlook", 60)], "", False),
        ([("gmail", 0), ("yahoo", 40), ("outlook", 70), ("gmail", 80)], "", True),
        ([("gmail", 0)], "s1._domainkey is not published", True),
        ([], "s1._domainkey is not published", False),
    ],
)
def test_how_many_must_agree(heard: list[tuple[str, int]], fault: str, stops: bool) -> None:
    """Minutes after the first."""
    made = Ourselves(fault=fault)
    why = made.verdict(NOW)
    for name, minute in heard:
        why = made.hear(name, Accusation(NOW + minute * MINUTE, SPF, is_of_set_up=True))
    assert bool(why) is stops
    if len(heard) >= 3 and stops:
        assert why == f"gmail, outlook and yahoo refuse us alike: {SPF}"
    elif stops:
        assert why == f"gmail refuses us ({SPF}), and our own check says: {fault}"


def test_our_own_check_confirms_no_list() -> None:
    made = Ourselves(fault="s1._domainkey is not published")
    assert made.hear("gmail", Accusation(NOW, LISTED)) == ""


def test_what_was_heard_survives_and_lies_never_in_the_future() -> None:
    made = Ourselves(fault="x")
    made.hear("yahoo", Accusation(NOW, LISTED))
    again = Ourselves.load(json.loads(json.dumps(made.dump())), NOW - HOUR)
    assert again.accused == {"yahoo": Accusation(NOW - HOUR, LISTED)}
    assert again.fault == ""


# --- in the shaper


def say(
    made: Shaper,
    to: Destination,
    read: Classification | None,
    reply: str,
    now: Instant,
    identity: Identity = NOBODY,
) -> list[str]:
    """What is told of everything."""
    told = made.feedback(to, read, reply, now, identity)
    return [
        event.name if isinstance(event, events.Alert) else type(event).__name__
        for event in told
        if getattr(event, "destination", "*") == "*"
        and (not isinstance(event, events.Alert) or event.name.startswith("own_fault"))
    ]


def accused() -> Shaper:
    """By three, a minute apart; the last at NOW."""
    made = shaper()
    for n, name in enumerate(("yahoo", "outlook", "gmail")):
        told = say(made, provider(name), OURS, SPF, NOW - (2 - n) * MINUTE)
        assert told == (["Paused", "own_fault:all"] if name == "gmail" else [])
    return made


AGAIN = NOW + 5 * HOUR + MINUTE  # a site may ask, too


def test_two_pause_only_themselves_and_three_everybody() -> None:
    made = shaper()
    say(made, provider("yahoo"), OURS, SPF, NOW)
    say(made, provider("outlook"), BLOCK, LISTED, NOW)
    assert made.peek(SITE, "dinas.example.go.id", 1, NOW) is None
    for _ in range(5):  # nobody's voice counts twice, and a site's never
        assert say(made, provider("yahoo"), OURS, SPF, NOW) == []
        assert say(made, SITE, OURS, SPF, NOW) == []
    assert say(made, GMAIL, THROTTLE, RATE, NOW) == []
    assert not made.is_paused("icloud", NOW)
    assert say(made, provider("icloud"), OURS, SPF, NOW) == ["Paused", "own_fault:all"]
    wait = made.peek(provider("gmx"), "gmx.de", 1, NOW)
    assert wait is not None and wait.reason is Reason.PAUSE
    assert wait.why == f"everything is paused: icloud, outlook and yahoo refuse us alike: {SPF}"
    assert made.is_paused("gmx", NOW)
    assert say(made, provider("gmx"), OURS, SPF, NOW) == []  # it is told once
    assert made.wants_new(provider("gmx"), NOW)


def test_what_names_one_of_our_domains_accuses_nobody_else() -> None:
    made = shaper()
    us = Identity(dkim="lpse.example.go.id")
    said = "550 5.7.26 the DKIM domain lpse.example.go.id is not aligned"
    for name in ("yahoo", "outlook", "gmail", "icloud"):
        assert say(made, provider(name), OURS, said, NOW, us) == []


def test_one_letter_asks_and_an_acceptance_ends_it() -> None:
    made = accused()
    assert not admit(made, NOW + HOUR, SITE)
    assert state(made, NOW + HOUR, "*") == "paused"
    assert admit(made, AGAIN, SITE)
    assert state(made, AGAIN, "*") == "probing"
    wait = made.peek(provider("gmx"), "gmx.de", 1, AGAIN + SECOND)
    assert wait is not None and wait.reason is Reason.PROBING
    assert wait.why.startswith("everything waits for one letter that asks: gmail, outlook and")
    assert say(made, SITE, None, "250 OK", AGAIN + SECOND) == ["Resumed"]
    assert made.peek(provider("gmx"), "gmx.de", 1, AGAIN + SECOND) is None
    assert not made.wants_new(provider("gmx"), AGAIN)
    assert say(made, provider("gmx"), OURS, SPF, AGAIN + MINUTE) == []  # it counts anew


@pytest.mark.parametrize(
    ("to", "read", "reply", "told"),
    [
        (provider("gmx"), OURS, SPF, ["Paused", "own_fault:all"]),
        (provider("gmx"), BLOCK, LISTED, ["Paused", "own_fault:all"]),
        (SITE, DEAD, "550 5.1.1 no such user", ["Resumed"]),
        (SITE, DOWN, "timed out", []),
        (provider("gmx"), THROTTLE, RATE, []),
        (SITE, OURS, SPF, ["Paused", "own_fault:all"]),
    ],
)
def test_what_the_letter_that_asks_brings_back(
    to: Destination, read: Classification, reply: str, told: list[str]
) -> None:
    made = accused()
    assert admit(made, AGAIN, to)
    assert say(made, to, read, reply, AGAIN + SECOND) == told
    wait = made.peek(provider("icloud"), "icloud.com", 1, AGAIN + 2 * SECOND)
    assert (wait is not None) is (len(told) == 2)  # else everything goes on, or another asks


def test_a_provider_is_asked_before_a_site() -> None:
    made = accused()
    early = NOW + 4 * HOUR + MINUTE
    for to in (SITE, ROUTE):
        assert not admit(made, early, to)
        wait = made.peek(to, "dinas.example.go.id", 1, early)
        assert wait is not None and wait.reason is Reason.PROBING
    assert admit(made, early, provider("gmx"))


def test_a_letter_that_asks_and_is_never_heard_of_again_counts_as_gone() -> None:
    made = accused()
    assert admit(made, AGAIN, SITE)
    assert not admit(made, AGAIN + MINUTE, provider("gmx"))
    made.refund(SITE, "dinas.example.go.id", 1, AGAIN + MINUTE)
    assert admit(made, AGAIN + MINUTE, provider("gmx"))
    assert not admit(made, AGAIN + 2 * MINUTE, SITE)
    assert admit(made, AGAIN + 32 * MINUTE, SITE)


def test_what_was_under_way_when_it_began_does_not_end_it() -> None:
    made = accused()
    assert say(made, SITE, None, "250 OK", NOW + SECOND) == []
    assert made.is_paused("anybody", NOW + SECOND)


@pytest.mark.parametrize("later", [0, AGAIN - NOW])
def test_an_operator_ends_it_at_once(later: int) -> None:
    made = accused()
    if later:
        assert admit(made, NOW + later, SITE)
    assert made.resume("*", "siti: DNS is mended", NOW + later)
    assert not made.is_paused("*", NOW + later)
    assert admit(made, NOW + later, SITE)
    assert admit(made, NOW + later + MINUTE, provider("gmx"))
    assert say(made, provider("icloud"), OURS, SPF, NOW + later) == []
    assert not made.resume("*", "siti", NOW + later + MINUTE)


def test_a_pause_by_hand_stays_one() -> None:
    made = shaper()
    made.pause("*", None, "siti", NOW)
    for name in ("yahoo", "outlook", "gmail"):
        assert say(made, provider(name), OURS, SPF, NOW) == []
    wait = made.peek(SITE, "x.example", 1, AGAIN)
    assert wait is not None and wait.why == "everything is paused: siti"
    timed = shaper()
    timed.pause("*", NOW + MINUTE, "siti", NOW)
    timed.pause("gmail", NOW + HOUR, "siti", NOW)
    assert timed.peek(SITE, "x.example", 1, NOW + 2 * MINUTE) is None
    assert timed.is_paused("gmail", NOW + 2 * MINUTE)
    for name in ("yahoo", "outlook", "icloud"):
        told = say(timed, provider(name), OURS, SPF, NOW + 3 * MINUTE)
    assert told == ["Paused", "own_fault:all"]


def _stored(kept: Mapping[str, str]) -> dict[str, str]:
    """A store keeps no empty text."""
    return {name: text for name, text in kept.items() if text}


def test_it_survives_a_restart() -> None:
    made = accused()
    kept = dict(made.dirty(NOW))
    again = Shaper(PauseSettings(), no_rates)
    again.restore(_stored(kept), NOW + MINUTE)
    assert again.is_paused("anybody", NOW + MINUTE)
    assert admit(again, AGAIN, SITE)
    assert say(again, SITE, None, "250 OK", AGAIN + SECOND) == ["Resumed"]
    kept |= again.dirty(AGAIN + SECOND)
    assert (kept["state:*"], kept["ourselves:"]) == ("", "")
    two = shaper()
    say(two, provider("yahoo"), OURS, SPF, NOW)
    say(two, provider("outlook"), OURS, SPF, NOW)
    third = shaper()
    third.restore(_stored(two.dirty(NOW)), NOW + MINUTE)
    assert say(third, provider("gmail"), OURS, SPF, NOW + MINUTE) == ["Paused", "own_fault:all"]
    with pytest.raises(ValueError, match="ourselves:"):
        shaper().restore({"ourselves:": '[["gmail"]]'}, NOW)


def test_our_own_check_and_one_provider_stop_everything() -> None:
    made = shaper()
    assert made.confirm("s1._domainkey is not published", NOW) == []
    assert say(made, GMAIL, OURS, SPF, NOW) == ["Paused", "own_fault:all"]
    other = shaper()
    assert say(other, GMAIL, OURS, SPF, NOW) == []
    assert other.confirm("", NOW) == []
    paused, alert = other.confirm("s1._domainkey is not published", NOW + MINUTE)
    assert isinstance(paused, events.Paused)
    assert isinstance(alert, events.Alert)
    assert "our own check says: s1._domainkey is not published" in alert.detail
    assert other.confirm("s1._domainkey is not published", NOW + 2 * MINUTE) == []
    assert admit(other, AGAIN, SITE)
    assert other.confirm("s1._domainkey is not published", AGAIN) == []
