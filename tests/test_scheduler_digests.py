"""The day's digest in virtual time: how many reports a sender gets, when, and what they say."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest

from relay.lab.rehearsing.store import IndexedStore
from relay.lab.virtual_time import VirtualClock, run
from relay.mail import dsn, events
from relay.mail.classification import Category
from relay.mail.delivery import Delivery, State
from relay.mail.digest import last_before
from relay.mail.instant import DAY, HOUR, MINUTE, Instant, millis
from relay.mail.late import Kind, Late
from relay.mail.letter import Letter
from relay.mail.urgency import Urgency
from relay.scheduler import digests, scheduler
from relay.store.base import StoreError
from relay.store.memory import MemoryStore
from relay.store.settings import DsnSettings
from relay.suppression import SuppressionSettings, reach
from tests.scheduling import OK, SENDER, WIB, Answer, House, house, per_minute, profiles
from tests.store.contract_refused import MOST, letter
from tests.store.contract_suppressing import ADDRESS, struck

SLOW_SWEEP = 60.0  # seconds: days pass in less of them
UNKNOWN = "550 5.1.1 No such user here"
FAST = profiles(gmail_com=per_minute(50_000))
HOME = SENDER.partition("@")[2]


@pytest.fixture(autouse=True)
def days_that_pass_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "SWEEP", SLOW_SWEEP)


def dead(delivery: Delivery, now: Instant) -> Answer:
    return UNKNOWN if delivery.recipient.startswith("mati") else OK


async def until_morning(clock: VirtualClock, after: int = 5 * MINUTE) -> None:
    """Some minutes past the next 07:00."""
    next_at = last_before(clock.now(), time(7, 0), WIB) + DAY
    await asyncio.sleep((next_at + after - clock.now()) / 1000)


def reports(h: House) -> list[Delivery]:
    """Those that left; in their order."""
    return [d for _, d in h.transport.written if d.domain == HOME]


async def opened(h: House, report: Delivery) -> EmailMessage:
    letter = await h.store.letter(report.message_id)
    octets = letter.head + b"\r\n" + await h.store.body(report.message_id)
    message = BytesParser(policy=default).parsebytes(octets)
    assert isinstance(message, EmailMessage)
    return message


async def named_in(h: House, report: Delivery) -> list[str]:
    letter = await h.store.letter(report.message_id)
    octets = letter.head + b"\r\n" + await h.store.body(report.message_id)
    return [one.recipient for one in dsn.read(octets)]


def test_an_announcement_with_8_percent_dead_is_one_report() -> None:
    """Each a letter of its own, as LPSE's application sends them: 2,500 of them, 200 dead."""

    async def main(clock: VirtualClock) -> None:
        async with house(clock, dead, book=FAST, store=IndexedStore(), seconds=0.02) as h:
            await until_morning(clock)
            for n in range(2_500):
                who = "mati" if n % 25 in (3, 17) else "vendor"
                domain = f"d{n % 41}.example.co.id"
                await h.put(f"{who}{n}@{domain}", subject="Pengumuman", urgency=Urgency.MASSAL)
            await asyncio.sleep(6 * 3600)
            assert await h.states() == {State.BOUNCED: 200, State.DELIVERED: 2_300}
            assert reports(h) == []
            await until_morning(clock)
            (report,) = reports(h)
            assert (await opened(h, report))["Subject"].endswith(": 200")
            assert len(set(await named_in(h, report))) == 200
            await asyncio.sleep(3 * 86_400)
            assert len(reports(h)) == 1

    run(main)


