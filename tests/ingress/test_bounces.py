"""The return path's door: what it takes, what it refuses, and what it never does."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from relay.clock import SystemClock
from relay.config.shipped import shipped_classifier
from relay.ingress.bounces import ReturnDoor
from relay.ingress.noting import Noting
from relay.ingress.settings import ReturnPathSettings
from relay.ingress.turnstile import MOST_CLIENTS, Turnstile
from relay.mail.classification import Category
from relay.mail.delivery import Delivered, State
from relay.mail.events import Returned
from relay.mail.ids import Ids
from relay.mail.instant import DAY
from relay.mail.late import Kind
from relay.mail.return_path import ReturnPath
from relay.mail.strike import Cause, Strike
from relay.mail.telling import Mode
from relay.mail.urgency import Urgency
from relay.shaping.settings import LifeSettings
from relay.store import returns
from relay.store.base import Entry, Settlement, StoreError
from tests.ingress import house as houses
from tests.ingress import tls
from tests.ingress.house import Client, House, Log
from tests.mail import reports
from tests.mail.reports import VENDOR, wire
from tests.store.letters import Post, attempt

DOMAIN = reports.DOMAIN
KEY = b"s" * 32


FROM = "no-reply@lpse.example.go.id"


class Store(houses.Store):
    """Can be told to fail when a report is written down."""

    async def note_late(
        self,
        late: Any,
        strike: Strike | None = None,
        report: Entry | None = None,
        owes_report: bool = False,
    ) -> bool:
        if self.fails:
            raise StoreError("the disk is gone")
        return await super().note_late(late, strike, report, owes_report)


@dataclass
class Returns(House):
    """The door, and one letter that was delivered through the relay before."""

    path: ReturnPath
    message_id: int
    struck: list[str]

    @property
    def ours(self) -> str:
        now = SystemClock().now()
        return self.path.address(self.message_id, 1, now, now)

    def text(self, report: str) -> bytes:
        """A report about our letter."""
        return wire(report.replace(reports.OURS, self.ours))

    def told(self) -> list[str]:
        return [event.outcome for event in self.log.events if isinstance(event, Returned)]

    async def kinds(self) -> list[Kind]:
        return [one.kind for one in await self.store.late_reports([(self.message_id, 1)])]

    async def strikes(self) -> list[Strike]:
        return list((await self.store.history(VENDOR)).strikes)


@asynccontextmanager
async def open_door(
    context: Any = None,
    urgency: Urgency = Urgency.MASSAL,
    notify: frozenset[str] | None = None,
    mode: Mode = "digest",
    **settings: Any,
) -> AsyncIterator[Returns]:
    log, store, clock, struck = Log(), Store(), SystemClock(), list[str]()
    post = Post(at=clock.now())
    entry = post.entry(urgency=urgency)
    (placed,) = entry.placements
    asked = replace(placed, delivery=replace(placed.delivery, notify=notify))
    await store.put(replace(entry, placements=(asked,)))
    (one,) = await store.claim(["example.co.id"], 1, clock.now(), clock.now() + DAY)
    await store.settle([Settlement(one, Delivered(), attempt(one))], clock.now())
    path = ReturnPath([KEY], DOMAIN)
    noting = Noting(
        store,
        path,
        shipped_classifier(),
        clock,
        Ids(),
        log.emit,
        log,
        struck.extend,
        houses.HOST,
        LifeSettings(),
        mode,
    )
    wanted = ReturnPathSettings(domain=DOMAIN, listen=("127.0.0.1:0",), **settings)
    policy = houses.policy(log, tls=context)
    door = ReturnDoor(policy, wanted, path, store, clock, Ids(), log.emit, log, noting)
    await door.start()
    try:
        yield Returns(door, store, log, path, one.message_id, struck)
    finally:
        for session in tuple(door._sessions):
            session.cut()
        await door.drain()


async def hand_in(client: Client, to: str, letter: bytes, sender: str = "") -> str:
    """A whole letter; the last reply."""
    assert (await client.ask("EHLO mx.example.co.id")).startswith("250")
    assert (await client.ask(f"MAIL FROM:<{sender}>")).startswith("250")
    reply = await client.ask(f"RCPT TO:<{to}>")
    if not reply.startswith("250"):
        return reply
    assert (await client.ask("DATA")).startswith("354")
    await client.say(letter + b"\r\n.\r\n")
    return await client.hear()


# --- what is taken


@pytest.mark.parametrize(
    "text",
    [reports.POSTFIX, reports.SENDMAIL, reports.EXCHANGE, reports.GMAIL, reports.EXIM,
     reports.QMAIL],
)  # fmt: skip
async def test_a_late_bounce_of_each_mail_system(text: str) -> None:
    async with open_door() as door, door.client() as client:
        before = await door.store.find(door.message_id)
        assert await hand_in(client, door.ours, door.text(text)) == "250 2.0.0 Noted"
        (late,) = await door.store.late_reports([(door.message_id, 1)])
        assert (late.kind, late.category, late.named) == (Kind.FAILED, Category.UNKNOWN_USER, "")
        (strike,) = await door.strikes()
        assert (strike.cause, strike.source, strike.ref) == (
            Cause.UNKNOWN, "late", (door.message_id, 1),
        )  # fmt: skip
        assert door.struck == [VENDOR]
        assert door.told() == ["failed"]
        # The delivery itself stands where it stood.
        assert await door.store.find(door.message_id) == before
        assert before[0].delivery.state is State.DELIVERED


async def test_a_report_counts_once_and_its_kinds_each() -> None:
    async with open_door() as door, door.client() as client:
        for text in (reports.DELAYED, reports.DELAYED, reports.POSTFIX, reports.GMAIL, reports.ARF):
            assert (await hand_in(client, door.ours, door.text(text))).startswith("250")
        assert door.told() == ["delayed", "repeated", "failed", "repeated", "complaint"]
        assert await door.kinds() == [Kind.DELAYED, Kind.FAILED, Kind.COMPLAINT]
        strikes = await door.strikes()
        assert {(one.cause, one.source) for one in strikes} == {
            (Cause.UNKNOWN, "late"), (Cause.COMPLAINT, "complaint"),
        }  # fmt: skip


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "delivered"])
async def test_what_is_no_failure_speaks_against_nobody(action: str) -> None:
    text = reports.POSTFIX.replace("Action: failed", f"Action: {action}")
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, door.ours, door.text(text))).startswith("250")
        assert await door.kinds() == [Kind(action)]
        assert await door.strikes() == [] and door.struck == []


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("552 5.2.2 mailbox is full", Cause.FULL),
        ("550 5.7.1 blocked: your IP 203.0.113.7 is listed at Spamhaus", None),
        ("421 4.7.28 unusual rate of mail", None),
        ("550 5.7.26 This mail is unauthenticated: SPF and DKIM did not pass", None),
        ("554 5.7.1 message looks like spam", None),
        ("something odd happened", None),
    ],
)
async def test_only_what_is_the_address_own_speaks_against_it(
    said: str, cause: Cause | None
) -> None:
    text = re.sub(
        r"Diagnostic-Code: smtp;.*\n.*\n", f"Diagnostic-Code: smtp; {said}\n", reports.POSTFIX
    )
    text = text.replace("Status: 5.1.1", "Status: 5.0.0")
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, door.ours, door.text(text))).startswith("250")
        assert await door.kinds() == [Kind.FAILED]
        assert [one.cause for one in await door.strikes()] == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("urgency", "notify", "mode", "told", "owed"),
    [
        (Urgency.KRITIS, None, "digest", 1, 0),
        (Urgency.MENDESAK, None, "digest", 1, 0),
        (Urgency.TRANSAKSI, None, "digest", 0, 1),
        (Urgency.MASSAL, None, "digest", 0, 1),
        (Urgency.MASSAL, None, "single", 1, 0),
        (Urgency.KRITIS, None, "off", 0, 0),
        (Urgency.MASSAL, frozenset({"FAILURE"}), "off", 1, 0),
        (Urgency.KRITIS, frozenset({"NEVER"}), "single", 0, 0),
    ],
)
async def test_the_sender_is_told_as_of_a_failure_in_the_dialog(
    urgency: Urgency, notify: frozenset[str] | None, mode: Mode, told: int, owed: int
) -> None:
    """Once: his own address is no more the envelope's, so nobody else tells him."""
    async with open_door(urgency=urgency, notify=notify, mode=mode) as door, door.client() as one:
        for text in (reports.DELAYED, reports.POSTFIX, reports.POSTFIX):
            assert (await hand_in(one, door.ours, door.text(text))).startswith("250")
        messages = [entry.message for entry in door.store.entries if not entry.has_inbox]
        assert len(messages) == told
        waiting = await door.store.owed(SystemClock().now() + DAY)
        assert [(each.sender, each.count) for each in waiting] == [(FROM, 1)] * owed
        for message in messages:
            assert message.envelope.sender == ""
            assert str(message.envelope.recipients[0].address) == FROM
            assert b"Action: failed\r\nStatus: 5.1.1\r\n" in message.content.body
            assert b"User unknown in local recipient table" in message.content.body


