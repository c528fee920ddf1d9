"""Whom of us a provider names is punished alone; and how a provider without history begins."""

from __future__ import annotations

import pytest

from relay.mail import events
from relay.mail.instant import HOUR, MINUTE, SECOND
from relay.mail.urgency import Urgency
from relay.shaping.base import Identity
from relay.shaping.feedback import RAMP_STEP
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
    paused_until,
    shaper,
    state,
)

ONE = Identity("192.0.2.1", "lpse.one.go.id", "lpse.one.go.id")
TWO = Identity("192.0.2.1", "lpse.two.go.id", "lpse.two.go.id")
OF_ONE = "421 4.7.28 unusual rate of mail originating from your DKIM domain [lpse.one.go.id]"


def test_a_named_domain_pauses_and_comes_back_alone() -> None:
    made, now = shaper(), NOW
    (paused,) = made.feedback(GMAIL, THROTTLE, OF_ONE, now, ONE)
    assert isinstance(paused, events.Paused)
    assert paused.destination == "gmail|dkim=lpse.one.go.id"
    assert not admit(made, now, identity=ONE)
    assert admit(made, now, identity=TWO)
    assert state(made, now) == "ok"
    kept = dict(made.dirty(now, is_last=True))
    again = shaper()
    again.restore(kept, now)
    assert not admit(again, now + 5 * SECOND, identity=ONE)
    now += 12 * MINUTE
    assert admit(again, now, identity=ONE)
    again.feedback(GMAIL, None, "250", now, ONE)
    assert admit(again, now + 2 * MINUTE, identity=ONE)
    assert state(again, now, "gmail|dkim=lpse.one.go.id") == "slow"


def test_what_names_nobody_means_all_of_us() -> None:
    made = shaper()
    made.feedback(GMAIL, THROTTLE, "421 4.7.28 unusual rate", NOW, ONE)
    assert not admit(made, NOW, identity=TWO)


def test_at_a_closed_door_no_refused_letter_asks_and_resume_opens_it() -> None:
    made, now = shaper(), NOW
    assert not made.wants_new(GMAIL, now)
    (_paused, alert) = made.feedback(GMAIL, OURS, "550 5.7.25 no PTR record", now)
    assert isinstance(alert, events.Alert) and alert.name == "fix_config:gmail"
    assert "one new letter" in alert.detail
    assert made.wants_new(GMAIL, now)
    assert not admit(made, now + 4 * HOUR)
    now += 5 * HOUR
    assert admit(made, now) and made.wants_new(GMAIL, now)
    told = made.feedback(GMAIL, OURS, "550 5.7.25 no PTR record", now)
    assert [e.name for e in told if isinstance(e, events.Alert)] == ["probe_refused:gmail"]
    assert not admit(made, now + 4 * HOUR)  # the time does not grow
    assert made.resume("gmail", "root: mended", now + HOUR)
    assert not made.wants_new(GMAIL, now + HOUR)
    assert admit(made, now + HOUR)


def test_a_late_block_makes_a_throttles_pause_a_blocks() -> None:
    made = shaper()
    made.feedback(GMAIL, THROTTLE, "421 slow down", NOW)
    made.feedback(GMAIL, BLOCK, "550 5.7.1 listed by spamhaus", NOW + SECOND)
    assert made.wants_new(GMAIL, NOW + SECOND)
    assert not admit(made, NOW + 3 * HOUR)


def test_a_provider_without_history_begins_at_a_quarter_and_rises_as_it_is_used() -> None:
    made, now = Shaper(PauseSettings(), no_rates, {"gmail"}), NOW
    assert made.peek(ROUTE, "gmail.com", 1, now) is None  # our own hop: no ramp
    counts = []
    for _ in range(6):
        end, count = now + MINUTE, 0
        while now < end:
            count += admit(made, now)
            now += 500
        counts.append(count)
    assert 14 <= counts[0] <= 25  # of sixty
    assert counts[:3] == sorted(counts[:3])
    assert counts[-1] >= 57
    assert state(made, now) == "ok"
    again = Shaper(PauseSettings(), no_rates, {"gmail"})
    again.restore(dict(made.dirty(now, is_last=True)), now)
    wait = again.peek(GMAIL, "gmail.com", 1, now + MINUTE, 1)
    assert state(again, now + MINUTE) == "ok", wait


def test_silence_teaches_nothing() -> None:
    made = Shaper(PauseSettings(), no_rates)
    assert admit(made, NOW)
    assert admit(made, NOW + 10 * RAMP_STEP)
    assert admit(made, NOW + 10 * RAMP_STEP)  # what was late is made up for, by one
    wait = made.peek(GMAIL, "gmail.com", 1, NOW + 10 * RAMP_STEP)
    assert wait is not None
    assert "new to us: 22.5 a minute" in wait.why


