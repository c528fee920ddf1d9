"""A whole site on loopback for a test: the installed relay as a process, and a fake internet."""

from __future__ import annotations

import asyncio
import json
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from relay.clock import SystemClock
from relay.config import keys
from relay.lab import models
from relay.lab.internet import GMAIL, GOVERNMENT, YAHOO, House, Internet
from relay.lab.running import Relay
from relay.mail.dkim import dns_record, load_key
from relay.store.reader import open_readonly

SENDER: Final = "lpse@lpse.example.go.id"
LETTER: Final = (
    b"From: LPSE <lpse@lpse.example.go.id>\r\nTo: vendor@yahoo.com\r\n"
    b"Subject: LPSE Pengumuman Pembatalan Lelang\r\n\r\nKepada Yth.\r\n"
)
PATIENCE: Final = 60.0  # seconds until a test says that it will not happen

CONFIG: Final = """
hostname: relay.lpse.example.go.id
listen: [{{address: "{smtp}", tls: off}}]
allowed_senders: ["@lpse.example.go.id"]
state_dir: state
dns: {{servers: ["{dns}"]}}
dkim: [{{domain: lpse.example.go.id, selector: s1, key_file: keys/s1.pem}}]
pause: {{throttle: 1s, block: 1s, longest: 2s}}
retry: {{schedule: [1s, 2s, 4s], ambiguous: 1s}}
web: {{listen: "127.0.0.1:0"}}
metrics: {{listen: "127.0.0.1:0"}}
log: {{to: relay.log, addresses: full}}
lab: true
testing_smtp_port: {port}
"""
FAST: Final = """
limits:
  gmail.com: {rate: 60000/min, connections: 10, messages_per_connection: 1000}
  yahoo.com: {rate: 60000/min, connections: 10, messages_per_connection: 1000}
  "*": {rate: 60000/min, connections: 10, messages_per_connection: 1000}
"""
# More letters in an hour than this are held; a bench sends a day's in minutes.
UNHELD: Final = "ingress: {ceiling: 100000000}\n"


