"""Shaper: pauses by hand, what survives a restart, what it costs, and the law of the pause."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant, from_iso
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.shaping import hours
from relay.shaping.base import Reason
from relay.shaping.destination import Destination, Profile, Rate, Sum
from relay.shaping.feedback import Mode
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from relay.shaping.warmup import Warmup
from tests.shaping.house import (
    BLOCK,
    DOWN,
    GMAIL,
    NOW,
    RATES,
    THROTTLE,
    admit,
    no_rates,
    paused_until,
    say,
    shaper,
    state,
    warmed,
)

Kind = Literal["admit", "ok", "throttle", "block", "down", "hand", "resume", "restart"]
steps = st.lists(
    st.tuples(st.sampled_from(Kind.__args__), st.integers(0, 5 * MINUTE)),  # type: ignore[attr-defined]
    max_size=80,
)


def reborn(made: Shaper, now: Instant) -> Shaper:
    """After a crash: what was kept at the last moment, and each row of what was set aside."""
    again = shaper()
    kept = json.loads(json.dumps(dict(made.dirty(now, is_last=True))))
    again.restore(
        kept, now, [row for one in made._counting._counted.values() for row in one.aside.rows()]
    )
    return again


@pytest.mark.parametrize("key", ["gmail", "*"])
def test_by_hand_until_resume(key: str) -> None:
    made, now = warmed()
    made.pause(key, None, "root: wrong letter", now)
    assert made.is_paused("gmail", now + 30 * DAY)
    wait = made.peek(GMAIL, "gmail.com", 1, now + DAY)
    assert wait is not None
    assert "wrong letter" in wait.why
    assert made.resume(key, "root: mended", now + DAY)
    assert not made.resume(key, "root: mended", now + DAY)
    assert admit(made, now + DAY)
    assert state(made, now + DAY) == "ok"


@pytest.mark.parametrize("key", ["gmail", "*"])
def test_by_hand_until_a_time(key: str) -> None:
    made, now = warmed()
    made.pause(key, now + HOUR, "root: night", now)
    assert not admit(made, now + HOUR - 1)
    assert admit(made, now + HOUR)


def test_a_late_refusal_does_not_hide_who_paused() -> None:
    made, now = warmed()
    made.pause("gmail", None, "root: wrong letter", now)
    say(made, THROTTLE, now)
    say(made, DOWN, now)
    (shown,) = (s for s in made.standings(now) if s.key == "gmail")
    assert shown.why == "root: wrong letter"
    assert made.is_paused("gmail", now + 30 * DAY)
    assert made.resume("gmail", "root", now + HOUR)
    assert made.connections(GMAIL, now + HOUR) == 1  # it had refused us meanwhile: one asks first


def test_resume_ends_a_providers_pause_with_one_letter() -> None:
    made, now = warmed()
    say(made, BLOCK, now)
    assert made.resume("gmail", "root: delisted", now + MINUTE)
    assert state(made, now + MINUTE) == "probing"
    assert admit(made, now + MINUTE)
    assert not admit(made, now + MINUTE + SECOND)


def test_it_is_closed_from_the_first_refusal_until_it_takes_a_letter_again() -> None:
    made = shaper()
    assert made.closed_since("gmail", NOW) is None
    say(made, THROTTLE, NOW)
    assert made.closed_since("gmail", NOW) == NOW
    at = paused_until(made, NOW) + 1
    assert admit(made, at)  # as a probe
    assert made.closed_since("gmail", at) == NOW
    say(made, THROTTLE, at + SECOND)
    assert made.closed_since("gmail", at + SECOND) == NOW
    again = Shaper(PauseSettings(), no_rates)
    again.restore(made.dirty(at + MINUTE), at + MINUTE)
    assert again.closed_since("gmail", at + MINUTE) == NOW
    early = Shaper(PauseSettings(), no_rates)  # a clock that was set back
    early.restore({"state:gmail": json.dumps(_kept(again))}, NOW - HOUR)
    assert early.closed_since("gmail", NOW - HOUR) == NOW - HOUR
    at = paused_until(made, at + SECOND) + 1
    assert admit(made, at)
    say(made, None, at + SECOND)
    assert made.closed_since("gmail", at + SECOND) is None
    made.pause("gmail", None, "siti", at + MINUTE)
    assert made.closed_since("gmail", at + MINUTE) == at + MINUTE
    made.resume("gmail", "siti", at + 2 * MINUTE)
    assert state(made, at + 2 * MINUTE) == "probing"
    assert made.closed_since("gmail", at + 2 * MINUTE) == at + MINUTE
    made.pause("yahoo", None, "siti", at)
    made.resume("yahoo", "siti", at + SECOND)
    assert made.closed_since("yahoo", at + SECOND) is None


def _kept(made: Shaper) -> object:
    return made._states["gmail"].dump()


def test_counts_and_pauses_survive_a_restart() -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    until = paused_until(made, now)
    again = reborn(made, now)
    assert not admit(again, until - 1)
    assert admit(again, until)
    full = shaper()
    now = NOW
    for _ in range(60):
        assert admit(full, now)
        now += SECOND
    assert not admit(reborn(full, now), now - 1)
    made.dirty(now)
    assert made.dirty(now) == {}


def test_a_kept_pause_is_never_longer_than_one_can_be() -> None:
    made, now = warmed()
    say(made, BLOCK, now + 400 * DAY)  # the clock was a year ahead
    again = reborn(made, now)
    assert admit(again, now + 3 * DAY)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("state:gmail", "{"),
        ("state:gmail", "{}"),
        ("learned:gmail", "[1]"),
        ("warmup:x", "[1,2,3,4,5,6,7]"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_rest_taken(name: str, text: str) -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    kept = {key.replace("gmail", "other"): value for key, value in made.dirty(now).items()}
    again = shaper()
    with pytest.raises(ValueError, match=name):
        again.restore({name: text, **kept}, now)
    assert again.is_paused("other", now)


def test_new_limits_keep_what_was_counted() -> None:
    made, now = warmed(20)
    tight = Destination("gmail", Profile("gmail", rates=(Rate(20, timedelta(hours=1)),)), "gmail")
    made.use(PauseSettings(), no_rates)
    assert not admit(made, now, tight)


@given(steps)
def test_nothing_is_admitted_within_a_pause_and_it_always_ends(
    schedule: list[tuple[Kind, int]],
) -> None:
    made, now, last, by_hand = shaper(), NOW, 0, False
    kept: dict[str, str] = {}
    reads = {"ok": None, "throttle": THROTTLE, "block": BLOCK, "down": DOWN}
    for kind, wait in schedule:
        now += wait
        if kind == "admit":
            if admit(made, now):
                assert not by_hand
                assert not last or now >= last + 10 * MINUTE
                last = 0
        elif kind == "hand":
            made.pause("gmail", None, "root", now)
            by_hand = True
        elif kind == "resume":
            made.resume("gmail", "root", now)
            by_hand, last = False, 0
        elif kind == "restart":
            kept = {k: text for k, text in (kept | dict(made.dirty(now))).items() if text}
            made = shaper()
            made.restore(kept, now)
        else:
            say(made, reads[kind], now)
            if kind in ("throttle", "block"):
                last = now
    made.resume("gmail", "root", now)
    assert any(admit(made, now + wait) for wait in range(0, 4 * DAY, 10 * MINUTE))


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("key", ["gmail", "kampus.ac.id"])
def test_a_longer_window_that_a_reload_brings_counts_what_was_sent_before(
    key: str, is_restarted: bool
) -> None:
    short, long = Rate(20, timedelta(minutes=1)), Rate(100, timedelta(days=1))

    def at(*rates: Rate) -> tuple[Destination, Callable[[str], Sequence[Sum]]]:
        own = Sum("@kampus.ac.id", rates if key != "gmail" else (short,))
        of_provider = rates if key == "gmail" else (Rate(1000, timedelta(minutes=1)),)
        to = Destination("gmail", Profile("gmail", rates=of_provider), "gmail")
        return to, lambda domain: (own,)

    to, within = at(short)
    made, now = Shaper(PauseSettings(), within, is_ramping=False), NOW
    disk: dict[tuple[str, Instant], int] = {}

    def sent(until: Instant) -> int:
        nonlocal now
        count = 0
        while now < until:
            now += 10 * SECOND
            count += admit(made, now, to, "kampus.ac.id")
            rows = [row for one in made._counting._counted.values() for row in one.aside.rows()]
            disk.update({(row.key, row.at): row.units for row in rows})
            disk.update({(row.key, row.at): row.units for row in made.corrections(now)})
        return count

    assert sent(NOW + 1000 * SECOND) == 100
    to, within = at(short, long)
    if is_restarted:
        made = Shaper(PauseSettings(), within, is_ramping=False)
        rows = [Spent(*row, units) for row, units in sorted(disk.items()) if units]
        made.restore({}, now, rows)
    made.use(PauseSettings(), within)
    assert sent(NOW + 6 * HOUR) == 0


def test_what_counts_nothing_any_more_is_given_up_here_and_in_the_store() -> None:
    made, now = warmed(3)
    assert "learned:gmail" in made.dirty(now + MINUTE)
    made.corrections(now + HOUR)
    assert made._counting._counted  # the day's count still stands
    gone = made.corrections(now + 2 * DAY)
    assert {row.units for row in gone} == {0} and len(gone) == 3
    assert made.corrections(now + 2 * DAY) == []
    assert not made._counting._counted


def test_ten_thousand_destinations_cost_little() -> None:
    made, now = shaper(), NOW
    places = [
        Destination(f"mx{n}.example.co.id", Profile(f"mx{n}.example.co.id", rates=RATES[:1]))
        for n in range(10_000)
    ]
    began = time.process_time()
    for place in places:
        assert admit(made, now, place, place.key)
        made.feedback(place, None, "", now)
    spent = (time.process_time() - began) / len(places)
    assert spent < 2e-3  # 40 µs on a quiet machine; a scan of all would be far over
    assert made.dirty(now) == {}  # nothing was learned of them
    for n in range(1, 25):
        made.corrections(now + DAY + n)
    assert not made._counting._counted


def test_admit_and_feedback_are_cheap() -> None:
    made, now, count = shaper(), NOW, 5_000
    began = time.process_time()
    for n in range(count):
        now = NOW + n * SECOND
        if admit(made, now):
            made.feedback(GMAIL, None, "250", now)
    assert (time.process_time() - began) / count < 0.001  # 10 µs each on a quiet machine


def test_the_oldest_of_very_many_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.shaping.keeping.FORGET", 10)
    made = shaper()
    for n in range(20):
        say(made, None, NOW, Destination(f"site{n}", Profile("x"), None))
    say(made, THROTTLE, NOW)
    made.dirty(NOW)
    assert [s.key for s in made.standings(NOW)] == ["gmail"]


def test_nor_is_it_kept_whose_name_was_on_mail_to_the_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relay.shaping.keeping.FORGET", 10)
    made = shaper()
    for n in range(20):
        site = Destination(f"site{n}", Profile("x"), None)
        assert made.peek(site, "a.example", 1, NOW) is None
        assert admit(made, NOW, domain="a.example", to=site)
    made.dirty(NOW)
    assert made._signers == {}


def test_a_slow_destination_counts_what_is_under_way() -> None:
    made, now = warmed()
    say(made, THROTTLE, now)
    now = paused_until(made, now)
    assert admit(made, now)
    say(made, None, now)
    assert made.peek(GMAIL, "gmail.com", 1, now, ahead=1) is not None
    assert made.messages_per_connection(GMAIL, now) == 10
    (shown,) = (s for s in made.standings(now) if s.key == "gmail")
    assert shown.rate_now is not None
    assert shown.rate_now < 60


def test_why_it_takes_no_mail_now_is_shown_though_nothing_was_refused() -> None:
    night = hours.parse("01:00-01:01 UTC")
    rates = (Rate(20, timedelta(minutes=1)),)
    made, at = Shaper(PauseSettings(), no_rates), from_iso("2026-01-05T12:00:00Z")
    for name, profile in (
        ("closed", Profile("closed", hours=night)),
        ("new", Profile("new", rates=rates)),
        ("warm", Profile("warm", warmup=Warmup(1, 1.4, 9))),
    ):
        to = Destination(name, profile, name)
        made.peek(to, f"{name}.id", 1, at)
        if name == "warm":
            assert admit(made, at, to, "warm.id")
    shown = {one.key: (one.state, one.why) for one in made.standings(at)}
    assert shown == {
        "closed": ("ok", "closed is sent to only at 01:00-01:01 UTC"),
        "new": ("slow", "new is new to us: 5.0 a minute, rising as it bears them"),
        "warm": ("ok", "the warm-up of warm: 1 on sending day 1"),
    }
    made.pause("closed", None, "siti", at)
    assert {one.key: one.why for one in made.standings(at)}["closed"] == "siti"


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_urgent_letters_have_what_others_leave_of_a_learned_ceiling(share: float) -> None:
    """A day's ceiling that an announcement has used up would hold a password's link for a day."""
    made, now = shaper(), NOW
    to = replace(GMAIL, profile=replace(GMAIL.profile, rates=()))
    day = made._learned_of("gmail").tracks[5]
    day.cap = 1_000.0
    made._state(GMAIL).mode, made._state(GMAIL).share = Mode.SLOW, share
    made._state(GMAIL).step_at = now + DAY
    most = int(950 * share)
    for _ in range(most):
        now += SECOND
        assert admit(made, now, to, urgency=Urgency.MASSAL)
    for urgency in (Urgency.MASSAL, Urgency.TRANSAKSI):
        wait = made.peek(to, "gmail.com", 1, now + SECOND, 0, urgency)
        assert wait is not None and wait.reason is Reason.PACE
    for n in range(1_000 - most):
        now += SECOND
        assert admit(made, now, to, urgency=Urgency.KRITIS if n % 2 else Urgency.MENDESAK)
    assert not admit(made, now + SECOND, to, urgency=Urgency.KRITIS)  # it refused more than that


def test_another_address_of_ours_inherits_no_block_and_no_ceiling() -> None:
    def of(source: str) -> Shaper:
        return Shaper(PauseSettings(), no_rates, source=source, is_ramping=False)

    made, store = of("192.0.2.1"), dict[str, str]()
    for n in range(30):
        assert admit(made, NOW + n * 30 * SECOND)
    now = NOW + 15 * MINUTE
    say(made, BLOCK, now)
    made.pause("yahoo", None, "siti", now)
    store |= made.dirty(now)
    assert store["source:address"] == "192.0.2.1"
    for source, expected in (("192.0.2.1", "paused"), ("", "paused"), ("192.0.2.2", None)):
        again = of(source)
        again.restore(store, now)
        assert {s.key: s.state for s in again.standings(now)}.get("gmail") == expected
        assert again._learned.get("gmail") is None or expected
        assert state(again, now, "yahoo") == "paused"
    store |= again.dirty(now)
    assert store["source:address"] == "192.0.2.2"
    assert store["state:gmail"] == store["learned:gmail"] == ""
    last = of("192.0.2.2")
    last.restore({name: text for name, text in store.items() if text}, now)
    assert state(last, now, "yahoo") == "paused" and "gmail" not in last._states
