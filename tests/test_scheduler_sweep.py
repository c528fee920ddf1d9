"""The sweep: a step that fails, or never ends, keeps no other from being done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Attempt, Delivery, State
from relay.mail.instant import HOUR, Instant
from relay.store.base import Ready, Settlement, StoreError
from relay.store.memory import MemoryStore
from tests.scheduling import OK, House, accept, house


class Patchy(MemoryStore):
    """`failing`: the methods that raise. `stuck`: a letter that no outcome can be written for."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()
        self.stuck = 0
        self.never: set[int] = set()  # letters that no outcome can be written for
        self.kept: set[str] = set()  # what was learned of these

    def _ask(self, name: str) -> None:
        if name in self.failing:
            raise StoreError("busy")

    async def save_shaping(self, states: Mapping[str, str], now: Instant) -> None:
        self._ask("save_shaping")
        self.kept |= states.keys()
        await super().save_shaping(states, now)

    async def wake(self, now: Instant, limit: int = 5000) -> list[Ready]:
        self._ask("wake")
        return await super().wake(now, limit)

    async def overdue(self, now: Instant, limit: int = 1000) -> list[Delivery]:
        self._ask("overdue")
        return await super().overdue(now, limit)

    async def next_due_at(self) -> Instant | None:
        self._ask("next_due_at")
        return await super().next_due_at()

    async def attempts(self, message_id: int, n: int) -> list[Attempt]:
        if message_id == self.stuck:
            raise ValueError("no row that can be read")
        return await super().attempts(message_id, n)

    async def settle(self, settlements: Sequence[Settlement], now: Instant) -> None:
        if any(one.delivery.message_id in {self.stuck, *self.never} for one in settlements):
            raise StoreError("the row is malformed")
        await super().settle(settlements, now)


async def all_is_done_but(failing: str, h: House) -> None:
    assert isinstance(h.store, Patchy)
    h.store.failing = {failing}
    one = await h.put("vendor@gmail.com")
    held = await h.put("tua@yahoo.com", life=HOUR, is_fixed=True)
    await asyncio.sleep(3700)
    assert await h.state(one) is (State.WAITING if failing == "wake" else State.DELIVERED)
    assert await h.state(held) is State.EXPIRED  # by the sweep, or as it would fly
    assert (failing == "save_shaping") is ("learned:gmail" not in h.store.kept)
    h.store.failing = set()
    await asyncio.sleep(3700)
    assert await h.state(one) is State.DELIVERED
    assert await h.state(held) is State.EXPIRED
    assert "learned:gmail" in h.store.kept


def test_a_step_that_fails_keeps_no_other_from_being_done() -> None:
    def peer(delivery: Delivery, now: Instant) -> str:
        is_first = delivery.tries == 0 or delivery.domain == "yahoo.com"
        return "451 4.3.0 try again later" if is_first and delivery.n == 0 else OK

    async def main(clock: VirtualClock) -> None:
        for failing in ("save_shaping", "wake", "overdue", "next_due_at"):
            async with house(clock, peer, store=Patchy()) as h:
                await all_is_done_but(failing, h)

    run(main)


def test_an_end_that_cannot_be_written_stops_neither_the_sweep_nor_the_ledger() -> None:
    async def main(clock: VirtualClock) -> None:
        store = Patchy()
        async with house(clock, accept, store=store) as h:
            h.shaper.pause("*", None, "root", clock.now())
            stuck = await h.put("a@gmail.com", life=HOUR, is_fixed=True)
            other = await h.put("b@gmail.com", life=HOUR, is_fixed=True)
            store.stuck = stuck
            await asyncio.sleep(3800)
            assert await h.state(other) is State.EXPIRED
            assert await h.state(stuck) is State.READY
            h.shaper.resume("*", "root", clock.now())
            h.scheduler.nudge()
            later = [await h.put(f"v{n}@yahoo.com") for n in range(20)]
            await asyncio.sleep(600)
            assert {await h.state(one) for one in later} == {State.DELIVERED}
            assert "learned:yahoo" in store.kept
            assert len(h.of(events.Expired)) == 1
            store.stuck = 0
            await asyncio.sleep(60)
            assert await h.state(stuck) is State.EXPIRED
            assert isinstance(h.of(events.Expired)[-1], events.Expired)

    run(main)


def test_a_store_that_never_writes_an_outcome_does_not_stop_the_end() -> None:
    async def main(clock: VirtualClock) -> None:
        store = Patchy()
        async with house(clock, accept, store=store, grace=5) as h:
            h.shaper.pause("*", None, "root", clock.now())
            store.stuck = await h.put("a@gmail.com", life=HOUR, is_fixed=True)
            await asyncio.sleep(3700)
            began = clock.monotonic()
        assert clock.monotonic() - began < 120

    run(main)


def test_many_ends_that_cannot_be_written_hide_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.scheduler.scheduler.OVER", 5)

    async def main(clock: VirtualClock) -> None:
        store = Patchy()
        async with house(clock, accept, store=store) as h:
            h.shaper.pause("*", None, "root", clock.now())
            store.never = {
                await h.put(f"v{n}@gmail.com", life=HOUR, is_fixed=True) for n in range(12)
            }
            other = await h.put("b@gmail.com", life=HOUR + 1000, is_fixed=True)
            await asyncio.sleep(3800)
            assert await h.state(other) is State.EXPIRED
            store.never = set()
            await asyncio.sleep(60)

    run(main)
