"""Both sides of a relay that is soaked: clients that come and go, peers that are slow or die."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.e2e.site import SENDER

QUICK: Final = ("gmail.com", "yahoo.com", "cepat.example.co.id")
SLOW: Final = "lambat.example.co.id"
DYING: Final = "sekarat.example.co.id"
SESSION: Final = 20  # letters of a client's session
COPIES: Final = 40  # each such letter goes to all domains
DEATHS: Final = {b"": 0.2}  # of a dying peer: after the dot, where it says nothing then
DEATH: Final = 0.05  # before the answer to any other command
BODY: Final = b"Kepada Yth. Penyedia, bersama ini kami sampaikan pengumuman.\r\n" * 60
Key = tuple[int, str]  # a letter's number, a recipient


@dataclass
class Books:
    """What was accepted at the door, and what the peers have."""

    accepted: set[Key] = field(default_factory=set)
    taken: Counter[Key] = field(default_factory=Counter)
    unsaid: Counter[Key] = field(default_factory=Counter)  # taken, and the line cut instead
    clear: Counter[Key] = field(default_factory=Counter)  # taken without TLS
    refused: int = 0

    def faults(self) -> dict[str, list[Key]]:
        """What is missing, what came too often, and what came in the clear. To the dying peer it
        may: it cuts STARTTLS too, and a host that broke it is spoken to in the clear for an hour
        (relay/transports/dialling.py)."""
        missing = [key for key in self.accepted if not self.taken[key]]
        twice = [key for key, n in self.taken.items() if n > 1 + self.unsaid[key]]
        clear = [key for key in self.clear if not key[1].endswith(f"@{DYING}")]
        return {"missing": sorted(missing), "twice": sorted(twice), "clear": sorted(clear)}

    def waiting(self) -> int:
        """How many were accepted and are at no peer yet, but for those that are under way."""
        return max(0, len(self.accepted) - len(self.taken))


class Peer:
    """A server with STARTTLS; `kind` is quick, slow or dying."""

    def __init__(self, kind: str, books: Books, tls: ssl.SSLContext) -> None:
        self._kind = kind
        self._books = books
        self._tls = tls
        self._chance = random.Random(kind)
        self._server: asyncio.Server | None = None
        self.sessions: set[asyncio.StreamWriter] = set()

    async def start(self, ip: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._session, ip, port, backlog=200)
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Refuse, and drop every session."""
        if self._server is not None:
            self._server.close()
        for writer in self.sessions:
            writer.transport.abort()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            await self._talk(reader, writer)
        self.sessions.discard(writer)
        writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 peer\r\n")
        recipients: list[str] = []
        is_encrypted = False
        while line := await reader.readline():
            verb = line[:4].upper()
            if self._kind == "slow":
                await asyncio.sleep(self._chance.uniform(0, 0.2))
            if self._dies(verb):
                return
            if verb == b"EHLO":
                offer = b"" if is_encrypted else b"250-STARTTLS\r\n"
                writer.write(b"250-peer\r\n" + offer + b"250 PIPELINING\r\n")
            elif verb == b"STAR":
                writer.write(b"220 go on\r\n")
                await writer.start_tls(self._tls)
                is_encrypted = True
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                if not await self._take(reader, recipients, is_encrypted):
                    return
                writer.write(b"250 2.0.0 taken\r\n")
                recipients = []
            else:
                if verb == b"RCPT":
                    recipients.append(line.decode().partition("<")[2].partition(">")[0])
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")

    def _dies(self, verb: bytes) -> bool:
        return (
            self._kind == "dying"
            and verb != b"QUIT"
            and self._chance.random() < DEATHS.get(verb, DEATH)
        )

    async def _take(
        self, reader: asyncio.StreamReader, recipients: list[str], is_encrypted: bool
    ) -> bool:
        """The letter in the books; False where the line is to be cut now, with nothing said."""
        content = await reader.readuntil(b"\r\n.\r\n")
        number = int(content.partition(b"X-Number: ")[2].partition(b"\r\n")[0])
        dies = self._dies(b"")
        for recipient in recipients:
            self._books.taken[number, recipient] += 1
            self._books.unsaid[number, recipient] += dies
            if not is_encrypted:
                self._books.clear[number, recipient] += 1
        return not dies


class Client:
    """One client of the door: it comes, hands in some letters by STARTTLS, and goes."""

    def __init__(self, door: tuple[str, int], books: Books) -> None:
        self._door = door
        self._books = books
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._left = 0

    async def send(self, number: int) -> None:
        """One letter; where it is not accepted, the books say so."""
        all_domains = (*QUICK, SLOW, DYING)
        domains = all_domains if number % COPIES == 0 else (_domain(number),)
        recipients = [f"vendor{number % 997}@{domain}" for domain in domains]
        try:
            if self._left == 0 or self._streams is None:
                await self._hello()
            self._left -= 1
            code = await self._hand_in(number, recipients)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            code, self._left = 0, 0
        if code == 250:
            self._books.accepted.update((number, recipient) for recipient in recipients)
        else:
            self._books.refused += 1
            self._left = 0

    async def _hello(self) -> None:
        await self.close()
        self._streams = await asyncio.open_connection(*self._door)
        self._left = SESSION
        await self._reply()
        await self._say("EHLO spse")
        await self._say("STARTTLS")
        await self._streams[1].start_tls(self._tls)
        await self._say("EHLO spse")

    async def _hand_in(self, number: int, recipients: list[str]) -> int:
        for line in (f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{to}>" for to in recipients)):
            code = await self._say(line)
            if code != 250:
                return code
        code = await self._say("DATA")
        if code != 354:
            return code
        head = (
            f"From: LPSE <{SENDER}>\r\nTo: {recipients[0]}\r\n"
            f"Subject: Pengumuman {number % 7}\r\nX-Number: {number}\r\n\r\n"
        )
        return await self._say(head + BODY.decode() + ".")

    async def _say(self, text: str) -> int:
        assert self._streams is not None
        self._streams[1].write(text.encode() + b"\r\n")
        return await self._reply()

    async def _reply(self) -> int:
        assert self._streams is not None
        while True:
            line = await self._streams[0].readline()
            if not line:
                raise ConnectionResetError("the door closed")
            if line[3:4] != b"-":
                return int(line[:3])

    async def close(self) -> None:
        """Go."""
        if self._streams is not None:
            with contextlib.suppress(OSError, ssl.SSLError):
                self._streams[1].write(b"QUIT\r\n")
                self._streams[1].close()
            self._streams = None


def _domain(number: int) -> str:
    """A tenth each to the slow and the dying one."""
    return {0: SLOW, 1: DYING}.get(number % 10, QUICK[number % len(QUICK)])
