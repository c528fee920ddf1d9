"""Time: what counts towards a letter's end and what does not, in days that pass in a moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Delivery, State
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant
from relay.mail.urgency import Urgency
from relay.shaping.settings import LimitSettings, PauseSettings
from relay.store.base import Selector
from relay.store.memory import MemoryStore
from tests.scheduling import BLOCKED, OK, Answer, House, accept, house, profiles

GREYLISTED = "450 4.2.0 <vendor@example.co.id>: Recipient address rejected: Greylisted"
FIXED: dict[str, Any] = {"urgency": Urgency.KRITIS, "life": DAY, "is_fixed": True}


@pytest.fixture(autouse=True)
def _rare_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days are long where each second is looked at."""
    monkeypatch.setattr("relay.scheduler.scheduler.SWEEP", 30.0)


def expired(h: House) -> list[events.Expired]:
    return [event for event in h.events if isinstance(event, events.Expired)]


async def pass_by(milliseconds: int) -> None:
    await asyncio.sleep(milliseconds / SECOND)


def test_a_pause_of_six_days_by_hand_expires_no_letter_whose_life_is_not_fixed() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            h.shaper.pause("gmail", None, "root", clock.now())
            ids = [
                await h.put("a@gmail.com", urgency=urgency, life=5 * DAY)
                for urgency in (Urgency.MENDESAK, Urgency.TRANSAKSI, Urgency.MASSAL)
            ]
            await pass_by(6 * DAY)
            assert [await h.state(one) for one in ids] == [State.READY] * 3
            h.shaper.resume("gmail", "root", clock.now())
            h.scheduler.nudge()
            await pass_by(HOUR)
            assert [await h.state(one) for one in ids] == [State.DELIVERED] * 3
            assert expired(h) == []

    run(main)


def test_after_a_pause_a_letter_has_the_rest_of_its_life() -> None:
    """It was allowed for an hour before six days of pause: an hour of its two is left."""

    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda delivery, now: GREYLISTED) as h:
            one = await h.put("vendor@example.co.id", life=2 * HOUR)
            await pass_by(HOUR)
            h.shaper.pause("*", None, "root", clock.now())
            await pass_by(6 * DAY)
            assert await h.state(one) is State.READY
            h.shaper.resume("*", "root", clock.now())
            h.scheduler.nudge()
            resumed_at = clock.now()
            await pass_by(2 * HOUR)
            assert await h.state(one) is State.EXPIRED
            (event,) = expired(h)
            assert MINUTE < event.at - resumed_at < 100 * MINUTE

    run(main)


def test_a_greylisted_letter_expires_after_its_allowed_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda delivery, now: GREYLISTED) as h:
            began = clock.now()
            one = await h.put("vendor@example.co.id", life=5 * DAY)
            await pass_by(5 * DAY - MINUTE)
            assert await h.state(one) is State.WAITING
            await pass_by(3 * MINUTE)  # and the moments in which it was ready and not yet served
            assert await h.state(one) is State.EXPIRED
            (event,) = expired(h)
            assert event.at - began < 5 * DAY + 2 * MINUTE
            assert "Greylisted" in event.why

    run(main)
    assert caplog.records == []  # it ended once, not in the sweep and in its lane


@pytest.mark.parametrize("paused_for", [DAY - HOUR, DAY + MINUTE, 2 * DAY])
def test_a_kritis_letter_never_flies_after_a_day(paused_for: int) -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            h.shaper.pause("gmail", None, "a block", clock.now())
            one = await h.put("a@gmail.com", **FIXED)
            await pass_by(paused_for)
            h.shaper.resume("gmail", "root", clock.now())
            h.scheduler.nudge()
            await pass_by(DAY)
            in_time = paused_for < DAY
            assert await h.state(one) is (State.DELIVERED if in_time else State.EXPIRED)
            assert len(h.written("gmail.com")) == int(in_time)
            if not in_time:
                (event,) = expired(h)
                assert "gmail is paused" in event.why
                assert event.provider == "gmail"

    run(main)


def test_not_even_a_slow_greeting_lets_it_leave_later() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, seconds=600) as h:  # five minutes until MAIL
            h.shaper.pause("gmail", None, "a block", clock.now())
            one = await h.put("a@gmail.com", **FIXED)
            other = await h.put("b@gmail.com", life=DAY)
            await pass_by(DAY - MINUTE)
            h.shaper.resume("gmail", "root", clock.now())
            h.scheduler.nudge()
            await pass_by(HOUR)
            assert await h.state(one) is State.EXPIRED
            assert await h.state(other) is State.DELIVERED
            flown = [d.message_id for _, d in h.transport.written]
            assert other in flown
            assert one not in flown

    run(main)


@pytest.mark.parametrize("is_late", [True, False])
def test_held_with_its_deadline_passed_is_expired_with_the_cause_and_never_bounced(
    is_late: bool,
) -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            h.shaper.pause("gmail", None, "a block", clock.now())
            deadline_at = clock.now() + 2 * DAY
            one = await h.put(
                "a@gmail.com",
                urgency=Urgency.MASSAL,
                life=2 * DAY,
                is_fixed=True,
                deadline_at=deadline_at,
            )
            other = await h.put("b@gmail.com", urgency=Urgency.MASSAL, life=2 * DAY)
            await h.store.change("hold", Selector(), "uid 0", "salah tanggal", clock.now())
            await pass_by(3 * DAY if is_late else DAY)
            assert await h.state(one) is (State.EXPIRED if is_late else State.HELD)
            assert await h.state(other) is State.HELD  # it waits for somebody, for ever
            await h.store.change("release", Selector(), "uid 0", "", clock.now())
            h.shaper.resume("gmail", "root", clock.now())
            h.scheduler.nudge()
            await pass_by(HOUR)
            assert await h.state(other) is State.DELIVERED
            assert h.of(events.Bounced) == []
            assert [event.why for event in expired(h)] == (
                ["its time was over: it was held: salah tanggal"] if is_late else []
            )

    run(main)


