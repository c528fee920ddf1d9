"""Ours: whether an address is one of this machine's own, as the kernel's routing table says."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Final

_DISCARD: Final = 9  # the port does not matter: nothing is sent


def is_ours(ip: str) -> bool:
    """True where the machine would speak to that address from that very address.

    A datagram socket is connected, which sends nothing, and asked which address it would use.
    """
    family = socket.AF_INET if ip_address(ip).version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((ip, _DISCARD))
            return ip_address(str(asking.getsockname()[0])) == ip_address(ip)
    except OSError:  # no route there, or no such family on this machine
        return False