@pytest.mark.parametrize(("urgency", "most"), [(Urgency.MASSAL, 3), (Urgency.KRITIS, 4)])
def test_one_connection_is_closed_to_massal(urgency: Urgency, most: int) -> None:
    assert shaper().connections(GMAIL, NOW, urgency) == most
    made = shaper()
    made.feedback(GMAIL, THROTTLE, "421 slow down", NOW)
    assert made.connections(GMAIL, NOW + HOUR, urgency) == 1


def test_where_all_mail_carries_one_name_its_pause_holds_the_connections_and_teaches() -> None:
    made, now = shaper(), NOW
    for n in range(40):
        assert admit(made, now + n * 2 * SECOND, identity=ONE)
    now += 80 * SECOND
    made.feedback(GMAIL, THROTTLE, OF_ONE, now, ONE)
    assert made.connections(GMAIL, now) == 1
    assert made._learned["gmail"].is_capped  # what was written there was all of that name
    made.feedback(GMAIL, THROTTLE, OF_ONE, now, ONE)  # known by now
    assert admit(made, now + 2 * HOUR, identity=TWO)
    made.feedback(GMAIL, THROTTLE, OF_ONE, now + 5 * HOUR, ONE)
    assert made._learned["gmail|dkim=lpse.one.go.id"] is not made._learned["gmail"]


def test_a_refused_recipient_answers_no_probe_but_shows_that_a_site_is_there() -> None:
    made, now = shaper(), NOW
    made.feedback(GMAIL, THROTTLE, "421 slow down", now)
    now += 12 * MINUTE
    assert admit(made, now) and made.is_probing(GMAIL, now)
    assert made.feedback(GMAIL, DEAD, "550 5.1.1 no such user", now) == []
    assert made.is_probing(GMAIL, now)  # it may refuse us at the dot all the same
    assert admit(made, now)
    assert made.feedback(GMAIL, None, "250", now)
    other = shaper()
    for _ in range(3):
        other.feedback(GMAIL, DOWN, "connection refused", now)
    now += MINUTE
    assert admit(other, now)
    (resumed,) = other.feedback(GMAIL, DEAD, "550 5.1.1 no such user", now)
    assert isinstance(resumed, events.Resumed)
    assert state(other, now) == "ok"


def test_a_days_quota_that_is_used_up_is_asked_ever_less_but_within_hours() -> None:
    made, now = shaper(), NOW
    learned = made._learned_of("gmail")
    learned.blamed, learned.counts, learned.tracks[5].cap = 5, (0, 0, 0, 0, 0, 400), 400.0
    pauses = []
    for _ in range(7):
        made.feedback(GMAIL, THROTTLE, "451 4.7.500 busy", now)
        made._learned["gmail"].blamed = 5
        until = paused_until(made, now)
        pauses.append(until - now)
        now = until
        assert admit(made, now)
    assert pauses[2] > 2.5 * pauses[1] > 6 * pauses[0]
    assert max(pauses) < 7 * HOUR


def test_a_probe_that_is_refused_for_one_name_does_not_hold_the_others() -> None:
    made, now = shaper(), NOW
    made.feedback(GMAIL, THROTTLE, "421 slow down", now)
    now += 12 * MINUTE
    assert admit(made, now, identity=ONE)
    made.feedback(GMAIL, THROTTLE, OF_ONE, now, ONE)
    assert not admit(made, now, identity=ONE)
    assert admit(made, now, identity=TWO)


def test_a_letter_that_comes_back_from_before_the_pause_is_not_the_one_that_asks() -> None:
    made, before = shaper(), NOW
    assert admit(made, before)
    made.feedback(GMAIL, THROTTLE, "421 slow down", before)
    now = before + 12 * MINUTE
    assert admit(made, now)
    made.refund(GMAIL, "gmail.com", 1, now, before)
    assert not admit(made, now)
    made.refund(GMAIL, "gmail.com", 1, now, now)
    assert admit(made, now)


def test_a_name_that_comes_back_teaches_where_it_was_refused() -> None:
    made, now = shaper(), NOW
    for n in range(20):
        assert admit(made, now + n * 2 * SECOND, identity=(ONE, TWO)[n % 2])
    now += MINUTE
    made.feedback(GMAIL, THROTTLE, OF_ONE, now, ONE)
    now += 2 * HOUR
    assert admit(made, now, identity=ONE)
    (destination, own) = (made._learned[key] for key in ("gmail", "gmail|dkim=lpse.one.go.id"))
    made.feedback(GMAIL, None, "250", now, ONE)
    assert destination.cost == 0 and own.cost > HOUR


