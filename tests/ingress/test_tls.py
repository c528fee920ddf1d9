"""TLS and AUTH: nothing said in the clear counts, passwords are slow to guess and never logged."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import smtplib
import ssl
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
from argon2 import PasswordHasher

from relay.ingress import auth
from relay.ingress.auth import FORGOTTEN_AFTER, Authenticator
from relay.ingress.policy import certificate
from relay.ingress.settings import AuthSettings
from relay.store.base import Account
from tests.ingress import tls
from tests.ingress.house import Client, House, Store, house

STRANGERS = (ip_network("192.0.2.0/24"),)
SECRET = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("rahasia é")
AUTH = AuthSettings(enabled=True)
PLAIN = base64.b64encode("\0spse\0rahasia é".encode()).decode()
WRONG = base64.b64encode(b"\0spse\0salah").decode()


def with_user(here: House) -> None:
    here.store.users["spse"] = Account("spse", "smtp", SECRET, 0)


async def upgraded(client: Client) -> Client:
    """The same client after STARTTLS and its handshake."""
    await client.writer.start_tls(tls.client(), server_hostname="127.0.0.1")
    return client


async def test_starttls_forgets_what_was_said_before() -> None:
    async with house(tls="starttls", context=tls.server()) as here, here.client() as client:
        assert "250-STARTTLS" in (await client.ask("EHLO x")).replace("250 ", "250-")
        assert await client.ask("STARTTLS now") == "501 5.5.4 This command takes no argument"
        assert await client.ask("STARTTLS") == "220 2.0.0 Ready to start TLS"
        await upgraded(client)
        assert (await client.ask("MAIL FROM:<lpse@lpse.example.go.id>")).startswith("503")
        assert "STARTTLS" not in await client.ask("EHLO x")
        assert (await client.ask("STARTTLS")).startswith("503 5.5.1")
        await client.begin()
        await client.say(b".\r\n")
        assert (await client.hear()).startswith("250")
        [letter] = here.store.letters
        assert letter.source.tls == "TLSv1.3"
        assert b"with ESMTPS id" in letter.content.head


async def test_starttls_forgets_who_authenticated_in_the_clear() -> None:
    # Whoever sits between could say his own name, and let another's TLS go on from there.
    plain = AuthSettings(enabled=True, plaintext_on_trusted=True)
    async with (
        house(tls="starttls", context=tls.server(), auth=plain) as here,
        here.client() as client,
    ):
        with_user(here)
        await client.ask("EHLO x")
        assert (await client.ask(f"AUTH PLAIN {PLAIN}")).startswith("235")
        await client.ask("STARTTLS")
        await upgraded(client)
        assert "AUTH PLAIN" in await client.ask("EHLO x")
        await client.begin()
        await client.say(b".\r\n")
        assert (await client.hear()).startswith("250")
        assert here.store.letters[0].source.user is None


async def test_commands_sent_along_with_starttls_are_discarded() -> None:
    async with house(tls="starttls", context=tls.server()) as here, here.client() as client:
        await client.ask("EHLO x")
        injected = b"MAIL FROM:<lpse@lpse.example.go.id>\r\nRCPT TO:<evil@example.com>\r\n"
        await client.say(b"STARTTLS\r\n" + injected)
        assert (await client.hear()).startswith("220")
        await upgraded(client)
        # No reply to what was injected waits here: the first is that to EHLO.
        assert "relay.lpse.example.go.id" in await client.ask("EHLO x")
        assert (await client.ask("RCPT TO:<vendor@example.co.id>")).startswith("503")


async def test_starttls_within_a_message_is_refused() -> None:
    async with house(tls="starttls", context=tls.server()) as here, here.client() as client:
        await client.ask("EHLO x")
        await client.ask("MAIL FROM:<lpse@lpse.example.go.id>")
        assert (await client.ask("STARTTLS")).startswith("503 5.5.1")


async def test_a_handshake_that_fails_ends_the_session_quietly() -> None:
    async with house(tls="starttls", context=tls.server()) as here, here.client() as client:
        await client.ask("EHLO x")
        await client.ask("STARTTLS")
        await client.say(b"this is no TLS\r\n\r\n")
        while await client.reader.read(1000):
            pass
        await here.until(lambda: here.door.sessions_open == 0)
        assert not here.log.alerts
        assert here.log.refused()[-1].reason == "tls"


async def test_implicit_tls() -> None:
    async with house(tls="implicit", context=tls.server()) as here:

        def send() -> None:
            with smtplib.SMTP_SSL("127.0.0.1", here.port, context=tls.client()) as smtp:
                smtp.sendmail("lpse@lpse.example.go.id", ["v@example.co.id"], b"\r\nhello\r\n")

        await asyncio.to_thread(send)
        assert here.store.letters[0].source.tls == "TLSv1.3"


async def test_a_client_without_tls_at_an_implicit_listener() -> None:
    async with house(tls="implicit", context=tls.server()) as here:
        async with here.client(greeted=False) as client:
            await client.say(b"EHLO x\r\n")
            assert not (await client.reader.read(1000)).startswith(b"220")
        await here.until(lambda: here.door.sessions_open == 0)


async def test_auth_is_offered_over_tls_only() -> None:
    async with (
        house(tls="starttls", context=tls.server(), auth=AUTH, trusted_networks=STRANGERS) as here,
        here.client() as client,
    ):
        with_user(here)
        assert "AUTH" not in await client.ask("EHLO x")
        assert (await client.ask(f"AUTH PLAIN {PLAIN}")).startswith("538 5.7.11")
        await client.ask("STARTTLS")
        await upgraded(client)
        assert "250 AUTH PLAIN LOGIN" in await client.ask("EHLO x")
        assert (await client.ask(f"AUTH PLAIN {PLAIN}")).startswith("235 2.7.0")
        assert "AUTH" not in await client.ask("EHLO x")
        assert (await client.ask(f"AUTH PLAIN {PLAIN}")).startswith("503")
        await client.begin()
        await client.say(b"\r\na\nb\r\n.\r\n")
        # A client from outside is not trusted with bare newlines, whoever it is.
        assert (await client.hear()).startswith("554 5.6.0")
        await client.begin()
        await client.say(b".\r\n")
        assert (await client.hear()).startswith("250")
        [letter] = here.store.letters
        assert letter.source.user == letter.particulars.app_user == "spse"
        assert b"with ESMTPSA id" in letter.content.head


ON_TRUSTED = AuthSettings(enabled=True, plaintext_on_trusted=True)


@pytest.mark.parametrize(
    ("says", "hears"),
    [
        (["AUTH PLAIN", PLAIN], ["334 ", "235 2.7.0"]),
        (["auth plain " + PLAIN], ["235 2.7.0"]),
        (["AUTH LOGIN", "c3BzZQ==", "cmFoYXNpYSDDqQ=="], ["334 VXNl", "334 UGFz", "235 2.7.0"]),
        (["AUTH LOGIN c3BzZQ==", "cmFoYXNpYSDDqQ=="], ["334 UGFz", "235 2.7.0"]),
        (["AUTH LOGIN", "*"], ["334 ", "501 5.7.0"]),
        (["AUTH LOGIN", "%%%"], ["334 ", "501 5.5.2"]),
        (["AUTH PLAIN ="], ["501 5.5.2"]),
        (["AUTH PLAIN " + base64.b64encode(b"other\0spse\0x").decode()], ["501 5.5.2"]),
        (["AUTH PLAIN " + base64.b64encode(b"\0\xff\0x").decode()], ["535 5.7.8"]),
        (["AUTH PLAIN " + base64.b64encode(b"\0nobody\0x").decode()], ["535 5.7.8"]),
        (["AUTH CRAM-MD5"], ["504 5.5.4"]),
        (["AUTH"], ["501 5.5.4"]),
    ],
)
async def test_the_auth_dialogue(says: list[str], hears: list[str]) -> None:
    async with house(auth=ON_TRUSTED) as here, here.client() as client:
        with_user(here)
        await client.ask("EHLO x")
        for said, heard in zip(says, hears, strict=True):
            assert (await client.ask(said)).startswith(heard)


async def test_three_failures_a_session_and_no_word_of_them_in_the_log() -> None:
    async with house(auth=ON_TRUSTED) as here, here.client() as client:
        with_user(here)
        slept: list[float] = []
        here.authenticator._sleep = _noted(slept)
        await client.ask("EHLO x")
        for _ in range(3):
            assert (await client.ask(f"AUTH PLAIN {WRONG}")).startswith("535 5.7.8 Auth")
        assert (await client.ask(f"AUTH PLAIN {PLAIN}")).startswith("535 5.7.8 Too many")
        assert slept == [1.0, 2.0]
        assert (await client.ask("NOOP")).startswith("250")
        told = repr([dataclasses.astuple(event) for event in here.log.refused()])
        assert WRONG not in told and "salah" not in told


async def test_auth_needs_ehlo_and_a_pause_between_messages() -> None:
    async with house(auth=ON_TRUSTED) as here, here.client() as client:
        assert (await client.ask("AUTH PLAIN")).startswith("503")
        await client.ask("EHLO x")
        await client.ask("MAIL FROM:<lpse@lpse.example.go.id>")
        assert (await client.ask("AUTH PLAIN")).startswith("503")


def _noted(slept: list[float]) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return sleep


async def test_delays_grow_by_client_and_are_forgotten() -> None:
    store = Store()
    store.users["spse"] = Account("spse", "smtp", SECRET, 0)
    now = [0.0]
    slept: list[float] = []
    with ThreadPoolExecutor(1) as executor:
        made = Authenticator(store, executor, lambda: now[0], _noted(slept))
        for _ in range(8):
            assert await made.verify("192.0.2.1", b"spse", b"x") is None
        assert slept == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        assert made.delay("192.0.2.2") == 0.0
        now[0] += FORGOTTEN_AFTER + 1
        assert made.delay("192.0.2.1") == 0.0
        assert await made.verify("192.0.2.1", b"spse", b"x") is None
        assert made.delay("192.0.2.1") == 1.0
        assert await made.verify("192.0.2.1", b"spse", "rahasia é".encode()) == "spse"
        assert made.delay("192.0.2.1") == 0.0
        for name, password in (
            (b"else", b"nobody"),
            (b"", b"x"),
            (b"a\0b", b"x"),
            (b"spse", b"x" * 5000),
        ):
            assert await made.verify("192.0.2.3", name, password) is None


async def test_a_damaged_hash_lets_nobody_in() -> None:
    store = Store()
    store.users["spse"] = Account("spse", "smtp", "no hash", 0)
    with ThreadPoolExecutor(1) as executor:
        made = Authenticator(store, executor, lambda: 0.0)
        assert await made.verify("192.0.2.1", b"spse", b"no hash") is None


class Gate:
    """An executor whose work waits until it is let go; remembers how much waited at once."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], object], Future[object]]] = []

    def submit(self, work: Callable[..., object], *given: object) -> Future[object]:
        future: Future[object] = Future()
        self.waiting.append((partial(work, *given), future))
        return future

    def let_go(self) -> None:
        work, future = self.waiting.pop(0)
        future.set_result(work())


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def of_gate() -> tuple[Authenticator, Gate, list[float]]:
    store = Store()
    store.users["spse"] = Account("spse", "smtp", SECRET, 0)
    gate, slept = Gate(), list[float]()
    made = Authenticator(store, gate, lambda: 0.0, _noted(slept))  # type: ignore[arg-type]
    return made, gate, slept


