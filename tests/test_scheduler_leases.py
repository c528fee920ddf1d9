"""Leases: each claimed row ends settled or given back, whatever fails in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Delivery, Failure, FailureKind, State
from relay.mail.instant import HOUR
from relay.mail.letter import Letter
from relay.store.base import StoreError
from relay.store.memory import MemoryStore
from tests.scheduling import BLOCKED, OK, House, accept, house

MISSING = Failure(FailureKind.DNS, "no answer")


def test_a_store_that_stumbles_while_a_domain_fails_leaves_nothing_leased() -> None:
    class Stumbling(MemoryStore):
        failures = 1

        async def letter(self, message_id: int) -> Letter:
            if self.failures:
                self.failures -= 1
                raise StoreError("disk hiccup")
            return await super().letter(message_id)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, store=Stumbling()) as h:
            h.router.failures["example.co.id"] = MISSING
            one = await h.put("v@example.co.id", life=6 * HOUR)
            await asyncio.sleep(60)
            assert await h.state(one) is State.WAITING
            del h.router.failures["example.co.id"]
            await asyncio.sleep(3600)
            assert await h.state(one) is State.DELIVERED

    run(main)


def test_what_a_failure_could_not_settle_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stumbling(MemoryStore):
        failures = 2

        async def give_back(self, deliveries):  # type: ignore[no-untyped-def]
            if self.failures:
                self.failures -= 1
                raise StoreError("busy")
            await super().give_back(deliveries)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, store=Stumbling()) as h:
            h.router.failures["example.co.id"] = MISSING
            failed = h.scheduler._outcomes.failed
            asked = 0

            async def once(delivery: Delivery, failure: Failure) -> None:
                nonlocal asked
                asked += 1
                if asked == 2:
                    raise RuntimeError("a fault of ours")
                await failed(delivery, failure)

            monkeypatch.setattr(h.scheduler._outcomes, "failed", once)
            ones = [await h.put(f"v{n}@example.co.id") for n in range(3)]
            await asyncio.sleep(60)
            assert {await h.state(one) for one in ones} == {State.WAITING}
            assert asked == 4

    run(main)


def test_a_stop_while_a_domain_fails_leaves_nothing_leased() -> None:
    class Slow(MemoryStore):
        async def letter(self, message_id: int) -> Letter:
            await asyncio.sleep(3)
            return await super().letter(message_id)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, accept, store=Slow()) as h:
            h.router.failures["example.co.id"] = MISSING
            one = await h.put("v@example.co.id")
            await asyncio.sleep(1)
            assert await h.state(one) is State.LEASED
        assert await h.state(one) is State.WAITING  # and the house found nothing leased

    run(main)


@pytest.mark.parametrize(("answer", "state"), [(OK, State.DELIVERED), (BLOCKED, State.HELD)])
def test_what_was_carried_and_cannot_be_settled_is_held(
    monkeypatch: pytest.MonkeyPatch, answer: str, state: State
) -> None:
    def broken(*of: object) -> None:
        raise RuntimeError("a fault of ours")

    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda delivery, now: answer) as h:
            with monkeypatch.context() as patch:
                patch.setattr("relay.scheduler.outcomes.settle", broken)
                one = await h.put("v@example.co.id")
                await asyncio.sleep(60)
            assert await h.state(one) is state
            assert len(h.transport.written) == 1
            assert "unsettled" in names_of(h)

    run(main)


def names_of(h: House) -> set[str]:
    """The alerts so far."""
    return {alert.name for alert in h.of(events.Alert) if isinstance(alert, events.Alert)}


class Broken:
    """A classifier that fails."""

    def __init__(self, fail: Callable[..., NoReturn]) -> None:
        self.classify = self.classify_failure = fail


@pytest.mark.parametrize(
    ("part", "answer", "state"),
    [
        ("shaper", OK, State.DELIVERED),
        ("shaper", BLOCKED, State.HELD),
        ("classifier", BLOCKED, State.HELD),
    ],
)
def test_a_fault_in_reading_a_reply_leaves_nothing_leased(
    monkeypatch: pytest.MonkeyPatch, part: str, answer: str, state: State
) -> None:
    """Accepted is delivered whatever else is broken; the others are held, and the lane goes on."""

    def broken(*of: object) -> NoReturn:
        raise RuntimeError("a fault of ours")

    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda delivery, now: answer) as h:
            with monkeypatch.context() as patch:
                if part == "classifier":
                    patch.setattr(h.scheduler.parts, "classifier", Broken(broken))
                else:
                    patch.setattr(h.shaper, "feedback", broken)
                ones = [await h.put(f"v{n}@example.co.id") for n in range(2)]
                await asyncio.sleep(60)
            assert [await h.state(one) for one in ones] == [state, state]
            assert len(h.transport.written) == 2
            assert "unsettled" in {
                a.name for a in h.of(events.Alert) if isinstance(a, events.Alert)
            }

    run(main)
