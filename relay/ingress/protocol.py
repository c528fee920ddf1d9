"""Session: one client's dialogue — our verbs and replies above aiosmtpd's protocol class.

- DATA goes through the scanner, so that only CRLF.CRLF ends it.
- No exception ends a session without a 451.
- Octets that wait behind STARTTLS are discarded, and all that the client said before is forgotten.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from relay.ingress import answers, strangers, syntax
from relay.ingress.answers import Refused
from relay.ingress.auth import Verifies
from relay.ingress.authenticating import Authenticating
from relay.ingress.handler import Handler, Visit
from relay.ingress.memory import Memory
from relay.ingress.policy import Policy
from relay.ingress.wire import Over, Wire
from relay.mail.envelope import Source
from relay.mail.reply import Reply
from relay.mail.smtpdata import DataScanner

if TYPE_CHECKING:
    from relay.ingress.listening import Listener

MAX_COMMAND: Final = 4 * 1024
MAX_UNREAD: Final = 16 * 1024  # octets of replies that are gathered
AT_ONCE: Final = 100  # commands without letting other sessions run
MAX_BOGUS: Final = 50  # unknown commands: then this is no SMTP client
MAX_ERRORS: Final = 200  # refusals to a client that may not relay
HANDSHAKE: Final = 30.0  # seconds


class House(Protocol):
    """What a session is let into: the door."""

    handler: Handler
    memory: Memory
    policy: Policy

    def admit(self, session: Session) -> None:
        """The session is no stranger's any more."""
        ...

    def ended(self, session: Session) -> None:
        """The session's last act."""
        ...