async def test_a_forwarded_address_that_failed_elsewhere() -> None:
    """It is told, and speaks against nobody: whose address that is we cannot know."""
    text = reports.POSTFIX.replace(f"Original-Recipient: rfc822;{VENDOR}\n", "")
    text = text.replace(
        f"Final-Recipient: rfc822; {VENDOR}", "Final-Recipient: rfc822; b@x.example"
    )
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, door.ours, door.text(text))).startswith("250")
        (late,) = await door.store.late_reports([(door.message_id, 1)])
        assert (late.kind, late.named) == (Kind.FAILED, "b@x.example")
        assert await door.strikes() == []


@pytest.mark.parametrize("to", ["fbl", "postmaster", "ABUSE"])
async def test_a_complaint_finds_its_delivery_by_what_is_within(to: str) -> None:
    async with open_door() as door, door.client() as client:
        reply = await hand_in(
            client, f"{to}@{DOMAIN}", door.text(reports.ARF), "fbl@provider.example"
        )
        assert reply == "250 2.0.0 Noted"
        (strike,) = await door.strikes()
        assert (strike.cause, strike.source, strike.rule) == (
            Cause.COMPLAINT, "complaint", "complaint:abuse",
        )  # fmt: skip


async def test_feedback_that_is_no_complaint() -> None:
    text = reports.ARF.replace("Feedback-Type: abuse", "Feedback-Type: not-spam")
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, f"fbl@{DOMAIN}", door.text(text))).startswith("250")
        assert await door.kinds() == [Kind.FEEDBACK]
        assert await door.strikes() == []


