"""Who may not relay holds the door neither long nor wide: a lifetime, a bound, a share."""

from __future__ import annotations

import asyncio
import base64
import threading
from ipaddress import ip_network

import pytest
from argon2 import PasswordHasher

from relay.ingress import strangers
from relay.ingress.settings import AuthSettings
from relay.store.base import Account
from tests.ingress import tls
from tests.ingress.house import Client, House, house, letter

INSIDE = (ip_network("127.0.0.2/32"),)
SECRET = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("rahasia")
RIGHT = base64.b64encode(b"\0spse\0rahasia").decode()


async def trusted(here: House) -> Client:
    """A client from the trusted network, greeted."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", here.port, local_addr=("127.0.0.2", 0)
    )
    client = Client(reader, writer)
    assert (await client.hear()).startswith("220")
    return client


@pytest.mark.parametrize("command", ["NOOP", "RSET", "VRFY x", "HELO x", "EHLO x"])
async def test_a_stranger_that_idles_is_shown_out(command: str) -> None:
    async with house(trusted_networks=()) as here, here.client() as client:
        for _ in range(strangers.MAX_IDLE):
            assert (await client.ask(command)).startswith("2")
        assert (await client.ask(command)).startswith("421 4.7.0")
        assert await client.is_closed()


async def test_a_trusted_client_may_idle() -> None:
    async with house() as here, here.client() as client:
        for _ in range(3 * strangers.MAX_IDLE):
            assert (await client.ask("NOOP")).startswith("250")


async def test_a_stranger_s_time_is_bounded_whatever_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strangers, "LIFETIME", 0.05)
    monkeypatch.setattr(strangers, "MAX_IDLE", 10**9)
    async with house(trusted_networks=INSIDE) as here:
        inside = await trusted(here)
        async with here.client() as silent, here.client() as busy, here.client() as dribbles:
            await dribbles.say(b"NO")
            assert (await silent.hear()).startswith("421 4.7.0 Neither")
            assert await silent.is_closed()
            heard = "250"
            while heard.startswith("250"):
                heard = await busy.ask("NOOP")
            assert heard.startswith("421 4.7.0")
            assert (await dribbles.hear()).startswith("421 4.7.0")
        assert (await inside.ask("NOOP")).startswith("250")
        await inside.close()


@pytest.mark.parametrize(
    ("password", "replies"), [(b"salah", ("535", "421 4.7.0")), (b"rahasia", ("235", "250"))]
)
async def test_a_verification_that_takes_longer_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, password: bytes, replies: tuple[str, str]
) -> None:
    monkeypatch.setattr(strangers, "LIFETIME", 0.1)
    auth = AuthSettings(enabled=True)
    async with house(
        tls="implicit", context=tls.server(), auth=auth, trusted_networks=INSIDE
    ) as here:
        here.store.users["spse"] = Account("spse", "smtp", SECRET, 0)
        released = threading.Event()
        here.door._verifying.submit(released.wait)
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", here.port, ssl=tls.client(), server_hostname="127.0.0.1"
            )
            client = Client(reader, writer)
            await client.hear()
            await client.ask("EHLO x")
            said = base64.b64encode(b"\0spse\0" + password)
            await client.say(b"AUTH PLAIN " + said + b"\r\nNOOP\r\n")
            await here.until(lambda: next(iter(here.door._sessions))._is_over_time)
        finally:
            released.set()
        assert (await client.hear()).startswith(replies[0])
        assert (await client.hear()).startswith(replies[1])
        writer.close()


async def test_strangers_hold_half_of_the_sessions_at_most() -> None:
    async with (
        house(max_sessions=4, trusted_networks=INSIDE) as here,
        here.client() as first,
        here.client(),
    ):
        async with here.client(greeted=False) as third:
            assert (await third.hear()).startswith("421 4.3.2")
            assert await third.is_closed()
        assert "door_strangers" in here.log.names()
        inside = [await trusted(here), await trusted(here)]
        await inside[0].begin()
        await inside[0].say(letter() + b".\r\n")
        assert (await inside[0].hear()).startswith("250")
        await inside[1].ask("QUIT")
        await first.ask("QUIT")
        await here.until(lambda: here.door.sessions_open == 2)
        async with here.client() as fourth:
            assert (await fourth.ask("NOOP")).startswith("250")
        for client in inside:
            await client.close()


async def test_who_has_authenticated_is_no_stranger() -> None:
    auth = AuthSettings(enabled=True)
    async with house(
        tls="starttls", context=tls.server(), auth=auth, max_sessions=2, trusted_networks=INSIDE
    ) as here:
        here.store.users["spse"] = Account("spse", "smtp", SECRET, 0)
        async with here.client() as known:
            await known.ask("EHLO x")
            await known.ask("STARTTLS")
            await known.writer.start_tls(tls.client(), server_hostname="127.0.0.1")
            await known.ask("EHLO x")
            assert len(here.door._strangers) == 1
            assert (await known.ask(f"AUTH PLAIN {RIGHT}")).startswith("235")
            assert not here.door._strangers
            for _ in range(2 * strangers.MAX_IDLE):
                assert (await known.ask("NOOP")).startswith("250")
            async with here.client() as other:
                assert (await other.ask("NOOP")).startswith("250")
        await here.until(lambda: here.door.sessions_open == 0)
        assert not here.door._strangers


@pytest.mark.parametrize(("sessions", "share"), [(1, 1), (2, 1), (3, 1), (500, 250)])
def test_the_share(sessions: int, share: int) -> None:
    assert strangers.most(sessions) == share


@pytest.mark.parametrize(
    ("peer", "ip"),
    [
        (("192.0.2.1", 25), "192.0.2.1"),
        (("::ffff:192.0.2.1", 25, 0, 0), "192.0.2.1"),
        (("fe80::1%eth0", 25, 0, 2), "fe80::1"),
        (None, ""),
    ],
)
def test_the_peer_s_address(peer: object, ip: str) -> None:
    assert strangers.ip_of(peer) == ip
