"""The fake internet of the demo and the tests: DNS, Gmail, Yahoo, Outlook and a `go.id` server."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from relay.clock import Clock
from relay.lab.dns import NameServer, Zone
from relay.lab.models import Model
from relay.lab.provider import Ledger, Provider

GMAIL: Final = "gmail-smtp-in.l.google.com"
WORKSPACE: Final = "aspmx.l.google.com"
YAHOO: Final = "mta7.am0.yahoodns.net"
OUTLOOK: Final = "outlook-com.olc.protection.outlook.com"
GOVERNMENT: Final = "mail.dinas.example.go.id"
TRIES: Final = 5  # the port that one address has free may be taken on another


@dataclass(frozen=True, slots=True)
class House:
    """A provider's host: its MX name, loopback address, model, and the domains it serves."""

    host: str
    ip: str
    model: Model
    domains: tuple[str, ...]


class Internet:
    """DNS and providers; all SMTP servers listen on one port, each on an address of its own."""

    def __init__(self, clock: Clock, houses: list[House]) -> None:
        """Nothing listens before `start`."""
        self.zone = Zone()
        self.ledger = Ledger()
        self._dns = NameServer(self.zone)
        self._clock = clock
        self._houses = houses
        self._providers: list[Provider] = []
        self.port = 0  # of all SMTP servers, once they listen

    @property
    def sessions(self) -> int:
        """How many connections to its providers are open: while there is none no letter comes."""
        return sum(len(provider.sessions) for provider in self._providers)

    async def start(self) -> tuple[str, int]:
        """Listen; returns the name server's `ip:port` and the SMTP port of all hosts."""
        tls = self_signed(*(house.host for house in self._houses))
        for house in self._houses:
            self.zone.host(house.host, house.ip)
            for domain in house.domains:
                self.zone.domain(domain, house.host)
            self._providers.append(
                Provider(house.host, house.model, self.ledger, self._clock, self.zone.txt.get, tls)
            )
        for tries_left in reversed(range(TRIES)):
            try:
                await self._listen()
                break
            except OSError:
                if not tries_left:
                    raise
        return await self._dns.start(), self.port

    async def _listen(self) -> None:
        """One port that is free on every host's address; the first host's choice."""
        self.port = 0
        try:
            for house, provider in zip(self._houses, self._providers, strict=True):
                self.port = await provider.start(house.ip, self.port)
        except OSError:
            for provider in self._providers:
                await provider.stop()
            raise

    async def stop(self) -> None:
        """Stop all of it."""
        for provider in self._providers:
            await provider.stop()
        await self._dns.stop()


def self_signed(*names: str) -> ssl.SSLContext:
    """A server's TLS context with a new self-signed certificate, as many a real MX has."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder) / "lab.pem"
        chain.touch(mode=0o600)
        chain.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(chain)
    return context
