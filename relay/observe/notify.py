"""Notify: what systemd is told (sd_notify), its watchdog, and the sockets it hands in.

All from the environment, which is handed in; without NOTIFY_SOCKET, WATCHDOG_USEC or LISTEN_FDS
nothing happens, so the same program runs by hand. The variables are for this process only:
LISTEN_PID and WATCHDOG_PID are compared.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

FIRST_FD: Final = 3  # SD_LISTEN_FDS_START
_PATIENCE: Final = 0.5  # seconds for a full socket


class Notify:
    """Sends states to systemd's socket; a no-op where there is none."""

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        """`pid` is this process's."""
        self._pid = pid
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_every = _watchdog_every(environ, pid)

    def ready(self, status: str = "") -> None:
        """Start-up, or a reload, is finished."""
        self._send("READY=1", status)

    def reloading(self, monotonic: float) -> None:
        """SIGHUP is being served; `monotonic` in seconds, as `Type=notify-reload` wants it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic * 1_000_000)}")

    def stopping(self, status: str = "") -> None:
        """The drain began."""
        self._send("STOPPING=1", status)

    def status(self, status: str) -> None:
        """A line for `systemctl status`."""
        self._send("", status)

    def extend(self, seconds: float) -> None:
        """Start-up (a migration) or the drain takes that long from now on."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def watchdog(self) -> None:
        """Loop and writer are alive."""
        if self.watchdog_every is not None:
            self._send("WATCHDOG=1")

    def _send(self, state: str, status: str = "") -> None:
        if self._address is None:
            return
        lines = [state] if state else []
        if status:
            lines.append("STATUS=" + " ".join(status.split()))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(_PATIENCE)
            try:
                sender.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                # A full or vanished socket is systemd's trouble: mail goes on, and a watchdog
                # that hears nothing restarts us, which is what it is for.
                return


def _address(text: str) -> str | None:
    """`@name` is an abstract socket (a NUL in front), `/path` a file; others are not spoken."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else None


def _watchdog_every(environ: Mapping[str, str], pid: int) -> float | None:
    """Seconds within which systemd wants to hear; None: it does not ask."""
    usec = environ.get("WATCHDOG_USEC", "")
    if not usec.isdigit() or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(usec) / 1_000_000 or None


def listen_fds(environ: Mapping[str, str], pid: int) -> dict[str, list[socket.socket]]:
    """The sockets handed in, by FileDescriptorName; empty where none is for this process.

    A unit's socket with several addresses gives several sockets of one name. They listen already;
    they are made non-blocking and closed on exec.
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(pid) or not count.isdigit():
        return {}
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for n in range(int(count)):
        name = names[n] if n < len(names) and names[n] else "unknown"
        os.set_inheritable(FIRST_FD + n, False)
        listener = socket.socket(fileno=FIRST_FD + n)
        listener.setblocking(False)
        found.setdefault(name, []).append(listener)
    return found