def test_one_letter_to_many_is_one_report_a_day() -> None:
    late: set[str] = set()

    def peer(delivery: Delivery, now: Instant) -> Answer:
        is_late = delivery.recipient.startswith("nanti") and not late
        return "451 4.3.0 later" if is_late else dead(delivery, now)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, peer, book=FAST) as h:
            await until_morning(clock)
            await h.put("mati1@a.example.id", "mati2@b.example.id", "hidup@c.example.id")
            await asyncio.sleep(HOUR // 1000)
            assert reports(h) == []
            await until_morning(clock)
            (first,) = reports(h)
            assert await named_in(h, first) == ["mati1@a.example.id", "mati2@b.example.id"]
            at = next(at for at, d in h.transport.written if d is first)
            assert datetime.fromtimestamp(at / 1000, UTC).astimezone(WIB).hour == 7
            await h.put("mati3@a.example.id")
            await until_morning(clock)
            _, second = reports(h)
            assert await named_in(h, second) == ["mati3@a.example.id"]

    run(main)


def test_what_failed_after_a_server_took_it_stands_in_the_days_digest() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, dead) as h:
            await until_morning(clock)
            message_id = await h.put("semua1@a.example.id", "semua2@a.example.id")
            await h.put("mati1@a.example.id")
            await asyncio.sleep(HOUR // 1000)
            (one, _) = await h.store.find(message_id)
            n, said = one.delivery.n, "5.2.1 550 [/foo] mailbox \u202edisabled"
            category = Category.INACTIVE_USER
            late = Late(message_id, n, Kind.FAILED, clock.now(), category, "r", said, "", "mx.id")
            assert await h.store.note_late(late, owes_report=True)
            await until_morning(clock)
            (report,) = reports(h)
            assert set(await named_in(h, report)) == {"semua1@a.example.id", "mati1@a.example.id"}
            letter = await opened(h, report)
            text = letter.get_body(("plain",))
            assert text is not None
            words = text.get_content().replace("\r\n", "\n")
            assert "Email tidak aktif (1):\n  <semua1@a.example.id>" in words
            assert r"  550 5.2.1 [/foo] mailbox \u202edisabled" in words
            await until_morning(clock)
            assert len(reports(h)) == 1

    run(main)


def test_what_is_urgent_or_asked_for_is_told_at_once() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, dead) as h:
            await h.put("mati1@a.example.id", urgency=Urgency.KRITIS)
            await h.put("mati2@a.example.id", urgency=Urgency.MENDESAK)
            await h.put("mati3@a.example.id", notify=frozenset({"FAILURE"}))
            await h.put("mati4@a.example.id", notify=frozenset({"NEVER"}))
            await asyncio.sleep(60)
            assert len(reports(h)) == 3
            await until_morning(clock)
            assert len(reports(h)) == 3

    run(main)


@pytest.mark.parametrize(
    ("mode", "soon", "in_all"), [("single", 3, 3), ("off", 1, 1), ("digest", 1, 2)]
)
def test_modes(mode: Any, soon: int, in_all: int) -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, dead, dsn=DsnSettings(mode=mode)) as h:
            await until_morning(clock)
            await h.put("mati1@a.example.id")
            await h.put("mati2@a.example.id")
            await h.put("mati3@a.example.id", notify=frozenset({"FAILURE"}))
            await asyncio.sleep(60)
            assert len(reports(h)) == soon
            await until_morning(clock)
            assert len(reports(h)) == in_all

    run(main)


def test_a_restart_forgets_nothing_and_tells_nothing_twice() -> None:
    async def main(clock: VirtualClock) -> None:
        store = MemoryStore()
        async with house(clock, dead, store=store) as h:
            await until_morning(clock)
            await h.put("mati1@a.example.id")
            await asyncio.sleep(60)
        await until_morning(clock, 2 * HOUR)  # nobody was there at seven
        async with house(clock, dead, store=store) as h:
            await asyncio.sleep(60)
            (report,) = reports(h)
            assert await named_in(h, report) == ["mati1@a.example.id"]
        async with house(clock, dead, store=store) as h:
            await until_morning(clock)
            assert reports(h) == []

    run(main)


def test_what_was_brought_back_and_arrived_is_not_reported() -> None:
    is_over = False

    def peer(delivery: Delivery, now: Instant) -> Answer:
        return OK if is_over else dead(delivery, now)

    async def main(clock: VirtualClock) -> None:
        nonlocal is_over
        async with house(clock, peer) as h:
            await until_morning(clock)
            one = await h.put("mati1@a.example.id")
            await h.put("mati2@a.example.id")
            await asyncio.sleep(60)
            is_over = True
            await h.store.requeue([(one, 0)], "requeue", "siti", "x", clock.now())
            await until_morning(clock)
            assert await h.state(one) is State.DELIVERED
            (report,) = reports(h)
            assert await named_in(h, report) == ["mati2@a.example.id"]

    run(main)


