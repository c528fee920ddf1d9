"""A source that times each 250 and speaks STARTTLS and AUTH: what smtp-source does not.

`python -m tests.bench.beside.source JSON`: an Order's fields; it prints a Report's as JSON. Each
session waits for each reply, as smtp-source and the application's JavaMail do (no pipelining).
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

import uvloop

SENDER: Final = "lpse@lpse.example.go.id"
USER: Final = "spse"
PASSWORD: Final = "rahasia-sekali-betul"
LINE: Final = b"Dengan hormat, bersama ini kami sampaikan pengumuman pemenang lelang\r\n"


@dataclass(frozen=True, slots=True)
class Order:
    """What to send, and where to."""

    port: int
    sessions: int
    letters: int
    octets: int
    is_one: bool = False
    domains: int = 1
    recipients: int = 1
    is_auth: bool = False
    address: str = "127.0.0.1"
    is_own: bool = False  # each letter's body says its number: none shares another's


@dataclass(frozen=True, slots=True)
class Report:
    """`began` and `ended` in ns of the wall's clock, `waits` from the dot to the 250 in ms."""

    accepted: int
    began: int
    ended: int
    waits: list[float]
    fault: str = ""


def domain(number: int, domains: int) -> str:
    """The domain of the n-th letter."""
    return f"d{number % domains}.example.co.id"


def letter(order: Order, number: int) -> bytes:
    """A letter of about so many octets, without the dot."""
    head = (
        f"From: LPSE <{SENDER}>\r\nTo: vendor@{domain(number, order.domains)}\r\n"
        "Date: Tue, 4 Oct 2011 14:11:00 +0700\r\n"
        f"Message-ID: <{number}.{order.port}.{time.time_ns()}@lpse.example.go.id>\r\n"
        "Subject: LPSE Pengumuman Pemenang\r\n\r\n"
    ).encode()
    lines = max(1, (order.octets - len(head)) // len(LINE))
    return head + (b"Nomor surat: %d\r\n" % number if order.is_own else b"") + LINE * lines


class Fault(RuntimeError):
    """The server said what it should not have said."""


class Lines(asyncio.Protocol):
    """Reads one reply at a time, and knows when what was written has gone."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._reply: asyncio.Future[bytes] | None = None
        self._gone: asyncio.Future[None] | None = None
        self._is_closed = False
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        self._held += data
        self._tell()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_closed = True
        self._tell()
        self.resume_writing()

    def pause_writing(self) -> None:
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        self._gone = None

    def _tell(self) -> None:
        waiting = self._reply
        if waiting is None or waiting.done():
            return
        if self._held.endswith(b"\n"):
            last = self._held[self._held.rfind(b"\n", 0, -1) + 1 :]
            if last[3:4] != b"-":
                waiting.set_result(bytes(self._held))
                self._held.clear()
        elif self._is_closed:
            waiting.set_result(b"")

    async def reply(self, code: bytes) -> None:
        """Wait for a reply of this code. Raises Fault."""
        self._reply = asyncio.get_running_loop().create_future()
        self._tell()
        if self._is_closed and not self._reply.done():
            self._reply.set_result(b"")
        said = await self._reply
        if not said.startswith(code):
            raise Fault(f"{code.decode()} expected: {said.decode('ascii', 'replace')!r}")

    async def ask(self, line: bytes, code: bytes) -> None:
        self.transport.write(line)
        await self.reply(code)

    async def drained(self) -> None:
        if self._gone is not None:
            await self._gone


class Source:
    """All sessions of one order, that draw from one pile of letters."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._next = 0
        self.waits: list[float] = []
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    async def run(self) -> Report:
        began, fault = time.time_ns(), ""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._order.sessions):
                    tasks.create_task(self._session())
        except* (Fault, OSError) as faults:
            fault = str(faults.exceptions[0])
        return Report(len(self.waits), began, time.time_ns(), self.waits, fault)

    async def _session(self) -> None:
        while self._next < self._order.letters:
            lines = await self._open()
            while self._next < self._order.letters:
                number, self._next = self._next, self._next + 1
                await self._send(lines, number)
                if self._order.is_one:
                    break
            await lines.ask(b"QUIT\r\n", b"221")
            lines.transport.close()

    async def _open(self) -> Lines:
        loop = asyncio.get_running_loop()
        where = (self._order.address, self._order.port)
        _, lines = await loop.create_connection(Lines, *where)
        await lines.reply(b"220")
        await lines.ask(b"EHLO lpse.example.go.id\r\n", b"250")
        if self._order.is_auth:
            await lines.ask(b"STARTTLS\r\n", b"220")
            encrypted = await loop.start_tls(lines.transport, lines, self._tls)
            assert encrypted is not None
            lines.connection_made(encrypted)
            await lines.ask(b"EHLO lpse.example.go.id\r\n", b"250")
            token = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())
            await lines.ask(b"AUTH PLAIN " + token + b"\r\n", b"235")
        return lines

    async def _send(self, lines: Lines, number: int) -> None:
        content = letter(self._order, number)
        to = domain(number, self._order.domains).encode()
        await lines.ask(f"MAIL FROM:<{SENDER}>\r\n".encode(), b"250")
        for n in range(self._order.recipients):
            await lines.ask(b"RCPT TO:<%dvendor@%s>\r\n" % (n, to), b"250")
        await lines.ask(b"DATA\r\n", b"354")
        if len(content) > 64 * 1024:
            lines.transport.write(content)
            await lines.drained()
            content = b""
        began = time.perf_counter()
        await lines.ask(content + b".\r\n", b"250")
        self.waits.append(round(1000 * (time.perf_counter() - began), 4))


def main() -> None:
    """Send what the order says, and print the report."""
    order = Order(**json.loads(sys.argv[1]))
    print(json.dumps(asdict(uvloop.run(Source(order).run()))))


if __name__ == "__main__":
    main()
