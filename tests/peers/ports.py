"""Loopback ports for servers that cannot choose one themselves, and waiting until they answer."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

POLL = 0.02
"""Seconds between two looks at a server that is starting."""

LOWEST = 10_240
GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Where the kernel's own choice begins: for port 0, and for connections that go out."""

APART = 97
"""Ports between two neighbouring processes' first ones."""

_looked_at = itertools.count(os.getpid() * APART)


class NeverReady(RuntimeError):
    """A server did not answer in time; the text quotes what it said."""


def free_port(address: str = "127.0.0.1") -> int:
    """Names a port that nobody listens on, and that nobody is given by chance before its server
    binds it: it is none of the kernel's choice, and each process looks in a place of its own."""
    first = int(GIVEN.read_text().split()[0])
    span = (first if first > 2 * LOWEST else 2**16) - LOWEST
    for port in (LOWEST + next(_looked_at) % span for _ in range(span)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise NeverReady(f"no port of {address} is free")


def greeting(address: str, port: int) -> str | None:
    """Connects and reads the first line of a server's greeting; None if nobody answers yet."""
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            return connection.makefile("rb").readline().decode("ascii", "replace") or None
    except OSError:
        return None


def await_greeting(address: str, port: int, complaint: Callable[[], str], limit: float = 20) -> str:
    """Waits until the server greets, at most `limit` seconds, and returns its greeting.

    `complaint` is called now and then: a text ends the waiting, for the server has failed.
    """
    until = time.monotonic() + limit
    while time.monotonic() < until:
        if (line := greeting(address, port)) is not None:
            return line
        if said := complaint():
            raise NeverReady(said)
        time.sleep(POLL)
    raise NeverReady(f"{address}:{port} does not greet within {limit:.0f} s")
