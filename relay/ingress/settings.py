"""Settings of the door: listeners, who may relay, bounds."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from relay.settings import Duration, Settings, Size

Network = IPv4Network | IPv6Network
MOST_HANDED_OVER: Final = 255 * 1024 * 1024  # octets of a letter by a worker: a quarter of a frame,
# since made 7-bit-safe a body is three times as long at most, and it is kept as it came too


class ListenSettings(Settings):
    """One listener. `address` is `host:port`, `[v6]:port` or `systemd:NAME`."""

    address: str
    tls: Literal["off", "starttls", "implicit"] = "off"
    i_know: bool = False  # confirms a public listener without AUTH


class CertificateSettings(Settings):
    """The certificate that clients see; needed by a listener with tls."""

    certificate_file: Path | None = None
    key_file: Path | None = None


def _many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class ReturnPathSettings(Settings):
    """Where late bounces and complaints come back to. Without a `domain` letters leave with the
    envelope sender that they came with, and nothing comes back here."""

    domain: str | None = None
    listen: Annotated[tuple[str, ...], BeforeValidator(_many)] = ()  # as ListenSettings.address
    per_client: int = Field(default=60, ge=1, le=10_000)  # letters a minute
    max_sessions: int = Field(default=50, ge=1, le=10_000)


class AuthSettings(Settings):
    """SMTP AUTH (PLAIN, LOGIN); users are kept in the store, `lpse-relay users add`."""

    enabled: bool = False
    plaintext_on_trusted: bool = False  # offer AUTH without TLS to trusted networks
    failures_per_session: int = Field(default=3, ge=1, le=10)


class IngressSettings(Settings):
    """Bounds of the door; each has its reason in docs/guarantees."""

    max_sessions: int = Field(default=500, ge=1, le=20_000)
    backlog: int = Field(default=1024, ge=1, le=65_535)
    accept_wait: Duration = timedelta(seconds=30)  # then 421
    idle_timeout: Duration = timedelta(minutes=5)
    size_limit: Size = 25 * 1024 * 1024
    max_recipients: int = Field(default=10_000, ge=1_000, le=100_000)
    memory: Size = 256 * 1024 * 1024  # all sessions' buffers together
    bare_newlines: Literal["normalise", "reject"] = "normalise"
    ceiling: int = Field(default=60_000, ge=1)  # recipients an hour; above it mail is queued held
    drain_sessions: Duration = timedelta(seconds=30)
    drain_replies: Duration = timedelta(seconds=60)
