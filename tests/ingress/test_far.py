"""One contract for the intake beside the store and the one at the other end of a link."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from relay.clock import SystemClock
from relay.ingress import carried
from relay.ingress.auth import Authenticator, TooManyAtOnceError
from relay.ingress.far import FarAuthenticator, FarIntake, FarLog, Telling
from relay.ingress.hatch import MOST_POLICIES, Hatch
from relay.ingress.intake import Behind, Receiving
from relay.ingress.link import MAX_FRAME, READ, Fault, Link, Parts, Said
from relay.ingress.listening import listeners
from relay.ingress.policy import Policy
from relay.ingress.settings import MOST_HANDED_OVER, ListenSettings
from relay.ingress.worker_door import WorkerDoor
from relay.mail import events
from relay.mail.address import AddressError, parse
from relay.mail.envelope import (
    Content,
    Envelope,
    Message,
    Options,
    Particulars,
    Recipient,
    Source,
)
from relay.mail.ids import Ids
from relay.mail.urgency import Urgency
from relay.shaping.settings import LifeSettings
from relay.store.base import Account, StoreDead, StoreError
from relay.store.turned_away import RefusedLetter
from tests.ingress.house import SENDER, House, Log, Store, letter, policy

CLOCK = SystemClock()
NAMES = Ids(7)


@dataclass
class Both:
    """What the tests look at, whichever way letters go."""

    behind: Behind
    store: Store
    log: Log
    hatch: Hatch
    link: Link | None = None


def receiving(store: Store, log: Log, executor: ThreadPoolExecutor) -> Behind:
    """Beside the store."""
    intake = Receiving(store, CLOCK, Ids(), log.emit, log, executor)
    return Behind(intake, Authenticator(store, executor, CLOCK.monotonic))


@asynccontextmanager
async def near() -> AsyncIterator[Both]:
    store, log = Store(), Log()
    with ThreadPoolExecutor(1) as executor:
        behind = receiving(store, log, executor)
        yield Both(behind, store, log, Hatch(behind, log.emit, log))


async def _no(word: str, said: list[Any], parts: Parts) -> Said:
    raise AssertionError(word)


@asynccontextmanager
async def far() -> AsyncIterator[Both]:
    """The same at the other end of a link."""
    async with near() as both:
        ours, theirs = socket.socketpair()
        links = []
        for sock, answer in ((ours, both.hatch.answer), (theirs, _no)):
            reader, writer = await asyncio.open_unix_connection(sock=sock, limit=READ)
            hear = both.hatch.hear("worker 1", lambda word, said: None)
            links.append(Link(reader, writer, answer, hear))
        running = [asyncio.create_task(one.run()) for one in links]
        link = links[1]
        both.hatch.policy(policy(both.log))
        behind = Behind(FarIntake(link, Path.cwd()), FarAuthenticator(link))
        yield replace(both, behind=behind, link=link)
        for one in links:
            one.close()
        await asyncio.gather(*running)


Way = Callable[[], AbstractAsyncContextManager[Both]]
BOTH = pytest.mark.parametrize("way", [near, far])


def source() -> Source:
    return Source("192.0.2.1", "host", "TLSv1.3", "spse", "127.0.0.1:2525", True, 40_000)


def recipient(text: str) -> Recipient:
    try:
        return Recipient(text, parse(text))
    except AddressError as error:
        return Recipient(text, None, str(error))


def message(*to: str, **particulars: Any) -> Message:
    now = CLOCK.now()
    head = b"From: lpse@lpse.example.go.id\r\nSubject: surat\r\n"
    return Message(
        NAMES.next(now),
        Envelope(SENDER, tuple(map(recipient, to))),
        Content(head, b"isi\r\n", b"h" * 32, b"s" * 32),
        source(),
        now,
        Particulars(**particulars),
    )


@BOTH
async def test_a_letter_is_put_placed_and_told(way: Way) -> None:
    async with way() as both:
        sent = message("v@gmail.com", "nonsense", "w@yahoo.com", notes=("a",))
        await both.behind.intake.take(sent, policy(both.log))
        (entry, *reports) = both.store.entries
        assert entry.message == sent and not reports
        assert [p.delivery.recipient for p in entry.placements] == [
            "v@gmail.com",
            "nonsense",
            "w@yahoo.com",
        ]
        kinds = [type(event) for event in both.log.events]
        assert kinds == [events.Received, events.Bounced]
        (received, _) = both.log.events
        assert isinstance(received, events.Received)
        assert (received.recipients, received.notes) == (3, ("a",))


@BOTH
async def test_a_report_at_once_is_in_the_same_commit(way: Way) -> None:
    async with way() as both:
        await both.behind.intake.take(message("x", urgency=Urgency.KRITIS), policy(both.log))
        entry, report = both.store.entries
        assert entry.has_inbox and not report.has_inbox


@BOTH
@pytest.mark.parametrize("kind", [StoreError, StoreDead])
async def test_what_cannot_be_put_is_not_told_nor_counted(
    way: Way, kind: type[StoreError], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with way() as both:

        async def broken(*_: object) -> None:
            raise kind("the disk is gone")

        terms = policy(both.log, ceiling=2)
        both.hatch.policy(replace(terms, number=1))
        with monkeypatch.context() as patch:
            patch.setattr(both.store, "put", broken)
            for _ in range(3):
                with pytest.raises(StoreError, match="the disk is gone") as raised:
                    await both.behind.intake.take(message("a@b.id", "c@b.id"), terms)
                assert type(raised.value) is kind
        assert both.log.events == []
        await both.behind.intake.take(message("a@b.id"), replace(terms, number=1))
        assert [type(event) for event in both.log.events] == [events.Received]


async def test_where_the_link_is_lost_nobody_says_that_nothing_was_taken() -> None:
    async with far() as both:
        assert both.link is not None
        taking = asyncio.create_task(
            both.behind.intake.take(message("v@gmail.com"), policy(both.log))
        )
        both.store.gate = asyncio.Event()
        async with asyncio.timeout(20):
            while not both.link._asked:
                await asyncio.sleep(0)
        both.link.close()
        for _ in range(100):
            await asyncio.sleep(0)
        assert not taking.done()  # the process ends here, and the client hears no reply
        both.store.gate.set()
        taking.cancel()


@BOTH
async def test_above_the_ceiling_letters_are_held(way: Way) -> None:
    async with way() as both:
        terms = replace(policy(both.log, ceiling=2), number=1)
        both.hatch.policy(terms)
        for _ in range(2):
            await both.behind.intake.take(message("a@b.id", "c@b.id"), terms)
        first, second = both.store.letters
        assert not first.particulars.is_held
        assert second.particulars.is_held
        assert both.log.names() == {"ingress_ceiling", "ingress_ceiling_held"}
        assert [type(event) for event in both.log.events][1:] == [events.Received, events.Held]


@BOTH
async def test_a_letter_is_placed_by_the_policy_that_it_began_under(way: Way) -> None:
    async with way() as both:
        terms = policy(both.log)
        old = replace(terms, number=1, life=LifeSettings(transaksi=timedelta(days=9)))
        both.hatch.policy(old)
        both.hatch.policy(replace(terms, number=2))
        sent = message("a@b.id")
        await both.behind.intake.take(sent, old)
        (placed,) = both.store.entries[0].placements
        assert placed.delivery.expires_at == sent.received_at + 9 * 86_400_000


async def test_of_very_old_policies_the_oldest_that_is_known_counts() -> None:
    async with far() as both:
        terms = policy(both.log)
        for number in range(1, MOST_POLICIES + 5):
            both.hatch.policy(replace(terms, number=number))
        await both.behind.intake.take(message("a@b.id"), terms)
        assert len(both.store.entries) == 1


@BOTH
async def test_ten_thousand_recipients(way: Way) -> None:
    async with way() as both:
        sent = message(*(f"v{n}@b.id" for n in range(10_000)))
        both.store.is_light = True
        await both.behind.intake.take(sent, policy(both.log))
        assert both.store.entries[0].message == sent


def refused_letter() -> RefusedLetter:
    return RefusedLetter(
        *(5, 10, 11, 1, "192.0.2.1 (spse)", SENDER, ("a@b.id",), 1, "s", 451, "no", "fault"),
        *(4, 0, True, b"\0" * 32),
    )


@BOTH
async def test_a_refused_letter_is_kept(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    async with way() as both:
        intake = both.behind.intake
        assert await intake.keep_refused(refused_letter(), b"a\0\xffb", 0, 1000) == 5
        assert await both.store.refused_octets(5) == b"a\0\xffb"
        [one] = await both.store.refused()
        assert replace(one, stored=0) == refused_letter()

        async def broken(*_: object) -> int:
            raise StoreError("the disk is gone")

        monkeypatch.setattr(both.store, "keep_refused", broken)
        with pytest.raises(StoreError, match="gone"):
            await intake.keep_refused(refused_letter(), b"", 0, 1000)


@BOTH
async def test_users(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    async with way() as both:
        secret = PasswordHasher(time_cost=1, memory_cost=64).hash(b"rahasia")
        both.store.users["spse"] = Account("spse", "app", secret, 0)
        verify = both.behind.authenticator.verify
        assert await verify("192.0.2.1", b"spse", b"rahasia") == "spse"
        assert await verify("192.0.2.2", b"spse", b"wrong\xff") is None
        monkeypatch.setattr("relay.ingress.auth.MAX_QUEUED", 0)
        with pytest.raises(TooManyAtOnceError):
            await verify("192.0.2.1", b"spse", b"rahasia")


@BOTH
async def test_the_disk(way: Way) -> None:
    async with way() as both:
        free, total = both.behind.intake.free_bytes()
        assert 0 < free <= total


async def test_what_a_worker_tells_is_heard_in_order(caplog: pytest.LogCaptureFixture) -> None:
    async with far() as both:
        assert both.link is not None
        telling = Telling(both.link)
        refusal = events.Refused(1, source(), "rcpt", 550, "no", "detail", SENDER, "x@b.id")
        telling.emit(refusal)
        telling.alert("unsigned", "no key")
        log = FarLog(both.link, asyncio.get_running_loop())
        record = logging.LogRecord("relay.x", logging.WARNING, "", 1, "seen %d", (3,), None)
        await asyncio.to_thread(log.handle, record)  # from any thread
        await asyncio.sleep(0)
        await both.behind.intake.keep_refused(refused_letter(), b"", 0, 1000)
        assert both.log.events == [refusal]
        assert both.log.alerts == [("unsigned", "no key")]
        assert ("relay.x", logging.WARNING, "worker 1: seen 3") in caplog.record_tuples


async def test_a_word_that_nobody_knows_is_a_fault() -> None:
    async with far() as both:
        assert both.link is not None
        with pytest.raises(Fault, match="'dance'"):
            await both.link.ask("dance")


async def test_every_field_of_a_letter_is_carried() -> None:
    whole = Message(
        id=2**62,
        envelope=Envelope(
            "ä@b.id",
            (
                Recipient("a@b.id", parse("a@b.id"), None, frozenset({"NEVER"}), "rfc822;a"),
                Recipient("ä@münchen.de", parse("ä@münchen.de"), None, frozenset(), None),
                Recipient("\udcff", None, "no mailbox", None, None),
            ),
            Options(10, "8BITMIME", True, "HDRS", "e"),
        ),
        content=Content(b"h\xff", b"b\0", b"1" * 32, b"2" * 32, b"", True, True),
        source=source(),
        received_at=123,
        particulars=Particulars(
            "s\udcff", Urgency.MASSAL, "p", 5, "u", "d", "f", True, "why", ("n", "m")
        ),
    )
    plain = Particulars()
    assert all(
        getattr(whole.particulars, one.name) != getattr(plain, one.name) for one in fields(plain)
    )
    assert await carried.message(*await through_json(whole)) == whole
    bare = message("a@b.id")
    assert await carried.message(*await through_json(bare)) == bare


async def through_json(one: Message) -> Said:
    import json

    said, parts = await carried.of_message(one)
    return json.loads(json.dumps(said)), parts


def test_the_largest_letter_fits_into_a_frame() -> None:
    mended, as_it_came, room = 3 * MOST_HANDED_OVER, MOST_HANDED_OVER, 4 * 1024 * 1024
    assert mended + as_it_came + room <= MAX_FRAME


async def worker_house(both: Both, terms: Policy, shared: list[Any]) -> House:
    assert both.link is not None
    telling = Telling(both.link)
    door = WorkerDoor(terms, shared, both.behind, CLOCK, Ids(1), telling.emit, telling)
    await door.start()
    return House(door, both.store, both.log)


async def test_two_doors_on_one_listener_take_letters_and_turn_nobody_away_alone() -> None:
    async with far() as both:
        listen = [ListenSettings(address="127.0.0.1:0")]
        shared = listeners(listen, 10, {})
        twin = [replace(one, socket=one.socket.dup()) for one in shared]
        terms = policy(both.log, max_sessions=2, accept_wait=timedelta(milliseconds=20))
        first = await worker_house(both, terms, shared)
        second = await worker_house(both, terms, twin)
        doors = (first.door, second.door)
        async with first.client() as a, first.client() as b, first.client() as c, first.client():
            await a.begin()
            await a.say(letter() + b".\r\n")
            assert (await a.hear()).startswith("250 2.0.0 queued as ")
            assert len(both.store.letters) == 1
            assert [door.sessions_open for door in doors] == [2, 2]
            async with first.client(greeted=False) as waiting:
                heard = asyncio.ensure_future(waiting.hear())
                await asyncio.sleep(0.1)
                assert not heard.done()  # one of them does not know that the other is full, too
                for door in doors:
                    assert isinstance(door, WorkerDoor) and door.is_full
                    door.is_everybody_full = True
                assert (await heard).startswith("421")
            for client in (b, c):
                await client.ask("QUIT")
        await asyncio.gather(*(door.drain() for door in doors))
