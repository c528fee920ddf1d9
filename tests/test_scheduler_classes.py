"""Classes on one provider: urgent letters overtake, and a closed door is asked with new ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from relay.lab.rehearsing.store import IndexedStore
from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Delivery, State
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant, millis
from relay.mail.urgency import Urgency
from relay.shaping.settings import LimitSettings
from relay.store.base import Entry, Placement
from relay.transports.base import Job, NotYet, Permits
from tests.scheduling import MX, OK, House, accept, house, most_in, per_minute, profiles

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


def test_a_kritis_letter_goes_at_once_behind_fifty_thousand() -> None:
    """Of one announcement, while it is under way: five seconds at most, an interval being three."""

    async def main(clock: VirtualClock) -> None:
        book, store = profiles(gmail_com=per_minute(20)), IndexedStore()
        async with house(clock, accept, book=book, store=store) as h:
            await multitude(h, store, 50_000)
            await asyncio.sleep(60)
            written = len(h.transport.written)
            for _ in range(3):
                sent = clock.now()
                one = await h.put("direktur@gmail.com", urgency=Urgency.KRITIS)
                await asyncio.sleep(15)
                assert first_at(h, one) - sent <= 5 * SECOND
            assert len(h.transport.written) > written + 3  # the announcement goes on
            assert (await h.states())[State.READY] > 48_000

    run(main)


async def multitude(h: House, store: IndexedStore, count: int) -> None:
    """A massal letter to so many at gmail.com: like one that is put as any, and beside it."""
    known = await h.put("v0@gmail.com", urgency=Urgency.MASSAL)
    (like,) = store.deliveries()
    letter = replace(store._messages[known], id=known + 1)
    named = ((n, f"v{n}@gmail.com") for n in range(1, count))
    ones = (
        replace(like.delivery, message_id=letter.id, n=n, recipient=name, as_given=name)
        for n, name in named
    )
    await store.put(Entry(letter, tuple(Placement(one, one.recipient) for one in ones)))


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


async def more_than_fits(h: House, urgency: Urgency, seconds: int, each: int = 1) -> None:
    """For so many seconds `each` letters of that class in 3 s: more than the limit lets go."""
    for n in range(seconds // 3):
        await h.put(*(f"u{n}@gmail.com" for _ in range(each)), urgency=urgency)
        await asyncio.sleep(3)


@pytest.mark.parametrize("limit", [["15/min"], ["15/min", "500/hour"], ["100/hour"]])
def test_urgent_mail_that_never_ends_leaves_an_announcement_its_share(limit: list[str]) -> None:
    """Six hours above the limit: a tenth of the slots is massal's, and no window is ever over."""

    async def main(clock: VirtualClock) -> None:
        book = profiles(gmail_com=LimitSettings.model_validate({"rate": limit}))
        async with house(clock, accept, book=book, store=IndexedStore()) as h:
            await crowd(h)
            await more_than_fits(h, Urgency.MENDESAK, 6 * 3600)
            times = h.written("gmail.com")
            sent = [d.urgency for _, d in h.transport.written]
            assert sent.count(Urgency.MASSAL) >= 0.09 * len(sent)
            late = sent[len(sent) // 2 :]
            assert 0.08 * len(late) <= late.count(Urgency.MASSAL) <= 0.12 * len(late)
            rates = book.destination_of("gmail.com", [MX["gmail.com"]]).profile.rates
            assert all(most_in(times, rate.window) <= rate.count for rate in rates)
            most = min(rate.count * (6 * HOUR / millis(rate.window)) for rate in rates)
            assert len(times) >= 0.97 * most

    run(main)


def test_every_class_has_its_turn_behind_kritis_that_never_ends() -> None:
    async def main(clock: VirtualClock) -> None:
        book = profiles(gmail_com=per_minute(30))
        async with house(clock, accept, book=book, store=IndexedStore()) as h:
            behind = (Urgency.MENDESAK, Urgency.TRANSAKSI, Urgency.MASSAL)
            for urgency in behind:
                await h.put(*(f"v{n}@gmail.com" for n in range(500)), urgency=urgency)
            await more_than_fits(h, Urgency.KRITIS, 7200, each=2)
            late = [d.urgency for _, d in h.transport.written[1800:]]
            assert len(late) >= 1700
            for urgency in behind:
                assert late.count(urgency) >= 0.08 * len(late)
            assert late.count(Urgency.KRITIS) >= 0.65 * len(late)

    run(main)


@pytest.mark.parametrize("limit", ["20/min", "6/min"])
def test_a_kritis_letter_goes_before_the_turn_of_an_announcement(limit: str) -> None:
    """Mendesak fills the limit, massal has its tenth: the first attempt is as soon as ever."""

    async def main(clock: VirtualClock) -> None:
        book = profiles(gmail_com=LimitSettings.model_validate({"rate": limit}))
        interval = MINUTE // int(limit.partition("/")[0])
        async with house(clock, accept, book=book, store=IndexedStore()) as h:
            await crowd(h)
            await h.put(*(f"u{n}@gmail.com" for n in range(2500)), urgency=Urgency.MENDESAK)
            await asyncio.sleep(1000)
            for n in range(60):
                sent = clock.now()
                one = await h.put("direktur@gmail.com", urgency=Urgency.KRITIS)
                await asyncio.sleep(37 + n % 7)
                at = first_at(h, one)
                assert at - sent <= max(5 * SECOND, interval * 5 // 4 + 500)
                others = [when for when, _ in h.transport.written if sent + 250 < when < at]
                assert not others  # it has the very next slot
            last = [d.urgency for _, d in h.transport.written[-100:]]
            assert last.count(Urgency.MASSAL) >= 8

    run(main)


def test_in_its_share_two_announcements_are_even_and_deadlines_come_first() -> None:
    async def main(clock: VirtualClock) -> None:
        book = profiles(gmail_com=per_minute(30))
        async with house(clock, accept, book=book, store=IndexedStore()) as h:
            massal = Urgency.MASSAL
            to = [f"v{n}@gmail.com" for n in range(200)]
            first = await h.put(*to, urgency=massal, sender="satu@lpse.example.go.id")
            await h.put(*(f"u{n}@gmail.com" for n in range(4000)), urgency=Urgency.MENDESAK)
            await asyncio.sleep(60)
            second = await h.put(*to, urgency=massal, sender="dua@lpse.example.go.id")
            await asyncio.sleep(1800)
            sent = Counter(d.message_id for _, d in h.transport.written if d.urgency is massal)
            assert sent[second] >= 40
            assert abs(sent[first] - sent[second]) <= 12
            at = clock.now()
            dated = await h.put(*to[:5], urgency=massal, deadline_at=at + HOUR)
            sooner = await h.put(*to[:5], urgency=massal, deadline_at=at + HOUR // 2)
            await asyncio.sleep(600)
            late = [d for when, d in h.transport.written if d.urgency is massal and when > at]
            order = [d.message_id for d in late if d.message_id in (dated, sooner)]
            assert order == [sooner] * 5 + [dated] * 5
            assert max(late.index(d) for d in late if d.message_id == dated) <= 16

    run(main)


def test_without_a_limit_one_connection_is_shared_too() -> None:
    """Nothing is closed to massal there: only the order keeps it from starving."""

    async def main(clock: VirtualClock) -> None:
        book = profiles(
            gmail_com=LimitSettings.model_validate({"rate": "900/min", "connections": 1})
        )
        async with house(clock, accept, book=book, store=IndexedStore()) as h:
            await crowd(h)
            await h.put(*(f"u{n}@gmail.com" for n in range(3000)), urgency=Urgency.TRANSAKSI)
            await asyncio.sleep(300)
            sent = [d.urgency for _, d in h.transport.written]
            assert 1000 <= len(sent) <= 3000
            assert 0.08 * len(sent) <= sent.count(Urgency.MASSAL) <= 0.11 * len(sent)

    run(main)


def test_of_two_connections_one_is_never_massals_in_its_turn() -> None:
    async def main(clock: VirtualClock) -> None:
        book = profiles(
            gmail_com=LimitSettings.model_validate({"rate": "900/min", "connections": 2})
        )
        flying: Counter[Urgency] = Counter()
        most = 0
        async with house(clock, accept, book=book, store=IndexedStore(), seconds=1.0) as h:
            deliver = h.transport.deliver

            async def slow_for_massal(job: Job, permits: Permits) -> object:
                nonlocal most
                urgency = job.deliveries[0].urgency
                flying[urgency] += 1
                most = max(most, flying[Urgency.MASSAL])
                await asyncio.sleep(60 if urgency is Urgency.MASSAL else 0)
                try:
                    return await deliver(job, permits)
                finally:
                    flying[urgency] -= 1

            h.transport.deliver = slow_for_massal  # type: ignore[method-assign,assignment]
            await h.put(*(f"u{n}@gmail.com" for n in range(3000)), urgency=Urgency.TRANSAKSI)
            await crowd(h)
            await asyncio.sleep(600)
            assert most == 1
            assert sum(d.urgency is Urgency.MASSAL for _, d in h.transport.written) >= 6

    run(main)


def test_the_hours_of_a_domain_at_a_provider_hold_its_letters_and_no_kritis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(MX, "kampus.ac.id", MX["gmail.com"])

    async def main(clock: VirtualClock) -> None:
        opens = datetime.fromtimestamp(clock.now() / 1000, UTC) + timedelta(hours=10)  # 3 h, in WIB
        said = {"hours": f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M} WIB"}
        book = profiles(kampus_ac_id=LimitSettings.model_validate(said))
        async with house(clock, accept, book=book) as h:
            for _ in range(5):
                await h.put("v@kampus.ac.id", urgency=Urgency.MASSAL)
            await asyncio.sleep(60)
            assert h.written() == []
            await h.put("v@gmail.com")
            await asyncio.sleep(5)
            assert len(h.written("gmail.com")) == 1
            begins = clock.now()
            await h.put("v@kampus.ac.id", urgency=Urgency.KRITIS)
            h.scheduler.nudge()
            await asyncio.sleep(60)
            (written,) = h.written("kampus.ac.id")
            assert written - begins <= 8 * SECOND
            await asyncio.sleep(3 * 3600)
            assert len(h.written("kampus.ac.id")) == 6

    run(main)
