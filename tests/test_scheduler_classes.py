"""Classes on one provider: urgent letters overtake, and a closed door is asked with new ones."""

from __future__ import annotations

import asyncio

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Delivery, State
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant
from relay.mail.urgency import Urgency
from relay.shaping.settings import LimitSettings
from relay.transports.base import Job, NotYet, Permits
from tests.scheduling import OK, House, accept, house, per_minute, profiles

LISTED = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"
CROWD = 2_000


def first_at(h: House, message_id: int) -> Instant:
    return next(at for at, d in h.transport.written if d.message_id == message_id)


async def crowd(h: House) -> None:
    to = [f"v{n}@gmail.com" for n in range(CROWD)]
    await h.put(*to, urgency=Urgency.MASSAL)


@pytest.mark.parametrize("limit", ["20/min", "5/min", "600/min", "100/hour"])
@pytest.mark.parametrize("urgency", [Urgency.KRITIS, Urgency.MENDESAK])
def test_an_urgent_letter_goes_at_once_behind_an_announcement(limit: str, urgency: Urgency) -> None:
    """Within five seconds, or one interval of the limit where that is longer."""
    count, _, unit = limit.partition("/")
    window = {"min": MINUTE, "hour": HOUR}[unit]

    async def main(clock: VirtualClock) -> None:
        book = profiles(gmail_com=LimitSettings.model_validate({"rate": limit}))
        async with house(clock, accept, book=book) as h:
            await crowd(h)
            await asyncio.sleep(1000)
            for _ in range(3):
                sent = clock.now()
                one = await h.put("direktur@gmail.com", urgency=urgency)
                await asyncio.sleep(200)
                assert first_at(h, one) - sent <= max(5 * SECOND, window // int(count) + 500)

    run(main)


def test_an_announcement_leaves_a_tenth_of_the_window_free() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, book=profiles(gmail_com=per_minute(20))) as h:
            await crowd(h)
            await asyncio.sleep(600)
            times = h.written("gmail.com")
            for first in range(0, 540, 7):
                start = times[0] + first * SECOND
                assert sum(start <= at < start + MINUTE for at in times) <= 18
            assert len(times) >= 0.97 * 180

    run(main)


def test_at_a_closed_door_the_refused_letter_waits_for_a_new_one_to_be_taken() -> None:
    opened_at: list[Instant] = []

    def peer(delivery: Delivery, now: Instant) -> str:
        return OK if opened_at and now >= opened_at[0] else LISTED

    async def main(clock: VirtualClock) -> None:
        async with house(clock, peer) as h:
            refused = await h.put("a@gmail.com")
            await asyncio.sleep(60)
            assert h.shaper.is_paused("gmail", clock.now())
            await asyncio.sleep(20 * 3600)
            assert len(h.transport.written) == 1  # it never asks by itself
            opened_at.append(clock.now())
            await asyncio.sleep(5 * 3600)
            assert await h.state(refused) is State.READY
            new = await h.put("b@gmail.com")
            await asyncio.sleep(3600)
            assert await h.state(new) is State.DELIVERED
            assert await h.state(refused) is State.DELIVERED
            assert [d.message_id for _, d in h.transport.written] == [refused, new, refused]

    run(main)


def test_at_a_closed_door_one_new_letter_in_four_hours_asks() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda d, now: LISTED) as h:
            for _ in range(48):
                await h.put("v@gmail.com")
                await asyncio.sleep(1800)
            times = h.written("gmail.com")
            assert 5 <= len(times) <= 7
            tried = [d.message_id for _, d in h.transport.written]
            assert len(set(tried)) == len(tried)  # each asked once
            names = {a.name for a in h.of(events.Alert) if isinstance(a, events.Alert)}
            assert {"blocked:gmail", "probe_refused:gmail"} <= names
            assert (await h.states())[State.BOUNCED] == 0

    run(main)


def test_urgent_and_massal_letters_that_may_not_go_both_wait() -> None:
    """The transport says the same moment to both: neither is flown again before."""

    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            until = clock.now() + 60_000
            refused: list[Urgency] = []
            deliver = h.transport.deliver

            async def not_yet(job: Job, permits: Permits) -> object:
                if clock.now() < until:
                    refused.append(job.deliveries[0].urgency)
                    return NotYet(until, "not yet")
                return await deliver(job, permits)

            h.transport.deliver = not_yet  # type: ignore[method-assign,assignment]
            for urgency in (Urgency.MASSAL, Urgency.KRITIS, Urgency.MASSAL):
                await h.put("v@gmail.com", urgency=urgency)
                await asyncio.sleep(1)
            await asyncio.sleep(120)
            assert len(refused) <= 6
            assert await h.states() == {State.DELIVERED: 3}

    run(main)
