"""Bounces: the return path's door, by which late reports and complaints come in. It cannot relay.

The contract
- A recipient is taken only where its token is ours, signed and not expired, or where it is fbl@,
  postmaster@ or abuse@ of the return domain; that is asked at RCPT, before any DATA.
- Nothing that comes in here is ever sent anywhere: no letter, no report on a report. There is no
  AUTH, and DSN is not offered.
- 250 is said when what the letter means is on disk; a fault of ours before that is a 451.
- Each client may hand in so many letters and guess so many addresses a minute; over it a 451.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from relay.clock import Clock
from relay.filters.base import Alerts, Transaction
from relay.ingress import answers
from relay.ingress.answers import Refused, answer
from relay.ingress.content import Received
from relay.ingress.handler import Handler, Visit
from relay.ingress.listening import Listener
from relay.ingress.noting import Arrival, Full, Noting
from relay.ingress.policy import Policy
from relay.ingress.protocol import Session
from relay.ingress.server import Door
from relay.ingress.settings import AuthSettings, ListenSettings, ReturnPathSettings
from relay.ingress.turnstile import Turnstile
from relay.mail import events, report_reading
from relay.mail.envelope import Options, Recipient
from relay.mail.events import Emit
from relay.mail.ids import Ids
from relay.mail.reply import Reply
from relay.mail.report_reading import ReportError
from relay.mail.return_path import Refusal, ReturnPath, ReturnPathError, Token
from relay.mail.smtpdata import DataScanner
from relay.store.base import Store

MAX_RECIPIENTS: Final = 20  # a report has one
MAX_ERRORS: Final = 20  # refusals in one session
SPECIAL: Final = frozenset({"fbl", "postmaster", "abuse"})
NOTED: Final = answer(250, "2.0.0", "Noted")
NOT_OURS: Final = answer(550, "5.1.1", "No such address here")
NO_RELAY: Final = answer(550, "5.7.1", "Relaying denied")
FORGED: Final = answer(550, "5.7.1", "No such return address was ever given out")
EXPIRED: Final = answer(550, "5.4.7", "This return address has expired")
SLOWER: Final = answer(451, "4.7.1", "Too many from your address, try again later")
UNREADABLE: Final = answer(554, "5.6.0", "Nested too deep, or in too many parts")
FULL: Final = answer(452, "4.3.1", "No room for it now, try again later")
_REFUSALS: Final = {
    Refusal.FOREIGN: NOT_OURS,
    Refusal.FORGED: FORGED,
    Refusal.EXPIRED: EXPIRED,
}


class ReturnSession(Session):
    """One client of this door."""

    max_errors = MAX_ERRORS

    def offered(self) -> list[str]:
        """Without DSN: no report is made on what comes in here."""
        return [keyword for keyword in super().offered() if keyword != "DSN"]


class ReturnHandler(Handler):
    """What this door decides; no filter is asked."""

    noting: Noting
    path: ReturnPath
    turnstile: Turnstile
    keeps_refused = False  # who comes in here is no client of ours

    async def connect(self, visit: Visit) -> Reply | None:
        """Anybody may come in."""
        return None

    async def helo(self, visit: Visit) -> Reply | None:
        """Whatever its name."""
        return None

    async def mail(self, visit: Visit, sender: str, options: Options) -> Reply:
        """A letter begins, if the client may hand in one more."""
        policy, now = visit.policy, self._clock.now()
        if options.size is not None and options.size > policy.ingress.size_limit:
            return self.refuse(visit, "mail", answers.TOO_BIG, "too_big", f"SIZE={options.size}")
        if self._disk.is_low(policy.disk, self._clock.monotonic()):
            return self.refuse(visit, "mail", answers.LOW_DISK, "low_disk")
        if not self.turnstile.lets_in(visit.source.ip, self._clock.monotonic()):
            return self._refused(visit, SLOWER, "limited", sender, "", "too many a minute")
        name = self._ids.next(now)
        visit.transaction = Transaction(name, visit.source, now, sender, options)
        return answers.SENDER_OK

    async def rcpt(self, visit: Visit, recipient: Recipient) -> Reply:
        """Only what is ours; a wrong guess counts as a letter does."""
        transaction = visit.transaction
        if transaction is None:
            return answers.MAIL_FIRST
        sender, given = transaction.sender, recipient.as_given
        try:
            token = self._meant(recipient)
        except ReturnPathError as error:
            self.turnstile.lets_in(visit.source.ip, self._clock.monotonic())
            reply = _REFUSALS[error.refusal] if self._is_here(recipient) else NO_RELAY
            return self._refused(visit, reply, error.refusal.value, sender, given, str(error))
        key = given.lower() if token is None else f"{token.message_id}.{token.n}"
        if key not in visit.keys:
            if len(transaction.recipients) >= MAX_RECIPIENTS:
                reply = answers.TOO_MANY_RECIPIENTS
                return self.refuse(visit, "rcpt", reply, "too_many_recipients", sender=sender)
            visit.keys.add(key)
            transaction.recipients.append(recipient)
        return answers.RECIPIENT_OK

    def _meant(self, recipient: Recipient) -> Token | None:
        """The delivery; None for fbl@ and its like. Raises ReturnPathError."""
        if recipient.as_given.lower() == "postmaster":  # RFC 5321 4.5.1: without a domain too
            return None
        address = recipient.address
        if address is None:
            raise ReturnPathError(Refusal.FOREIGN, recipient.fault or "no mailbox")
        if self._is_here(recipient) and address.local.lower() in SPECIAL:
            return None
        return self.path.read(address.key, self._clock.now())

    def _is_here(self, recipient: Recipient) -> bool:
        return recipient.address is not None and recipient.address.domain.name == self.path.domain

    async def _taken(
        self, visit: Visit, transaction: Transaction, scanner: DataScanner, received: Received
    ) -> Reply:
        if scanner.is_over:
            raise Refused(answers.TOO_BIG, "too_big")
        if scanner.bare_newlines:
            raise Refused(answers.BARE_NEWLINE, "bare_newline")
        octets = received.octets
        read = partial(report_reading.read, octets, not transaction.sender)
        loop = asyncio.get_running_loop()
        sender, client = transaction.sender, visit.source.ip
        try:
            report = await loop.run_in_executor(self._executor, read)
        except ReportError as error:
            to = transaction.recipients[0].as_given
            return self._refused(visit, UNREADABLE, "unreadable", sender, to, str(error))
        said = NOTED
        noted = 0
        for recipient in transaction.recipients:
            given = recipient.as_given
            try:
                token = self._meant(recipient)
            except ReturnPathError as error:  # it expired between RCPT and the dot
                outcome = error.refusal.value
                said = self._refused(visit, EXPIRED, outcome, sender, given, str(error))
                continue
            try:
                await self.noting.note(report, octets, token, Arrival(client, sender, given))
            except Full:
                return FULL
            noted += 1
        return NOTED if noted else said

    def _refused(
        self, visit: Visit, reply: Reply, outcome: str, sender: str, recipient: str, why: str
    ) -> Reply:
        """Tell of what came back and was not taken; returns its reply."""
        now, client = self._clock.now(), visit.source.ip
        self._emit(
            events.Returned(now, None, None, outcome, client, sender, recipient[:1024], why=why)
        )
        return reply


class ReturnDoor(Door):
    """The listeners of `return_path.listen`."""

    def __init__(
        self,
        policy: Policy,
        settings: ReturnPathSettings,
        path: ReturnPath,
        store: Store,
        clock: Clock,
        names: Ids,
        emit: Emit,
        alerts: Alerts,
        noting: Noting,
        sockets: Mapping[str, Sequence[socket.socket]] | None = None,
    ) -> None:
        """`policy` is the main door's: its certificate, disk and bounds are taken over."""
        tls = "off" if policy.tls is None else "starttls"
        listen = [
            ListenSettings.model_validate({"address": a, "tls": tls}) for a in settings.listen
        ]
        super().__init__(
            narrowed(policy, settings), listen, store, clock, names, emit, alerts, sockets
        )
        self._settings = settings
        handler = ReturnHandler(self.behind, clock, names, emit, alerts, self._executor)
        handler.noting, handler.path = noting, path
        handler.turnstile = Turnstile(settings.per_client)
        self.handler = handler

    def swap(self, policy: Policy) -> None:
        """See Door.swap; `policy` is the main door's."""
        super().swap(narrowed(policy, self._settings))

    def check(self, policy: Policy) -> None:
        """See Door.check."""
        if policy.tls is None and any(setting.tls != "off" for setting in self._listen):
            raise ValueError("the return path's door offers STARTTLS: a restart takes that away")

    def _session(self, listener: Listener, is_stranger: bool) -> Session:
        return ReturnSession(self, listener, self._loop, is_stranger)


def narrowed(policy: Policy, settings: ReturnPathSettings) -> Policy:
    """The policy of a door that anybody may knock at and that nobody may relay through."""
    ingress = policy.ingress.model_copy(
        update={
            # Everybody is a stranger here, and strangers get half of it.
            "max_sessions": 2 * settings.max_sessions,
            "size_limit": report_reading.MAX_OCTETS,
            "idle_timeout": min(policy.ingress.idle_timeout, timedelta(minutes=2)),
            "bare_newlines": "reject",
        }
    )
    return replace(policy, trusted_networks=(), auth=AuthSettings(), ingress=ingress)
