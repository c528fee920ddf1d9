"""A plain aiosmtpd server in a thread: what the clients are tried against before the relay is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Protocol
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from tests.peers.certificates import Certificate
from tests.peers.ports import free_port


@dataclass(slots=True)
class Heard:
    """One transaction as the server saw it."""

    sender: str
    mail_options: list[str]
    recipients: list[str]
    rcpt_options: list[str]
    content: bytes
    is_encrypted: bool
    user: str | None


@dataclass(slots=True)
class Recorder:
    """Keeps every transaction; refuses the recipients in `refused` with what they map to."""

    is_auth_required: bool = False
    refused: dict[str, str] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)

    async def handle_MAIL(
        self, server: Any, session: Session, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.is_auth_required and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.heard.append(
            Heard(
                sender=envelope.mail_from or "",
                mail_options=list(envelope.mail_options),
                recipients=list(envelope.rcpt_tos),
                rcpt_options=list(envelope.rcpt_options),
                content=content,
                is_encrypted=session.ssl is not None,
                user=session.auth_data,
            )
        )
        return "250 2.0.0 queued"


class Listening:
    """The server: `with Listening() as server`, then `server.port` and `server.heard`."""

    def __init__(
        self,
        *,
        certificate: Certificate | None = None,
        users: dict[str, str] | None = None,
        refused: dict[str, str] | None = None,
    ) -> None:
        self.recorder = Recorder(bool(users), refused or {})
        self.port = free_port()
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate_file, certificate.key_file)

        def authenticate(
            server: Any, session: Session, envelope: Envelope, mechanism: str, login: Any
        ) -> AuthResult:
            assert isinstance(login, LoginPassword)
            name = login.login.decode()
            right = (users or {}).get(name) == login.password.decode()
            return AuthResult(success=right, auth_data=name, handled=False)

        class Loopback(Controller):
            def factory(self) -> Protocol:
                return Protocol(
                    self.handler,
                    tls_context=context,
                    authenticator=authenticate if users else None,
                    auth_require_tls=certificate is not None,
                    decode_data=False,
                    enable_SMTPUTF8=True,
                )

        self._controller = Loopback(self.recorder, hostname="127.0.0.1", port=self.port)

    @property
    def heard(self) -> list[Heard]:
        return self.recorder.heard

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._controller.stop()
