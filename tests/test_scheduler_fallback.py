"""The fallback: kritis letters alone go the other way, and only while their own is closed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Delivery, State
from relay.mail.instant import MINUTE, SECOND, Instant
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency
from relay.scheduler.parts import FallbackRoute
from relay.shaping.destination import Destination, Profile
from relay.store.memory import MemoryStore
from relay.transports.base import Host, Job, NotYet, Permits, Route
from tests.scheduling import BLOCKED, OK, Answer, House, accept, house

URL = "smtp://192.0.2.7:25"
HOP = Destination(URL, Profile(URL, connections=2, messages_per_connection=None))
OTHER_WAY = FallbackRoute(Route(HOP, (Host("192.0.2.7", 25),)), timedelta(minutes=15))


def watched(h: House, at_hop: Answer = OK) -> list[tuple[Instant, Delivery]]:
    """What went by the fallback's host, and what that host says of it."""
    taken: list[tuple[Instant, Delivery]] = []
    deliver, peer = h.transport.deliver, h.transport.peer

    async def by_route(job: Job, permits: Permits):  # type: ignore[no-untyped-def]
        if job.route.destination.key != URL:
            return await deliver(job, permits)
        h.transport.peer = lambda delivery, now: at_hop
        try:
            made = await deliver(job, permits)
        finally:
            h.transport.peer = peer
        if not isinstance(made, NotYet):
            taken.append((h.clock.now(), job.deliveries[0]))
        return made

    h.transport.deliver = by_route  # type: ignore[method-assign]
    return taken


def blocked_until(moment: list[Instant]):  # type: ignore[no-untyped-def]
    def peer(delivery: Delivery, now: Instant) -> Answer:
        return OK if moment and now >= moment[0] else BLOCKED

    return peer


async def one_of_each_other_class(h: House) -> list[int]:
    others = [one for one in Urgency if one is not Urgency.KRITIS]
    return [await h.put(f"{one.word}@gmail.com", urgency=one) for one in others]


def test_kritis_goes_the_other_way_after_a_quarter_of_an_hour_and_comes_back() -> None:
    opens: list[Instant] = []

    async def main(clock: VirtualClock) -> None:
        async with house(clock, blocked_until(opens), fallback=OTHER_WAY) as h:
            taken = watched(h)
            first = await h.put("a@gmail.com", urgency=Urgency.MASSAL)
            began = clock.now()
            await asyncio.sleep(60)
            early = await h.put("b@gmail.com", urgency=Urgency.KRITIS)
            others = await one_of_each_other_class(h)
            await asyncio.sleep(13 * 60)
            assert not taken
            assert await h.state(early) is State.READY
            await asyncio.sleep(2 * 60)
            assert await h.state(early) is State.DELIVERED
            assert 15 * MINUTE <= taken[0][0] - began <= 15 * MINUTE + 10 * SECOND
            (attempt,) = [a for a in await h.store.attempts(early, 0) if a.is_accepted]
            assert attempt.route_key == URL
            # One that comes now need not wait for the next look.
            late = await h.put("c@gmail.com", urgency=Urgency.KRITIS)
            await asyncio.sleep(2)
            assert await h.state(late) is State.DELIVERED
            await asyncio.sleep(3600)
            assert {d.urgency for _, d in taken} == {Urgency.KRITIS}
            assert all([not (await h.state(one)).is_final for one in (first, *others)])
            named = [e.name for e in h.of(events.Alert) if isinstance(e, events.Alert)]
            assert named.count("fallback_route:gmail") == 1
            opens.append(clock.now())
            await asyncio.sleep(3 * 3600)
            assert h.shaper.closed_since("gmail", h.scheduler.steady.now()) is None
            count = len(taken)
            back = await h.put("d@gmail.com", urgency=Urgency.KRITIS)
            await asyncio.sleep(60)
            assert await h.state(back) is State.DELIVERED
            assert len(taken) == count

    run(main)


@pytest.mark.parametrize("stopped", [URL, "*"])
def test_never_by_a_way_that_is_paused_itself(stopped: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, fallback=OTHER_WAY) as h:
            taken = watched(h)
            h.shaper.pause("gmail", None, "siti", clock.now())
            h.shaper.pause(stopped, None, "siti", clock.now())
            one = await h.put("a@gmail.com", urgency=Urgency.KRITIS)
            await asyncio.sleep(3600)
            assert await h.state(one) is State.READY
            assert not taken
            h.shaper.resume(stopped, "siti", clock.now())
            if stopped == "*":  # which ends each pause by hand
                h.shaper.pause("gmail", None, "siti", clock.now() - 3600 * SECOND)
            h.scheduler.nudge()
            await asyncio.sleep(20)
            assert await h.state(one) is State.DELIVERED
            assert len(taken) == 1

    run(main)


def test_a_host_that_refuses_is_paused_and_its_letters_wait_for_their_own_way() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, fallback=OTHER_WAY) as h:
            taken = watched(h, "554 5.7.1 <a@gmail.com>: Relay access denied")
            h.transport.stage = Stage.RCPT
            h.shaper.pause("gmail", None, "siti", clock.now())
            ids = [await h.put(f"v{n}@gmail.com", urgency=Urgency.KRITIS) for n in range(20)]
            await asyncio.sleep(3 * 3600)
            assert 1 <= len(taken) <= 3
            assert all([await h.state(one) is State.READY for one in ids])
            h.transport.stage = Stage.EOD
            h.shaper.resume("gmail", "siti", clock.now())
            h.scheduler.nudge()
            await asyncio.sleep(3600)
            assert await h.states() == {State.DELIVERED: 20}

    run(main)


def test_the_quarter_of_an_hour_survives_a_restart() -> None:
    async def main(clock: VirtualClock) -> None:
        store = MemoryStore()
        async with house(clock, blocked_until([]), store=store, fallback=OTHER_WAY) as h:
            await h.put("a@gmail.com")
            await asyncio.sleep(10 * 60)
            since = h.shaper.closed_since("gmail", h.scheduler.steady.now())
        async with house(clock, blocked_until([]), store=store, fallback=OTHER_WAY) as h:
            assert h.shaper.closed_since("gmail", h.scheduler.steady.now()) == since
            taken = watched(h)
            await h.put("b@gmail.com", urgency=Urgency.KRITIS)
            await asyncio.sleep(6 * 60)
            assert [d.recipient for _, d in taken] == ["b@gmail.com"]

    run(main)


def test_what_goes_by_a_route_has_no_other_way() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, fallback=OTHER_WAY) as h:
            taken = watched(h)
            url = "smtp://192.0.2.8:25"
            own = Destination(url, Profile(url))
            h.router.routes["dinas.example.go.id"] = Route(own, (Host("192.0.2.8", 25),))
            h.shaper.pause(url, None, "siti", clock.now())
            one = await h.put("a@dinas.example.go.id", urgency=Urgency.KRITIS)
            await asyncio.sleep(3600)
            assert await h.state(one) is State.READY
            assert not taken

    run(main)
