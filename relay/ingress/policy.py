"""Policy: all of the door that a reload swaps, as one value; sessions take it between messages."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from relay.filters.pipeline import Pipeline
from relay.ingress.settings import AuthSettings, IngressSettings, Network
from relay.shaping.settings import LifeSettings
from relay.store.settings import DiskSettings, DsnSettings, RefusedSettings


@dataclass(frozen=True)
class Policy:
    """What the door goes by. `tls` is needed where a listener's tls is not off."""

    hostname: str
    trusted_networks: Sequence[Network]
    pipeline: Pipeline
    ingress: IngressSettings = field(default_factory=IngressSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    life: LifeSettings = field(default_factory=LifeSettings)
    disk: DiskSettings = field(default_factory=DiskSettings)
    tls: ssl.SSLContext | None = None
    dsn: DsnSettings = field(default_factory=DsnSettings)
    refused: RefusedSettings = field(default_factory=RefusedSettings)
    number: int = 0  # of the configuration, by which workers and the main process mean the same

    def __post_init__(self) -> None:
        networks = tuple(self.trusted_networks)

        @lru_cache(maxsize=4096)
        def trusts(ip: str) -> bool:
            try:
                address = ip_address(ip.partition("%")[0])
            except ValueError:
                return False
            if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
                address = address.ipv4_mapped
            return any(address in network for network in networks)

        object.__setattr__(self, "_trusts", trusts)

    def trusts(self, ip: str) -> bool:
        """True for a client within the trusted networks."""
        return bool(self._trusts(ip))  # type: ignore[attr-defined]


def certificate(certificate_file: Path, key_file: Path | None = None) -> ssl.SSLContext:
    """A server's context, TLS 1.2 and up. Raises OSError or ssl.SSLError for files that are bad."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_file, key_file)
    return context
