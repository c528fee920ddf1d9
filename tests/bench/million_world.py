"""What stands around a relay with a million letters: its store's letters, a sink, DNS, a clock.

The sink and the process that only sleeps are processes of their own: what they cost is not counted.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relay.clock import SystemClock
from relay.lab.dns import Zone
from relay.observe.pulse import TICK
from relay.store import sqlite
from relay.store.base import Entry
from tests.bench.client import Sink
from tests.store.letters import Post

SENDER: Final = "no-reply@lpse.example.go.id"
FILLER: Final = (b"Kepada Yth. Penyedia, bersama ini kami sampaikan pengumuman.\r\n" * 70)[:4060]
GROUP: Final = 500  # letters to a commit
COPIES: Final = 100  # recipients of an announcement's letter
SITES: Final = 98  # domains beside the two large ones
VENDORS: Final = 50_000


def domain_of(n: int) -> str:
    """Half of all vendors are at Gmail, a fifth at Yahoo, the others at sites of their own."""
    if n % 10 < 5:
        return "gmail.com"
    return "yahoo.com" if n % 10 < 7 else f"site{n // 10 % SITES}.co.id"


def address(n: int) -> str:
    """One of the vendors."""
    n %= VENDORS
    return f"vendor{n}@{domain_of(n)}"


def entry(post: Post, kind: str, first: int, count: int) -> Entry:
    """A letter of its own, or a letter of an announcement to `count` vendors."""
    n = first if kind == "own" else first // 1_000
    return post.entry(
        tuple(address(first + k) for k in range(count)),
        body=b"Nomor surat: %011d\r\n" % first + FILLER,
        subject=f"Pengumuman {n % 97}",
        sender=SENDER,
        from_domain="lpse.example.go.id",
    )


async def fill(state: Path, letters: int, kind: str) -> float:
    """Put them; returns the letters a second."""
    clock = SystemClock()
    store = await sqlite.open(state, clock)
    post, copies, began = Post(clock.now() - letters), 1 if kind == "own" else COPIES, time.time()
    for start in range(0, letters, GROUP):
        end = min(start + GROUP, letters)
        await store.put(
            *(entry(post, kind, n, min(copies, end - n)) for n in range(start, end, copies))
        )
    await store.close()
    return letters / (time.time() - began)


class Counting(Sink):
    """A sink that counts what it took, and says when the first came."""

    taken: Any = None
    first_at: Any = None

    def data_received(self, data: bytes) -> None:
        was_data = self.is_data
        super().data_received(data)
        if was_data and not self.is_data:
            self.taken.value += 1
            if not self.first_at.value:
                self.first_at.value = time.monotonic()


def sink(port: Any, taken: Any, first_at: Any) -> None:
    """The sink's process; it listens on every loopback address."""
    Counting.taken, Counting.first_at = taken, first_at

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Counting, "0.0.0.0", 0, backlog=200)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@dataclass
class Around:
    """The fake internet: a name server here, a sink in a process of its own."""

    dns: str
    port: int
    zone: Zone
    taken: Any
    first_at: Any


@contextmanager
def sinking() -> Iterator[tuple[int, Any, Any]]:
    """The sink: its port, its count, and when its first letter came."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    taken, first_at = context.Value("q", 0), context.Value("d", 0.0)
    process = context.Process(target=sink, args=(there, taken, first_at), daemon=True)
    process.start()
    try:
        yield here.recv(), taken, first_at
    finally:
        process.kill()
        process.join()


SLEEPER: Final = """
import mmap, os, struct, sys, time
tick, parent, worst = float(sys.argv[2]), os.getppid(), 0.0
kept = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 8)
while os.getppid() == parent:
    struct.pack_into("d", kept, 0, worst)
    before = time.monotonic()
    time.sleep(tick)
    worst = max(worst, time.monotonic() - before - tick)
"""


class Sleeper:
    """A process that does nothing but sleep, as the relay's pulse does."""

    def __init__(self, kept: Path) -> None:
        """`kept` is the file that it writes to."""
        self._kept = kept

    @property
    def value(self) -> float:
        """The longest that it was late so far, in seconds; below 0 while it is not there."""
        (worst,) = struct.unpack("d", self._kept.read_bytes())
        return float(worst)


@contextmanager
def still() -> Iterator[Sleeper]:
    """Such a process."""
    with tempfile.NamedTemporaryFile() as kept:
        kept.write(struct.pack("d", -1.0))
        kept.flush()
        words = [sys.executable, "-I", "-S", "-c", SLEEPER, kept.name, str(TICK)]
        process = subprocess.Popen(words)
        sleeper = Sleeper(Path(kept.name))
        try:
            while sleeper.value < 0:
                assert process.poll() is None, "the sleeping process has ended"
                time.sleep(0.01)
            yield sleeper
        finally:
            process.kill()
            process.wait()


def zone() -> Zone:
    """Each domain has a host of its own."""
    made = Zone()
    for n, domain in enumerate(
        ["gmail.com", "yahoo.com", *(f"site{n}.co.id" for n in range(SITES))]
    ):
        host = {"gmail.com": "gmail-smtp-in.l.google.com", "yahoo.com": "mta7.am0.yahoodns.net"}
        name = host.get(domain, f"mx.{domain}")
        made.host(name, f"127.0.2.{n + 1}")
        made.domain(domain, name)
    return made
