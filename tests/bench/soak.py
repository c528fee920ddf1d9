"""Soak a relay: half its speed for long, STARTTLS both ways, reloads, pauses, slow and dying peers.

`python -m tests.bench.soak [--minutes M] [--rate R] [--json]`. The installed program takes letters
by clients that come and go, and carries them to peers of three kinds: quick, slow, and dying (they
cut the line anywhere, also after the dot, and say nothing then). It begins with a few seconds at
full speed; half of what was delivered in that time is the speed of the rest, unless `--rate` says
it (copies a second: a letter to five is five).

At the end, with all delivered and the sessions hung up, memory, descriptors, threads, tasks and
write-ahead log must be where they were after those first seconds. No accepted letter may be
missing at the peers, and none may have come twice, save where a peer cut the line after the dot:
then once more for each time (the duplicate window of relay/store/base.py). None may have come in
the clear, save to the dying peer, which also cuts STARTTLS.

32 MB more at the end count as what it was. So of a run of ten minutes or more, the memory's slope
over the second half is judged too: more than 100 MB a day is a fault where it is more by three
standard errors. Half an hour in which the samples scatter by 1 MB can tell 360 MB a day and more;
by 0.2 MB, 150; eight hours with 1 MB, 104. A smaller leak, or one that is not used here, it does
not see; a cache that is still being filled looks to it like one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from relay.config import keys
from relay.lab.dns import NameServer, Zone
from relay.lab.internet import self_signed as lab_certificate
from relay.lab.running import Relay
from relay.mail.dkim import dns_record, load_key
from tests.bench import keeping, shown
from tests.bench.million_world import still
from tests.bench.soak_sides import DYING, QUICK, SLOW, Books, Client, Peer
from tests.bench.soak_watch import Watch, gauge, pss
from tests.e2e.site import CONFIG, FAST, UNHELD
from tests.peers.certificates import self_signed

NAME: Final = "relay.lpse.example.go.id"
CLIENTS: Final = 4
PAUSE: Final = 2.0  # seconds of a pause by hand, and of a dying peer's absence
PATIENCE: Final = 90.0  # seconds for the last letters, and for the calm after them
SAMPLED: Final = 5.5  # seconds: the gauges are renewed every five
WHOLE: Final = 30.0  # minutes that the marks are of
EVERY: Final = 0.2  # seconds between two troubles, at least
TROUBLES: Final = ("reload", "pause_all", "pause_one", "absence", "hangup")  # in turn
WARM: Final = 5.0  # seconds at full speed
# What may differ at the end: MB, descriptors, threads, tasks, MB of log.
TOLERANCE: Final = {"mb": 32.0, "descriptors": 4, "threads": 2, "tasks": 4, "wal_mb": 1.1}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a relay at rest holds."""

    mb: float
    descriptors: int
    threads: int
    tasks: int
    wal_mb: float

    def beyond(self, before: Standing) -> dict[str, float]:
        """What is more than it was, by more than is tolerated; the log by itself."""
        grown = {key: value - asdict(before)[key] for key, value in asdict(self).items()}
        grown["wal_mb"] = self.wal_mb
        return {key: by for key, by in grown.items() if by > TOLERANCE[key]}


