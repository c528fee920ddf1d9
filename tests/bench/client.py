"""CPU per letter of the SMTP client against a sink in another process, and what signing adds.

`python -m tests.bench.client [--letters N] [--json]`: pipelined, one session at a time and ten;
with and without uvloop, without TLS; then RSA-2048 on the loop and in two threads. The CPU is
this process's own (user and system); the sink's is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from relay.mail.dkim import Key
from relay.transports.base import NotYet
from tests.transports.house import HEAD as HEADER
from tests.transports.house import House, job, route

BODY = (b"Dengan hormat, berikut pengumuman pemenang lelang. " + b"x" * 20 + b"\r\n") * 56
EHLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n"


class Sink(asyncio.Protocol):
    """Takes anything, quickly: enough of SMTP for a client that pipelines."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.is_data = False
        self.buffer = b""
        transport.write(b"220 sink\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.is_data:
            if not self.buffer.endswith(b"\r\n.\r\n"):
                return
            self.is_data, self.buffer = False, b""
            self.transport.write(b"250 2.0.0 queued\r\n")
            return
        *lines, self.buffer = self.buffer.split(b"\r\n")
        said = []
        for line in lines:
            if line.startswith(b"EHLO"):
                said.append(EHLO)
            elif line == b"DATA":
                said.append(b"354 go on\r\n")
                self.is_data = True
            else:
                said.append(b"221 bye\r\n" if line == b"QUIT" else b"250 ok\r\n")
        self.transport.write(b"".join(said))


def sink(port: Connection) -> None:
    """The sink's process."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=200)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def cpu() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def send(
    port: int, letters: int, sessions: int, keys: dict[str, Key], threads: int
) -> tuple[float, float]:
    """CPU seconds and letters a second."""
    from relay.transports.base import Host

    house = House(keys=keys, per_connection=None)
    executor = ThreadPoolExecutor(threads) if threads else None
    house.departures._executor = executor
    house.bodies[7] = BODY
    what = job(route(Host("sink.example.net", port)))

    async def worker(count: int) -> None:
        for _ in range(count):
            made = await house.transport.deliver(what, house.permits)
            assert not isinstance(made, NotYet) and made[0].is_accepted, made

    await asyncio.gather(*[worker(5) for _ in range(sessions)])
    began, used = time.perf_counter(), cpu()
    await asyncio.gather(*[worker(letters // sessions) for _ in range(sessions)])
    took, used = time.perf_counter() - began, cpu() - used
    await house.close()
    if executor is not None:
        executor.shutdown()
    return used, letters / took


def main() -> None:
    """Run all cases and print CPU seconds per 1,000 letters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=3000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=sink, args=(theirs,), daemon=True)
    process.start()
    port = ours.recv()
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    keys = {"lpse.example.go.id": Key("lpse.example.go.id", "s1", private)}
    rows = []
    for loop, run in _loops():
        for sessions in (1, 10):
            for name, signing, threads in (
                ("unsigned", {}, 0),
                ("signed inline", keys, 0),
                ("signed in 2 threads", keys, 2),
            ):
                used, rate = run(send(port, options.letters, sessions, signing, threads))
                per_1000 = 1000 * used / options.letters
                rows.append(
                    {"loop": loop, "sessions": sessions, "case": name, "cpu_s_per_1000": per_1000}
                    | {"letters_per_s": rate}
                )
                if not options.json:
                    print(f"{loop:8} {sessions:3} {name:20} {per_1000:.3f} CPU-s  {rate:7.0f}/s")
    process.terminate()
    if options.json:
        print(json.dumps({"octets": len(HEADER) + 2 + len(BODY), "rows": rows}))


def _loops() -> list[tuple[str, Callable[[Any], Any]]]:
    found: list[tuple[str, Callable[[Any], Any]]] = [("asyncio", asyncio.run)]
    try:
        import uvloop
    except ImportError:
        return found
    return [*found, ("uvloop", uvloop.run)]


if __name__ == "__main__":
    main()
