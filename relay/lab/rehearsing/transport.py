"""QuotaTransport: carries jobs to providers of a rehearsal as SmtpTransport would to hosts.

What it promises is what `transports.base.Transport` promises. Both permits are asked, sessions are
kept for the next letter, and each answer takes the provider's own time. Stopped after the dot it
gives AMBIGUOUS attempts; before it, CancelledError and nothing sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from relay.clock import Clock
from relay.lab.quotas.base import Answer, Try
from relay.lab.rehearsing.dialling import OUR_IP, Dialler, Result, Session, Unreached
from relay.mail import ids
from relay.mail import reply as replies
from relay.mail.delivery import Attempt, Delivery, Failure, FailureKind
from relay.mail.instant import Instant
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.mail.urgency import Urgency
from relay.shaping.destination import Destination
from relay.transports.base import Host, Job, NotYet, Permits

IDLE: Final = 20.0  # seconds after which an idle session is hung up
LATE: Final = 300.0  # seconds that an answer is waited for which does not come
TAKEN: Final = Reply(250, EnhancedCode(2, 0, 0), "OK", Stage.EOD)
CLOSING: Final = 421

PerConnection = Callable[[Destination], int | None]
Footing = tuple[str, tuple[Host, ...]]  # what must be equal for a session to serve another letter


class QuotaTransport:
    """Implements transports.base.Transport."""

    def __init__(self, dialler: Dialler, clock: Clock, per_connection: PerConnection) -> None:
        """`per_connection`: letters that a session to a destination may carry, None: any."""
        self._dialler = dialler
        self._clock = clock
        self._per_connection = per_connection
        self._idle: dict[Footing, dict[Session, asyncio.TimerHandle]] = {}
        self._busy: dict[str, set[Session]] = {}
        self._disconnected: dict[Session, Callable[[], None]] = {}
        self.written: dict[str, list[Instant]] = {}  # when RCPTs were, by destination
        self.classes: dict[str, list[Urgency]] = {}  # of the same ones

    async def deliver(self, job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
        """See Transport.deliver."""
        began = self._clock.now()
        key = job.route.destination.key
        footing = (key, job.route.hosts)
        is_second = False
        while True:
            session = await self._session(job, permits, footing, is_second)
            if isinstance(session, NotYet):
                return session
            if isinstance(session, Unreached):
                results = [session.result] * len(job.deliveries)
                return self._attempts(job, began, session.host, None, results)
            results_or_not = await self._on(session, job, permits, footing)
            if isinstance(results_or_not, NotYet):
                return results_or_not
            if results_or_not is not None:
                tls = "TLSv1.3" if session.is_encrypted else None
                return self._attempts(job, began, session.host, tls, results_or_not)
            is_second = True  # it had been hung up while it was idle: once more, on a new one

    async def hang_up(self, *destinations: str) -> None:
        """See Transport.hang_up; busy sessions end after the letter that they carry."""
        for destination in destinations:
            for session in self._busy.get(destination, ()):
                session.is_last = True
        for footing in [one for one in self._idle if one[0] in destinations]:
            for session in list(self._idle[footing]):
                self._drop_idle(footing, session)

    async def close(self) -> None:
        """See Transport.close."""
        await self.hang_up(*{*self._busy, *(footing[0] for footing in self._idle)})

    def sessions(self, destination: str) -> tuple[int, int]:
        """Idle and busy sessions of a destination."""
        idle = sum(len(s) for footing, s in self._idle.items() if footing[0] == destination)
        return idle, len(self._busy.get(destination, ()))

    # --- a session

    async def _session(
        self, job: Job, permits: Permits, footing: Footing, is_new: bool
    ) -> Session | NotYet | Unreached:
        session = None if is_new else self._take(footing)
        if session is not None:
            if session.needs_reset:
                session.needs_reset = False
                await self._wait(session, Stage.RSET)
            return session
        not_yet = await permits.connect()
        while not_yet is not None and self._make_room(footing[0]):
            not_yet = await permits.connect()
        if not_yet is not None:
            return not_yet
        try:
            dialled = await self._dialler.dial(job.route, job.deliveries[0].domain)
        except BaseException:
            permits.disconnected()
            raise
        if isinstance(dialled, Unreached):
            permits.disconnected()
            return dialled
        permits.connected()
        self._disconnected[dialled] = permits.disconnected
        self._busy.setdefault(footing[0], set()).add(dialled)
        return dialled

    def _take(self, footing: Footing) -> Session | None:
        sessions = self._idle.get(footing)
        if not sessions:
            return None
        session, timer = sessions.popitem()
        timer.cancel()
        if not sessions:
            del self._idle[footing]
        self._busy.setdefault(footing[0], set()).add(session)
        return session

    def _make_room(self, destination: str) -> bool:
        """Hang up a session that is idle for other hosts; False: none is."""
        for footing, sessions in self._idle.items():
            if footing[0] == destination:
                self._drop_idle(footing, next(iter(sessions)))
                return True
        return False

    def _drop_idle(self, footing: Footing, session: Session) -> None:
        sessions = self._idle[footing]
        sessions.pop(session).cancel()
        if not sessions:
            del self._idle[footing]
        self._gone(session)

    def _release(self, footing: Footing, session: Session, may_stay: bool) -> None:
        busy = self._busy[footing[0]]
        busy.discard(session)
        if not busy:
            del self._busy[footing[0]]
        if not may_stay or session.is_last:
            self._gone(session)
            return
        timer = asyncio.get_running_loop().call_later(IDLE, self._drop_idle, footing, session)
        self._idle.setdefault(footing, {})[session] = timer

    def _gone(self, session: Session) -> None:
        session.provider.closed(session.host, OUR_IP, session.number, self._clock.now())
        self._disconnected.pop(session)()

    async def _wait(self, session: Session, *stages: Stage) -> None:
        now, host, seconds = self._clock.now(), session.host, session.provider.seconds
        await asyncio.sleep(sum([seconds(one, host, now) for one in stages]))

    # --- a letter on a session

    async def _on(
        self, session: Session, job: Job, permits: Permits, footing: Footing
    ) -> list[Result] | NotYet | None:
        """The job on a ready session, which is kept or closed then; None where it turned out to
        have been hung up."""
        may_stay = False
        try:
            results = await self._letter(session, job, permits)
            if isinstance(results, NotYet):
                may_stay = True
            elif results is not None:
                limit = self._per_connection(job.route.destination)
                may_stay = limit is None or session.carried < limit
                may_stay = may_stay and not any(map(_is_closing, results))
            return results
        finally:
            self._release(footing, session, may_stay)

    async def _letter(
        self, session: Session, job: Job, permits: Permits
    ) -> list[Result] | NotYet | None:
        units, domain = len(job.deliveries), job.deliveries[0].domain
        not_yet = await permits.admit(units, domain)
        if not_yet is not None:
            return not_yet
        provider, tries = session.provider, self._tries(session, job)
        was_reused = session.carried > 0
        session.carried += 1
        answer = provider.mail(tries[0], self._clock.now())
        if answer is FailureKind.LOST and was_reused:
            permits.refund(units, domain)
            return None
        at, key = self._clock.now(), job.route.destination.key
        self.written.setdefault(key, []).extend([at] * units)
        self.classes.setdefault(key, []).extend([job.deliveries[0].urgency] * units)
        if answer is not None:
            await self._told(session, Stage.MAIL, answer)
            return [_result(answer, Stage.MAIL)] * units
        answers = [provider.rcpt(tried, self._clock.now()) for tried in tries]
        stages = (Stage.RCPT,) if session.is_pipelining else (Stage.MAIL, Stage.RCPT, Stage.DATA)
        await self._wait(session, *stages)
        if any(answer is None for answer in answers):
            return await self._ended(session, tries, answers)
        session.needs_reset = True
        return [_result(answer, Stage.RCPT) for answer in answers]

    async def _ended(
        self, session: Session, tries: Sequence[Try], answers: Sequence[Answer]
    ) -> list[Result]:
        """After the dot: each recipient that RCPT took gets an answer of its own."""
        now, results = self._clock.now(), []
        for tried, answer in zip(tries, answers, strict=True):
            if answer is not None:
                results.append(_result(answer, Stage.RCPT))
                continue
            results.append(_result(session.provider.end(tried, now), Stage.EOD))
        try:
            await self._wait(session, Stage.EOD)
        except asyncio.CancelledError:
            lost = Failure(FailureKind.AMBIGUOUS, "stopped after the dot", Stage.EOD)
            return [lost if one.stage is Stage.EOD else one for one in results]
        return results

    async def _told(self, session: Session, stage: Stage, answer: Answer) -> None:
        """An answer that ends the round: its own time, or as long as one is waited for."""
        if answer is FailureKind.TIMEOUT:
            await asyncio.sleep(LATE)
        else:
            await self._wait(session, stage)
        session.needs_reset = True

    def _tries(self, session: Session, job: Job) -> list[Try]:
        letter = job.letter
        return [
            Try(
                OUR_IP,
                session.host,
                session.number,
                session.carried,
                letter.sender,
                delivery.recipient,
                letter.particulars.from_domain or "",
                message_id_of(delivery),
                session.is_encrypted,
            )
            for delivery in job.deliveries
        ]

    def _attempts(
        self, job: Job, began: Instant, host: str, tls: str | None, results: Sequence[Result]
    ) -> list[Attempt]:
        took_us = (self._clock.now() - began) * 1000
        return [
            Attempt(
                delivery.message_id,
                delivery.n,
                delivery.tries + 1,
                began,
                took_us,
                OUR_IP,
                host,
                "",
                tls,
                result.stage or Stage.CONNECT,
                result if isinstance(result, Reply) else None,
                result if isinstance(result, Failure) else None,
                route_key=job.route.destination.key,
            )
            for delivery, result in zip(job.deliveries, results, strict=True)
        ]


def message_id_of(delivery: Delivery) -> str:
    """The letter's Message-ID, as a provider sees it."""
    return _named(delivery.message_id)


@lru_cache(maxsize=20_000)  # more than a run has letters; each is asked for at every step
def _named(message_id: int) -> str:
    return f"<{ids.show(message_id)}@lpse.example.go.id>"


@lru_cache(maxsize=1024)
def _parsed(text: str, stage: Stage) -> Reply:
    return replies.parse(text, stage)


def _result(answer: Answer, stage: Stage) -> Result:
    if answer is None:
        return TAKEN
    if isinstance(answer, FailureKind):
        return Failure(answer, f"{answer} at {stage.word}", stage)
    return _parsed(answer, stage)


def _is_closing(result: Result) -> bool:
    return isinstance(result, Failure) or result.code == CLOSING
