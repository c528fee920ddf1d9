"""The fuse on the road, in virtual time: a false-dead hour, a dead list, a bad letter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Delivery, State
from relay.mail.instant import DAY, HOUR, MINUTE, Instant
from relay.mail.urgency import Urgency
from relay.scheduler.deciding import Deciding, NoFuse
from relay.store.base import StoreError
from relay.store.memory import MemoryStore
from relay.store.settings import DsnSettings
from tests.scheduling import OK, Answer, House, house, per_minute, profiles

UNKNOWN = "550-5.1.1 The email account that you tried to reach does not exist. gsmtp"
SPAM = (
    "550-5.7.1 Our system has detected that this message is likely unsolicited mail.\n"
    "550-5.7.1 To reduce the amount of spam sent to Gmail, this message has been\n"
    "550 5.7.1 blocked. gsmtp"
)
E = TypeVar("E", events.Alert, events.Held, events.Bounced)
FAST = profiles(gmail_com=per_minute(600), yahoo_com=per_minute(600))


def own(n: int) -> bytes:
    """A body that no other letter has."""
    return f"Surat {n}.\r\n".encode()


def deciding(h: House) -> Deciding:
    @asynccontextmanager
    async def halted() -> AsyncIterator[None]:
        await h.scheduler.recall()
        try:
            yield
        finally:
            h.scheduler.nudge()

    return Deciding(h.scheduler.parts, halted, lambda domain: domain.partition(".")[0])


class Dead:
    """Every address at Gmail is unknown from `began` on, for an hour."""

    def __init__(self, began: Instant = 0) -> None:
        self.began = began
        self.is_over = False

    def __call__(self, delivery: Delivery, now: Instant) -> Answer:
        is_dead = delivery.domain == "gmail.com" and now >= self.began and not self.is_over
        return UNKNOWN if is_dead else OK


def fuse_alerts(h: House) -> list[str]:
    return [one.name for one in told(h, events.Alert) if one.name.startswith("fuse:")]


def told(h: House, kind: type[E]) -> list[E]:
    return [event for event in h.events if isinstance(event, kind)]


def test_a_false_dead_hour_bounces_at_most_thirty_and_all_else_goes_on() -> None:
    async def main(clock: VirtualClock) -> None:
        gmail = Dead()
        async with house(clock, gmail, book=FAST) as h:
            for n in range(300):
                await h.put(f"v{n}@gmail.com", body=own(n), urgency=Urgency.MASSAL, sender="")
            for n in range(100):
                await h.put(f"v{n}@yahoo.com", body=own(n), sender="")
            await asyncio.sleep(3600)
            states = await h.states()
            assert states[State.BOUNCED] <= 30
            assert states[State.HELD] == 300 - states[State.BOUNCED]
            assert states[State.DELIVERED] == 100
            assert fuse_alerts(h) == ["fuse:gmail"]
            held = [e for e in told(h, events.Held) if e.why.startswith("fuse:gmail: ")]
            assert len(held) == states[State.HELD]

            gmail.is_over = True
            (one,) = await deciding(h).undecided()
            assert (one.name, one.held, one.pending) == ("gmail", states[State.HELD], 29)
            decided = await deciding(h).requeue("gmail", "siti", "Gmail says it was theirs")
            assert (decided.held, decided.pending) == (271, 29)
            await asyncio.sleep(HOUR // 1000)
            assert await h.states() == {State.DELIVERED: 400}
            assert fuse_alerts(h) == ["fuse:gmail"]
            assert await deciding(h).undecided() == []

    run(main)


def test_a_sudden_false_dead_hour_after_good_ones() -> None:
    async def main(clock: VirtualClock) -> None:
        gmail = Dead(clock.now() + 10 * MINUTE)
        async with house(clock, gmail, book=FAST) as h:
            for n in range(900):
                await h.put(f"v{n}@gmail.com", body=own(n), urgency=Urgency.MASSAL, sender="")
                await asyncio.sleep(1)
            states = await h.states()
            assert states[State.DELIVERED] == 600
            assert states[State.BOUNCED] <= 16

    run(main)


def test_a_dead_list_at_a_small_site_bounces_as_usual() -> None:
    def site(delivery: Delivery, now: Instant) -> Answer:
        return UNKNOWN if int(delivery.recipient[1:].partition("@")[0]) % 5 < 2 else OK

    async def main(clock: VirtualClock) -> None:
        async with house(clock, site) as h:
            for n in range(29):
                await h.put(f"v{n}@dinas.example.go.id", body=own(n), sender="")
            await asyncio.sleep(HOUR // 1000)
            assert await h.states() == {State.BOUNCED: 12, State.DELIVERED: 17}
            assert not fuse_alerts(h)

    run(main)


def test_one_bad_letter_and_only_that() -> None:
    bad: set[int] = set()

    def gmail(delivery: Delivery, now: Instant) -> Answer:
        return SPAM if delivery.message_id in bad else OK

    async def main(clock: VirtualClock) -> None:
        async with house(clock, gmail, book=FAST) as h:
            for n in range(60):
                bad.add(await h.put(f"v{n}@gmail.com", sender=""))
            for n in range(60):
                await h.put(f"w{n}@gmail.com", body=own(n), sender="")
            await asyncio.sleep(600)
            states = await h.states()
            assert states == {State.BOUNCED: 4, State.HELD: 56, State.DELIVERED: 60}
            assert fuse_alerts(h) == ["fuse:gmail:content"]
            decided = await deciding(h).confirm("gmail:content", "siti", "salah tautan")
            assert (decided.held, decided.pending) == (56, 4)
            assert await h.states() == {State.BOUNCED: 60, State.DELIVERED: 60}
            assert await deciding(h).undecided() == []

    run(main)


def test_what_is_confirmed_is_reported_and_nothing_flies_again() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, Dead(), book=FAST, dsn=DsnSettings(mode="single")) as h:
            ones = [await h.put(f"v{n}@gmail.com", body=own(n)) for n in range(33)]
            await asyncio.sleep(600)
            reports = h.written("lpse.example.go.id")
            assert len(reports) == 29
            decided = await deciding(h).confirm("fuse:gmail", "siti", "daftar lama")
            assert (decided.held, decided.pending) == (4, 29)
            await asyncio.sleep(600)
            assert len(h.written("gmail.com")) == 33
            assert len(h.written("lpse.example.go.id")) == 33
            assert [await h.state(one) for one in ones] == [State.BOUNCED] * 33
            bounced = [e.why for e in told(h, events.Bounced)]
            assert bounced[-1].startswith("550 5.1.1")
            assert bounced[-1].endswith("(held by a fuse; confirmed by siti: daftar lama)")
            (audit,) = [row for row in h.store.audits if row[3] == "fuse:gmail"]
            assert audit[1:3] == ("siti", "fuse.confirm")

    run(main)


def test_what_is_requeued_while_it_goes_on_is_held_again() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, Dead(), book=FAST) as h:
            for n in range(40):
                await h.put(f"v{n}@gmail.com", body=own(n), sender="")
            await asyncio.sleep(60)
            await deciding(h).requeue("gmail", "siti", "coba lagi")
            await asyncio.sleep(60)
            assert await h.states() == {State.HELD: 40}
            assert fuse_alerts(h) == ["fuse:gmail"]

    run(main)


def test_it_cools_by_itself_and_what_is_held_stays_held() -> None:
    async def main(clock: VirtualClock) -> None:
        gmail = Dead()
        async with house(clock, gmail, book=FAST) as h:
            for n in range(40):
                await h.put(f"v{n}@gmail.com", body=own(n), sender="")
            await asyncio.sleep(60)
            gmail.is_over = True
            for n in range(130):
                await h.put(f"w{n}@gmail.com", body=own(n), sender="")
                await asyncio.sleep(60)
            gmail.is_over = False
            late = await h.put("late@gmail.com", body=own(1), sender="")
            await asyncio.sleep(60)
            assert await h.state(late) is State.BOUNCED
            states = await h.states()
            assert (states[State.HELD], states[State.DELIVERED]) == (11, 130)
            (one,) = await deciding(h).undecided()
            assert (one.blown_at, one.held, one.pending) == (None, 11, 29)

    run(main)


def test_a_blown_fuse_survives_a_restart_and_alerts_no_second_time() -> None:
    async def main(clock: VirtualClock) -> None:
        store = MemoryStore()
        bounced = 0
        for start in range(5):
            async with house(clock, Dead(), book=FAST, store=store) as h:
                for n in range(20):
                    await h.put(f"v{start}-{n}@gmail.com", body=own(n), sender="")
                await asyncio.sleep(60)
                states = await h.states()
                assert fuse_alerts(h) == (["fuse:gmail"] if start == 1 else [])
                bounced = states[State.BOUNCED]
        assert bounced == 29
        assert states[State.HELD] == 71

    run(main)


@pytest.mark.parametrize(("life", "ends"), [(5 * DAY, State.BOUNCED), (10 * HOUR, State.EXPIRED)])
def test_an_address_that_took_a_letter_is_asked_again_a_day_later(life: int, ends: State) -> None:
    async def main(clock: VirtualClock) -> None:
        gmail = Dead(clock.now() + HOUR)
        async with house(clock, gmail, book=FAST) as h:
            await h.put("Lama@gmail.com", sender="")
            await asyncio.sleep(2 * HOUR // 1000)
            old = await h.put("lama@gmail.com", sender="", life=life)
            new = await h.put("baru@gmail.com", sender="")
            began = clock.now()
            await asyncio.sleep(60)
            assert await h.state(new) is State.BOUNCED
            assert await h.state(old) is State.WAITING
            (row,) = await h.store.find(old)
            assert row.delivery.why.startswith("the address took a letter within 30 days")
            await asyncio.sleep(25 * 3600)
            assert await h.state(old) is ends
            tried = [at - began for at, d in h.transport.written if d.message_id == old]
            assert len(tried) == (2 if ends is State.BOUNCED else 1)
            assert ends is State.EXPIRED or tried[1] - tried[0] >= DAY

    run(main)


def test_an_address_that_comes_back_is_delivered() -> None:
    async def main(clock: VirtualClock) -> None:
        gmail = Dead(clock.now() + HOUR)
        async with house(clock, gmail, book=FAST) as h:
            await h.put("lama@gmail.com", sender="")
            await asyncio.sleep(2 * 3600)
            old = await h.put("lama@gmail.com", sender="")
            await asyncio.sleep(3600)
            gmail.is_over = True
            await asyncio.sleep(25 * 3600)
            assert await h.state(old) is State.DELIVERED

    run(main)


class Sick(MemoryStore):
    """Cannot say what an address took, nor keep what is learned."""

    is_sick = True

    async def last_accepted_at(self, address: str) -> Instant | None:
        if self.is_sick:
            raise StoreError("disk")
        return await super().last_accepted_at(address)

    async def save_shaping(self, states: object, now: Instant) -> None:
        if self.is_sick:
            raise StoreError("disk")
        await super().save_shaping(states, now)  # type: ignore[arg-type]


def test_where_the_store_cannot_say_what_an_address_took_it_is_not_blamed() -> None:
    async def main(clock: VirtualClock) -> None:
        store = Sick()
        async with house(clock, Dead(), book=FAST, store=store) as h:
            one = await h.put("v@gmail.com", sender="")
            await asyncio.sleep(60)
            assert await h.state(one) is State.WAITING
            assert "fuse:gmail" not in await store.load_shaping()
            store.is_sick = False
            await asyncio.sleep(25 * 3600)
            assert await h.state(one) is State.BOUNCED
            assert "fuse:gmail" in await store.load_shaping()

    run(main)


def test_a_fuse_that_cannot_be_read_is_said_and_begins_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(clock: VirtualClock) -> None:
        store = MemoryStore()
        await store.save_shaping({"fuse:gmail": "{"}, clock.now())
        async with house(clock, Dead(), book=FAST, store=store) as h:
            one = await h.put("v@gmail.com", sender="")
            await asyncio.sleep(60)
            assert await h.state(one) is State.BOUNCED

    run(main)
    assert "fuse:gmail" in caplog.text


def test_a_name_with_nothing_to_decide_is_refused() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, Dead(), book=FAST) as h:
            for what in (deciding(h).confirm, deciding(h).requeue):
                with pytest.raises(NoFuse, match=r"'gmail'.*none"):
                    await what("gmail", "siti", "x")

    run(main)


class Slow(MemoryStore):
    """Keeps the fuses, in a while, and counts how often."""

    kept = 0

    async def save_shaping(self, states: Mapping[str, str], now: Instant) -> None:
        self.kept += any(name.startswith("fuse:") for name in states)
        await asyncio.sleep(0.01)
        await super().save_shaping(states, now)


def test_flights_that_land_while_the_fuses_are_kept_do_not_keep_them_again() -> None:
    async def main(clock: VirtualClock) -> None:
        store = Slow()
        async with house(clock, Dead(), book=FAST, store=store) as h:
            fuses = h.scheduler.parts.fuses
            box = await fuses.box()

            async def lands(n: int) -> None:
                box.note("gmail", own(n), None, clock.now())
                await fuses.keep(clock.now())

            await asyncio.gather(*(lands(n) for n in range(3)))
            assert store.kept == 1

    run(main)
