"""Late: what a destination says at last of a letter that was under way when its pause began."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Attempt, Delivery, State
from relay.mail.instant import Instant
from relay.shaping.settings import PauseSettings
from relay.transports.base import Job, NotYet, Permits
from tests.scheduling import BLOCKED, OK, Answer, House, Peer, house

PAUSES = PauseSettings(
    throttle=timedelta(minutes=1), block=timedelta(minutes=1), administrative=timedelta(minutes=1)
)
LISTED = "421 4.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.spamhaus.org"


def slow(h: House, seconds: dict[str, float]) -> None:
    """The answers to these are long in coming."""
    carried = h.transport.deliver

    async def deliver(job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
        made = await carried(job, permits)
        if not isinstance(made, NotYet):
            await asyncio.sleep(seconds.get(job.deliveries[0].recipient.partition("@")[0], 0))
        return made

    h.transport.deliver = deliver  # type: ignore[method-assign]


def refusing(reply: str, *once: str) -> tuple[list[str], Peer]:
    """A peer that refuses these, each once; and what it was sent, in order."""
    seen: list[str] = []

    def peer(delivery: Delivery, now: Instant) -> Answer:
        name = delivery.recipient.partition("@")[0]
        seen.append(name)
        return reply if name in once and seen.count(name) == 1 else OK

    return seen, peer


def test_the_late_250_of_a_letter_from_before_the_pause_does_not_answer_the_probe() -> None:
    async def main(clock: VirtualClock) -> None:
        seen, peer = refusing(BLOCKED, "refused")
        async with house(clock, peer, pauses=PAUSES) as h:
            slow(h, {"early": 90, "probe": 60})
            early = await h.put("early@gmail.com")
            await asyncio.sleep(1)
            await h.put("refused@gmail.com")
            await asyncio.sleep(5)
            probe = await h.put("probe@gmail.com")
            await asyncio.sleep(80)  # the pause is over; the one connection is not free yet
            await h.put("next@gmail.com")
            assert h.shaper.is_probing(h.router.routes["gmail.com"].destination, clock.now())
            assert seen == ["early", "refused"]
            await asyncio.sleep(10)
            assert await h.state(early) is State.DELIVERED  # it counts as what it is
            assert len(await h.store.attempts(early, 0)) == 1
            assert h.of(events.Resumed) == []
            assert seen == ["early", "refused", "probe"]  # which asks all the same
            await asyncio.sleep(50)
            assert h.of(events.Resumed) == []
            assert seen == ["early", "refused", "probe"]
            await asyncio.sleep(15)
            assert await h.state(probe) is State.DELIVERED
            assert len(h.of(events.Resumed)) == 1
            assert len(seen) > 3

    run(main)


def test_a_late_refusal_moves_the_end_of_the_pause_and_is_no_refused_probe() -> None:
    async def main(clock: VirtualClock) -> None:
        _, peer = refusing(BLOCKED, "early", "refused")
        async with house(clock, peer, pauses=PAUSES) as h:
            slow(h, {"early": 90, "probe": 60})
            await h.put("early@gmail.com")
            await asyncio.sleep(1)
            await h.put("refused@gmail.com")
            await asyncio.sleep(5)
            await asyncio.sleep(80)
            await h.put("probe@gmail.com")
            await asyncio.sleep(7)
            (standing,) = h.shaper.standings(h.scheduler.steady.now())
            assert standing.state == "paused" and standing.paused_until is not None
            left = standing.paused_until - h.scheduler.steady.now()
            assert 55_000 < left < 70_000
            names = {event.name for event in h.events if isinstance(event, events.Alert)}
            assert names == {"blocked:gmail"}

    run(main)


def test_a_late_250_does_not_let_a_refused_letter_knock_at_a_closed_door() -> None:
    async def main(clock: VirtualClock) -> None:
        seen, peer = refusing(LISTED, "refused")
        async with house(clock, peer, pauses=PAUSES) as h:
            slow(h, {"early": 30})
            await h.put("early@gmail.com")
            await asyncio.sleep(1)
            await h.put("refused@gmail.com")
            await asyncio.sleep(600)
            assert seen == ["early", "refused"]  # it waits for a new one to be taken
            await h.put("new@gmail.com")
            await asyncio.sleep(900)
            assert seen == ["early", "refused", "new", "refused"]

    run(main)


def test_what_takes_long_on_the_one_connection_does_not_hold_the_next_that_may_open() -> None:
    async def main(clock: VirtualClock) -> None:
        seen, peer = refusing(BLOCKED, "refused")
        async with house(clock, peer, pauses=PAUSES) as h:
            slow(h, {"long": 900})
            await h.put("refused@gmail.com")
            await asyncio.sleep(5)
            await h.put("probe@gmail.com")
            await asyncio.sleep(80)
            assert len(h.of(events.Resumed)) == 1
            await h.put("long@gmail.com")
            await asyncio.sleep(5)
            await h.put("next@gmail.com")
            to = h.router.routes["gmail.com"].destination
            while h.shaper.connections(to, h.scheduler.steady.now()) < 2:
                assert "next" not in seen
                await asyncio.sleep(5)
            await asyncio.sleep(15)
            assert seen[-2:] == ["long", "next"]

    run(main)
