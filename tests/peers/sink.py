"""Postfix's own test programs: smtp-sink takes mail and counts it, smtp-source sends it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.ports import POLL, await_greeting, free_port
from tests.peers.roots import Peer

BACKLOG = 200
"""Connections that may wait: with 5 or 20 a sender of 50 sessions crawls while the CPU idles."""

NOBODY = 65534


class SmtpSink:
    """smtp-sink: takes mail as fast as it can and throws it away, or keeps it in `kept`.

    `options` go to smtp-sink as they are, such as `-p` (no PIPELINING), `-f RCPT` (refuse), `-q .`
    (drop after the dot).
    """

    def __init__(
        self,
        *options: str,
        address: str = "127.0.0.1",
        port: int | None = None,
        backlog: int = BACKLOG,
        keep: bool = False,
    ) -> None:
        self.address = address
        self.port = port or free_port(address)
        self.home = Path(tempfile.mkdtemp(prefix="smtp-sink-"))
        self.home.chmod(0o755)
        self.kept = self.home / "kept"
        self.kept.mkdir()
        self._peer = Peer("postfix")
        shutil.chown(self.kept, NOBODY)
        dump = ["-d", f"{self.kept}/%Y%m%d%H%M%S."] if keep else []
        self._command = [
            *("smtp-sink", "-u", "nobody", "-c", *dump, *options),
            *(f"{address}:{self.port}", str(backlog)),
        ]

    def __enter__(self) -> Self:
        with (self.home / "counts").open("wb") as counts:
            process = self._peer.popen(self._command, stdout=counts, stderr=subprocess.STDOUT)
        await_greeting(
            self.address,
            self.port,
            lambda: "" if process.poll() is None else (self.home / "counts").read_text(),
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._peer.close()
        shutil.rmtree(self.home)

    def messages(self) -> int:
        """Counts the letters taken so far."""
        with (self.home / "counts").open("rb") as counts:
            # A line per event, each ended by CR: only the last one that is whole is of use.
            counts.seek(max(0, counts.seek(0, os.SEEK_END) - 200))
            shown = re.findall(rb"mesg=(\d+)\r", counts.read())
        return int(shown[-1]) if shown else 0

    def await_messages(self, count: int, limit: float = 20) -> None:
        """Waits until so many letters were taken, at most `limit` seconds."""
        until = time.monotonic() + limit
        while (taken := self.messages()) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{taken} of {count} letters after {limit} s")
            time.sleep(POLL)


def smtp_source(
    port: int,
    *options: str,
    address: str = "127.0.0.1",
    sessions: int = 1,
    messages: int = 1,
    recipients: int = 1,
    octets: int = 4096,
    sender: str = "lpse@lpse.example.go.id",
    recipient: str = "vendor@example.co.id",
    reconnect: bool = True,
    timeout: float = 60,
) -> subprocess.CompletedProcess[bytes]:
    """Sends `messages` letters of `octets` over `sessions` sessions at once, and waits for the end.

    `recipients` is per letter (smtp-source numbers them); `reconnect` is one connection a letter.
    """
    command = [
        *("smtp-source", "-s", str(sessions), "-m", str(messages), "-r", str(recipients)),
        *("-l", str(octets), "-f", sender, "-t", recipient),
        *(() if reconnect else ("-d",)),
        *options,
        f"{address}:{port}",
    ]
    return Peer("postfix").run(command, timeout=timeout)