@dataclass(slots=True)
class Site:
    """The relay, the internet around it, and where the door is."""

    internet: Internet
    relay: Relay
    folder: Path
    about: dict[str, Any]

    @property
    def door(self) -> tuple[str, int]:
        """The SMTP listener's host and port."""
        host, _, port = self.about["smtp"][0].rpartition(":")
        return host, int(port)

    async def send(self, *recipients: str, content: bytes = LETTER) -> None:
        """One letter by smtplib."""

        def deliver() -> None:
            with smtplib.SMTP(*self.door, timeout=30) as client:
                client.sendmail(SENDER, list(recipients), content)

        await asyncio.to_thread(deliver)

    async def queue(self, **selector: Any) -> dict[str, Any]:
        """`queue ls`."""
        return await self.relay.call("queue.ls", selector=selector, limit=1000)

    async def until(self, happened: Callable[[], Any], what: str) -> None:
        """Wait for something that another process does; fails with `what` it was."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not happened():
            assert loop.time() < deadline, f"it did not happen: {what}"
            await asyncio.sleep(0.02)

    async def arrived(self, count: int) -> None:
        """Wait until the providers have so many letters."""
        arrivals = self.internet.ledger.arrivals
        await self.until(lambda: len(arrivals) >= count, f"{count} letters arrive")

    async def settled(self, left: int = 0) -> dict[str, Any]:
        """Wait until no more than `left` deliveries are unfinished."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while (queue := await self.queue())["total"] > left:
            assert loop.time() < deadline, f"still in the queue: {queue}"
            await asyncio.sleep(0.05)
        return queue

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """The relay's log so far; it is written a moment after what it tells, see `logged`."""
        log = self.folder / "relay.log"
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [e for e in events if not kind or e["event"] == kind]

    async def logged(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many events of a kind are in the log."""
        await self.until(lambda: len(self.events(kind)) >= count, f"{count} of {kind} are logged")
        return self.events(kind)

    async def metrics(self) -> str:
        """What a monitor reads; counted a moment after what it counts, see `measured`."""
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://{self.about['metrics']}/metrics")).text

    async def measured(self, *samples: str) -> None:
        """Wait until all these lines are among the metrics."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while missing := set(samples) - set((await self.metrics()).splitlines()):
            assert loop.time() < deadline, f"it is not measured: {missing}"
            await asyncio.sleep(0.05)

    async def kept_to(self, count: int, within: int, domain: str) -> None:
        """The limit held where the letters arrive: no more than `count` in `within` milliseconds.

        On a busy machine a letter is seen later than it was sent, and the next one at once: so each
        is held against the beginning of the transaction of that `count` before it."""
        seen = {to: a.at for a in self.internet.ledger.arrivals for to in a.recipients}
        seen = {to: at for to, at in seen.items() if to.endswith(f"@{domain}")}
        told = await self.logged("delivered", len(self.internet.ledger.arrivals))
        assert {event["recipient"] for event in told} >= seen.keys()
        took = {event["recipient"]: event["took_ms"] for event in self.events("attempted")}
        began = sorted(at - took[to] - 1 for to, at in seen.items())
        late = sorted(seen.values())
        apart = [late[n + count] - began[n] for n in range(len(seen) - count)]
        assert min(apart) >= within, (apart, [at - late[0] for at in late])

    async def unramped(self, provider: str) -> None:
        """Its limit counts at once: it is not asked slowly first, as one that is new is."""
        await self.relay.call("pause", provider=provider, reason="so that it is known")
        await self.relay.call("resume", provider=provider, reason="known")

    async def restart(self) -> None:
        """Start the relay again on what its state directory holds."""
        self.about = await self.relay.start()


def houses() -> list[House]:
    """Providers without quotas that a test would meet by accident."""
    return [
        House(GMAIL, "127.0.1.1", models.Gmail(models.Window(10**6, 1000)), ("gmail.com",)),
        House(YAHOO, "127.0.1.3", models.Yahoo(frozenset({"gone@yahoo.com"})), ("yahoo.com",)),
        House(GOVERNMENT, "127.0.1.5", models.Greylisting(delay=0), ("dinas.example.go.id",)),
        House("mx.lpse.example.go.id", "127.0.1.6", models.Yahoo(), ("lpse.example.go.id",)),
    ]


@asynccontextmanager
async def site(
    folder: Path,
    extra: str = FAST,
    around: list[House] | None = None,
    smtp: str = "127.0.0.1:0",
    replacing: dict[str, str] | None = None,
    made: Callable[[Path, Path], Relay] = Relay,
) -> AsyncIterator[Site]:
    """A running site; `extra` is more YAML, `replacing` changes lines of the config's text, `made`
    builds the relay's process from its configuration and state."""
    internet = Internet(SystemClock(), around or houses())
    dns, port = await internet.start()
    keys.make(folder / "keys" / "s1.pem")
    key = load_key((folder / "keys" / "s1.pem").read_bytes(), "lpse.example.go.id", "s1")
    internet.zone.txt[key.record_name] = dns_record(key)
    text = CONFIG.format(dns=dns, port=port, smtp=smtp) + extra
    for old, new in (replacing or {}).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "relay.yaml").write_text(text)
    relay = made(folder / "relay.yaml", folder / "state")
    try:
        yield Site(internet, relay, folder, await relay.start())
    finally:
        await relay.stop()
        await internet.stop()


async def inbox(folder: Path, address: str) -> list[Any]:
    """The rows of an address' inbox, read from the store."""
    store = await open_readonly(folder / "state")
    try:
        mailbox = await store.mailbox(address)
        return await store.page(mailbox.id, 10_000) if mailbox else []
    finally:
        await store.close()