def test_after_a_restart_a_name_alone_is_remembered_and_an_acceptance_answers_it() -> None:
    made, now = shaper(), NOW
    made.feedback(GMAIL, THROTTLE, OF_ONE, now, ONE)
    kept = dict(made.dirty(now, is_last=True))
    again = shaper()
    again.restore({key: text for key, text in kept.items() if "|" in key}, now)
    now += 12 * MINUTE
    assert admit(again, now, identity=ONE)
    assert again.feedback(GMAIL, None, "250", now, ONE) == []
    assert state(again, now, "gmail|dkim=lpse.one.go.id") == "slow"


def test_what_is_refused_of_a_name_holds_no_other_and_no_connection() -> None:
    made, now = shaper(), NOW
    assert dict(made.shut_names(GMAIL, now)) == {}
    assert admit(made, now, identity=ONE) and admit(made, now + SECOND, identity=TWO)
    made.feedback(GMAIL, THROTTLE, OF_ONE, now, ONE)
    (name,) = ONE.names[:1]
    ((shut, until),) = made.shut_names(GMAIL, now).items()
    assert (shut, until) == (name, paused_until(made, now, f"gmail|{name}"))
    assert made.connections(GMAIL, now) == GMAIL.profile.connections
    wait = made.peek(GMAIL, "gmail.com", 1, now, identity=ONE)
    assert wait is not None and (wait.name, wait.until) == (name, until)
    assert made.peek(GMAIL, "gmail.com", 1, now) is None
    told = made.explain(GMAIL, "gmail.com", now, Urgency.MASSAL)
    assert (told.why, told.shut) == ("", (wait,))
    assert dict(made.shut_names(GMAIL, until)) == {name: until}  # one letter may ask
    assert made.explain(GMAIL, "gmail.com", until, Urgency.MASSAL).shut == ()


def test_one_letter_asks_for_a_name_until_it_is_answered() -> None:
    made, now = shaper(), NOW
    assert admit(made, now, identity=ONE) and admit(made, now + SECOND, identity=TWO)
    made.feedback(GMAIL, THROTTLE, OF_ONE, now, ONE)
    now += 12 * MINUTE
    assert admit(made, now, identity=ONE)
    assert dict(made.shut_names(GMAIL, now)) == {"dkim=lpse.one.go.id": now + SECOND}
    assert not admit(made, now, identity=ONE)
    assert admit(made, now, identity=TWO)
    made.refund(GMAIL, "gmail.com", 1, now, now, TWO)  # another's that comes back
    made.refund(GMAIL, "gmail.com", 1, now, now - 13 * MINUTE, ONE)  # one from before
    assert not admit(made, now, identity=ONE)
    made.refund(GMAIL, "gmail.com", 1, now, now, ONE)
    now += 2 * SECOND
    assert admit(made, now, identity=ONE)
    made.feedback(GMAIL, DEAD, "550 5.1.1 no such user", now, ONE, began_at=NOW)  # late
    assert not admit(made, now, identity=ONE)
    made.feedback(GMAIL, DEAD, "550 5.1.1 no such user", now, ONE, began_at=now)
    now += 2 * SECOND
    assert admit(made, now, identity=ONE)
    made.feedback(GMAIL, None, "250", now, TWO)
    assert not admit(made, now, identity=ONE)
    made.feedback(GMAIL, None, "250", now, ONE)
    assert dict(made.shut_names(GMAIL, now)) == {}
    assert made.connections(GMAIL, now) == 1  # and then step by step, as ever
    assert admit(made, now + MINUTE, identity=ONE)


def test_a_name_in_mail_from_that_all_carry_holds_the_connections() -> None:
    made, now = shaper(), NOW
    for us in (ONE, Identity(ONE.ip, TWO.dkim, ONE.envelope)):
        assert admit(made, now, identity=us)
        now += SECOND
    of_all = OF_ONE.replace("DKIM", "SPF")
    made.feedback(GMAIL, THROTTLE, of_all, now, ONE)
    assert list(made.shut_names(GMAIL, now)) == ["envelope=lpse.one.go.id"]
    assert made.connections(GMAIL, now) == 1
    now += 2 * MINUTE  # it is learned of all, too, what was borne of one
    assert admit(made, now, identity=TWO)
    assert made.connections(GMAIL, now) == GMAIL.profile.connections
