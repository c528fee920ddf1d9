"""A fake provider: a real SMTP server on a loopback address that answers as its model says.

It keeps its own ledger of what it accepted and refused, and verifies each letter's DKIM signature
as a receiving side does, with the key that the lab's DNS publishes: the lab's books are the proof,
never the relay's own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import dkim
from aiosmtpd.smtp import SMTP, Envelope, Session

from relay.clock import Clock
from relay.lab.models import Model, Try
from relay.mail.instant import Instant

SIZE_LIMIT: Final = 40 * 1024 * 1024
PublishedKey = Callable[[str], str | None]  # name → TXT


@dataclass(frozen=True, slots=True)
class Arrival:
    """A letter that the provider accepted; `dkim`: `pass`, `fail` or `none`, and whose."""

    at: Instant
    host: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    dkim: str
    is_encrypted: bool


@dataclass(slots=True)
class Ledger:
    """What the providers of a lab saw, in their own books."""

    arrivals: list[Arrival] = field(default_factory=list)
    refusals: list[tuple[Instant, str, str, str]] = field(default_factory=list)

    def accepted(self, recipient: str) -> list[Arrival]:
        """The letters that came for an address."""
        return [a for a in self.arrivals if recipient in a.recipients]


class _Session(SMTP):
    """aiosmtpd's server with PIPELINING said, and its banner the provider's. It is one of
    `present` while its client is there, so that a letter may still come."""

    def __init__(self, handler: Any, present: set[SMTP], **settings: Any) -> None:
        super().__init__(handler, **settings)
        self._present = present

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here; told again at STARTTLS."""
        super().connection_made(transport)
        self._present.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """It has gone, and what it has not said to the end is forgotten."""
        super().connection_lost(error)
        self._present.discard(self)

    async def ehlo_hook(self) -> None:
        await self.push("250-PIPELINING")
        await self.push("250-ENHANCEDSTATUSCODES")


class Provider:
    """One host of a provider, listening on `ip:port`."""

    def __init__(
        self,
        host: str,
        model: Model,
        ledger: Ledger,
        clock: Clock,
        published_key: PublishedKey,
        tls: ssl.SSLContext | None,
    ) -> None:
        """`host` is the MX name that it says it is."""
        self.host = host
        self.model = model
        self._ledger = ledger
        self._clock = clock
        self._published_key = published_key
        self._tls = tls
        self._server: asyncio.Server | None = None
        self.sessions: set[SMTP] = set()

    async def start(self, ip: str, port: int) -> int:
        """Listen; returns the port (a free one for 0)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, ip, port, backlog=200)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    def _session(self) -> SMTP:
        return _Session(
            self,
            self.sessions,
            hostname=self.host,
            ident="ESMTP",
            tls_context=self._tls,
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Ask the model about a recipient."""
        refusal = self.model.rcpt(self._try(session, envelope, address), self._clock.now())
        if refusal is not None:
            self._refused(address, "rcpt", refusal)
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Ask the model about the letter, verify its signature, write it into the ledger."""
        now = self._clock.now()
        for address in envelope.rcpt_tos:
            refusal = self.model.end(self._try(session, envelope, address), now)
            if refusal is not None:
                self._refused(address, "eod", refusal)
                return refusal
        content = envelope.content or b""
        assert isinstance(content, bytes)  # noqa: S101 - decode_data is off
        self._ledger.arrivals.append(
            Arrival(
                now,
                self.host,
                _sender(envelope),
                tuple(envelope.rcpt_tos),
                content,
                self._verify(content),
                session.ssl is not None,
            )
        )
        return f"250 2.0.0 OK {now // 1000} {len(self._ledger.arrivals):x} - {self.host}"

    def _try(self, session: Session, envelope: Envelope, recipient: str) -> Try:
        peer: Any = session.peer
        return Try(peer[0], _sender(envelope), recipient, session.ssl is not None)

    def _refused(self, recipient: str, stage: str, reply: str) -> None:
        self._ledger.refusals.append((self._clock.now(), recipient, stage, reply))

    def _verify(self, content: bytes) -> str:
        if b"dkim-signature:" not in content[: content.find(b"\r\n\r\n")].lower():
            return "none"

        def lookup(name: bytes, timeout: int = 5) -> bytes | None:
            text = self._published_key(name.decode("ascii").rstrip("."))
            return None if text is None else text.encode("ascii")

        try:
            return "pass" if dkim.verify(content, dnsfunc=lookup) else "fail"
        except dkim.DKIMException:
            return "fail"


def _sender(envelope: Envelope) -> str:
    """The reverse path without brackets; aiosmtpd writes the empty one as `<>`."""
    return "" if envelope.mail_from in (None, "<>") else str(envelope.mail_from)
