"""What the tests of the door share: a door on a free port, a store that remembers, raw clients."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from relay.clock import SystemClock
from relay.config.shipped import texts
from relay.filters import loading, rules
from relay.filters.pipeline import Pipeline
from relay.filters.settings import FilterSettings, PipelineSettings
from relay.ingress.auth import Authenticator
from relay.ingress.policy import Policy
from relay.ingress.server import Door
from relay.ingress.settings import AuthSettings, IngressSettings, ListenSettings, Network
from relay.mail.envelope import Message
from relay.mail.events import Event, Refused
from relay.mail.ids import Ids
from relay.store.base import Account, Entry, StoreError
from relay.store.memory import MemoryStore

HOST = "relay.lpse.example.go.id"
SENDER = "lpse@lpse.example.go.id"
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"),)
SHIPPED_RULES = rules.shipped(texts("relay.filters", ".")["filters/./classes.yaml"])


def letter(n: int = 0) -> bytes:
    """A short letter as it goes over the wire, without its final dot."""
    return f"From: {SENDER}\r\nSubject: surat {n}\r\n\r\nisi\r\n".encode()


class Store(MemoryStore):
    """Remembers every entry; can be told to fail, to wait, or to have little room."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.free = (10**12, 10**12)
        self.fails = False
        self.is_light = False  # only `entries`, not the queue: where the door's time is measured
        self.gate: asyncio.Event | None = None
        self.users: dict[str, Account] = {}

    async def put(self, *entries: Entry) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise StoreError("the disk is gone")
        if not self.is_light:
            await super().put(*entries)
        self.entries += entries

    def free_bytes(self) -> tuple[int, int]:
        return self.free

    async def account(self, name: str) -> Account | None:
        return self.users.get(name)

    @property
    def letters(self) -> list[Message]:
        """Those that clients sent, without reports."""
        return [entry.message for entry in self.entries if entry.has_inbox]


@dataclass
class Log:
    """Events and alerts, as the administrator would see them."""

    events: list[Event] = field(default_factory=list)
    alerts: list[tuple[str, str]] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def alert(self, name: str, detail: str) -> None:
        self.alerts.append((name, detail))

    def names(self) -> set[str]:
        return {name for name, _ in self.alerts}

    def refused(self) -> list[Refused]:
        return [event for event in self.events if isinstance(event, Refused)]


class Client:
    """A raw client: says octets, hears lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def hear(self) -> str:
        """One whole reply, its lines joined with LF."""
        lines: list[str] = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 20)).decode()
            if not line.endswith("\r\n"):
                raise EOFError(f"closed after {lines} {line!r}")
            lines.append(line[:-2])
            if line[3:4] != "-":
                return "\n".join(lines)

    async def ask(self, line: str) -> str:
        await self.say(line.encode() + b"\r\n")
        return await self.hear()

    async def begin(self, sender: str = "lpse@lpse.example.go.id", to: int = 1) -> None:
        """Up to the 354."""
        assert (await self.ask("EHLO localhost")).startswith("250")
        assert (await self.ask(f"MAIL FROM:<{sender}>")).startswith("250")
        for n in range(to):
            assert (await self.ask(f"RCPT TO:<vendor{n}@example.co.id>")).startswith("250")
        assert (await self.ask("DATA")).startswith("354")

    async def is_closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(1), 20) == b""

    async def close(self) -> None:
        self.writer.close()


@dataclass
class House:
    """A door and all that stands around it."""

    door: Door
    store: Store
    log: Log

    def __post_init__(self) -> None:
        self.port = self.door.addresses[0][1]

    @property
    def authenticator(self) -> Authenticator:
        """The door's own."""
        found = self.door.handler.authenticator
        assert isinstance(found, Authenticator)
        return found

    @asynccontextmanager
    async def client(self, host: str = "127.0.0.1", greeted: bool = True) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection(host, self.port)
        client = Client(reader, writer)
        try:
            if greeted:
                assert (await client.hear()).startswith("220 ")
            yield client
        finally:
            writer.close()

    async def until(self, is_so: Any) -> None:
        """Let the loop run until a condition holds."""
        async with asyncio.timeout(20):
            while not is_so():
                await asyncio.sleep(0.001)


def pipeline(log: Log, filters: Sequence[FilterSettings] | None = None) -> Pipeline:
    """The shipped order, or another."""
    supplies = loading.Supplies(
        hostname=HOST,
        allowed_senders=("@lpse.example.go.id",),
        rules=SHIPPED_RULES,
        signed_domains=("lpse.example.go.id",),
        alerts=log,
    )
    entries = PipelineSettings().filters if filters is None else filters
    return loading.pipeline(entries, supplies)


def policy(log: Log, **changes: Any) -> Policy:
    """The default policy with changes; those of `ingress` and `auth` by their settings' names."""
    ingress = {
        name: changes.pop(name) for name in list(changes) if name in IngressSettings.model_fields
    }
    made = Policy(
        hostname=HOST,
        trusted_networks=LOOPBACK,
        pipeline=pipeline(log),
        ingress=IngressSettings(**({"drain_sessions": timedelta(seconds=5)} | ingress)),
        auth=AuthSettings(),
    )
    return replace(made, **changes)


@asynccontextmanager
async def house(
    tls: str = "off", context: ssl.SSLContext | None = None, **changes: Any
) -> AsyncIterator[House]:
    """An open door on a free port of 127.0.0.1."""
    log = Log()
    store = Store()
    listen = [ListenSettings.model_validate({"address": "127.0.0.1:0", "tls": tls})]
    door = Door(
        policy(log, tls=context, **changes), listen, store, SystemClock(), Ids(), log.emit, log
    )
    await door.start()
    try:
        yield House(door, store, log)
    finally:
        for session in tuple(door._sessions):
            if session.transport is not None:
                session.transport.abort()  # type: ignore[attr-defined]
        await door.drain()
