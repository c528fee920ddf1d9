"""Handler: what the door decides — commands to a transaction, filters, the intake, a reply.

The contract
- `250 2.0.0 queued` is said only after `intake.take` returned: content, a delivery and an inbox row
  for each recipient are on disk, in one commit. Any failure before it is a 451.
- Every method answers; what it raises is a fault of ours, which the session answers with 451.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Final

from relay.clock import Clock
from relay.filters.base import Alerts, Transaction
from relay.filters.headers import PRIVATE
from relay.ingress import answers, placing, trace, turned_away
from relay.ingress.answers import Refused
from relay.ingress.content import Arrived, HeadTooBig, Received, arrive
from relay.ingress.disk import Disk
from relay.ingress.intake import Behind
from relay.ingress.policy import Policy
from relay.mail import events, ids
from relay.mail.envelope import Message, Options, Recipient, Source
from relay.mail.events import Emit
from relay.mail.reply import Reply
from relay.mail.smtpdata import DataScanner
from relay.mail.verdict import Accept, Defer, Discard, Reject, Verdict

INLINE: Final = 32 * 1024  # octets of a letter that is worked on in the loop's own thread
JOINED_INLINE: Final = 512 * 1024  # octets whose pieces are put together there


@dataclass(slots=True)
class Visit:
    """What the door knows of one session between two messages, and of the message at hand."""

    source: Source
    policy: Policy
    is_esmtp: bool = False
    transaction: Transaction | None = None
    keys: set[str] = field(default_factory=set)  # of the recipients accepted so far

    def forget(self) -> None:
        """The message at hand is over, or never was."""
        self.transaction = None
        if self.keys:
            self.keys = set()


class Handler:
    """One a door; all sessions share it."""

    keeps_refused = True  # letters of trusted clients, see `turned_away`

    def __init__(
        self,
        behind: Behind,
        clock: Clock,
        names: ids.Ids,
        emit: Emit,
        alerts: Alerts,
        executor: Executor,
    ) -> None:
        """`executor` takes large letters; two threads are enough."""
        self.alerts = alerts
        self.authenticator = behind.authenticator
        self._intake = behind.intake
        self._clock = clock
        self._ids = names
        self._emit = emit
        self._executor = executor
        self._disk = Disk(behind.intake.free_bytes, alerts)

    # --- before the letter

    async def connect(self, visit: Visit) -> Reply | None:
        """A refusal, or None to go on."""
        verdict = await visit.policy.pipeline.connect(visit.source)
        return self._refusal(visit, "connect", verdict)

    async def helo(self, visit: Visit) -> Reply | None:
        """A refusal, or None to go on."""
        verdict = await visit.policy.pipeline.helo(visit.source)
        return self._refusal(visit, "helo", verdict)

    async def mail(self, visit: Visit, sender: str, options: Options) -> Reply:
        """A transaction begins."""
        policy = visit.policy
        if options.size is not None and options.size > policy.ingress.size_limit:
            return self.refuse(visit, "mail", answers.TOO_BIG, "too_big", f"SIZE={options.size}")
        if self._disk.is_low(policy.disk, self._clock.monotonic()):
            return self.refuse(visit, "mail", answers.LOW_DISK, "low_disk")
        now = self._clock.now()
        transaction = Transaction(
            id=self._ids.next(now), source=visit.source, now=now, sender=sender, options=options
        )
        verdict = await policy.pipeline.mail(transaction)
        refusal = self._refusal(visit, "mail", verdict, sender)
        if refusal is not None:
            return refusal
        visit.transaction = transaction
        return _said(verdict) or answers.SENDER_OK

    async def rcpt(self, visit: Visit, recipient: Recipient) -> Reply:
        """One recipient more."""
        transaction = visit.transaction
        if transaction is None:
            return answers.MAIL_FIRST
        verdict = await visit.policy.pipeline.rcpt(transaction, recipient)
        sender = transaction.sender
        refusal = self._refusal(visit, "rcpt", verdict, sender, recipient.as_given)
        if refusal is not None:
            return refusal
        if isinstance(verdict, Discard):
            return verdict.reply
        key = placing.key(recipient)
        if key not in visit.keys:
            if len(transaction.recipients) >= visit.policy.ingress.max_recipients:
                reply = answers.TOO_MANY_RECIPIENTS
                return self.refuse(visit, "rcpt", reply, "too_many_recipients", sender=sender)
            visit.keys.add(key)
            transaction.recipients.append(recipient)
        return _said(verdict) or answers.RECIPIENT_OK

    # --- the letter

    async def data(self, visit: Visit, scanner: DataScanner) -> Reply:
        """The letter is here to its final dot; the reply to it."""
        transaction = visit.transaction
        if transaction is None:
            return answers.MAIL_FIRST
        received = Received(scanner.beginning)
        try:
            if not scanner.is_over:
                received = Received(await self._octets(scanner))
            return await self._taken(visit, transaction, scanner, received)
        except Refused as refused:
            reply, reason, detail = refused.reply, refused.reason, ""
        except Exception as error:
            self.fault("a letter could not be taken", error)
            reply, reason, detail = answers.TEMPORARY, "fault", type(error).__name__
        if self.keeps_refused and visit.source.may_relay:
            settings, octets = visit.policy.refused, received.octets
            await turned_away.keep(
                self._intake, self.alerts, settings, transaction, scanner, octets, reply, reason
            )
        return self.refuse(visit, "eod", reply, reason, detail, transaction.sender)

    async def _taken(
        self, visit: Visit, transaction: Transaction, scanner: DataScanner, received: Received
    ) -> Reply:
        policy = visit.policy
        _check(scanner, policy, visit.source)
        terms = (transaction.options.is_smtputf8, scanner.bare_newlines > 0)
        arrived = await self._arrived(received.octets, *terms)
        received.became(arrived)
        transaction.now = self._clock.now()
        transaction.headers = arrived.headers
        transaction.content = arrived.content(arrived.headers, PRIVATE)
        verdict = await policy.pipeline.data(transaction)
        if isinstance(verdict, Reject | Defer):
            raise Refused(verdict.reply, verdict.reason)
        if isinstance(verdict, Discard):
            return self.refuse(visit, "eod", verdict.reply, verdict.reason)
        recipients = placing.unique(transaction.recipients)
        if not recipients:
            raise Refused(answers.NOBODY_LEFT, "no_recipients")
        message = self._message(visit, transaction, arrived, recipients)
        await self._intake.take(message, policy)
        return answers.queued(ids.show(message.id))

    async def _octets(self, scanner: DataScanner) -> bytes:
        """All of it. To join the pieces of a large letter there held the loop for up to 40 ms."""
        if scanner.size <= JOINED_INLINE:
            return scanner.take()
        return await asyncio.get_running_loop().run_in_executor(self._executor, scanner.take)

    async def _arrived(self, octets: bytes, is_smtputf8: bool, has_bare: bool) -> Arrived:
        try:
            if len(octets) <= INLINE:
                return arrive(octets, is_smtputf8, has_bare)
            loop = asyncio.get_running_loop()
            terms = (octets, is_smtputf8, has_bare)
            return await loop.run_in_executor(self._executor, arrive, *terms)
        except HeadTooBig:
            raise Refused(answers.HEAD_TOO_BIG, "too_big") from None

    def _message(
        self,
        visit: Visit,
        transaction: Transaction,
        arrived: Arrived,
        recipients: list[Recipient],
    ) -> Message:
        headers = transaction.headers or arrived.headers
        transaction.recipients = recipients
        field = trace.received(
            transaction.source,
            visit.is_esmtp,
            transaction.options.is_smtputf8,
            visit.policy.hostname,
            transaction.id,
            recipients,
            transaction.now,
        )
        particulars = transaction.particulars
        subject = particulars.subject or headers.decoded("Subject") or ""
        particulars = replace(
            particulars,
            subject=subject,
            app_user=transaction.source.user,
            flow=particulars.flow or f"{transaction.sender} {subject}"[:500],
        )
        return Message(
            id=transaction.id,
            envelope=transaction.envelope,
            content=arrived.content(headers.with_field(field), PRIVATE),
            source=transaction.source,
            received_at=transaction.now,
            particulars=particulars,
        )

    # --- telling

    def refuse(
        self,
        visit: Visit,
        stage: str,
        reply: Reply,
        reason: str,
        detail: str = "",
        sender: str = "",
        recipient: str = "",
    ) -> Reply:
        """Tell of a refusal; returns its reply."""
        self._emit(
            events.Refused(
                at=self._clock.now(),
                source=visit.source,
                stage=stage,
                code=reply.code,
                reason=reason,
                detail=detail or reply.text,
                sender=sender,
                recipient=recipient,
            )
        )
        return reply

    def fault(self, what: str, error: BaseException) -> None:
        """Something of ours is broken: the administrator hears where."""
        at, frame = "", error.__traceback__
        while frame is not None:
            at, frame = f"{frame.tb_frame.f_code.co_name}:{frame.tb_lineno}", frame.tb_next
        self.alerts.alert("door_fault", f"{what}: {error!r} in {at}")

    def _refusal(
        self,
        visit: Visit,
        stage: str,
        verdict: Verdict | None,
        sender: str = "",
        recipient: str = "",
    ) -> Reply | None:
        if not isinstance(verdict, Reject | Defer):
            return None
        reply, reason = verdict.reply, verdict.reason
        return self.refuse(visit, stage, reply, reason, sender=sender, recipient=recipient)


def _check(scanner: DataScanner, policy: Policy, source: Source) -> None:
    if scanner.is_over:
        raise Refused(answers.TOO_BIG, "too_big")
    if scanner.nuls:
        raise Refused(answers.HAS_NUL, "nul")
    is_mending = policy.ingress.bare_newlines == "normalise" and source.is_trusted
    if scanner.bare_newlines and not is_mending:
        raise Refused(answers.BARE_NEWLINE, "bare_newline")


def _said(verdict: Verdict | None) -> Reply | None:
    return verdict.reply if isinstance(verdict, Accept) else None
