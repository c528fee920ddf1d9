"""Suppression on the road, in virtual time: who is tried, who is not, who asks once more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from relay.lab.virtual_time import VirtualClock, run
from relay.mail.classification import Category
from relay.mail.delivery import State
from relay.mail.instant import DAY, HOUR, MINUTE
from relay.mail.strike import Cause, History, Listed
from relay.mail.urgency import Urgency
from relay.store.base import StoreError
from relay.store.memory import MemoryStore
from relay.suppression import DeadSettings, SuppressionSettings
from tests.scheduling import BLOCKED, OK, house
from tests.suppressing import HOURS, MASSAL, SITE, Says, V, send, suppressed
from tests.test_scheduler_fuse import FAST, UNKNOWN, Dead

GONE = "550 5.1.1 <v@dinas.example.go.id>: Recipient address rejected: User unknown"
FULL = "552 5.2.2 Mailbox full: quota exceeded"


def test_two_refusals_so_far_apart_and_the_third_is_not_tried() -> None:
    rules = DeadSettings(apart=timedelta(hours=2, minutes=30))

    async def main(clock: VirtualClock) -> None:
        settings = SuppressionSettings(unknown_user=rules)
        async with house(clock, Says(GONE), suppression=settings) as h:
            assert await send(h) is State.BOUNCED
            assert await send(h) is State.BOUNCED
            await asyncio.sleep(HOURS)
            assert await send(h) is State.BOUNCED
            tried = len(h.transport.written)
            one = await h.put("V@dinas.example.go.id", urgency=MASSAL)
            await asyncio.sleep(60)
            (row,) = await h.store.find(one)
            assert row.delivery.state is State.SUPPRESSED
            assert row.delivery.why.startswith("not tried: unknown_user since 2")
            assert row.category is Category.UNKNOWN_USER
            assert row.delivery.tries == 0
            assert len(h.transport.written) == tried
            (told,) = suppressed(h)
            assert (told.id, told.n, told.recipient) == (one, 0, f"V@{SITE}")
            assert told.provider == "other"
            assert told.rule
            assert told.since == (await h.store.history(V)).strikes[-1].at
            assert told.why == row.delivery.why
            seen = await h.store.inbox_row(row.delivery.mailbox_id, one, 0)
            assert seen is not None
            assert seen.state is State.SUPPRESSED
            # No report: its sender was told when the address failed.
            assert h.written("lpse.example.go.id") == []

    run(main)


def test_one_by_a_documented_rule_and_who_is_tried_once_all_the_same() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, Says(UNKNOWN)) as h:
            assert await send(h, "v@gmail.com") is State.BOUNCED
            assert await send(h, "v@gmail.com") is State.SUPPRESSED
            assert await send(h, "v@gmail.com", Urgency.TRANSAKSI) is State.SUPPRESSED
            assert await send(h, "v@gmail.com", Urgency.KRITIS) is State.BOUNCED
            assert await send(h, "v@gmail.com", Urgency.MENDESAK) is State.BOUNCED
            assert await send(h, "w@gmail.com") is State.BOUNCED
            assert len(h.transport.written) == 4

    run(main)


def test_once_means_once() -> None:
    """An urgent letter to a full mailbox that is on the list is not asked for days."""

    async def main(clock: VirtualClock) -> None:
        gmail = Says("452-4.2.2 The recipient's inbox is out of storage space. gsmtp")
        async with house(clock, gmail) as h:
            await h.store.enlist([Listed("v@gmail.com", None, "x", "x", 0)], "x", "x", 0)
            one = await h.put("v@gmail.com", urgency=Urgency.KRITIS)
            await asyncio.sleep(2 * HOURS)
            (row,) = await h.store.find(one)
            assert row.delivery.state is State.SUPPRESSED
            assert len(h.written("gmail.com")) == 1
            (report,) = {d.message_id for _, d in h.transport.written if d.domain != "gmail.com"}
            letter = await h.store.body(report)
            assert b"out of storage space" in letter

    run(main)


def test_a_throttled_urgent_letter_was_not_answered_yet() -> None:
    async def main(clock: VirtualClock) -> None:
        site = Says("450 4.2.0 Greylisted, try again in 5 minutes")
        async with house(clock, site) as h:
            await h.store.enlist([Listed(V, None, "x", "x", 0)], "x", "x", 0)
            one = await h.put(V, urgency=Urgency.KRITIS)
            await asyncio.sleep(60)
            site.answer = OK
            await asyncio.sleep(HOURS)
            assert await h.state(one) is State.DELIVERED

    run(main)


def test_a_success_heals() -> None:
    async def main(clock: VirtualClock) -> None:
        site = Says(GONE)
        async with house(clock, site) as h:
            assert await send(h) is State.BOUNCED
            site.answer = OK
            assert await send(h) is State.DELIVERED
            assert await h.store.struck() == set()
            site.answer = UNKNOWN
            assert await send(h, "a@gmail.com") is State.BOUNCED
            assert await send(h, "a@gmail.com") is State.SUPPRESSED
            site.answer = OK
            assert await send(h, "a@gmail.com", Urgency.KRITIS) is State.DELIVERED
            assert await send(h, "a@gmail.com") is State.DELIVERED

    run(main)


def test_a_full_mailbox_after_letters_of_three_days() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, Says(FULL)) as h:
            for _ in range(2):
                assert await send(h, life=HOUR // 2) is State.EXPIRED
            before = (await h.store.history(V)).strikes
            assert len((await h.store.history(V)).strikes) == 2
            assert {one.cause for one in before} == {Cause.FULL}
            assert await send(h, life=HOUR // 2) is State.EXPIRED  # all of one day
            for days in (1, 2):
                await h.store.strike(
                    replace(before[0], at=clock.now() - days * DAY, message_id=days)
                )
            assert await send(h) is State.SUPPRESSED

    run(main)


@pytest.mark.parametrize(
    "answer",
    [
        BLOCKED,
        "550-5.7.1 Our system has detected that this message is likely unsolicited mail. gsmtp",
        "421-4.7.28 Our system has detected an unusual rate of mail. Try again later. gsmtp",
        "550-5.7.26 This mail has been blocked because the sender is unauthenticated. gsmtp",
        "450 4.2.1 The user you are trying to contact is receiving mail too quickly. gsmtp",
    ],
)
def test_what_is_no_fault_of_the_address_is_no_strike(answer: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, Says(answer)) as h:
            for _ in range(3):
                await send(h, "v@gmail.com", life=HOUR // 2)
            assert await h.store.struck() == set()
            assert suppressed(h) == []

    run(main)


def test_when_its_life_is_over_one_letter_asks() -> None:
    rules = DeadSettings(life=timedelta(hours=2))
    settings = SuppressionSettings(unknown_user=rules)

    async def main(clock: VirtualClock) -> None:
        site = Says(UNKNOWN)
        async with house(clock, site, suppression=settings) as h:
            assert await send(h, "v@gmail.com") is State.BOUNCED
            await asyncio.sleep(2 * HOURS)
            site.answer = "450 4.2.0 Greylisted, try again in 5 minutes"
            probe = await h.put("v@gmail.com", urgency=MASSAL, sender="")
            await asyncio.sleep(60)
            assert await send(h, "v@gmail.com") is State.SUPPRESSED
            site.answer = OK
            await asyncio.sleep(HOURS)
            assert await h.state(probe) is State.DELIVERED
            assert await send(h, "v@gmail.com") is State.DELIVERED

    run(main)


def test_it_can_be_switched_off() -> None:
    async def main(clock: VirtualClock) -> None:
        off = SuppressionSettings(enabled=False)
        async with house(clock, Says(UNKNOWN), suppression=off) as h:
            for _ in range(3):
                assert await send(h, "v@gmail.com") is State.BOUNCED

    run(main)


def test_a_refusal_of_another_letter_counts_for_an_address_that_took_one() -> None:
    async def main(clock: VirtualClock) -> None:
        gmail = Dead(clock.now() + HOUR)
        async with house(clock, gmail, book=FAST) as h:
            assert await send(h, "lama@gmail.com") is State.DELIVERED
            first = await h.put("lama@gmail.com", sender="", life=HOUR)
            await asyncio.sleep(25 * HOURS)
            assert await h.state(first) is State.EXPIRED
            assert await send(h, "lama@gmail.com") is State.BOUNCED
            assert await send(h, "lama@gmail.com") is State.SUPPRESSED

    run(main)


def test_one_documented_refusal_does_not_suffice_where_a_letter_was_taken_lately() -> None:
    async def main(clock: VirtualClock) -> None:
        gmail = Dead(clock.now() + HOUR)
        async with house(clock, gmail, book=FAST) as h:
            assert await send(h, "lama@gmail.com") is State.DELIVERED
            assert await send(h, "lama@gmail.com") is State.WAITING
            await asyncio.sleep(MINUTE // 1000)
            assert await send(h, "lama@gmail.com") is State.WAITING
            assert suppressed(h) == []

    run(main)


class Sick(MemoryStore):
    """Cannot say what speaks against anybody."""

    is_sick = True

    async def history(self, address: str) -> History:
        if self.is_sick:
            raise StoreError("disk")
        return await super().history(address)


def test_where_the_list_cannot_be_read_the_letter_flies() -> None:
    async def main(clock: VirtualClock) -> None:
        store = Sick()
        await store.enlist([Listed(V, None, "x", "x", 0)], "x", "x", 0)
        async with house(clock, Says(OK), store=store) as h:
            assert await send(h) is State.DELIVERED
            store.is_sick = False
            assert await send(h) is State.SUPPRESSED

    run(main)


def test_a_whole_list_that_cannot_be_read_is_asked_again() -> None:
    class Shut(MemoryStore):
        is_shut = True

        async def struck(self) -> set[str]:
            if self.is_shut:
                raise StoreError("disk")
            return await super().struck()

    async def main(clock: VirtualClock) -> None:
        store = Shut()
        await store.enlist([Listed(V, None, "x", "x", 0)], "x", "x", 0)
        async with house(clock, Says(OK), store=store) as h:
            assert await send(h) is State.DELIVERED
            store.is_shut = False
            assert await send(h) is State.SUPPRESSED

    run(main)