async def test_sessions_at_once_guess_no_faster_than_one() -> None:
    made, gate, slept = of_gate()
    asked = [asyncio.ensure_future(made.verify("192.0.2.1", b"spse", b"x")) for _ in range(4)]
    other = asyncio.ensure_future(made.verify("192.0.2.2", b"spse", "rahasia é".encode()))
    await settled()
    assert len(gate.waiting) == 2  # one of each client
    while gate.waiting:
        gate.let_go()
        await settled()
        assert len(gate.waiting) <= 2
    assert [task.result() for task in asked] == [None] * 4 and other.result() == "spse"
    assert slept == [1.0, 2.0, 4.0]
    assert not made._queues


async def test_an_ipv6_network_is_one_client() -> None:
    made, gate, _ = of_gate()
    asked = [
        asyncio.ensure_future(made.verify(ip, b"spse", b"x"))
        for ip in ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1")
    ]
    await settled()
    assert len(gate.waiting) == 2
    while gate.waiting:
        gate.let_go()
        await settled()
    assert [await task for task in asked] == [None] * 3
    assert [made.delay(ip) for ip in ("2001:db8::9", "2001:db8:0:1::9", "::1")] == [2.0, 1.0, 0.0]


async def test_the_queue_of_a_client_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made, gate, _ = of_gate()
    monkeypatch.setattr(auth, "MAX_QUEUED", 7)
    ip = "192.0.2.1"
    asked = [asyncio.ensure_future(made.verify(ip, b"spse", b"x")) for _ in range(7)]
    await settled()
    with pytest.raises(auth.TooManyAtOnceError):
        await made.verify(ip, b"spse", b"x")
    gate.let_go()
    await settled()
    # Six are left, and one has failed: now there is room for four more after them.
    with pytest.raises(auth.TooManyAtOnceError):
        await made.verify(ip, b"spse", b"x")
    monkeypatch.setattr(auth, "TURN", 0.0)
    late = asyncio.ensure_future(made.verify("192.0.2.2", b"spse", b"x"))
    await settled()
    with pytest.raises(auth.TooManyAtOnceError):  # it waits for its turn, but not for ever
        await made.verify("192.0.2.2", b"spse", b"x")
    while gate.waiting:
        gate.let_go()
        await settled()
    assert [await task for task in (*asked, late)] == [None] * 8
    assert not made._queues


