"""A sink that takes STARTTLS and counts recipients, as smtp-sink does not; a process of its own.

`python -m tests.bench.beside.tls_sink PORT CERTIFICATE KEY COUNTS [plain]`: the recipients whose
letter was taken so far stand in the file COUNTS, as eight octets. Plain, it offers no STARTTLS.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import uvloop

from tests.peers.certificates import self_signed
from tests.peers.ports import POLL, await_greeting, free_port

EHLO: Final = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n%s250 SIZE 50000000\r\n"
END: Final = b"\r\n.\r\n"
ROOT: Final = Path(__file__).resolve().parents[3]


class Sink(asyncio.Protocol):
    """One connection: enough of SMTP for a client that pipelines."""

    def __init__(self, context: ssl.SSLContext, counts: mmap.mmap, is_plain: bool = False) -> None:
        self._context, self._counts = context, counts
        self._held = b""
        self._recipients = 0
        self._is_data = False
        self._is_encrypted = is_plain  # as good as that
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._held += data
        while self._held:
            if self._is_data:
                letter, ended, rest = self._held.partition(END)
                if not ended:
                    self._held = letter
                    return
                self._is_data, self._held = False, rest
                (taken,) = struct.unpack("<Q", self._counts[:8])
                self._counts[:8] = struct.pack("<Q", taken + self._recipients)
                self._transport.write(b"250 2.0.0 taken\r\n")
                continue
            line, ended, rest = self._held.partition(b"\r\n")
            if not ended:
                return
            self._held = rest
            self._answer(line.upper())

    def _answer(self, line: bytes) -> None:
        if line.startswith(b"RCPT"):
            self._recipients += 1
            self._transport.write(b"250 2.1.5 ok\r\n")
        elif line.startswith(b"MAIL"):
            self._recipients = 0
            self._transport.write(b"250 2.1.0 ok\r\n")
        elif line.startswith(b"EHLO"):
            self._transport.write(EHLO % (b"" if self._is_encrypted else b"250-STARTTLS\r\n"))
        elif line == b"STARTTLS":
            self._transport.write(b"220 2.0.0 go on\r\n")
            self._task = asyncio.get_running_loop().create_task(self._encrypt())
        elif line == b"DATA":
            self._is_data = self._is_encrypted
            self._transport.write(b"354 go on\r\n" if self._is_data else b"530 5.7.0 encrypt\r\n")
        elif line == b"QUIT":
            self._transport.write(b"221 2.0.0 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(b"250 2.0.0 ok\r\n")

    async def _encrypt(self) -> None:
        loop, plain = asyncio.get_running_loop(), self._transport
        try:
            self._transport = await loop.start_tls(plain, self, self._context, server_side=True)
            self._is_encrypted = True
        except (OSError, ssl.SSLError):
            plain.close()


class TlsSink:
    """The sink's process; same shape as peers.sink.SmtpSink. It takes no letter in the clear, save
    where it is plain; its messages are recipients."""

    def __init__(self, is_plain: bool = False) -> None:
        self._words = ["plain"] if is_plain else []
        self.address = "127.0.0.1"
        self.port = free_port()
        self.home = Path(tempfile.mkdtemp(prefix="tls-sink-"))
        self._counts = self.home / "counts"

    def __enter__(self) -> Self:
        certificate = self_signed(self.home, "127.0.0.1")
        self._counts.write_bytes(bytes(8))
        files = (certificate.certificate_file, certificate.key_file, self._counts)
        words = [sys.executable, "-m", __name__, str(self.port), *map(str, files)]
        words += self._words
        self._process = subprocess.Popen(words, cwd=ROOT)
        await_greeting(
            *(self.address, self.port),
            lambda: "" if self._process.poll() is None else "the sink has ended",
            limit=60,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for path in self.home.iterdir():
            path.unlink()
        self.home.rmdir()

    def messages(self) -> int:
        """The recipients whose letter was taken so far."""
        (taken,) = struct.unpack("<Q", self._counts.read_bytes())
        return int(taken)

    def await_messages(self, count: int, limit: float = 20) -> None:
        """Wait until so many were taken, at most `limit` seconds. Raises TimeoutError."""
        until = time.monotonic() + limit
        while (taken := self.messages()) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{taken} of {count} letters after {limit} s")
            time.sleep(POLL)


async def serve(port: int, context: ssl.SSLContext, counts: mmap.mmap, is_plain: bool) -> None:
    """Take letters until killed."""
    loop = asyncio.get_running_loop()
    made = await loop.create_server(
        lambda: Sink(context, counts, is_plain), "127.0.0.1", port, backlog=200
    )
    await made.serve_forever()


def main() -> None:
    """The sink's process."""
    port, certificate, key, counts, *more = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    file = os.open(counts, os.O_RDWR)
    uvloop.run(serve(int(port), context, mmap.mmap(file, 8), "plain" in more))


if __name__ == "__main__":
    main()