async def test_an_answering_machine_is_counted_and_forgotten() -> None:
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, door.ours, door.text(reports.VACATION))).startswith("250")
        assert door.told() == ["auto_reply"]
        assert await door.kinds() == [] and await door.store.kept_returns() == []


async def test_a_person_s_letter_is_kept() -> None:
    letter = wire(f"From: {VENDOR}\nSubject: Tanya\n\nHalo\n")
    async with open_door() as door, door.client() as client:
        for to in (door.ours, f"postmaster@{DOMAIN}", "postmaster"):
            assert (await hand_in(client, to, letter, VENDOR)).startswith("250")
        kept = await door.store.kept_returns()
        assert [one.recipient for one in kept] == ["postmaster", f"postmaster@{DOMAIN}", door.ours]
        assert {(one.subject, one.sender, one.client) for one in kept} == {
            ("Tanya", VENDOR, "127.0.0.1")
        }
        assert (await door.store.kept_return(kept[0].id)).startswith(letter)
        assert door.log.names() == {"returns_kept"}


async def test_a_complaint_without_an_address_of_ours_is_kept() -> None:
    """Nor is one of another relay's, or a forged one, believed."""
    other = ReturnPath([b"x" * 32], DOMAIN).address(1, 1, 1, 1)
    forged = reports.PATH.address(1, 1, 1, 1)[:-20] + "aaaa" + DOMAIN
    async with open_door() as door, door.client() as client:
        for text in (reports.ARF, reports.ARF.replace(reports.OURS, other),
                     reports.ARF.replace(reports.OURS, forged),
                     reports.ARF.replace(reports.OURS, "x@y.example")):  # fmt: skip
            assert (await hand_in(client, f"fbl@{DOMAIN}", wire(text))).startswith("250")
        assert door.told() == ["kept"] * 4
        assert len(await door.store.kept_returns()) == 4
        assert await door.strikes() == []


async def test_no_room_for_what_nobody_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.store.memory_returning.MOST_KEPT", 100)
    assert returns.MOST_KEPT > 100
    letter = wire("Subject: x\n\n" + "x" * 60)
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, f"abuse@{DOMAIN}", letter)).startswith("250")
        reply = await hand_in(client, f"abuse@{DOMAIN}", letter)
        assert reply.startswith("452 4.3.1")
        assert door.told() == ["kept", "full"]
        assert "returns_full" in door.log.names()


