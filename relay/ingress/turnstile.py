"""Turnstile: how often one client may come in a minute; an exact sliding count, bounded in size."""

from __future__ import annotations

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address
from typing import Final

WINDOW: Final = 60.0  # seconds
MOST_CLIENTS: Final = 10_000  # remembered; over it the one that came longest ago is forgotten
_PREFIX: Final = 64  # bits of an IPv6 address that one client has for itself


class Turnstile:
    """Called from the loop's thread."""

    def __init__(self, most: int) -> None:
        """`most` a minute for each client."""
        self._most = most
        self._came: OrderedDict[str, deque[float]] = OrderedDict()

    def lets_in(self, ip: str, now: float) -> bool:
        """One more by this client; False where it came too often. `now`: monotonic seconds."""
        client = _client(ip)
        came = self._came.setdefault(client, deque(maxlen=self._most))
        self._came.move_to_end(client)
        if len(self._came) > MOST_CLIENTS:
            self._came.popitem(last=False)
        if len(came) == self._most and now - came[0] < WINDOW:
            return False
        came.append(now)
        return True


def _client(ip: str) -> str:
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, IPv6Address):
        return str(int(address) >> (128 - _PREFIX))
    return ip
