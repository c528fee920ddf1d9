"""At a door that people must open one new letter in four hours asks, and more only of the dead."""

from __future__ import annotations

import pytest

from relay.mail import events
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant
from relay.shaping.base import Identity
from relay.shaping.shaper import Shaper
from tests.shaping.house import (
    BLOCK,
    BUSY,
    DEAD,
    DOWN,
    GMAIL,
    GREY,
    LOST,
    NOW,
    OURS,
    SIGNING,
    THROTTLE,
    UNCLEAR,
    admit,
    paused_until,
    shaper,
    state,
)

SPAM = Classification(Category.SPAM_CONTENT, Scope.MESSAGE, Action.BOUNCE_MESSAGE, "spam")
ONE = Identity("192.0.2.1", "lpse.one.go.id", "lpse.one.go.id")
NO_PTR = "550 5.7.25 no PTR record"
OF_ONE = "550 5.7.26 unauthenticated: your DKIM domain [lpse.one.go.id]"
KEY = "gmail|dkim=lpse.one.go.id"


def hear(
    made: Shaper,
    read: Classification | None,
    now: Instant,
    said: str = "550 5.1.1 no such user",
    began_at: Instant | None = None,
) -> list[type]:
    told = made.feedback(GMAIL, read, said, now, ONE, began_at=began_at)
    return [type(event) for event in told]


def shut(said: str = NO_PTR, read: Classification = OURS) -> tuple[Shaper, Instant]:
    """A probe is out at the later moment."""
    made, now = shaper(), NOW
    hear(made, read, now, said)
    now += 5 * HOUR
    assert admit(made, now, identity=ONE)
    return made, now


@pytest.mark.parametrize("read", [SPAM, GREY])
def test_a_letter_refused_for_its_own_sake_was_the_one_of_these_hours(
    read: Classification,
) -> None:
    made, now = shut()
    for _ in range(3):
        assert hear(made, read, now + SECOND) == [events.Paused]
        until = paused_until(made, now + SECOND)
        assert now + 4 * HOUR < until < now + 5 * HOUR
        assert not admit(made, until - 1, identity=ONE)
        now = until
        assert admit(made, now, identity=ONE)
    assert hear(made, None, now) == [events.Resumed]
    assert state(made, now) == "slow"


def test_where_an_address_is_blamed_the_next_letter_asks_at_once() -> None:
    """A provider that calls everybody dead for an hour is known by many such answers: see the
    fuse. By one in four hours it never is, and each would be believed."""
    made, now = shut()
    for _ in range(30):
        assert hear(made, DEAD, now) == []
        assert state(made, now) == "probing"
        now += SECOND
        assert admit(made, now, identity=ONE)
    assert hear(made, None, now) == [events.Resumed]


def test_it_is_no_refused_probe_and_says_still_why_it_is_shut() -> None:
    made, now = shut()
    (paused,) = made.feedback(GMAIL, SPAM, "550 5.7.1 spam", now, ONE)
    assert isinstance(paused, events.Paused)
    assert paused.why == NO_PTR
    assert made._states["gmail"].refusals == 0
    assert made.wants_new(GMAIL, now)


def test_it_is_known_after_a_restart() -> None:
    made, now = shut()
    hear(made, SPAM, now)
    again = shaper()
    again.restore(dict(made.dirty(now)), now)
    assert not admit(again, now + 4 * HOUR, identity=ONE)
    assert admit(again, now + 5 * HOUR, identity=ONE)


def test_of_one_letter_to_many_each_has_its_say() -> None:
    made, now = shut()
    assert hear(made, SPAM, now, began_at=now) == [events.Paused]
    assert hear(made, SPAM, now, began_at=now) == []
    assert hear(made, None, now, began_at=now) == [events.Resumed]
    assert state(made, now) == "slow"
    later = now + 10 * MINUTE
    for _ in range(7):
        later += MINUTE
        assert admit(made, later, identity=ONE)
    hear(made, THROTTLE, later, "421 slow down")
    assert paused_until(made, later) < later + HOUR  # what was put off is no pause any more
    made, now = shut()
    hear(made, SPAM, now, began_at=now)
    told = made.feedback(GMAIL, OURS, NO_PTR, now, ONE, began_at=now)
    assert [e.name for e in told if isinstance(e, events.Alert)] == ["probe_refused:gmail"]


def test_what_began_before_the_refusal_neither_ends_it_nor_puts_it_off() -> None:
    made, now = shut()
    assert hear(made, SPAM, now, began_at=NOW - SECOND) == []
    assert state(made, now) == "probing"
    hear(made, SPAM, now, began_at=now)
    assert hear(made, None, now, began_at=NOW - SECOND) == []
    assert state(made, now) == "paused"