def test_the_cause_of_an_expiry_is_told_after_the_route_was_forgotten() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            h.shaper.pause("gmail", None, "siti: salah lampiran", clock.now())
            one = await h.put("a@gmail.com", urgency=Urgency.KRITIS, life=DAY, is_fixed=True)
            await pass_by(HOUR)
            h.router.stale.add("gmail.com")
            await pass_by(DAY)
            assert await h.state(one) is State.EXPIRED
            (event,) = expired(h)
            assert event.why == "its time was over: gmail is paused: siti: salah lampiran"
            assert event.provider == "gmail"

    run(main)


def test_an_announcement_behind_a_limit_of_days_arrives() -> None:
    """A life of a day, ten a day, forty letters: the last goes on the fourth day."""

    async def main(clock: VirtualClock) -> None:
        book = profiles(**{"gmail.com": LimitSettings(rate=("10/day",))})  # type: ignore[arg-type]
        async with house(clock, accept, book=book) as h:
            for n in range(36):
                await h.put(f"v{n}@gmail.com", urgency=Urgency.MASSAL, life=DAY)
            await pass_by(3 * DAY)
            assert (await h.states())[State.READY] > 0
            await pass_by(3 * DAY)
            assert await h.states() == {State.DELIVERED: 36}
            assert expired(h) == []

    run(main)


def test_behind_a_block_of_days_the_letters_live_on() -> None:
    """Each probe that is refused sends its letter back into the line; none of them ages by it."""

    async def main(clock: VirtualClock) -> None:
        opens_at = clock.now() + 8 * DAY

        def peer(delivery: Delivery, now: Instant) -> Answer:
            return OK if now >= opens_at else BLOCKED

        async with house(clock, peer, pauses=PauseSettings()) as h:
            for n in range(5):
                await h.put(f"v{n}@gmail.com", life=2 * DAY)
            await pass_by(7 * DAY)
            assert set(await h.states()) <= {State.READY, State.WAITING}
            await pass_by(5 * DAY)
            assert await h.states() == {State.DELIVERED: 5}

    run(main)


def test_while_the_relay_is_down_nothing_ages_but_what_is_fixed() -> None:
    async def main(clock: VirtualClock) -> None:
        store = MemoryStore()
        answers = {"first": GREYLISTED, "then": OK}
        async with house(clock, lambda d, now: answers["first"], store=store) as h:
            one = await h.put("vendor@example.co.id", life=DAY)
            await pass_by(2 * HOUR)
            assert await h.state(one) is State.WAITING
        await pass_by(6 * DAY)
        async with house(clock, lambda d, now: answers["then"], store=store) as h:
            await pass_by(HOUR)
            assert await h.state(one) is State.DELIVERED

    run(main)


def test_the_earliest_deadline_goes_first_and_those_without_one_share_what_follows() -> None:
    async def main(clock: VirtualClock) -> None:
        book = profiles(**{"gmail.com": LimitSettings(rate=("10/min",))})  # type: ignore[arg-type]
        async with house(clock, accept, book=book) as h:
            h.shaper.pause("gmail", None, "root", clock.now())
            now = clock.now()
            kinds: dict[int, str] = {}
            put: list[tuple[str, dict[str, Any]]] = [
                ("satu", {"sender": "satu@lpse.example.go.id"}),
                ("dua", {"sender": "dua@lpse.example.go.id"}),
                ("later", {"deadline_at": now + 9 * DAY}),
                ("soon", {"deadline_at": now + 2 * DAY}),
            ]
            for kind, particulars in put:
                for n in range(20):
                    given = await h.put(f"v{n}@gmail.com", urgency=Urgency.MASSAL, **particulars)
                    kinds[given] = kind
            h.shaper.resume("gmail", "root", clock.now())
            h.scheduler.nudge()
            await pass_by(HOUR)
            order = [kinds[d.message_id] for _, d in h.transport.written]
            assert order[:40] == ["soon"] * 20 + ["later"] * 20
            for at in range(40, 80, 10):
                assert 3 <= order[at : at + 10].count("satu") <= 7

    run(main)


@pytest.mark.parametrize("step", [2 * HOUR, -2 * HOUR])
def test_events_have_the_walls_time_after_the_clock_was_set(step: int) -> None:
    async def main(clock: VirtualClock) -> None:
        answers = [BLOCKED]

        def gmail(delivery: Delivery, now: Instant) -> Answer:
            return answers.pop() if answers else OK

        async with house(clock, gmail) as h:
            clock.step(step)
            await h.put("a@gmail.com")
            await h.put("b@gmail.com")
            await asyncio.sleep(5)
            (paused,) = [e for e in h.events if isinstance(e, events.Paused)]
            assert 0 <= clock.now() - paused.at < 6 * SECOND
            assert paused.until is not None and paused.until > paused.at
            (alert,) = [e for e in h.events if isinstance(e, events.Alert)]
            assert alert.at == paused.at
            until = (paused.until - clock.now()) / SECOND
            await asyncio.sleep(until + 5)
            (resumed,) = [e for e in h.events if isinstance(e, events.Resumed)]
            assert -1 <= resumed.at - paused.until < 5 * SECOND

    run(main)
