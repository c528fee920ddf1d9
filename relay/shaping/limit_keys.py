"""Limit keys: what may be limited, and one way of writing for each.

A domain, `*` (each destination by itself), `mx:HOST+HOST` (the site of just these MX hosts), the
URL of a route, `total` (all that is sent, as a sum) or `source:ADDRESS` (all from one address of
ours).
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from relay.shaping.destination import site_key
from relay.shaping.mistakes import Fault

EVERY: Final = "*"
TOTAL: Final = "total"
SOURCE: Final = "source:"
MX: Final = "mx:"
ROUTES: Final = ("smtp://", "smtps://")
_HOST: Final = re.compile(r"[\w-]+(\.[\w-]+)+")


def is_sum(key: str) -> bool:
    """True for one over several destinations."""
    return key == TOTAL or of(key).startswith(SOURCE)


def is_route(key: str) -> bool:
    """True for a next hop's URL, as a limit's key or a destination's."""
    return key.startswith(ROUTES)


def is_inner(key: str) -> bool:
    """True for a domain or a site: what is counted beside the destination that it is sent to."""
    return key != EVERY and not is_sum(key) and not is_route(key)


def of(key: str) -> str:
    """A limit's key in the one way in which it is known, however it is written."""
    if key == EVERY or "://" in key:
        return key
    name = key.strip().lower().rstrip(".")
    if name.startswith(SOURCE) and not _no_address(name.removeprefix(SOURCE)):
        return SOURCE + str(ip_address(name.removeprefix(SOURCE)))
    if not name.startswith(MX) or "#" in name:
        return name
    return MX + site_key(host.strip() for host in name.removeprefix(MX).split("+"))


def fault(key: str) -> Fault | None:
    """What is wrong with a limit's key, and what to write."""
    if key in (EVERY, TOTAL) or is_route(key):
        return None
    name = key.strip().lower()
    if name.startswith(SOURCE):
        return _no_address(name.removeprefix(SOURCE))
    if name.startswith(MX):
        return _no_hosts(key.strip()[len(MX) :])
    if "@" in key:
        return f"{key!r} is an address", "write the domain behind the @"
    if "." not in key.strip(".") or any(odd in key.strip() for odd in "*/ "):
        return f"{key!r} is no domain", 'write gmail.com, dinas.example.go.id or "*"'
    return None


def _no_hosts(text: str) -> Fault | None:
    """A site is named by all its MX hosts, or as `explain` names it where they are many."""
    for host in text.partition("#")[0].split("+") if text else [""]:
        if not _HOST.fullmatch(host.strip().rstrip(".")) and not ("#" in text and host.isdigit()):
            return f"{host!r} is no MX host", 'write "mx:mx1.example.go.id+mx2.example.go.id"'
    return None


def _no_address(text: str) -> Fault | None:
    try:
        ip_address(text)
    except ValueError:
        return f"{text!r} is no IP address", 'write "source:203.0.113.7", one that we dial from'
    return None
