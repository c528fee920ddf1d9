"""The smallest server of Dovecot's authentication protocol: how Postfix checks a password here.

Its CPU is not counted on Postfix' side: the comparison can only be in Postfix' favour.
"""

from __future__ import annotations

import base64
import socketserver
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.bench.beside.source import PASSWORD, USER

HELLO: Final = (
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\n"
    "COOKIE\t00000000000000000000000000000000\nDONE\n"
)


class Asked(socketserver.StreamRequestHandler):
    """One smtpd's connection."""

    def handle(self) -> None:
        self.wfile.write(HELLO.encode())
        for line in self.rfile:
            word, *fields = line.decode().rstrip("\n").split("\t")
            if word != "AUTH":
                continue
            number, answer = fields[0], fields[-1].removeprefix("resp=")
            is_right = base64.b64decode(answer) == f"\0{USER}\0{PASSWORD}".encode()
            said = f"OK\t{number}\tuser={USER}\n" if is_right else f"FAIL\t{number}\n"
            self.wfile.write(said.encode())


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 100


class Sasl:
    """The server, at a socket that every smtpd may open."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        self._server = _Server(str(self.path), Asked)
        self.path.chmod(0o666)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
