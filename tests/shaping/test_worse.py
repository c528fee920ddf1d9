"""A pause that is found to be graver than it began is told of, once, and lasts no otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.mail import events
from relay.mail.classification import Classification
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant
from relay.shaping.base import Identity
from relay.shaping.shaper import Shaper
from relay.shaping.warmup import Warmup
from tests.shaping.house import (
    BLOCK,
    DOWN,
    GMAIL,
    NOW,
    OURS,
    THROTTLE,
    admit,
    paused_until,
    shaper,
    state,
    warmed,
)

LISTED = "550 5.7.1 listed by spamhaus"
SAID = {BLOCK: "550 5.7.1 unusual rate", OURS: "550 5.7.25 no PTR record"}
ONE = Identity("192.0.2.1", "lpse.one.go.id", "lpse.one.go.id")


def told(
    made: Shaper, read: Classification, now: Instant, said: str = "", identity: Identity = ONE
) -> list[str]:
    """The names of what is told; the pause itself as `pause`."""
    heard = made.feedback(GMAIL, read, said or SAID.get(read, "421 slow down"), now, identity)
    return [e.name if isinstance(e, events.Alert) else "pause" for e in heard]


def test_a_block_within_a_throttles_pause_calls_somebody_once() -> None:
    made, now = warmed()
    assert told(made, THROTTLE, now) == ["pause"]
    assert told(made, BLOCK, now + SECOND) == ["pause", "blocked:gmail"]
    assert told(made, BLOCK, now + 2 * SECOND) == []
    assert told(made, THROTTLE, now + 3 * SECOND) == []
    assert told(made, BLOCK, now + 4 * SECOND, LISTED) == ["pause", "blocked:gmail"]
    assert told(made, OURS, now + 5 * SECOND) == []
    assert told(made, BLOCK, now + 6 * SECOND) == []


def test_it_says_until_when_and_why() -> None:
    made, now = warmed()
    told(made, THROTTLE, now)
    paused, alert = made.feedback(GMAIL, OURS, SAID[OURS], now + SECOND)
    assert isinstance(paused, events.Paused) and isinstance(alert, events.Alert)
    assert (paused.until, paused.why) == (paused_until(made, now), SAID[OURS])
    assert paused.until is not None and paused.until > now + 4 * HOUR
    assert alert.name == "fix_config:gmail"
    assert "one new letter is tried at" in alert.detail and alert.detail.endswith(SAID[OURS])


@pytest.mark.parametrize(("read", "name"), [(BLOCK, "blocked:gmail"), (OURS, "fix_config:gmail")])
def test_so_does_a_probe_that_is_refused_for_more_than_its_pace(
    read: Classification, name: str
) -> None:
    made, now = warmed()
    told(made, THROTTLE, now)
    for names in (["pause", name], ["pause", "probe_refused:gmail"]):
        now = paused_until(made, now)
        assert admit(made, now)
        assert told(made, read, now) == names


def test_so_does_a_block_of_the_first_letters_after_a_probe() -> None:
    made, now = warmed()
    told(made, THROTTLE, now)
    for read, name in ((BLOCK, "blocked:gmail"), (BLOCK, "probe_refused:gmail")):
        now = paused_until(made, now)
        assert admit(made, now)
        made.feedback(GMAIL, None, "250", now)
        now += 10 * MINUTE
        assert admit(made, now)
        assert told(made, read, now) == ["pause", name]


def test_so_does_a_late_one() -> None:
    made, now = warmed()
    told(made, THROTTLE, now)
    heard = made.feedback(GMAIL, BLOCK, SAID[BLOCK], now + SECOND, began_at=now - SECOND)
    assert [type(e) for e in heard] == [events.Paused, events.Alert]


def test_out_of_reach_is_less_than_a_block_and_a_throttle_no_news_there() -> None:
    for read, names in ((THROTTLE, []), (BLOCK, ["pause", "blocked:gmail"])):
        made, now = warmed()
        for _ in range(3):
            told(made, DOWN, now)
        assert told(made, read, now) == names


def test_of_one_name_of_ours_too() -> None:
    made, key = shaper(), "gmail|dkim=lpse.one.go.id"
    of_one = "of your DKIM domain [lpse.one.go.id]"
    assert told(made, THROTTLE, NOW, f"421 4.7.28 unusual rate {of_one}") == ["pause"]
    names = told(made, BLOCK, NOW + SECOND, f"550 5.7.1 unusual rate {of_one}")
    assert names == ["pause", f"blocked:{key}"]
    assert state(made, NOW + SECOND) == "ok"


def test_a_pause_by_hand_keeps_its_end_and_its_words() -> None:
    made, now = warmed()
    made.pause("gmail", None, "siti: wrong letter", now)
    (alert,) = made.feedback(GMAIL, BLOCK, LISTED, now + SECOND)
    assert isinstance(alert, events.Alert)
    assert alert.name == "blocked:gmail"
    assert alert.detail == f"gmail, paused by hand, refuses our mail too: {LISTED}"
    (shown,) = (one for one in made.standings(now) if one.key == "gmail")
    assert (shown.why, shown.paused_until) == ("siti: wrong letter", None)


def test_the_warm_up_stands_still_as_for_any_block() -> None:
    to = replace(GMAIL, profile=replace(GMAIL.profile, warmup=Warmup(10, 2.0, 60)))
    made = shaper()
    assert admit(made, NOW, to)
    assert len(made.feedback(to, THROTTLE, "421 slow down", NOW)) == 1
    heard = made.feedback(to, BLOCK, SAID[BLOCK], NOW + SECOND)
    names = [e.name for e in heard if isinstance(e, events.Alert)]
    assert names == ["blocked:gmail", "warmup_frozen:gmail"]
    warmup = made.shown("gmail", NOW + SECOND).warmup
    assert warmup is not None and warmup.is_frozen
    heard = made.feedback(to, OURS, SAID[OURS], NOW + MINUTE)
    assert [e.name for e in heard if isinstance(e, events.Alert)] == ["fix_config:gmail"]


def test_how_long_it_lasts_and_what_is_learned_is_the_graver_kinds_as_ever() -> None:
    first, now = warmed()
    second, _ = warmed()
    for made, reads in ((first, (THROTTLE, BLOCK)), (second, (THROTTLE, THROTTLE))):
        for n, read in enumerate(reads):
            told(made, read, now + n * SECOND)
    assert paused_until(first, now) == paused_until(second, now)  # both ten minutes at first
    caps = [[track.cap for track in made._learned["gmail"].tracks] for made in (first, second)]
    assert caps[0] == caps[1]
