"""Settings of the transports: DNS, routes, time-outs per SMTP stage."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import Field

from relay.settings import Duration, Settings


class DnsSettings(Settings):
    """Name servers as `ip` or `ip:port`; none: the system's."""

    servers: tuple[str, ...] = ()
    timeout: Duration = timedelta(seconds=10)


class RouteSettings(Settings):
    """`mx`, `smtp://host:port` or `smtps://user@host:465`; the password comes from a file."""

    to: str = "mx"
    password_file: Path | None = None


class DestinationsSettings(Settings):
    """Exceptions from the rule that loopback and private addresses are never dialled."""

    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()


class TimeoutSettings(Settings):
    """RFC 5321 4.5.3.2, one struct; `dot` is the wait for the reply after the final dot."""

    connect: Duration = timedelta(seconds=30)
    greeting: Duration = timedelta(minutes=5)
    helo: Duration = timedelta(minutes=5)
    mail: Duration = timedelta(minutes=5)
    rcpt: Duration = timedelta(minutes=5)
    data: Duration = timedelta(minutes=2)
    block: Duration = timedelta(minutes=3)
    dot: Duration = timedelta(minutes=10)
    quit: Duration = timedelta(seconds=5)
    idle: Duration = timedelta(seconds=20)  # an idle session is hung up after this


class DeliverySettings(Settings):
    """Where we send from."""

    source_address: str | None = None  # None: the system chooses
    ipv6: bool = False  # IPv4 by default: Gmail's IPv6 rules are stricter
    timeouts: TimeoutSettings = Field(default_factory=TimeoutSettings)
