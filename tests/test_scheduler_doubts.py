"""Suppression and the fuse, in virtual time: what a dead hour said is in doubt until decided."""

from __future__ import annotations

import asyncio

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail.delivery import State
from relay.mail.instant import DAY
from relay.mail.strike import Cause, Doubt, Listed, Strike
from relay.store.memory import MemoryStore
from tests.scheduling import OK, house
from tests.suppressing import HOURS, MASSAL, Says, send, suppressed
from tests.test_scheduler_fuse import FAST, UNKNOWN, Dead, deciding, own


def test_no_address_is_suppressed_by_a_false_dead_hour() -> None:
    async def main(clock: VirtualClock) -> None:
        gmail = Dead()
        async with house(clock, gmail, book=FAST) as h:
            for n in range(300):
                await h.put(f"v{n % 20}@gmail.com", body=own(n), urgency=MASSAL, sender="")
            await asyncio.sleep(HOURS)
            strikes = [one for e in await h.store.histories() for one in e.strikes]
            assert {one.pending for one in strikes} == {"fuse:gmail"}
            (fuse,) = await deciding(h).undecided()
            assert fuse.addresses == 20
            before = len(suppressed(h))
            for n in range(40):  # nothing of it is in force
                await h.put(f"v{n % 20}@gmail.com", body=own(n), urgency=MASSAL, sender="")
            await asyncio.sleep(60)
            assert len(suppressed(h)) == before
            gmail.is_over = True
            await deciding(h).requeue("gmail", "siti", "Gmail says it was theirs")
            await asyncio.sleep(HOURS)
            assert await h.states() == {State.DELIVERED: 340}
            assert await h.store.struck() == set()

    run(main)


def test_what_was_not_tried_before_the_fuse_blew_comes_back_with_the_rest() -> None:
    async def main(clock: VirtualClock) -> None:
        gmail = Dead()
        async with house(clock, gmail, book=FAST) as h:
            await h.put("v@gmail.com", urgency=MASSAL, sender="")
            await asyncio.sleep(5)
            early = await h.put("v@gmail.com", urgency=MASSAL, sender="")
            await asyncio.sleep(5)
            assert await h.state(early) is State.SUPPRESSED
            for n in range(40):
                await h.put(f"w{n}@gmail.com", body=own(n), urgency=MASSAL, sender="")
            await asyncio.sleep(60)
            gmail.is_over = True
            await deciding(h).requeue("gmail", "siti", "x")
            await asyncio.sleep(60)
            assert await h.state(early) is State.DELIVERED

    run(main)


@pytest.mark.parametrize("by", ["late", "hand"])
def test_what_no_reply_said_does_not_count_for_a_fuse(by: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, Says(OK), book=FAST) as h:
            for n in range(40):
                address = f"v{n}@gmail.com"
                if by == "late":
                    said = Strike(
                        address, clock.now(), Cause.UNKNOWN, "r", n, 0, True, source="late"
                    )
                    await h.store.strike(said)
                else:
                    row = Listed(address, Cause.UNKNOWN, "x", "x", clock.now())
                    await h.store.enlist([row], "x", "x", clock.now())
                await h.put(address, body=own(n), urgency=MASSAL, sender="")
            await asyncio.sleep(60)
            assert await h.states() == {State.SUPPRESSED: 40}
            assert await deciding(h).undecided() == []

    run(main)


def test_what_is_confirmed_is_in_force() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, Dead(), book=FAST) as h:
            for n in range(33):
                await h.put(f"v{n}@gmail.com", body=own(n), sender="")
            await asyncio.sleep(60)
            await deciding(h).confirm("gmail", "siti", "daftar lama")
            assert len(await h.store.struck()) == 33
            for n in range(33):
                assert (await h.store.history(f"v{n}@gmail.com")).strikes[0].pending == ""
            assert await send(h, "v32@gmail.com") is State.SUPPRESSED

    run(main)


def test_a_crash_between_a_fuse_and_its_doubt_is_made_good() -> None:
    async def main(clock: VirtualClock) -> None:
        class Forgetful(MemoryStore):
            def doubted(self, doubts: object) -> None:
                """As if it had ended here."""

        store = Forgetful()
        async with house(clock, Dead(), book=FAST, store=store) as h:
            for n in range(33):
                await h.put(f"v{n}@gmail.com", body=own(n), sender="")
            await asyncio.sleep(60)
        firm = [e for e in await store.histories() if not e.strikes[0].pending]
        assert len(firm) > 20
        Forgetful.doubted = MemoryStore.doubted  # type: ignore[method-assign, assignment]
        async with house(clock, Dead(), book=FAST, store=store) as h:
            assert await send(h, firm[0].address) is State.HELD
            assert all(one.strikes[0].pending for one in await store.histories())

    run(main)


def test_a_doubt_is_of_one_destination() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, Says(UNKNOWN), book=FAST) as h:
            assert await send(h, "v@gmail.com") is State.BOUNCED
            await h.store.doubt(Doubt("fuse:yahoo", "yahoo", clock.now() - DAY))
            assert await send(h, "v@gmail.com") is State.SUPPRESSED
            await h.store.doubt(Doubt("fuse:gmail", "gmail", clock.now() - DAY))
            assert await send(h, "v@gmail.com") is State.BOUNCED

    run(main)