async def test_a_delivery_that_the_store_does_not_know() -> None:
    async with open_door() as door, door.client() as client:
        now = SystemClock().now()
        unknown = door.path.address(12345, 1, now, now)
        assert (await hand_in(client, unknown, door.text(reports.POSTFIX))).startswith("250")
        assert door.told() == ["unknown"]


# --- what is refused


async def test_forged_expired_and_foreign_are_refused_at_rcpt() -> None:
    async with open_door() as door, door.client() as client:
        now = SystemClock().now()
        local, _, domain = door.ours.partition("@")
        wrong = "a" if local[30] != "a" else "b"
        forged = f"{local[:30]}{wrong}{local[31:]}@{domain}"
        expired = door.path.address(door.message_id, 1, now - 40 * DAY, now - 35 * DAY)
        foreign = ReturnPath([b"y" * 32], DOMAIN).address(door.message_id, 1, now, now)
        assert (await client.ask("EHLO x")).startswith("250")
        assert (await client.ask("MAIL FROM:<>")).startswith("250")
        replies = [await client.ask(f"RCPT TO:<{to}>") for to in (forged, expired, foreign)]
        assert [reply[:9] for reply in replies] == ["550 5.7.1", "550 5.4.7", "550 5.1.1"]
        assert door.told() == ["forged", "expired", "foreign"]
        assert (await client.ask("DATA")).startswith("503")


@pytest.mark.parametrize(
    "to",
    ["vendor@gmail.com", "info@lpse.example.go.id", f"nobody@{DOMAIN}", "fbl@lpse.example.go.id",
     "not an address", f"fbl%gmail.com@{DOMAIN}", f"@{DOMAIN}:vendor@gmail.com"],
)  # fmt: skip
async def test_it_cannot_relay(to: str) -> None:
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, to, b"x", "lpse@lpse.example.go.id")).startswith("55")
        assert door.told() == ["foreign"]
        assert [entry.message.source.listener for entry in door.store.entries] == [
            "127.0.0.1:2525"  # the letter that was there before
        ]


async def test_neither_auth_nor_dsn_is_offered() -> None:
    async with open_door() as door, door.client() as client:
        greeting = await client.ask("EHLO x")
        assert "AUTH" not in greeting and "DSN" not in greeting and "STARTTLS" not in greeting
        assert "SIZE 1048576" in greeting
        assert (await client.ask("AUTH PLAIN AGEAYg==")).startswith("502")


async def test_starttls_where_there_is_a_certificate() -> None:
    async with open_door(context=tls.server()) as door, door.client() as client:
        assert "STARTTLS" in await client.ask("EHLO x")
        assert (await client.ask("STARTTLS")).startswith("220")


async def test_a_letter_over_a_mebibyte_is_refused() -> None:
    async with open_door() as door, door.client() as client:
        reply = await hand_in(client, door.ours, b"Subject: x\r\n\r\n" + b"x" * (1 << 20))
        assert reply.startswith("552 5.3.4")
        assert (await client.ask("MAIL FROM:<> SIZE=2000000")).startswith("552")


async def test_a_bomb_is_refused() -> None:
    bomb = b"Content-Type: message/rfc822\r\n\r\n" * 12 + b"x\r\n"
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, door.ours, bomb)).startswith("554 5.6.0")
        assert door.told() == ["unreadable"]


async def test_bare_newlines_are_refused() -> None:
    async with open_door() as door, door.client() as client:
        reply = await hand_in(client, door.ours, b"Subject: x\n\nx\r\n")
        assert reply.startswith("554 5.6.0")


async def test_a_client_may_come_so_often_a_minute() -> None:
    async with open_door(per_client=3) as door, door.client() as client:
        for _ in range(3):
            assert (await hand_in(client, door.ours, door.text(reports.DELAYED))).startswith("250")
        assert (await client.ask("MAIL FROM:<>")).startswith("451 4.7.1")
        assert door.told()[-1] == "limited"


async def test_guessing_counts_too_and_ends_the_session() -> None:
    async with open_door(per_client=10) as door, door.client() as client:
        await client.ask("EHLO x")
        await client.ask("MAIL FROM:<>")
        for _ in range(19):
            assert (await client.ask(f"RCPT TO:<nobody@{DOMAIN}>")).startswith("550")
        await client.say(f"RCPT TO:<nobody@{DOMAIN}>\r\nNOOP\r\n".encode())
        assert (await client.hear()).startswith("550")
        assert (await client.hear()).startswith("421")
        async with door.client() as again:
            await again.ask("EHLO x")
            assert (await again.ask("MAIL FROM:<>")).startswith("451 4.7.1")


