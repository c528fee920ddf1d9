"""An ended session is freed at once: nothing of it waits for Python to look for rings."""

from __future__ import annotations

import asyncio
import base64
import gc
import smtplib
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from argon2 import PasswordHasher

from relay.ingress.listening import Listener
from relay.ingress.protocol import Session
from relay.ingress.server import Door
from relay.ingress.settings import AuthSettings
from relay.service import loop_factory
from relay.store.base import Account
from tests.ingress import tls
from tests.ingress.house import Client, House, house

SECRET = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("rahasia")
PLAIN = base64.b64encode(b"\0spse\0rahasia").decode()

Seen = list["weakref.ref[Session]"]
Visiting = Callable[[House], Awaitable[None]]


@contextmanager
def seeing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Every session that the door makes, and no looking for rings meanwhile."""
    seen: Seen = []
    make = Door._session

    def made(door: Door, listener: Listener, is_stranger: bool) -> Session:
        session = make(door, listener, is_stranger)
        seen.append(weakref.ref(session))
        return session

    monkeypatch.setattr(Door, "_session", made)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield seen
    finally:
        if was_enabled:
            gc.enable()


async def _deliver(client: Client) -> None:
    await client.begin()
    await client.say(b".\r\n")
    assert (await client.hear()).startswith("250")


async def _leave(client: Client) -> None:
    assert (await client.ask("QUIT")).startswith("221")
    assert await client.is_closed()


async def with_quit(here: House) -> None:
    async with here.client() as client:
        await _deliver(client)
        await _leave(client)


async def without_a_word(here: House) -> None:
    async with here.client() as client:
        await client.ask("EHLO x")


async def with_a_reset(here: House) -> None:
    async with here.client() as client:
        await client.begin()
        client.writer.transport.abort()


async def refused_and_wrong(here: House) -> None:
    async with here.client() as client:
        assert (await client.ask("RCPT TO:<vendor@example.co.id>")).startswith("503")
        assert (await client.ask("PROXY TCP4")).startswith("5")
        assert await client.is_closed()


async def within_starttls(here: House) -> None:
    async with here.client() as client:
        await client.ask("EHLO x")
        await client.ask("STARTTLS")
        await client.writer.start_tls(tls.client(), server_hostname="127.0.0.1")
        await client.ask("EHLO x")
        assert (await client.ask(f"AUTH PLAIN {PLAIN}")).startswith("235")
        await _deliver(client)
        await _leave(client)


async def with_a_broken_handshake(here: House) -> None:
    async with here.client() as client:
        await client.ask("EHLO x")
        await client.ask("STARTTLS")
        await client.say(b"this is no TLS\r\n\r\n")
        while await client.reader.read(1000):
            pass


async def _by_smtplib(here: House, is_polite: bool) -> None:
    def speak() -> None:
        client = smtplib.SMTP_SSL("127.0.0.1", here.port, context=tls.client(), timeout=20)
        client.ehlo()
        if is_polite:
            client.quit()
        else:
            client.close()

    await asyncio.to_thread(speak)


async def within_implicit_tls(here: House) -> None:
    await _by_smtplib(here, is_polite=True)
    await _by_smtplib(here, is_polite=False)


CASES: list[tuple[str, Visiting]] = [
    ("off", with_quit),
    ("off", without_a_word),
    ("off", with_a_reset),
    ("off", refused_and_wrong),
    ("starttls", within_starttls),
    ("starttls", with_a_broken_handshake),
    ("implicit", within_implicit_tls),
]


@asynccontextmanager
async def listening(kind: str, **changes: Any) -> AsyncIterator[House]:
    context = None if kind == "off" else tls.server()
    async with house(tls=kind, context=context, auth=AuthSettings(enabled=True), **changes) as here:
        here.store.users["spse"] = Account("spse", "smtp", SECRET, 0)
        yield here


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, loop_factory()])
@pytest.mark.parametrize(("kind", "visit"), CASES)
def test_of_an_ended_session_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, kind: str, visit: Visiting, factory: Any
) -> None:
    async def visits(seen: Seen) -> None:
        async with listening(kind) as here:
            for _ in range(3):
                await visit(here)
            assert len(seen) >= 3
            await here.until(lambda: here.door.sessions_open == 0)
            await here.until(lambda: all(session() is None for session in seen))

    with seeing(monkeypatch) as seen, asyncio.Runner(loop_factory=factory) as runner:
        runner.run(visits(seen))


def test_a_stranger_that_has_gone_is_not_kept_for_a_strangers_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def visits(seen: Seen) -> None:
        async with listening("off", trusted_networks=(ip_network("192.0.2.0/24"),)) as here:
            await without_a_word(here)
            await here.until(lambda: here.door.sessions_open == 0)
            await here.until(lambda: all(session() is None for session in seen))
            assert len(seen) == 1

    with seeing(monkeypatch) as seen, asyncio.Runner() as runner:
        runner.run(visits(seen))