def test_a_report_that_nobody_takes_makes_no_second_one() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, lambda d, now: UNKNOWN) as h:
            await until_morning(clock)
            await h.put("mati1@a.example.id")
            await asyncio.sleep(4 * 86_400)
            assert len(reports(h)) == 1
            assert await h.states() == {State.BOUNCED: 2}
            assert await h.store.owed(clock.now()) == []

    run(main)


def test_letters_of_too_many_subjects_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MOST_DIGESTS", 3)

    async def main(clock: VirtualClock) -> None:
        async with house(clock, dead) as h:
            await until_morning(clock)
            for n in range(3):
                await h.put(f"mati{n}@d{n}.example.id", subject=f"Undangan {n}")
            await until_morning(clock)
            assert len(reports(h)) == 3
            for n in range(4):
                await h.put(f"mati{n}@d{n}.example.id", subject=f"Undangan {n}")
            await until_morning(clock)
            assert len(await named_in(h, reports(h)[-1])) == 4
            assert len(reports(h)) == 4

    run(main)


def test_a_store_that_fails_is_asked_again_and_a_digest_that_fails_is_told_of() -> None:
    class Failing(MemoryStore):
        times = 0
        is_broken = False

        async def owed_rows(self, *args: Any) -> Any:
            self.times += 1
            if self.times < 3:
                raise StoreError("busy")
            return await super().owed_rows(*args)

        async def letter(self, message_id: int) -> Letter:
            if self.is_broken:
                raise KeyError(message_id)
            return await super().letter(message_id)

    async def main(clock: VirtualClock) -> None:
        store = Failing()
        async with house(clock, dead, store=store) as h:
            await until_morning(clock)
            await h.put("mati1@a.example.id")
            await until_morning(clock)
            assert (store.times, len(reports(h))) == (3, 1)
            await h.put("mati2@a.example.id")
            await asyncio.sleep(60)
            store.is_broken = True
            await until_morning(clock)
            alerts = [e for e in h.of(events.Alert) if isinstance(e, events.Alert)]
            assert [e.name for e in alerts] == ["unsettled"]
            assert f"the digest for {SENDER}" in alerts[0].detail
            store.is_broken = False
            await until_morning(clock)
            assert len(reports(h)) == 2

    run(main)


def test_a_sender_that_is_no_mailbox_is_owed_nothing_in_the_end() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, dead) as h:
            await until_morning(clock)
            await h.put("mati1@a.example.id", sender="bukan alamat")
            await asyncio.sleep(60)
            assert len(await h.store.owed(clock.now())) == 1
            await until_morning(clock)
            assert await h.store.owed(clock.now()) == []
            assert await h.states() == {State.BOUNCED: 1}

    run(main)


def test_an_address_that_took_a_letter_once_is_called_inactive() -> None:
    is_closed = False

    def peer(delivery: Delivery, now: Instant) -> Answer:
        return UNKNOWN if is_closed and delivery.domain != HOME else OK

    async def main(clock: VirtualClock) -> None:
        nonlocal is_closed
        async with house(clock, peer) as h:
            await h.put("vendor@a.example.id")
            await until_morning(clock)
            is_closed = True
            await h.put("vendor@a.example.id")  # refused twice, a day apart: only then believed
            await until_morning(clock)
            await h.put("baru@a.example.id")
            await until_morning(clock)
            (report,) = reports(h)
            words, *_ = (await opened(h, report)).iter_parts()
            text = words.get_payload()
            assert "Email tidak aktif (1):\r\n  <vendor@a.example.id>" in text
            assert "Email tidak terdaftar (1):\r\n  <baru@a.example.id>" in text

    run(main)


def test_what_the_door_refused_is_dropped_a_week_later() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, dead) as h:
            now = clock.now()
            await h.store.keep_refused(letter(7, b"x", now), b"x", 0, MOST)
            for _ in range(7):
                await until_morning(clock)
                assert len(await h.store.refused()) == 1
            await until_morning(clock)
            assert await h.store.refused() == []

    run(main)


def test_what_was_said_of_an_address_is_forgotten_when_it_means_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        async with house(clock, dead) as h:
            at = clock.now() - millis(reach(SuppressionSettings())) + 7 * DAY
            await h.store.strike(struck(at))
            for _ in range(7):
                await until_morning(clock)
                assert await h.store.struck() == {ADDRESS}
            await until_morning(clock)
            assert await h.store.struck() == set()

    run(main)