async def test_a_client_that_asks_too_often_at_once_hears_454() -> None:
    async with house(auth=ON_TRUSTED) as here, here.client() as client:
        with_user(here)
        here.authenticator._queues["127.0.0.1"] = auth._Queue(count=auth.MAX_QUEUED)
        await client.ask("EHLO x")
        assert (await client.ask(f"AUTH PLAIN {PLAIN}")).startswith("454 4.7.0")
        here.authenticator._queues.clear()
        assert (await client.ask(f"AUTH PLAIN {PLAIN}")).startswith("235")


async def test_a_large_letter_does_not_wait_for_guesses() -> None:
    async with house(auth=ON_TRUSTED) as here, here.client() as client, here.client() as guesser:
        release = threading.Event()
        here.door._verifying.submit(release.wait)  # a hash that takes long
        try:
            await guesser.ask("EHLO x")
            await guesser.say(f"AUTH PLAIN {WRONG}\r\n".encode() * 3)
            await client.begin()
            await client.say(b"\r\n" + b"x\r\n" * 40_000 + b".\r\n")
            assert (await client.hear()).startswith("250")
        finally:
            release.set()
        here.authenticator._sleep = _noted([])
        assert (await guesser.hear()).startswith("535")


async def test_a_listener_with_tls_needs_a_certificate() -> None:
    with pytest.raises(ValueError, match="certificate"):
        async with house(tls="starttls"):
            raise AssertionError("the door opened")


def test_a_bad_certificate_file_says_so(tmp_path: Any) -> None:
    bad = tmp_path / "cert.pem"
    bad.write_text("nothing")
    with pytest.raises(ssl.SSLError):
        certificate(bad)
