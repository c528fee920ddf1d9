"""The return path's door: whom it refuses, what it never does, and how it is opened."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from relay.clock import SystemClock
from relay.config.shipped import shipped_classifier
from relay.ingress.bounces import ReturnDoor
from relay.ingress.noting import Noting
from relay.ingress.settings import ReturnPathSettings
from relay.mail.ids import Ids
from relay.mail.instant import DAY
from relay.mail.late import Kind
from relay.mail.return_path import Refusal, ReturnPath, ReturnPathError, Token
from relay.shaping.settings import LifeSettings
from tests.ingress import house as houses
from tests.ingress import tls
from tests.ingress.house import Log
from tests.ingress.returns import DOMAIN, KEY, Store, hand_in, open_door
from tests.mail import reports


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


@pytest.mark.parametrize("is_alone", [True, False])
async def test_what_expires_before_the_dot_is_not_called_noted(
    monkeypatch: pytest.MonkeyPatch, is_alone: bool
) -> None:
    def over(*_: object) -> Token:
        raise ReturnPathError(Refusal.EXPIRED, "it has expired")

    async with open_door() as door, door.client() as client:
        for line in ("EHLO x", "MAIL FROM:<>", f"RCPT TO:<{door.ours}>"):
            assert (await client.ask(line)).startswith("250")
        if not is_alone:
            assert (await client.ask(f"RCPT TO:<abuse@{DOMAIN}>")).startswith("250")
        assert (await client.ask("DATA")).startswith("354")
        monkeypatch.setattr(ReturnPath, "read", over)
        await client.say(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert (await client.hear()).startswith("550 5.4.7" if is_alone else "250")
        assert door.told() == (["expired"] if is_alone else ["expired", "kept"])


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
