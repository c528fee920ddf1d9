"""Lanes: what they share, what a drain and a recall give back, what flies together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail.delivery import Attempt, Delivery, State
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant
from relay.mail.urgency import Urgency
from relay.scheduler import room
from relay.shaping.profiles import Layer, Profiles
from relay.shaping.settings import ProviderSettings
from relay.store.base import Selector
from relay.store.memory import MemoryStore
from relay.transports.base import Job, NotYet, Permits, Route
from tests.scheduling import (
    OK,
    Answer,
    accept,
    house,
    most_in,
    per_minute,
    profiles,
    shipped_profiles,
)


def test_thousands_of_destinations_share_what_there_is() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            for n in range(0, 4_000, 50):
                await h.put(*(f"v@d{n + k}.example.co.id" for k in range(50)))
            began = clock.now()
            while (await h.states())[State.DELIVERED] < 4_000:
                await asyncio.sleep(5)
                assert clock.now() - began < 10 * MINUTE
            assert max(h.transport.most_open.values()) == 1
            assert len(h.scheduler._lanes) == 0
            tasks = asyncio.all_tasks()
            assert len(tasks) < 10

    run(main)


def test_slow_destinations_do_not_starve_others() -> None:
    """Sixty destinations with a long queue each, at one letter a minute."""

    async def main(clock: VirtualClock) -> None:
        book = profiles(**{"*": per_minute(1)})
        async with house(clock, accept, book=book) as h:
            for k in range(60):
                await h.put(*(f"v{n}@slow{k}.example.co.id" for n in range(100)))
            await asyncio.sleep(30)
            one = await h.put("v@late.example.co.id")
            await asyncio.sleep(10)
            assert await h.state(one) is State.DELIVERED
            assert h.scheduler._lanes.rows < 1000

    run(main)


def test_a_domains_own_limit_holds_back_nobody_else() -> None:
    async def main(clock: VirtualClock) -> None:
        book = profiles(gmail_com=per_minute(60), kampus_ac_id=per_minute(2))
        async with house(clock, accept, book=book) as h:
            gmail = await h.router.route("gmail.com")
            assert isinstance(gmail, Route)
            h.router.routes["kampus.ac.id"] = gmail  # Workspace
            await h.put(*(f"a{n}@kampus.ac.id" for n in range(30)))
            await h.put(*(f"b{n}@gmail.com" for n in range(30)))
            await asyncio.sleep(60)
            assert len(h.written("gmail.com")) == 30
            assert most_in(h.written("kampus.ac.id"), timedelta(minutes=1)) <= 2
            await asyncio.sleep(16 * 60)
            assert len(h.written("kampus.ac.id")) == 30

    run(main)


def test_draining_waits_for_replies_and_gives_back_the_rest() -> None:
    async def main(clock: VirtualClock) -> None:
        book = profiles(gmail_com=per_minute(60))
        store = MemoryStore()
        async with house(clock, accept, book=book, store=store) as h:
            h.transport.after_dot = 20
            for n in range(30):
                await h.put(f"v{n}@gmail.com")
            await asyncio.sleep(1)
            flying = h.scheduler.flying()
            assert flying >= 1
        assert h.scheduler.flying() == 0
        states = await h.states()
        assert states[State.DELIVERED] == len(h.transport.written) >= flying
        assert states[State.READY] == 30 - states[State.DELIVERED]

    run(main)


def test_a_late_flight_is_cut_and_its_letter_goes_back() -> None:
    async def main(clock: VirtualClock) -> None:
        store = MemoryStore()
        async with house(clock, accept, store=store, seconds=500, grace=60) as h:
            one = await h.put("vendor@gmail.com")
            await asyncio.sleep(1)
        assert await h.state(one) is State.READY

    run(main)


def test_recall_lets_an_operator_see_and_stop_everything() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, book=profiles(gmail_com=per_minute(20))) as h:
            for n in range(100):
                await h.put(f"v{n}@gmail.com", urgency=Urgency.MASSAL)
            await asyncio.sleep(12)
            done = (await h.states())[State.DELIVERED]
            await h.scheduler.recall(None)
            wanted = Selector(urgency=Urgency.MASSAL)
            changed = await h.store.change("hold", wanted, "root", "wrong letter", clock.now())
            h.scheduler.nudge()
            assert changed.moved + changed.in_flight + done >= 100
            assert changed.in_flight <= 2
            await asyncio.sleep(600)
            assert (await h.states())[State.HELD] == changed.moved

    run(main)


def test_a_recall_that_nobody_ends_ends_by_itself() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            await h.scheduler.recall(None)
            one = await h.put("vendor@gmail.com")
            await asyncio.sleep(50)
            assert await h.state(one) is State.READY
            await asyncio.sleep(15)
            assert await h.state(one) is State.DELIVERED

    run(main)


def test_several_recipients_go_in_one_transaction_where_a_profile_allows_it() -> None:
    async def main(clock: VirtualClock) -> None:
        allowed = ProviderSettings(recipients_per_transaction=10, rate=("100/min",))  # type: ignore[arg-type]
        book = Profiles(shipped_profiles(), [Layer({}, {"gmail": allowed}, "r")])
        jobs: list[int] = []
        async with house(clock, accept, book=book) as h:
            carried = h.transport.deliver

            async def deliver(job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
                jobs.append(len(job.deliveries))
                return await carried(job, permits)

            h.transport.deliver = deliver  # type: ignore[method-assign]
            one = await h.put(*(f"v{n}@gmail.com" for n in range(25)), "v@kampus.ac.id")
            await asyncio.sleep(60)
            assert await h.states() == {State.DELIVERED: 26}
            assert await h.state(one, 25) is State.DELIVERED
        assert max(jobs) == 10
        assert sum(jobs) >= 26

    run(main)


def test_each_goes_alone_where_it_has_a_sender_of_its_own() -> None:
    async def main(clock: VirtualClock) -> None:
        allowed = ProviderSettings(recipients_per_transaction=10, rate=("100/min",))  # type: ignore[arg-type]
        book = Profiles(shipped_profiles(), [Layer({}, {"gmail": allowed}, "r")])
        jobs: list[int] = []
        domains: set[str] = set()
        async with house(clock, accept, book=book) as h:
            parts = h.scheduler.parts
            parts.tuning = replace(parts.tuning, return_domain="bounce.example")
            carried, feedback = h.transport.deliver, h.shaper.feedback

            async def deliver(job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
                jobs.append(len(job.deliveries))
                return await carried(job, permits)

            def fed(*args: Any, **more: Any) -> Any:
                domains.add(args[4].envelope)
                return feedback(*args, **more)

            h.transport.deliver = deliver  # type: ignore[method-assign]
            h.shaper.feedback = fed  # type: ignore[method-assign]
            await h.put(*(f"v{n}@gmail.com" for n in range(5)))
            await asyncio.sleep(60)
            assert await h.states() == {State.DELIVERED: 5}
        assert jobs == [1] * 5
        # What MAIL FROM says is what a provider may block.
        assert domains == {"bounce.example"}

    run(main)


def test_what_a_permit_put_off_flies_later_and_counts_no_try() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            carried, asked = h.transport.deliver, 0

            async def deliver(job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
                nonlocal asked
                asked += 1
                if asked <= 2:
                    return NotYet(clock.now() + 5 * SECOND, "not yet")
                return await carried(job, permits)

            h.transport.deliver = deliver  # type: ignore[method-assign]
            one = await h.put("vendor@gmail.com")
            await asyncio.sleep(9)
            assert asked == 2
            await asyncio.sleep(5)
            assert await h.state(one) is State.DELIVERED
            assert len(await h.store.attempts(one, 0)) == 1

    run(main)


def test_a_domain_that_moved_is_sent_to_its_new_place() -> None:
    async def main(clock: VirtualClock) -> None:
        book = profiles(gmail_com=per_minute(1))
        async with house(clock, accept, book=book) as h:
            await h.put("a@gmail.com")
            await asyncio.sleep(2)
            gmail = h.router.routes["gmail.com"]
            h.router.routes["pindah.example.co.id"] = gmail
            await h.put(*(f"v{n}@pindah.example.co.id" for n in range(3)))
            await asyncio.sleep(2)
            del h.router.routes["pindah.example.co.id"]  # the cached answer has run out
            await asyncio.sleep(75)
            keys = {
                (await h.store.attempts(d.message_id, d.n))[0].route_key
                for _, d in h.transport.written
                if d.domain == "pindah.example.co.id"
            }
            assert keys == {"mx.pindah.example.co.id"}
            assert (await h.states())[State.DELIVERED] == 4

    run(main)


def test_a_clock_that_is_set_opens_no_limit() -> None:
    async def main(clock: VirtualClock) -> list[float]:
        passed: list[float] = []

        def gmail(delivery: Delivery, now: Instant) -> Answer:
            passed.append(clock.monotonic() * 1000)
            return OK

        async with house(clock, gmail, book=profiles(gmail_com=per_minute(20))) as h:
            for n in range(200):
                await h.put(f"v{n}@gmail.com")
            for step in (5 * MINUTE, -5 * MINUTE, HOUR, -HOUR, DAY, -DAY):
                await asyncio.sleep(30)
                clock.step(step)
            await asyncio.sleep(60)
        return passed

    passed = run(main)
    assert most_in([round(at) for at in passed], timedelta(minutes=1)) <= 20
    assert len(passed) >= 75


def test_what_is_leased_flies_though_no_more_may_be_leased(monkeypatch: pytest.MonkeyPatch) -> None:
    """More is leased at once than may be held, for more destinations than may fly: each lane that
    waited for room to fly must get it, else all stand still for ever."""
    monkeypatch.setattr(room, "ALL_FLIGHTS", 10)
    monkeypatch.setattr(room, "ALL_ROWS", 40)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            h.transport.seconds = 1.0
            await h.put(*(f"v@d{n}.example.co.id" for n in range(120)))
            await h.put(*(f"w@d{n}.example.co.id" for n in range(120)))
            began = clock.now()
            while (await h.states())[State.DELIVERED] < 240:
                await asyncio.sleep(5)
                assert clock.now() - began < 10 * MINUTE, await h.states()

    run(main)


def test_an_urgent_letter_does_not_wait_for_hosts_that_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An announcement has taken each place to fly and to lease, and its hosts do not answer."""
    monkeypatch.setattr(room, "ALL_FLIGHTS", 10)
    monkeypatch.setattr(room, "ALL_ROWS", 40)
    monkeypatch.setattr(room, "URGENT_FLIGHTS", 2)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            h.transport.seconds = 300.0
            await h.put(*(f"v@d{n}.example.co.id" for n in range(200)), urgency=Urgency.MASSAL)
            await asyncio.sleep(10)
            assert h.scheduler.flying() == 10
            h.transport.seconds = 0.1
            resets = [await h.put(f"v@r{n}.example", urgency=Urgency.KRITIS) for n in range(5)]
            await asyncio.sleep(5)
            assert [await h.state(one) for one in resets] == [State.DELIVERED] * 5
            assert h.scheduler.flying() == 10

    run(main)


def test_of_the_places_for_urgent_letters_others_take_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ALL_FLIGHTS", 3)
    monkeypatch.setattr(room, "URGENT_FLIGHTS", 2)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            h.transport.seconds = 60.0
            for urgency in (Urgency.TRANSAKSI, Urgency.MENDESAK):
                await h.put(*(f"v@{urgency.word}{n}.example" for n in range(9)), urgency=urgency)
                await asyncio.sleep(10)
            assert h.scheduler.flying() == 5
            while (await h.states())[State.DELIVERED] < 18:
                await asyncio.sleep(5)
                assert h.scheduler.flying() <= 5

    run(main)
