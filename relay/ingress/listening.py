"""Listening: the sockets of the settings — bound here, or handed in by systemd by their names."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.ingress.settings import ListenSettings

_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket and what is spoken on it. `name` is the settings' address; `address` is
    host and port as bound: a port 0 in the settings is a real one here."""

    name: str
    tls: Literal["off", "starttls", "implicit"]
    socket: socket.socket
    address: tuple[str, int]


def listeners(
    settings: Sequence[ListenSettings],
    backlog: int,
    handed_in: Mapping[str, Sequence[socket.socket]],
) -> list[Listener]:
    """Every listener, bound and listening. Raises OSError naming the address that cannot be had;
    then nothing stays open that was opened here."""
    found: list[Listener] = []
    opened: list[socket.socket] = []
    try:
        for setting in settings:
            host, _, port = setting.address.rpartition(":")
            if host == "systemd":
                sockets = handed_in.get(port, ())
                if not sockets:
                    raise OSError(f"{setting.address}: no socket of that name was handed in")
            else:
                sockets = [_bound(host.strip("[]"), int(port))]
                opened += sockets
            for sock in sockets:
                if sock.family not in _FAMILIES or sock.type != socket.SOCK_STREAM:
                    raise OSError(f"{setting.address}: what was handed in is no TCP socket")
                sock.setblocking(False)
                sock.listen(backlog)
                bound = sock.getsockname()
                address = (str(bound[0]), int(bound[1]))
                found.append(Listener(setting.address, setting.tls, sock, address))
    except OSError:
        for sock in opened:
            sock.close()
        raise
    return found


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from None
    return sock
