"""An address that takes no more for now: other letters to it wait, those to others do not."""

from __future__ import annotations

import asyncio

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail.delivery import Delivery, State
from relay.mail.instant import DAY, HOUR, MINUTE, Instant
from relay.mail.urgency import Urgency
from relay.scheduler import recipients
from tests.scheduling import OK, House, house

TOO_QUICKLY = (
    "450 4.2.1 The user you are trying to contact is receiving email too quickly. Please resend "
    "your message at a later time."
)
OVER_AN_HOUR = (
    "554 5.2.121 The sender has exceeded the limit for the number of messages they can send to "
    "this recipient per hour."
)


def busy(delivery: Delivery, now: Instant) -> str:
    return TOO_QUICKLY if delivery.recipient.startswith("ramai@") else OK


def tries(h: House, name: str) -> int:
    return sum(d.recipient.startswith(name) for _, d in h.transport.written)


def test_one_letter_asks_and_the_others_wait_as_long_as_it() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, busy) as h:
            first = await h.put("ramai@gmail.com")
            await asyncio.sleep(30)
            later = [await h.put("ramai@gmail.com", "lain@gmail.com") for _ in range(5)]
            capital = await h.put("Ramai@GMAIL.com", life=DAY, is_fixed=True)
            await asyncio.sleep(200)
            assert (tries(h, "ramai@"), tries(h, "lain@")) == (1, 5)
            due_at = (await h.store.find(first, 0))[0].delivery.due_at
            for one in (*later, capital):
                (found,) = await h.store.find(one, 0)
                assert (found.delivery.state, found.delivery.due_at) == (State.WAITING, due_at)
                assert found.delivery.tries == 0
                assert found.delivery.why == f"{recipients.LIMITED}; {TOO_QUICKLY}"
                assert await h.store.attempts(one, 0) == []
            lives = [(await h.store.find(one, 0))[0].delivery.expires_at for one in later]
            assert min(lives) > clock.now() + 5 * DAY, "what it waits for is not of its life"
            h.transport.peer = lambda d, now: OK
            await asyncio.sleep(600)
            assert (await h.states())[State.DELIVERED] == 12

    run(main)


def test_it_is_asked_again_by_few_where_it_still_takes_no_more() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, busy) as h:
            for _ in range(30):
                await h.put("ramai@gmail.com")
            await asyncio.sleep(3600)
            assert tries(h, "ramai@") <= 12  # each time as many as there are connections

    run(main)


@pytest.mark.parametrize("urgency", [Urgency.KRITIS, Urgency.MENDESAK])
def test_urgent_letters_ask_for_themselves(urgency: Urgency) -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda d, now: OVER_AN_HOUR) as h:
            await h.put("ramai@gmail.com")
            await asyncio.sleep(30)
            await h.put("ramai@gmail.com", urgency=urgency)
            await asyncio.sleep(30)
            assert tries(h, "ramai@") == 2
            await h.put("ramai@gmail.com", life=30 * MINUTE, is_fixed=True)
            await asyncio.sleep(40 * 60)
            assert tries(h, "ramai@") == 2
            assert (await h.states())[State.EXPIRED] == 1

    run(main)


def test_few_are_remembered_and_no_clock_holds_them_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recipients, "MOST", 2)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda d, now: OVER_AN_HOUR) as h:
            ids = [await h.put(f"v{n}@gmail.com") for n in range(3)]
            await asyncio.sleep(60)
            found = [(await h.store.find(one, 0))[0].delivery for one in ids]
            known, now = h.scheduler.parts.recipients, clock.now()
            assert [known.wait(one, now) is not None for one in found] == [False, True, True]
            assert known.wait(found[1], now - 2 * DAY) is None
            assert known.wait(found[2], now + 3 * HOUR) is None
            assert known.wait(found[2], now) is None, "it is over"

    run(main)
