"""Peer: a scripted SMTP server on loopback that plays a dialogue, one script a connection.

A script is a list of steps: octets are said, `Hear` waits for a line with that beginning, and
`Hang` stops reading until the client goes. What was heard is kept, line by line.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

CAPABILITIES: Final = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 1000000", "DSN")


@dataclass(frozen=True)
class Hear:
    """A line that begins so; anything else ends the connection and fails the test."""

    start: str


@dataclass(frozen=True)
class Content:
    """All up to the final dot."""


@dataclass(frozen=True)
class Dribble:
    """Said an octet at a time, each its own segment as far as the loop goes."""

    octets: bytes


@dataclass(frozen=True)
class Tls:
    """The handshake."""


@dataclass(frozen=True)
class Hang:
    """Say nothing; wait until the client is gone."""


@dataclass(frozen=True)
class Cut:
    """Close; `is_reset` by RST."""

    is_reset: bool = False


Step = str | bytes | Hear | Content | Dribble | Tls | Hang | Cut
Script = Sequence[Step]


@dataclass
class Heard:
    """One connection as the peer had it."""

    lines: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    fault: str | None = None
    is_encrypted: bool = False


class Peer:
    """Listens on a free port; connection n plays script n, the last one again and again."""

    def __init__(
        self, *scripts: Script, tls: ssl.SSLContext | None = None, is_implicit: bool = False
    ) -> None:
        """`is_implicit`: TLS from the first octet; else the script says where it begins."""
        self.scripts = scripts
        self.heard: list[Heard] = []
        self.ip = "127.0.0.1"
        self.port = 0
        self._tls = tls
        self._is_implicit = is_implicit
        self._server: asyncio.Server | None = None
        self._ended = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Peer:
        tls = self._tls if self._is_implicit else None
        self._server = await asyncio.start_server(self._begin, self.ip, self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        faults = [heard.fault for heard in self.heard if heard.fault]
        assert not faults, faults

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that this peer heard makes it true."""
        async with asyncio.timeout(20):
            while not condition():
                self._ended.clear()
                await self._ended.wait()

    @property
    def commands(self) -> list[str]:
        """All lines of all connections."""
        return [line for heard in self.heard for line in heard.lines]

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts[min(len(self.heard), len(self.scripts) - 1)]
        heard = Heard()
        self.heard.append(heard)
        try:
            for step in script:
                if not await self._play(step, heard, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client hung up: what it said before is what tests look at
        finally:
            writer.transport.abort() if script and script[-1] == Cut(True) else writer.close()
            self._ended.set()

    async def _play(
        self,
        step: Step,
        heard: Heard,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        match step:
            case str():
                writer.write(step.replace("\n", "\r\n").encode() + b"\r\n")
            case bytes():
                writer.write(step)
            case Dribble(octets):
                for octet in octets:
                    writer.write(bytes([octet]))
                    await asyncio.sleep(0)
            case Hear(start):
                line = (await reader.readuntil(b"\r\n")).decode()[:-2]
                heard.lines.append(line)
                self._ended.set()
                if not line.startswith(start):
                    heard.fault = f"heard {line!r}, not {start!r}"
                    return False
            case Content():
                heard.contents.append(await _content(reader))
                self._ended.set()
            case Tls():
                assert self._tls is not None
                await writer.start_tls(self._tls)
                heard.is_encrypted = True
            case Hang():
                await reader.read()
                return False
            case Cut(is_reset):
                if is_reset:
                    _will_reset(writer)
                return False
        return True


def _will_reset(writer: asyncio.StreamWriter) -> None:
    """Its end will be a reset: nothing lingers."""
    own = writer.get_extra_info("socket")
    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _content(reader: asyncio.StreamReader) -> bytes:
    lines = []
    while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
        lines.append(line.removeprefix(b"."))
    return b"".join(lines)


def hello(*capabilities: str) -> list[Step]:
    """Greeting and EHLO."""
    offered = capabilities or CAPABILITIES
    lines = ["mx.example.net", *offered]
    marks = ["-"] * (len(lines) - 1) + [" "]
    said = "\n".join(f"250{mark}{line}" for mark, line in zip(marks, lines, strict=True))
    return ["220 mx.example.net ESMTP", Hear("EHLO "), said]


def envelope(recipients: int = 1) -> list[Step]:
    """MAIL to DATA, all accepted, heard as one block."""
    heard: list[Step] = [Hear("MAIL FROM:"), *[Hear("RCPT TO:")] * recipients, Hear("DATA")]
    return [*heard, "250 2.1.0 ok", *["250 2.1.5 ok"] * recipients, "354 go on"]


def letter(recipients: int = 1, reply: str = "250 2.0.0 queued") -> list[Step]:
    """A whole transaction, pipelined."""
    return [*envelope(recipients), Content(), reply]


def slow_letter(reply: str = "250 2.0.0 queued") -> list[Step]:
    """A whole transaction, step by step."""
    return [
        Hear("MAIL FROM:"),
        "250 ok",
        Hear("RCPT TO:"),
        "250 ok",
        Hear("DATA"),
        "354 go on",
        Content(),
        reply,
    ]


GOODBYE: Final[list[Step]] = [Hear("QUIT"), "221 bye"]