@dataclass
class Soak:
    """One run."""

    relay: Relay
    about: dict[str, Any]
    books: Books
    peers: list[Peer]  # the dying one is the last
    address: tuple[str, int]  # of the dying one
    number: int = 0
    troubles: Counter[str] = field(default_factory=Counter)

    @property
    def door(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.about["smtp"][0].rpartition(":")
        return host, int(port)

    @property
    def pid(self) -> int:
        """The relay's."""
        assert self.relay.process is not None
        return self.relay.process.pid

    async def hand_in(self, seconds: float, rate: float | None) -> tuple[float, float]:
        """Letters for so long; at `rate` copies a second, or as fast as they are taken. Returns how
        many copies a second were accepted, and delivered in the same time."""
        began, books = time.monotonic(), self.books
        first, taken = len(books.accepted) + books.refused, len(books.taken)
        accepted = len(books.accepted)

        async def serve(client: Client) -> None:
            while time.monotonic() - began < seconds:
                handed = len(books.accepted) + books.refused - first
                if rate is not None and handed > (time.monotonic() - began) * rate:
                    await asyncio.sleep(0.01)
                    continue
                self.number += 1
                await client.send(self.number)
            await client.close()

        await asyncio.gather(*(serve(Client(self.door, self.books)) for _ in range(CLIENTS)))
        took = time.monotonic() - began
        return (len(books.accepted) - accepted) / took, (len(books.taken) - taken) / took

    async def disturb(self, every: float, over: asyncio.Event) -> None:
        """One trouble after another; the last one is whole, so that no pause is left."""
        config = self.relay.config.read_text()
        n = 0
        while not await _heard(over, every):
            kind = TROUBLES[n % len(TROUBLES)]
            match kind:
                case "reload":
                    limit = f"60000/{'min' if n % 2 else '60s'}"
                    self.relay.config.write_text(config.replace("60000/min", limit))
                    await self.relay.call("reload")
                case "pause_all" | "pause_one":
                    name = "*" if kind == "pause_all" else QUICK[0]
                    await self.relay.call("pause", provider=name, reason="soak")
                    await _heard(over, PAUSE)
                    await self.relay.call("resume", provider=name, reason="soak")
                case "absence":
                    self.peers[-1].stop()
                    await _heard(over, PAUSE)
                    await self.peers[-1].start(*self.address)
                case _:
                    os.kill(self.pid, signal.SIGHUP)
            self.troubles[kind] += 1
            n += 1

    async def troubled(self, watch: Watch, rate: float) -> float:
        """As many seconds as are watched, with troubles. Returns how many copies a second were
        accepted. What ends one of the three ends all."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(watch.look())
            tasks.create_task(self.disturb(max(watch.seconds / 50, EVERY), over))
            accepted, _ = await self.hand_in(watch.seconds, rate)
            over.set()
            looking.cancel()
        return accepted

    async def calm(self, before: Standing | None = None) -> Standing:
        """All delivered, all sessions hung up: what it holds then, given time to come back."""
        deadline = time.monotonic() + PATIENCE
        while (queue := await self.relay.call("queue.ls", limit=5))["total"]:
            assert time.monotonic() < deadline, f"still in the queue: {queue}"
            await asyncio.sleep(0.2)
        while any(peer.sessions for peer in self.peers):
            assert time.monotonic() < deadline, "sessions are not hung up"
            await asyncio.sleep(0.2)
        await asyncio.sleep(SAMPLED)
        deadline = time.monotonic() + PATIENCE
        while True:
            standing = await self._standing()
            if not standing.beyond(before or standing) or time.monotonic() > deadline:
                return standing
            await asyncio.sleep(0.5)

    async def _standing(self) -> Standing:
        process = Path(f"/proc/{self.pid}")
        status = (process / "status").read_text().splitlines()
        threads = next(line for line in status if line.startswith("Threads:"))
        wal = self.relay.state / "store.db-wal"
        return Standing(
            pss(self.pid),
            len(list((process / "fd").iterdir())),
            int(threads.split()[1]),
            int(await gauge(self.about["metrics"], "lpse_loop_tasks")),
            round(wal.stat().st_size / 1e6, 2) if wal.exists() else 0.0,
        )


async def _heard(over: asyncio.Event, seconds: float) -> bool:
    """After so long at most: whether it is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()
    return over.is_set()


@asynccontextmanager
async def soaking(folder: Path) -> AsyncIterator[Soak]:
    """A relay and its peers."""
    books, zone = Books(), Zone()
    tls = lab_certificate("mx.example.co.id")
    peers: list[Peer] = []
    port, where = 0, ("", 0)
    for n, domain in enumerate((*QUICK, SLOW, DYING), 1):
        kind = {SLOW: "slow", DYING: "dying"}.get(domain, "quick")
        peers.append(Peer(kind, books, tls))
        port = await peers[-1].start(f"127.0.3.{n}", port)
        where = (f"127.0.3.{n}", port)
        zone.host(f"mx.{domain}", f"127.0.3.{n}")
        zone.domain(domain, f"mx.{domain}")
    names = NameServer(zone)
    dns = await names.start()
    keys.make(folder / "keys" / "s1.pem")
    key = load_key((folder / "keys" / "s1.pem").read_bytes(), "lpse.example.go.id", "s1")
    zone.txt[key.record_name] = dns_record(key)
    pair = self_signed(folder, NAME)
    pair.key_file.chmod(0o600)
    files = f"{{certificate_file: {pair.certificate_file}, key_file: {pair.key_file}}}"
    text = CONFIG.format(dns=dns, port=port, smtp="127.0.0.1:0") + FAST + UNHELD
    text += "delivery: {timeouts: {idle: 2s}}\n"
    text = text.replace("tls: off}", "tls: starttls}") + f"certificate: {files}\n"
    (folder / "relay.yaml").write_text(text)
    relay = Relay(folder / "relay.yaml", folder / "state")
    try:
        yield Soak(relay, await relay.start(), books, peers, where)
    finally:
        await relay.stop()
        for peer in peers:
            peer.stop()
        await names.stop()


async def soak(
    folder: Path, seconds: float, rate: float | None = None, warm: float = WARM
) -> dict[str, Any]:
    """The whole of it; what was found. `faults` and `grown` are empty where all is well."""
    async with soaking(folder) as run:
        full, delivered = await run.hand_in(warm, None)
        before = await run.calm()
        watch = Watch(run.pid, run.about["metrics"], seconds, run.books.waiting)
        accepted = await run.troubled(watch, rate or delivered / 2)
        after = await run.calm(before)
        books = run.books
        return {
            "full_a_second": round(full, 1),
            "delivered_a_second": round(delivered, 1),
            "a_second": round(accepted, 1),
            "accepted": len(books.accepted),
            "refused": books.refused,
            "cut_after_the_dot": sum(books.unsaid.values()),
            "twice": sum(n - 1 for n in books.taken.values() if n > 1),
            "in_the_clear": sum(books.clear.values()),
            "troubles": dict(run.troubles),
            "stall_ms": watch.stall_ms,
            "largest_queue": watch.largest_queue,
            "before": asdict(before),
            "after": asdict(after),
            "slope": asdict(slope) if (slope := watch.slope()) else None,
            "faults": {name: found[:5] for name, found in books.faults().items() if found},
            "grown": after.beyond(before) | watch.grown(),
            "load": round(os.getloadavg()[0], 1),
        }


def main() -> int:
    """Soak and print; returns the exit code: 1 where not all came back or a mark is missed, 2 for a
    fault of the run itself."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=WHOLE)
    parser.add_argument("--rate", type=float, help="letters a second, instead of half the speed")
    parser.add_argument("--json", action="store_true")
    keeping.options(parser)
    asked = parser.parse_args()
    try:
        parts = keeping.read(asked.show) if asked.show else _kept(asked)
    except (Exception, KeyboardInterrupt):
        traceback.print_exc()
        return 2
    figures = parts["soak"]["figures"]
    code = shown.finished("soak", parts, asked.markdown)
    return 1 if figures["faults"] or figures["grown"] else code


def _kept(asked: argparse.Namespace) -> dict[str, Any]:
    to, before = keeping.place(asked, "soak", asked.minutes >= WHOLE), keeping.setting()
    with tempfile.TemporaryDirectory() as folder, still() as stalled:
        found = asyncio.run(soak(Path(folder), asked.minutes * 60, asked.rate))
        found |= {"minutes": asked.minutes, "still_ms": round(stalled.value * 1e3, 1)}
    if asked.json:
        print(json.dumps(found))
    elif not asked.markdown:
        for name, value in found.items():
            print(f"{name:18} {value}")
    return keeping.keep(to, {"soak": found}, before)


if __name__ == "__main__":
    sys.exit(main())
