"""Opening: from an address to a ready session: connect, greeting, EHLO, STARTTLS, AUTH.

Nothing is sent in the clear that was to be encrypted: what came before TLS is forgotten, octets
that the server slipped in behind its 220 end the connection (response injection), and a password
is said over a verified connection only.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from relay.mail.delivery import Failure, FailureKind
from relay.mail.reply import Stage
from relay.transports import commands
from relay.transports.base import Credentials, TlsPolicy
from relay.transports.deadlines import Deadlines
from relay.transports.reading import Spoken
from relay.transports.session import QUIT, Session
from relay.transports.tls import Contexts
from relay.transports.transaction import CLOSING, Ended, read
from relay.transports.wire import Wire


@dataclass(frozen=True, slots=True)
class Plan:
    """How to speak with one host."""

    name: str  # the host's, for SNI and its certificate
    port: int
    helo: str  # ours
    tls: TlsPolicy
    is_verified: bool = False
    credentials: Credentials | None = None
    source: str | None = None
    is_helo_only: bool = False  # this host hangs up on EHLO


class Opening:
    """One try at one address."""

    def __init__(self, plan: Plan, contexts: Contexts, deadlines: Deadlines) -> None:
        self._plan = plan
        self._contexts = contexts
        self._deadlines = deadlines
        self._wire = Wire()
        self._offered: Mapping[str, str] = {}
        self._is_encrypted = False

    async def open(self, ip: str) -> Session:
        """A ready session. Raises Ended with a Reply (CONNECT to AUTH) or a Failure."""
        try:
            await self._connect(ip)
            await self._greeting()
            await self._hello()
            if self._plan.tls in ("required", "opportunistic"):
                await self._starttls()
            if self._plan.credentials is not None:
                await self._authenticate(self._plan.credentials)
        except BaseException as error:
            if isinstance(error, Ended) and not isinstance(error.result, Failure):
                self._wire.write(QUIT)  # it spoke to us; go politely, but wait for nothing
                self._wire.close()
            else:
                self._wire.abort()
            raise
        session = Session(self._wire, self._plan.name, self._offered, self._deadlines)
        session.is_helo_only = self._plan.is_helo_only
        return session

    async def _connect(self, ip: str) -> None:
        plan, loop = self._plan, asyncio.get_running_loop()
        context = self._contexts.of(plan.is_verified, True) if plan.tls == "implicit" else None
        seconds = self._deadlines.connect
        try:
            async with asyncio.timeout(seconds):
                await loop.create_connection(
                    lambda: self._wire,
                    ip,
                    plan.port,
                    local_addr=(plan.source, 0) if plan.source else None,
                    ssl=context,
                    server_hostname=plan.name if context else None,
                    ssl_handshake_timeout=seconds if context else None,
                    ssl_shutdown_timeout=self._deadlines.quit if context else None,
                )
        except TimeoutError:
            raise self._failed(FailureKind.TIMEOUT, f"no connection within {seconds:g} s") from None
        except (ssl.SSLError, UnicodeError) as error:
            raise self._failed(FailureKind.TLS, tls_text(error), Stage.STARTTLS) from None
        except ConnectionRefusedError:
            raise self._failed(FailureKind.REFUSED, "connection refused") from None
        except OSError as error:
            text = error.strerror or str(error)
            raise self._failed(FailureKind.UNREACHABLE, text) from None
        self._is_encrypted = context is not None

    async def _greeting(self) -> None:
        spoken = await self._read(Stage.CONNECT, self._deadlines.greeting)
        if spoken.code >= 400:
            raise Ended(spoken.reply(Stage.CONNECT))
        if spoken.code != 220:
            raise self._failed(FailureKind.PROTOCOL, f"{spoken.code} is no greeting")

    async def _hello(self) -> None:
        """EHLO, or HELO where that is not understood; fills what is offered."""
        refusal: Spoken | None = None
        if not self._plan.is_helo_only:
            spoken = await self._ask(f"EHLO {self._plan.helo}", Stage.HELO, self._deadlines.helo)
            if spoken.code // 100 == 2:
                text = spoken.reply(Stage.HELO).text
                if not spoken.raw.split(b"\n", 1)[0][4:].strip():  # a greeting without a word
                    text = f"\n{text}"
                self._offered = commands.capabilities(text)
                return
            if spoken.code < 500:
                raise self._refused(spoken, Stage.HELO)
            refusal = spoken
        self._offered = {}
        if refusal is not None and self._plan.tls == "required" and not self._is_encrypted:
            raise self._refused(refusal, Stage.HELO)  # without EHLO there is no STARTTLS
        try:
            spoken = await self._ask(f"HELO {self._plan.helo}", Stage.HELO, self._deadlines.helo)
        except Ended:
            if refusal is None:
                raise
            spoken = refusal  # it hung up: what it said before is the better reason
        if spoken.code // 100 != 2:
            raise self._refused(spoken, Stage.HELO)

    async def _starttls(self) -> None:
        plan = self._plan
        if "STARTTLS" not in self._offered:
            if plan.tls == "required":
                text = "encryption is required, and the server does not offer STARTTLS"
                raise self._failed(FailureKind.TLS, text, Stage.STARTTLS)
            return
        try:
            spoken = await self._ask("STARTTLS", Stage.STARTTLS, self._deadlines.helo)
        except Ended as end:  # hung up, silent or junk: as good as a handshake that fails
            text = f"STARTTLS was offered, then not answered: {end.result.text}"
            raise self._failed(FailureKind.TLS, text, Stage.STARTTLS) from None
        if spoken.code == CLOSING:  # a busy server's word, and no reason to come back in the clear
            raise Ended(spoken.reply(Stage.STARTTLS))
        if spoken.code != 220:
            text = f"STARTTLS was offered, then refused: {spoken.reply(Stage.STARTTLS)}"
            raise self._failed(FailureKind.TLS, text, Stage.STARTTLS)
        if not self._wire.is_clean:
            text = "octets came between STARTTLS and TLS: somebody injects replies"
            raise self._failed(FailureKind.TLS, text, Stage.STARTTLS)
        context = self._contexts.of(plan.is_verified, plan.tls == "required")
        try:
            deadlines = self._deadlines
            await self._wire.start_tls(context, plan.name, deadlines.connect, deadlines.quit)
        except (OSError, UnicodeError) as error:
            raise self._failed(FailureKind.TLS, tls_text(error), Stage.STARTTLS) from None
        self._is_encrypted = True
        await self._hello()

    async def _authenticate(self, credentials: Credentials) -> None:
        if not self._is_encrypted:
            text = "the password is not sent: the connection is not encrypted"
            raise self._failed(FailureKind.CREDENTIALS, text, Stage.AUTH)
        offered = self._offered.get("AUTH", "").split()
        user, password = credentials.user.encode(), credentials.password.encode()
        if "PLAIN" in offered:
            steps = [b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password)]
        elif "LOGIN" in offered:
            steps = [b"AUTH LOGIN", base64.b64encode(user), base64.b64encode(password)]
        else:
            text = f"the server offers no AUTH that we know (PLAIN, LOGIN), but {offered or 'none'}"
            raise self._failed(FailureKind.CREDENTIALS, text, Stage.AUTH)
        for step in steps:
            self._wire.write(step + b"\r\n")
            spoken = await self._read(Stage.AUTH, self._deadlines.helo)
            if spoken.code // 100 != 3:
                break
        if spoken.code // 100 == 2:
            return
        if 400 <= spoken.code < 500:
            raise Ended(spoken.reply(Stage.AUTH))
        text = f"our password is refused: {spoken.reply(Stage.AUTH)}"
        raise self._failed(FailureKind.CREDENTIALS, text, Stage.AUTH)

    async def _ask(self, line: str, stage: Stage, seconds: float) -> Spoken:
        self._wire.write(f"{line}\r\n".encode())
        return await self._read(stage, seconds)

    async def _read(self, stage: Stage, seconds: float) -> Spoken:
        return await read(self._wire, stage, seconds)

    def _refused(self, spoken: Spoken, stage: Stage) -> Ended:
        if spoken.code >= 400:
            return Ended(spoken.reply(stage))
        return self._failed(FailureKind.PROTOCOL, f"{spoken.code} is no answer to {stage.name}")

    def _failed(self, kind: FailureKind, text: str, stage: Stage = Stage.CONNECT) -> Ended:
        return Ended(Failure(kind, text, stage))


def tls_text(error: OSError | UnicodeError) -> str:
    """A TLS failure in words, without the library's file and line."""
    if isinstance(error, UnicodeError):  # an MX record may name any octets
        return "TLS: the host's name cannot stand in a certificate"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate does not verify: {error.verify_message}"
    reason = getattr(error, "reason", None)
    return f"TLS: {str(reason).replace('_', ' ').lower() if reason else error}"