async def test_a_fault_of_ours_is_a_451_and_nothing_is_said() -> None:
    async with open_door() as door, door.client() as client:
        door.store.fails = True
        reply = await hand_in(client, door.ours, door.text(reports.POSTFIX))
        assert reply.startswith("451 4.3.0")
        door.store.fails = False
        assert door.told() == [] and door.struck == []
        assert (await hand_in(client, door.ours, door.text(reports.POSTFIX))).startswith("250")
        assert await door.kinds() == [Kind.FAILED]


async def test_several_recipients_are_bounded_and_each_noted_once() -> None:
    async with open_door() as door, door.client() as client:
        now = SystemClock().now()
        await client.ask("EHLO x")
        await client.ask("MAIL FROM:<>")
        assert (await client.ask(f"RCPT TO:<{door.ours}>")).startswith("250")
        assert (await client.ask(f"RCPT TO:<{door.ours.upper()}>")).startswith("250")
        for n in range(19):
            other = door.path.address(99, n, now, now)
            assert (await client.ask(f"RCPT TO:<{other}>")).startswith("250")
        one_more = door.path.address(98, 1, now, now)
        assert (await client.ask(f"RCPT TO:<{one_more}>")).startswith("452 4.5.3")
        await client.ask("DATA")
        await client.say(door.text(reports.POSTFIX) + b"\r\n.\r\n")
        assert (await client.hear()).startswith("250")
        assert sorted(door.told()) == ["failed"] + ["unknown"] * 19


async def test_low_on_disk() -> None:
    async with open_door() as door, door.client() as client:
        door.store.free = (1, 10**12)
        await client.ask("EHLO x")
        assert (await client.ask("MAIL FROM:<>")).startswith("452 4.3.1")


async def test_a_socket_that_systemd_hands_in() -> None:
    log, store, clock = Log(), Store(), SystemClock()
    path = ReturnPath([KEY], DOMAIN)
    noting = Noting(
        store, path, shipped_classifier(), clock, Ids(), log.emit, log, list[str]().extend,
        houses.HOST, LifeSettings(),
    )  # fmt: skip
    wanted = ReturnPathSettings(domain=DOMAIN, listen=("systemd:returns",))
    policy = houses.policy(log)
    with socket.create_server(("127.0.0.1", 0)) as held:
        handed_in = {"returns": [held.dup()]}
        parts = (policy, wanted, path, store, clock, Ids(), log.emit, log, noting)
        door = ReturnDoor(*parts, handed_in)
        await door.start()
        assert door.addresses == [held.getsockname()]
        reader, writer = await asyncio.open_connection(*held.getsockname())
        assert (await reader.readline()).startswith(b"220 ")
        writer.close()
        await door.drain()
        with pytest.raises(OSError, match="systemd:returns: no socket of that name"):
            await ReturnDoor(*parts).start()


async def test_a_reload_takes_no_certificate_away() -> None:
    async with open_door(context=tls.server()) as door:
        with pytest.raises(ValueError, match="STARTTLS"):
            door.door.swap(replace(houses.policy(door.log), tls=None))
    async with open_door() as door:
        door.door.swap(houses.policy(door.log, max_sessions=7))
        assert door.door.policy.ingress.max_sessions == 100
        assert not door.door.policy.trusts("127.0.0.1")


# --- the turnstile


def test_the_count_slides() -> None:
    turnstile = Turnstile(2)
    assert [turnstile.lets_in("192.0.2.1", at) for at in (0, 30, 59, 60, 61)] == [
        True, True, False, True, False,
    ]  # fmt: skip
    assert turnstile.lets_in("192.0.2.2", 61)
    assert turnstile.lets_in("odd", 61)


def test_a_client_has_a_whole_ipv6_network() -> None:
    turnstile = Turnstile(1)
    assert turnstile.lets_in("2001:db8::1", 0)
    assert not turnstile.lets_in("2001:db8::ffff", 0)
    assert turnstile.lets_in("2001:db8:0:1::1", 0)


def test_its_memory_is_bounded() -> None:
    turnstile = Turnstile(1)
    for n in range(MOST_CLIENTS + 5):
        assert turnstile.lets_in(f"c{n}", 0)
    assert len(turnstile._came) == MOST_CLIENTS