class Session(Wire):
    """One client. `visit` is what the handler knows of it."""

    max_errors = MAX_ERRORS

    def __init__(
        self,
        house: House,
        listener: Listener,
        loop: asyncio.AbstractEventLoop,
        is_stranger: bool = False,
    ) -> None:
        policy = house.policy
        idle = policy.ingress.idle_timeout.total_seconds()
        super().__init__(house.handler, policy.hostname, idle, loop)
        self._house = house
        self._handler = house.handler
        self._listener = listener
        self.is_stranger = is_stranger
        self._is_over_time = False
        self._bogus = 0
        self._idle = 0
        self._auth = Authenticating()
        self.visit: Visit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        peer = transport.get_extra_info("peername") or ("", 0)
        tls = transport.get_extra_info("ssl_object")
        self.is_tls = tls is not None
        policy = self._house.policy
        ip = strangers.ip_of(peer)
        self.visit = Visit(
            Source(
                ip=ip,
                helo="",
                tls=tls.version() if tls is not None else None,
                user=None,
                listener=self._listener.name,
                is_trusted=policy.trusts(ip),
                port=int(peer[1]),
            ),
            policy,
        )
        if self.is_stranger:
            self.later(strangers.LIFETIME, self._outstayed)
        super().connection_made(transport)

    def _outstayed(self) -> None:
        """A stranger's time is over: at once, or when what it waits for has been answered."""
        self._is_over_time = True
        if self.is_waiting and self._is_outside:
            self.hang_up(answers.OUTSTAYED)

    @property
    def _is_outside(self) -> bool:
        return self.is_stranger and not self.visit.source.may_relay

    @property
    def authenticator(self) -> Verifies:
        """Who knows the users."""
        return self._handler.authenticator

    # --- the dialogue

    async def _handle_client(self) -> None:
        try:
            await self._converse()
        except Over:
            pass
        except Exception as error:
            self._handler.fault("a session broke", error)
        finally:
            await self._finish()

    async def _finish(self) -> None:
        try:
            await self.flush()
        finally:
            self.close()
            self._house.ended(self)

    async def _converse(self) -> None:
        refusal = await self._guarded(self._handler.connect(self.visit))
        if refusal is not None:
            self.say(refusal)
            return
        self.say(Reply(220, None, f"{self.hostname} {self.__ident__}"))
        count = 0
        while True:
            count += 1
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)
            if self.unread > MAX_UNREAD:
                await self.flush()
            if self.errors >= self.max_errors and not self.visit.source.may_relay:
                self._end(answers.ENOUGH)
            if self._is_over_time and self._is_outside:
                self._end(answers.OUTSTAYED)
            try:
                await self._command(await self.line())
            except Refused as refused:
                reply, reason = refused.reply, refused.reason
                self.say(self._handler.refuse(self.visit, "command", reply, reason))
            except Over:
                raise
            except Exception as error:
                self._handler.fault("a command failed", error)
                self.visit.forget()
                self.say(answers.TEMPORARY)

    async def _guarded(self, asked: Any) -> Reply | None:
        try:
            reply: Reply | None = await asked
        except Exception as error:
            self._handler.fault("a client could not be greeted", error)
            return answers.TEMPORARY
        return reply

    async def _command(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        verb = word.strip(b" \t").upper().decode("latin-1")
        if len(line) > MAX_COMMAND and verb != "AUTH":
            raise Refused(answers.TOO_LONG, "syntax")
        if verb == "PROXY" or (line == b"" and self.input.startswith(b"\r\n\0")):
            self.input.clear()
            self._end(answers.NO_PROXY)
        method = _VERBS.get(verb)
        if method is None:
            self._bogus += 1
            if self._bogus >= MAX_BOGUS:
                self._end(answers.UNKNOWN)
            raise Refused(answers.UNKNOWN, "syntax")
        if verb in strangers.IDLE and self._is_outside:
            self._idle += 1
            if self._idle > strangers.MAX_IDLE:
                self._end(answers.LEADS_NOWHERE)
        if self.is_closing and verb != "QUIT":
            self.visit.forget()
            self._end(answers.CLOSING)
        await method(self, syntax.decode(rest.strip(b" \t")))

    def _end(self, reply: Reply) -> None:
        self.say(self._handler.refuse(self.visit, "command", reply, "closed"))
        raise Over

    async def smtp_HELO(self, hostname: str) -> None:
        """RFC 5321 4.1.1.1; the name is never judged."""
        if await self._greeted(hostname, is_esmtp=False):
            self.say(Reply(250, None, self.hostname))

    async def smtp_EHLO(self, hostname: str) -> None:
        """With what we offer: no CHUNKING, no HELP."""
        if not await self._greeted(hostname, is_esmtp=True):
            return
        self.say(Reply(250, None, "\n".join([self.hostname, *self.offered()])))

    def offered(self) -> list[str]:
        """EHLO's keywords, with their parameters."""
        offered = ["PIPELINING", f"SIZE {self.visit.policy.ingress.size_limit}", "8BITMIME"]
        offered += ["SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN"]
        if self._offers_tls:
            offered.append("STARTTLS")
        if self._auth.is_offered(self):
            offered.append("AUTH PLAIN LOGIN")
        return offered

    async def _greeted(self, argument: str, is_esmtp: bool) -> bool:
        name = syntax.helo(argument)
        visit = self.visit
        visit.forget()
        visit.policy = self._house.policy
        self.hostname = visit.policy.hostname
        visit.is_esmtp = is_esmtp
        self._know(helo=name)
        refusal = await self._handler.helo(visit)
        if refusal is not None:
            self._know(helo="")
            self.say(refusal)
        return refusal is None

    def _know(
        self, helo: str | None = None, user: str = "", tls: str = "", is_new: bool = False
    ) -> None:
        source = self.visit.source
        known = None if is_new else source.user
        self.visit.source = Source(
            ip=source.ip,
            helo=source.helo if helo is None else helo,
            tls=tls or source.tls,
            user=user or known,
            listener=source.listener,
            is_trusted=self.visit.policy.trusts(source.ip),
            port=source.port,
        )

    async def smtp_MAIL(self, arg: str | None) -> None:
        """Between two messages the policy may have been swapped."""
        visit = self.visit
        if not visit.source.helo:
            raise Refused(answers.GREET_FIRST, "sequence")
        if visit.transaction is not None:
            raise Refused(answers.NESTED_MAIL, "sequence")
        if visit.policy is not self._house.policy:
            visit.policy = self._house.policy
            self._know()
        sender, options = syntax.sender(arg or "")
        self.say(await self._handler.mail(visit, sender, options))

    async def smtp_RCPT(self, arg: str | None) -> None:
        """One recipient."""
        if self.visit.transaction is None:
            raise Refused(answers.MAIL_FIRST, "sequence")
        self.say(await self._handler.rcpt(self.visit, syntax.recipient(arg or "")))

    async def smtp_DATA(self, arg: str | None) -> None:
        """The letter."""
        transaction = self.visit.transaction
        if transaction is None:
            raise Refused(answers.MAIL_FIRST, "sequence")
        if arg:
            raise Refused(answers.NO_ARGUMENT, "syntax")
        if not transaction.recipients:
            raise Refused(answers.RECIPIENTS_FIRST, "sequence")
        self.say(answers.GO_AHEAD)
        with self._house.memory.share() as share:
            scanner = DataScanner(self.visit.policy.ingress.size_limit)
            piece = bytes(self.input)
            self.input.clear()
            while True:
                if not scanner.is_over:
                    await share.take(len(piece))
                scanner.feed(piece)
                if scanner.is_over and share.size:
                    share.give_back()
                if scanner.finished:
                    break
                piece = await self.more()
            self.input += scanner.rest
            reply = await self._handler.data(self.visit, scanner)
        self.visit.forget()
        if reply.code < 400:
            self._house.admit(self)
        self.say(reply)

    async def smtp_RSET(self, arg: str | None) -> None:
        """Forget the message at hand."""
        if arg:
            raise Refused(answers.NO_ARGUMENT, "syntax")
        self.visit.forget()
        self.say(answers.OK)

    async def smtp_NOOP(self, arg: str | None) -> None:
        """Nothing."""
        self.say(answers.OK)

    async def smtp_VRFY(self, arg: str | None) -> None:
        """RFC 5321 3.5.3: neither yes nor no."""
        self.say(answers.VERIFY)

    async def smtp_HELP(self, arg: str | None) -> None:
        """Not offered."""
        raise Refused(answers.NOT_HERE, "syntax")

    smtp_EXPN = smtp_HELP

    async def smtp_QUIT(self, arg: str | None) -> None:
        """Also with an argument: who wants to go may go."""
        self.say(answers.BYE)
        raise Over

    # --- TLS and AUTH

    @property
    def _offers_tls(self) -> bool:
        wants = self._listener.tls == "starttls" and not self.is_tls
        return wants and self.visit.policy.tls is not None

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """RFC 3207: nothing said in the clear counts afterwards, nor what was sent along."""
        context = self.visit.policy.tls
        if self.is_tls:
            raise Refused(answers.IS_TLS, "sequence")
        if not self._offers_tls or context is None:
            raise Refused(answers.NOT_HERE, "syntax")
        if arg:
            raise Refused(answers.NO_ARGUMENT, "syntax")
        if self.visit.transaction is not None:
            raise Refused(answers.IN_TRANSACTION, "sequence")
        self.say(answers.TLS_READY)
        await self.flush()
        transport = cast(asyncio.Transport | None, self.transport)
        if transport is None:
            raise Over
        self.discard()
        try:
            upgraded = await self.loop.start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE,
            )
        except (OSError, ssl.SSLError) as error:
            error.__traceback__ = None  # asyncio's frames in it know the session, and it
            detail = f"{type(error).__name__}: {error}"
            self._handler.refuse(self.visit, "starttls", answers.TLS_FAILED, "tls", detail)
            raise Over from None
        if upgraded is None:
            raise Over
        self._changed_to(upgraded)

    def _changed_to(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        for stream in (self._reader, self._writer):
            stream._transport = transport  # type: ignore[union-attr]
        self.is_tls = True
        self._over_ssl = True
        version = transport.get_extra_info("ssl_object").version()
        self.visit.forget()
        self.visit.is_esmtp = False
        self._know(helo="", tls=version or "TLS", is_new=True)

    @property
    def offers_auth(self) -> bool:
        """AUTH only over TLS, or on a trusted network where the settings allow it."""
        auth, source = self.visit.policy.auth, self.visit.source
        may_be_plain = auth.plaintext_on_trusted and source.is_trusted
        return auth.enabled and (self.is_tls or may_be_plain)

    async def smtp_AUTH(self, arg: str | None) -> None:
        """PLAIN and LOGIN; what is said here is never logged."""
        user = await self._auth.ask(self, arg or "")
        if user is not None:
            self._know(user=user)
            self._house.admit(self)
            self.say(answers.AUTH_OK)


# Dispatch by aiosmtpd's naming, made once and not for each session.
_VERBS: Final = {
    name.removeprefix("smtp_"): getattr(Session, name)
    for name in dir(Session)
    if name.startswith("smtp_")
}
