"""An ended connection to a server is freed at once: nothing of it waits for Python's ring hunt."""

from __future__ import annotations

import asyncio
import gc
import ssl
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from relay.service import loop_factory
from relay.transports import opening
from relay.transports.base import Host, TlsPolicy
from relay.transports.wire import Wire
from tests.peers.certificates import self_signed
from tests.peers.ports import free_port
from tests.transports.house import House, brief, job, route, to
from tests.transports.peer import GOODBYE, Cut, Hang, Hear, Peer, Script, Tls, hello, letter

STARTTLS: Script = [*hello("PIPELINING", "STARTTLS"), Hear("STARTTLS"), "220 go on"]
AGAIN: Script = [Hear("EHLO"), "250-mx\n250 PIPELINING"]

SCRIPTS: dict[str, tuple[TlsPolicy, Script]] = {
    "delivered": ("none", [*hello("PIPELINING"), *letter(), *GOODBYE]),
    "encrypted": ("required", [*STARTTLS, Tls(), *AGAIN, *letter(), *GOODBYE]),
    "encrypted and cut": ("required", [*STARTTLS, Tls(), *AGAIN, *letter(), Cut(is_reset=True)]),
    "cut": ("none", [*hello("PIPELINING"), Hear("MAIL"), Cut()]),
    "no TLS behind the 220": ("required", [*STARTTLS, b"nonsense " * 100, Hang()]),
    "cut in the handshake": ("required", [*STARTTLS, Cut()]),
    "turned away": ("none", ["421 4.7.0 busy", Hang()]),
    "no banner": ("none", [Hang()]),
}


@pytest.fixture(scope="module")
def server_side(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    certificate = self_signed(tmp_path_factory.mktemp("tls"), "mx0.example.net")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    return context


@pytest.fixture
def wires(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Wire]]:
    """Every connection that is begun."""
    seen: list[weakref.ref[Wire]] = []

    class Seen(Wire):
        def __init__(self) -> None:
            super().__init__()
            seen.append(weakref.ref(self))

    monkeypatch.setattr(opening, "Wire", Seen)
    return seen


def run(factory: Callable[[], Any] | None, what: Callable[[], Any]) -> None:
    """Without Python looking for rings meanwhile."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(what())
    finally:
        if was_enabled:
            gc.enable()


async def all_freed(wires: list[weakref.ref[Wire]]) -> None:
    async with asyncio.timeout(20):
        while any(wire() is not None for wire in wires):
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, loop_factory()])
@pytest.mark.parametrize("case", SCRIPTS)
def test_of_an_ended_connection_nothing_is_left(
    case: str, factory: Any, server_side: ssl.SSLContext, wires: list[weakref.ref[Wire]]
) -> None:
    async def carry() -> None:
        policy, script = SCRIPTS[case]
        async with Peer(script, tls=server_side) as peer:
            house = House(brief(greeting=0.05), per_connection=1)
            for _ in range(3):
                await house.attempt(job(to(peer, tls=policy)))
            await house.close()
            assert len(wires) >= 3
            await all_freed(wires)

    run(factory, carry)


def test_of_a_connection_that_never_stood_nothing_is_left(wires: list[weakref.ref[Wire]]) -> None:
    async def carry() -> None:
        house = House()
        attempt = await house.attempt(job(route(Host("mx0.example.net", free_port(), 0))))
        assert not attempt.is_accepted
        await house.close()
        assert wires
        await all_freed(wires)

    run(loop_factory(), carry)