def test_a_pause_by_hand_is_ended_by_no_letter() -> None:
    made, now = shut()
    made.pause("gmail", None, "siti", now)
    assert hear(made, None, now) == []
    made, now = shut()
    hear(made, SPAM, now)
    assert made.resume("gmail", "siti: mended", now + MINUTE)
    assert admit(made, now + MINUTE, identity=ONE)
    assert hear(made, SPAM, now + MINUTE) == []
    assert admit(made, now + MINUTE, identity=ONE)  # somebody has seen to it


def test_what_says_nothing_of_it_asks_anew() -> None:
    made, now = shut()
    assert hear(made, SIGNING, now) == []
    assert admit(made, now, identity=ONE)


@pytest.mark.parametrize("read", [LOST, BUSY, UNCLEAR, DOWN])
def test_a_letter_that_was_shown_there_was_the_one_of_these_hours(read: Classification) -> None:
    """Its session broke after RCPT or after the dot, or a busy host said so: there would be one
    each quarter of an hour else."""
    made, now = shut()
    assert hear(made, read, now, "451 4.3.2 not now") == [events.Paused]
    assert hear(made, read, now, "451 4.3.2 not now") == []  # of its second recipient
    assert paused_until(made, now) > now + 4 * HOUR
    assert made.shown(GMAIL.key, now).why == NO_PTR


@pytest.mark.parametrize(("read", "said"), [(OURS, NO_PTR), (BLOCK, "550 unusual rate")])
def test_an_unreached_one_rests_as_ever_and_is_no_new_block(
    read: Classification, said: str
) -> None:
    made, now = shut(said, read)
    made.refund(GMAIL, "gmail.com", 1, now, identity=ONE)  # no RCPT was written
    assert hear(made, DOWN, now, "no connection within 30 s") == [events.Paused]
    assert paused_until(made, now) == now + 30 * SECOND
    assert made.shown(GMAIL.key, now).why == said


def test_where_it_heals_by_itself_a_session_that_breaks_is_a_rest() -> None:
    made, now = shut("550 unusual rate", BLOCK)
    for minutes in (0.5, 0.5, 0.5, 1.0, 2.0):
        assert hear(made, LOST, now) == [events.Paused]
        assert paused_until(made, now) == now + minutes * MINUTE
        now = paused_until(made, now)
        assert admit(made, now, identity=ONE)
    assert hear(made, None, now) == [events.Resumed]


@pytest.mark.parametrize(("read", "said"), [(THROTTLE, "421 x"), (BLOCK, "550 unusual rate")])
def test_of_what_heals_by_itself_the_next_letter_asks_at_once(
    read: Classification, said: str
) -> None:
    made, now = shaper(), NOW
    hear(made, read, now, said)
    now = paused_until(made, now)
    assert admit(made, now, identity=ONE)
    for refusal in (DEAD, SPAM, GREY):
        assert hear(made, refusal, now) == []
        now += 2 * SECOND
        assert admit(made, now, identity=ONE)


def test_a_name_of_ours_that_is_shut_out_is_asked_for_in_the_same_way() -> None:
    made, now = shut(OF_ONE)
    assert hear(made, SIGNING, now) == []
    assert admit(made, now, identity=ONE)
    hear(made, LOST, now)  # a recipient was named
    assert not admit(made, now + 4 * HOUR, identity=ONE)
    now += 5 * HOUR
    assert admit(made, now, identity=ONE)
    hear(made, SPAM, now, began_at=NOW - SECOND)
    assert state(made, now, KEY) == "probing"
    hear(made, SPAM, now)
    assert not admit(made, now + 4 * HOUR, identity=ONE)
    again = shaper()
    again.restore({name: text for name, text in made.dirty(now).items() if text}, now)
    assert not admit(again, now + 4 * HOUR, identity=ONE)
    assert admit(made, now + 5 * HOUR, identity=ONE)
    hear(made, SPAM, now + 5 * HOUR)
    hear(made, None, now + 5 * HOUR)
    assert state(made, now + 5 * HOUR, KEY) == "slow"


def test_a_name_that_is_throttled_is_asked_for_anew_where_the_session_breaks() -> None:
    made, now = shaper(), NOW
    said = "421 4.7.26 your DKIM domain [lpse.one.go.id] is sent too fast"
    hear(made, THROTTLE, now, said)
    now = paused_until(made, now, KEY)
    assert admit(made, now, identity=ONE)
    assert not admit(made, now, identity=ONE)
    hear(made, LOST, now)
    assert admit(made, now, identity=ONE)
