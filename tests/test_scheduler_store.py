"""A store that fails, for a while or for good: nothing is lost, nothing flies twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import State
from relay.mail.instant import DAY, HOUR, SECOND, Instant
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.shaping.settings import LimitSettings
from relay.store.base import Settlement, StoreDead, StoreError
from relay.store.memory import MemoryStore
from tests.scheduling import (
    OK,
    accept,
    house,
    per_minute,
    profiles,
)

UNKNOWN = "550-5.1.1 The email account that you tried to reach does not exist. gsmtp"


def test_a_store_that_fails_for_a_while_loses_nothing() -> None:
    class Flaky(MemoryStore):
        failures = 5

        async def settle(self, settlements, now):  # type: ignore[no-untyped-def]
            if self.failures:
                self.failures -= 1
                raise StoreError("disk full")
            await super().settle(settlements, now)

        async def claim(self, *args, **more):  # type: ignore[no-untyped-def]
            if self.failures > 3:
                self.failures -= 1
                raise StoreError("disk full")
            return await super().claim(*args, **more)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, store=Flaky()) as h:
            for n in range(5):
                await h.put(f"v{n}@gmail.com")
            await asyncio.sleep(120)
            assert await h.states() == {State.DELIVERED: 5}
            assert len(h.transport.written) == 5

    run(main)


def test_two_ends_of_one_letter_do_not_stop_the_ledger() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept) as h:
            one = await h.put("vendor@gmail.com")
            await asyncio.sleep(5)
            (row,) = await h.store.find(one, 0)
            await h.scheduler._outcomes.expire(row.delivery)  # it was delivered already
            assert await h.state(one) is State.DELIVERED
            two = await h.put("lain@gmail.com")
            await asyncio.sleep(30)
            assert await h.state(two) is State.DELIVERED

    run(main)


def test_a_settlement_is_one_transaction_with_its_report() -> None:
    class Watching(MemoryStore):
        batches: list[list[Settlement]]

        async def settle(self, settlements, now):  # type: ignore[no-untyped-def]
            self.batches.append(list(settlements))
            await super().settle(settlements, now)

    async def main(clock: VirtualClock) -> None:
        store = Watching()
        store.batches = []
        async with house(clock, lambda d, now: UNKNOWN, store=store) as h:
            await h.put("dead@gmail.com", urgency=Urgency.MENDESAK)
            await asyncio.sleep(5)
            first = store.batches[0][0]
            assert first.dsn is not None
            assert first.attempt is not None
            assert first.attempt.classification is not None

    run(main)


def test_a_dead_store_ends_the_run_and_nothing_flies_again() -> None:
    class Dying(MemoryStore):
        async def settle(self, settlements, now):  # type: ignore[no-untyped-def]
            self.dead.set()
            raise StoreDead("fsync failed")

    async def main(clock: VirtualClock) -> None:
        written = 0
        with pytest.raises(StoreDead):
            async with house(clock, accept, store=Dying()) as h:
                for n in range(20):
                    await h.put(f"v{n}@gmail.com")
                await asyncio.sleep(1)
                written = len(h.transport.written)
                await asyncio.sleep(600)
                assert len(h.transport.written) == written
                ids = [d.message_id for _, d in h.transport.written]
                assert len(ids) == len(set(ids))
        assert written >= 1

    run(main)


def test_attempts_that_cannot_be_read_send_no_letter_twice() -> None:
    class Flaky(MemoryStore):
        failures = 3

        async def attempts(self, message_id, n):  # type: ignore[no-untyped-def]
            if self.failures:
                self.failures -= 1
                raise StoreError("busy")
            return await super().attempts(message_id, n)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda d, now: UNKNOWN, store=Flaky()) as h:
            one = await h.put("dead@gmail.com")
            await asyncio.sleep(60)
            assert await h.state(one) is State.BOUNCED
            assert [d.message_id for _, d in h.transport.written].count(one) == 1

    run(main)


def test_a_store_that_cannot_be_asked_is_asked_again() -> None:
    class Flaky(MemoryStore):
        calls = 0

        def _fail(self) -> None:
            self.calls += 1
            if self.calls % 3 == 1:
                raise StoreError("busy")

        async def wake(self, now, limit=5000):  # type: ignore[no-untyped-def]
            self._fail()
            return await super().wake(now, limit)

        async def save_shaping(self, states, now):  # type: ignore[no-untyped-def]
            self._fail()
            await super().save_shaping(states, now)

        async def give_back(self, deliveries):  # type: ignore[no-untyped-def]
            self._fail()
            await super().give_back(deliveries)

    async def main(clock: VirtualClock) -> None:
        store = Flaky()
        answers = ["451 4.3.0 later", *[OK] * 20]
        book = profiles(gmail_com=per_minute(5))
        async with house(clock, lambda d, now: answers.pop(0), book=book, store=store) as h:
            for n in range(10):
                await h.put(f"v{n}@gmail.com")
            await asyncio.sleep(20)
            await h.scheduler.recall(None)
            h.scheduler.nudge()
            await asyncio.sleep(60)
            assert json.loads((await store.load_shaping())["learned:gmail"])
            await asyncio.sleep(1200)
            assert await h.states() == {State.DELIVERED: 10}

    run(main)


def test_what_is_corrected_while_another_correction_is_saved_is_saved_too() -> None:
    """A pause is kept at any moment, beside the sweep; a store that refuses is asked again."""

    class Slow(MemoryStore):
        is_refused = False

        async def save_spent(self, rows: Sequence[Spent]) -> None:
            rows = list(rows)  # as SQLite's writer takes them
            is_last = rows[-1].at == 3 and not self.is_refused
            await asyncio.sleep(0.1 if is_last else 0.01)
            if is_last:  # after the others were done with
                self.is_refused = True
                raise StoreError("busy")
            await super().save_spent(rows)

    async def main(clock: VirtualClock) -> None:
        store = Slow()
        async with house(clock, lambda d, now: OK, store=store) as h:
            rows = [[Spent("gmail", n, 1)] for n in range(1, 4)]
            h.shaper.corrections = lambda now: rows.pop(0) if rows else []  # type: ignore[method-assign]
            keep = h.scheduler._keep_learned
            # The sweep at the start is the first of the three.
            await asyncio.gather(keep(), keep(), return_exceptions=True)
            assert store.is_refused
            await asyncio.sleep(3)
            assert [row.at for row in await store.load_spent()] == [1, 2, 3]

    run(main)


def test_what_could_not_be_kept_is_kept_later_and_hides_nothing_newer() -> None:
    """An operator's pause is written by the same hand as what the clockwork keeps."""

    class Refusing(MemoryStore):
        refuses = False

        async def save_shaping(self, states: Mapping[str, str], now: Instant) -> None:
            if self.refuses:
                await asyncio.sleep(0.1)
                raise StoreError("busy")
            await super().save_shaping(states, now)

    async def main(clock: VirtualClock) -> None:
        store = Refusing()
        async with house(clock, accept, store=store) as h:
            await asyncio.sleep(3)
            store.refuses = True
            h.shaper.pause("gmail", None, "siti: quiet", h.scheduler.steady.now())
            h.shaper.pause("yahoo", None, "siti: quiet", h.scheduler.steady.now())
            with pytest.raises(StoreError):
                await h.scheduler.keep()
            h.shaper.resume("gmail", "siti: on", h.scheduler.steady.now())
            store.refuses = False
            await h.scheduler.keep()
            kept = await store.load_shaping()
            assert "quiet" in kept["state:yahoo"]
            assert "paused" not in kept.get("state:gmail", "")
            await asyncio.sleep(3)
            assert "paused" not in (await store.load_shaping()).get("state:gmail", "")

    run(main)


