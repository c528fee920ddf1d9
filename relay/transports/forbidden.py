"""Forbidden addresses: what is never dialled, since anybody may register a domain pointing there.

Checked on the very address that is about to be dialled, never on a name or an earlier answer, so
that a second, different DNS answer cannot slip by.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA's special-purpose registries (RFC 6890 and later). Written out, since Python's own
# `is_private` and `is_global` changed their minds between releases.
_LOCAL: Final[tuple[tuple[Network, str], ...]] = (
    (IPv4Network("127.0.0.0/8"), "loopback"),
    (IPv4Network("10.0.0.0/8"), "private"),
    (IPv4Network("172.16.0.0/12"), "private"),
    (IPv4Network("192.168.0.0/16"), "private"),
    (IPv4Network("169.254.0.0/16"), "link-local"),
    (IPv4Network("100.64.0.0/10"), "carrier-grade NAT"),
    (IPv6Network("::1/128"), "loopback"),
    (IPv6Network("fc00::/7"), "private"),
    (IPv6Network("fe80::/10"), "link-local"),
)
_NOWHERE: Final[tuple[tuple[Network, str], ...]] = (
    (IPv4Network("0.0.0.0/8"), "unspecified"),
    (IPv4Network("192.0.0.0/24"), "reserved"),
    (IPv4Network("192.0.2.0/24"), "documentation"),
    (IPv4Network("192.88.99.0/24"), "reserved"),
    (IPv4Network("198.18.0.0/15"), "benchmarking"),
    (IPv4Network("198.51.100.0/24"), "documentation"),
    (IPv4Network("203.0.113.0/24"), "documentation"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("240.0.0.0/4"), "reserved"),
    (IPv6Network("::/128"), "unspecified"),
    (IPv6Network("ff00::/8"), "multicast"),
    (IPv6Network("2001:2::/48"), "benchmarking"),
    (IPv6Network("2001:db8::/32"), "documentation"),
    (IPv6Network("3fff::/20"), "documentation"),
    (IPv6Network("2001::/32"), "Teredo"),
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")


@dataclass(frozen=True, slots=True)
class Frontier:
    """What this relay may dial besides public addresses.

    ``allow``: `destinations.allow_networks`; ``own``: further addresses of the relay's own (behind
    a NAT), dialling which would be a loop; ``is_lab``: loopback is the whole internet then.
    """

    allow: tuple[Network, ...] = ()
    own: Collection[Address] = ()
    is_lab: bool = False

    def why_forbidden(
        self, ip: str | Address, may_be_private: bool = False, is_ours: bool = False
    ) -> str | None:
        """What kind of address this is, if it must not be dialled; None if it may.

        ``is_ours``: the machine itself has the address; to dial it would be a loop.
        ``may_be_private``: the host stands in `routes:`, so loopback and private addresses are
        the administrator's own choice; what leads nowhere stays forbidden.
        """
        address = ip_address(ip) if isinstance(ip, str) else ip
        inner = _embedded(address)
        if any(_within(address, net) or _within(inner, net) for net in self.allow):
            return None
        if self.is_lab and (inner or address).is_loopback:
            return None
        nowhere = _kind(address, _NOWHERE) or (_kind(inner, _NOWHERE) if inner else None)
        if nowhere:
            return nowhere
        if may_be_private:
            return None
        if address in self.own or (inner is not None and inner in self.own):
            return "our own"
        if isinstance(address, IPv6Address) and inner is not None and address not in _NAT64:
            kind = _kind(inner, _LOCAL)
            return f"IPv4 in IPv6, {kind}" if kind else "IPv4 in IPv6"
        local = _kind(address, _LOCAL) or (_kind(inner, _LOCAL) if inner else None)
        if local:
            return local
        if is_ours:
            return "our own"
        if isinstance(address, IPv6Address) and address not in _NAT64:
            return None if address in _GLOBAL_UNICAST else "reserved"
        return None


def is_forbidden(
    ip: str | Address,
    allow: tuple[Network, ...] = (),
    own: Collection[Address] = (),
    is_lab: bool = False,
    may_be_private: bool = False,
) -> bool:
    """True for an address that must not be dialled; see :class:`Frontier`."""
    return Frontier(allow, own, is_lab).why_forbidden(ip, may_be_private) is not None


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address within an IPv6 one: mapped, compatible, NAT64, 6to4; else None."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    number = int(address)
    if address in _NAT64 or address in _NAT64_LOCAL or 1 < number < 2**32:
        return IPv4Address(number & 0xFFFFFFFF)
    return None


def _kind(address: Address, table: tuple[tuple[Network, str], ...]) -> str | None:
    return next((kind for network, kind in table if _within(address, network)), None)


def _within(address: Address | None, network: Network) -> bool:
    return address is not None and address.version == network.version and address in network
