"""Settings of the transports: DNS, routes, time-outs per SMTP stage."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from relay.settings import Duration, Settings
from relay.transports.hop import parse_hop


def name_server(text: str) -> tuple[str, int]:
    """Read `ip`, `ip:port` or `[v6]:port`; the port is 53 by default. Raises ValueError."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or port.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = text.strip(), "53"
    try:
        address = str(ip_address(host.removeprefix("[").removesuffix("]")))
        number = int(port)
    except ValueError:
        number = 0
    if not 0 < number < 65_536:
        raise ValueError(f"{text!r} is no name server (write 192.0.2.53 or 192.0.2.53:5353)")
    return address, number


def _checked(text: str) -> str:
    name_server(text)
    return text


class DnsSettings(Settings):
    """Name servers as `ip` or `ip:port`; none: the system's."""

    servers: tuple[Annotated[str, AfterValidator(_checked)], ...] = ()
    timeout: Duration = timedelta(seconds=10)


class RouteSettings(Settings):
    """`mx`, `smtp://host:port` or `smtps://user@host:465`; the password comes from a file."""

    to: str = "mx"
    password_file: Path | None = None

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        parse_hop(self.to, None if self.password_file is None else "")
        return self


class FallbackSettings(Settings):
    """Another way for kritis letters whose provider has been paused for longer than `after`."""

    to: str
    password_file: Path | None = None
    after: Duration = timedelta(minutes=15)

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if parse_hop(self.to, None if self.password_file is None else "") is None:
            raise ValueError(
                "mx is no other way: it is the one that is paused; write smtp://host:port"
            )
        return self


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
    ca_file: Path | None = None  # roots beside the system's, for routes whose certificate verifies
    ipv6: bool = False  # IPv4 by default: Gmail's IPv6 rules are stricter
    timeouts: TimeoutSettings = Field(default_factory=TimeoutSettings)