@pytest.mark.parametrize("step", [26 * HOUR, 3 * HOUR, -26 * HOUR, 0])
def test_a_clock_that_is_set_before_a_restart_grants_nothing(step: int) -> None:
    """The machine boots with a dead clock, NTP sets it a day forward, the relay is started anew:
    what was sent an hour ago is an hour old, and so is a pause."""

    async def main(clock: VirtualClock) -> None:
        store, book = MemoryStore(), profiles(gmail_com=LimitSettings(rate=("5/day",)))  # type: ignore[arg-type]
        answers = {"yahoo.com": "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred"}
        peer = lambda d, now: answers.get(d.domain, OK)  # noqa: E731
        written: list[float] = []
        for n in range(3):
            async with house(clock, peer, book=book, store=store) as h:
                if not n:
                    await h.put(*(f"v{n}@gmail.com" for n in range(12)))
                    await asyncio.sleep(1800)
                    await h.put("a@yahoo.com")
                    await asyncio.sleep(60)
                    (paused,) = h.of(events.Paused)
                    assert isinstance(paused, events.Paused) and paused.until is not None
                    left = paused.until - h.scheduler.steady.now()
                    clock.step(step)
                await asyncio.sleep(10)
                if n == 1:
                    (yahoo,) = [s for s in h.shaper.standings(clock.now()) if s.key == "yahoo"]
                    assert yahoo.state == "paused" and yahoo.paused_until is not None
                    rest = yahoo.paused_until - clock.now()
                    assert abs(rest - (left - 320 * SECOND)) < 5 * SECOND
                await asyncio.sleep(300)
                written += [1.0] * len(h.written("gmail.com"))
        assert len(written) == 5
        async with house(clock, peer, book=book, store=store) as h:
            await asyncio.sleep(DAY / SECOND - 2400)
            assert len(h.written("gmail.com")) <= 5
            await asyncio.sleep(7200)
            assert len(h.written("gmail.com")) >= 4

    run(main)


def test_the_rate_of_connections_holds_over_a_restart() -> None:
    async def main(clock: VirtualClock) -> None:
        book = profiles(**{"gmail.com": LimitSettings(connection_rate=("2/hour",))})  # type: ignore[arg-type]
        store, written = MemoryStore(), 0
        for n in range(3):
            async with house(clock, accept, book=book, store=store) as h:
                if not n:
                    await h.put(*(f"v{n}@gmail.com" for n in range(5)))
                await asyncio.sleep(1200)
                written += len(h.transport.written)
        assert written == 2
        assert {row.key for row in await store.load_spent()} >= {"connections:gmail"}

    run(main)
