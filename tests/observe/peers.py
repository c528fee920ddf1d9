"""Real receivers on loopback: a web server that notes what it is sent, and a mail server."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from relay.observe.notice import Message, Notice
from relay.observe.severity import Severity
from tests.observe.examples import NOW

HOST = "relay.lpse.example.go.id"


def message(*names: str, detail: str = "421 4.7.28 too fast") -> Message:
    """One alert, or several as a digest."""
    rows = (Notice(NOW, name, Severity.WARNING, detail, NOW) for name in names or ("pause:gmail",))
    return Message(NOW, HOST, tuple(rows))


@dataclass
class Web:
    """What came, and what is answered: codes in their order, the last one for ever."""

    answers: list[int] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    hold: threading.Event | None = None  # answer only after it
    port: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hooks/t0ken?key=s3cret"


def _answering(seen: Web) -> type[BaseHTTPRequestHandler]:
    """Notes each request there, and answers as it says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.requests.append((self.path, dict(self.headers), body))
            if seen.hold is not None:
                seen.hold.wait(30)
            self.send_response(seen.answers.pop(0) if len(seen.answers) > 1 else seen.answers[0])
            for name, value in seen.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(seen.body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up over a certificate, or reads no more


@contextmanager
def web(context: ssl.SSLContext | None = None, **how: Any) -> Iterator[Web]:
    """A web server; over TLS where it is given a context."""
    seen = Web(**how)
    server = _Server(("127.0.0.1", 0), _answering(seen))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        seen.scheme = "https"
    seen.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        if seen.hold is not None:
            seen.hold.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


@dataclass
class Mailbox:
    """What a mail server took, and how it answers RCPT and the dot."""

    rcpt: str = "250 OK"
    dot: str = "250 OK"
    envelopes: list[Envelope] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    port: int = 0

    def letter(self) -> EmailMessage:
        content = self.envelopes[-1].original_content
        assert content is not None
        letter = message_from_bytes(content, policy=default)
        assert isinstance(letter, EmailMessage)
        return letter

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        if self.dot.startswith("250"):
            self.envelopes.append(envelope)
            self.sessions.append(session)
        return self.dot


def _authenticated(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
    is_right = isinstance(data, LoginPassword) and data.password == b"open sesame"
    return AuthResult(success=is_right, handled=False)


class _Quick(Controller):
    """Port 0 is whatever the system gives."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail(context: ssl.SSLContext | None = None, *, implicit: bool = False, **how: Any) -> Any:
    """A mail server; with a context it offers STARTTLS, or speaks TLS from the first octet, and
    wants a password."""
    box = Mailbox(**how)
    words: dict[str, Any] = {}
    if context is not None:
        words = {"authenticator": _authenticated, "auth_require_tls": not implicit}
        words |= {"ssl_context": context} if implicit else {"tls_context": context}
    controller = _Quick(box, hostname="127.0.0.1", port=0, **words)
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()
