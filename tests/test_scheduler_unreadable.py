"""What the store cannot read of one letter holds up nothing but that letter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Attempt, State
from relay.mail.instant import HOUR, SECOND
from relay.mail.letter import Letter
from relay.mail.urgency import Urgency
from relay.store.base import StoreError
from relay.store.memory import MemoryStore
from relay.transports.base import Job, NotYet, Permits
from tests.scheduling import House, accept, house, per_minute, profiles


class Broken(MemoryStore):
    """`broken`: the letters that cannot be read, and the error that says so."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[int, Exception] = {}
        self.has_letters = False  # only the body is lost

    async def letter(self, message_id: int) -> Letter:
        if message_id in self.broken and not self.has_letters:
            raise self.broken[message_id]
        return await super().letter(message_id)

    async def attempts(self, message_id: int, n: int) -> list[Attempt]:
        if message_id in self.broken:
            raise StoreError("the row is malformed")
        return await super().attempts(message_id, n)


def reads_the_body(h: House) -> None:
    """The transport asks for the body, as it does in the house; `broken` ones have none."""
    carried = h.transport.deliver

    async def deliver(job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
        assert isinstance(h.store, Broken)
        if job.letter.id in h.store.broken:
            raise h.store.broken[job.letter.id]
        return await carried(job, permits)

    h.transport.deliver = deliver  # type: ignore[method-assign]


@pytest.mark.parametrize("where", ["letter", "body"])
@pytest.mark.parametrize("error", [StoreError("the row is malformed"), KeyError(77), ValueError()])
def test_one_letter_that_cannot_be_read_stops_no_other(where: str, error: Exception) -> None:
    async def main(clock: VirtualClock) -> None:
        store = Broken()
        async with house(clock, accept, book=profiles(gmail_com=per_minute(60)), store=store) as h:
            await h.scheduler.recall(None)
            bad = await h.put("bad@gmail.com", urgency=Urgency.KRITIS, life=2 * HOUR)
            for n in range(40):
                await h.put(f"v{n}@gmail.com")
            if where == "body":
                reads_the_body(h)
                store.has_letters = True
            store.broken[bad] = error
            h.scheduler.nudge()
            await asyncio.sleep(60)
            assert (await h.states())[State.DELIVERED] == 40
            (row,) = await h.store.find(bad, 0)
            assert row.delivery.state is State.WAITING
            assert row.delivery.tries == 1
            assert row.delivery.why.startswith("cannot be ")
            assert row.delivery.due_at >= clock.now() + 3 * 60 * SECOND
            (alert,) = h.of(events.Alert)
            assert isinstance(alert, events.Alert)
            assert alert.name == "set_aside"
            assert not h.of(events.Paused)
            del store.broken[bad]
            await asyncio.sleep(600)
            assert await h.state(bad) is State.DELIVERED

    run(main)


def test_a_letter_that_cannot_be_read_expires_without_a_report() -> None:
    async def main(clock: VirtualClock) -> None:
        store = Broken()
        async with house(clock, accept, store=store) as h:
            await h.scheduler.recall(None)
            bad = await h.put("bad@gmail.com", life=2 * HOUR)
            store.broken[bad] = StoreError("the row is malformed")
            h.scheduler.nudge()
            await asyncio.sleep(2.1 * 3600)
            assert await h.states() == {State.EXPIRED: 1}
            (told,) = h.of(events.Expired)
            assert isinstance(told, events.Expired)
            assert "cannot be read" in told.why
            assert "unreadable" in {e.name for e in h.events if isinstance(e, events.Alert)}

    run(main)


def test_a_store_that_reads_it_the_second_time_keeps_the_report() -> None:
    class Busy(MemoryStore):
        failures = 2

        async def letter(self, message_id: int) -> Letter:
            if self.failures and self.is_over:
                self.failures -= 1
                raise StoreError("busy")
            return await super().letter(message_id)

        is_over = False

    async def main(clock: VirtualClock) -> None:
        store = Busy()
        async with house(clock, accept, store=store) as h:
            h.shaper.pause("*", None, "root", clock.now())
            one = await h.put(
                "vendor@gmail.com", life=HOUR, is_fixed=True, urgency=Urgency.MENDESAK
            )
            await asyncio.sleep(3000)
            store.is_over = True
            await asyncio.sleep(700)
            assert await h.state(one) is State.EXPIRED
            assert (await h.states())[State.READY] == 1  # the report

    run(main)
