"""Late: an answer to what had begun before a pause ends no pause and answers no probe."""

from __future__ import annotations

from relay.mail import events
from relay.mail.classification import Classification
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant
from relay.shaping.base import Identity
from relay.shaping.shaper import Shaper
from tests.shaping.house import (
    BLOCK,
    BUSY,
    DEAD,
    DOWN,
    GMAIL,
    LOST,
    NOW,
    OURS,
    THROTTLE,
    admit,
    paused_until,
    shaper,
    state,
)

ONE = Identity("192.0.2.1", "lpse.one.go.id", "lpse.one.go.id")
OF_ONE = "421 4.7.28 unusual rate of mail originating from your DKIM domain [lpse.one.go.id]"
SAID = {None: "250 ok", BLOCK: "550 unusual rate: blocked", DEAD: "550 5.1.1 no such user"}


def hear(
    made: Shaper,
    read: Classification | None,
    now: Instant,
    began_at: Instant,
    identity: Identity = ONE,
    said: str = "",
) -> list[type]:
    said = said or SAID.get(read, "421 slow down")
    told = made.feedback(GMAIL, read, said, now, identity, began_at=began_at)
    return [type(event) for event in told]


def asking(read: Classification, now: Instant = NOW, said: str = "") -> tuple[Shaper, Instant]:
    """Refused at `now`; a probe is out at the later moment."""
    made = shaper()
    assert hear(made, read, now, now - SECOND, said=said)[0] is events.Paused
    now += 5 * HOUR
    assert admit(made, now, identity=ONE)
    return made, now


def test_a_late_acceptance_neither_ends_the_pause_nor_answers_the_probe() -> None:
    made, now = asking(BLOCK)
    assert hear(made, None, now + SECOND, NOW - MINUTE) == []
    assert hear(made, None, now + SECOND, NOW) == []  # just as it began: it had been written
    assert state(made, now) == "probing"
    assert not admit(made, now + SECOND, identity=ONE)  # the probe is out still
    assert hear(made, None, now + 2 * SECOND, now) == [events.Resumed]
    assert state(made, now) == "slow"


def test_a_late_word_of_any_kind_lets_no_second_probe_out() -> None:
    made, now = asking(BLOCK)
    for read in (None, DEAD, LOST, DOWN, BUSY):
        assert hear(made, read, now + SECOND, NOW - MINUTE) == []
        assert state(made, now + SECOND) == "probing"
        assert not admit(made, now + SECOND, identity=ONE)
    assert hear(made, DEAD, now + SECOND, now) == []
    assert admit(made, now + SECOND, identity=ONE)  # that one was the probe


def test_what_was_asked_and_forgotten_speaks_when_it_is_heard_at_last() -> None:
    made, now = asking(BLOCK)
    assert admit(made, now + HOUR, identity=ONE)  # the first one counts as gone
    assert hear(made, None, now + HOUR + SECOND, now) == [events.Resumed]


def test_a_late_refusal_moves_the_pauses_end_and_makes_it_no_longer() -> None:
    made, now = asking(BLOCK)
    first = made._states["gmail"].length
    assert hear(made, BLOCK, now + SECOND, NOW - MINUTE) == []
    assert made._states["gmail"].length == first
    assert paused_until(made, now + SECOND) > now + SECOND + first
    assert not admit(made, now + SECOND + first, identity=ONE)
    # the probe's own acceptance is older than that refusal, and ends nothing
    assert hear(made, None, now + 2 * SECOND, now) == []
    assert state(made, now + 2 * SECOND) == "paused"
    now = paused_until(made, now + 2 * SECOND)
    assert admit(made, now, identity=ONE)
    assert events.Paused in hear(made, BLOCK, now + SECOND, now)
    assert made._states["gmail"].length == 2 * first


def test_a_late_refusal_after_the_way_back_began_pauses_as_the_first_did() -> None:
    made, now = asking(THROTTLE)
    first, learned = made._states["gmail"].length, made._learned["gmail"]
    assert hear(made, None, now, now) == [events.Resumed]
    strikes, since = tuple(learned.strikes), now + SECOND
    assert hear(made, THROTTLE, since, NOW - MINUTE) == [events.Paused]
    assert made._states["gmail"].length == first
    assert tuple(learned.strikes) == strikes  # it is about counts that were judged already
    assert paused_until(made, since) > since + first
    now = paused_until(made, since)
    assert admit(made, now, identity=ONE)
    assert hear(made, None, now, now) == [events.Resumed]


def test_a_pause_by_hand_is_one_too() -> None:
    made = shaper()
    made.pause("gmail", NOW + HOUR, "root: the provider asked for it", NOW)
    now = NOW + 2 * HOUR
    assert admit(made, now)
    assert hear(made, None, now + SECOND, NOW - SECOND) == []
    assert state(made, now) == "probing"
    assert hear(made, None, now + SECOND, now) == [events.Resumed]


def test_out_of_reach_is_one_too() -> None:
    made = shaper()
    for _ in range(3):
        hear(made, DOWN, NOW, NOW - SECOND)
    now = NOW + MINUTE
    assert admit(made, now)
    assert hear(made, DEAD, now, NOW - MINUTE) == []
    assert hear(made, None, now, NOW - MINUTE) == []
    assert state(made, now) == "probing"
    assert hear(made, DEAD, now, now) == [events.Resumed]


def test_a_named_domain_is_answered_by_what_began_after_its_refusal_alone() -> None:
    made = shaper()
    hear(made, THROTTLE, NOW, NOW - SECOND, said=OF_ONE)
    own, now = "gmail|dkim=lpse.one.go.id", NOW + 12 * MINUTE
    assert admit(made, now, identity=ONE)
    hear(made, None, now, NOW - SECOND)
    assert state(made, now, own) == "probing"
    first = made._states[own].length
    hear(made, THROTTLE, now + SECOND, NOW - SECOND, said=OF_ONE)
    assert made._states[own].length == first
    assert state(made, now + SECOND, own) == "paused"
    now += 12 * MINUTE
    assert admit(made, now, identity=ONE)
    hear(made, None, now, now)
    assert state(made, now, own) == "slow"


def test_what_stopped_everything_is_answered_by_what_began_after_it_alone() -> None:
    made = shaper()
    hear(made, OURS, NOW, NOW - SECOND, said="550 5.7.25 no PTR record")
    assert made.confirm("the DKIM record does not fit its key", NOW)
    made.resume("gmail", "root: mended", NOW + SECOND)
    now = NOW + 6 * HOUR
    assert admit(made, now)
    assert hear(made, None, now, NOW) == []
    assert state(made, now, "*") == "probing"
    assert not admit(made, now + SECOND)
    assert events.Resumed in hear(made, None, now + SECOND, now)
    assert state(made, now + SECOND, "gmail") == "slow"
    assert admit(made, now + MINUTE)
