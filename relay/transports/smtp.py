"""SmtpTransport: one job in one transaction, an attempt for each of its deliveries.

What is promised
- `deliver` gives exactly one attempt a delivery, or NotYet. NotYet means: nothing of this letter
  went out (at most a MAIL into a connection that the server had already closed).
- `Permits.admit` is asked with nothing awaited between its yes and the write of MAIL; units are
  given back only where no RCPT was written.
- It never raises for what a server does. It raises what its own house raises before MAIL: the
  store while the body is fetched.
- Stopping: cancel the task. Before the final dot `deliver` raises CancelledError and the letter
  was not delivered; the connection is cut. After the dot it returns: with the server's answer if
  that is here already, else with AMBIGUOUS attempts, which must be settled. So a scheduler that
  drains waits as long as it likes, cancels what is left, and settles what the tasks return. (Hence
  `asyncio.timeout` around `deliver` may not fire; stop by cancelling the task.)
- A connection is asked for (`Permits.connect`) before dialling, and told as gone exactly once,
  when it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from relay.clock import Clock
from relay.mail.delivery import Attempt, Failure, FailureKind
from relay.mail.instant import Instant
from relay.mail.reply import Reply, Stage
from relay.shaping.destination import Destination
from relay.transports import commands
from relay.transports.base import Bodies, Job, NotYet, Permits
from relay.transports.commands import Addressee, Parcel
from relay.transports.departure import DepartureError, Departures
from relay.transports.dialling import Dialler, Unreached
from relay.transports.memo import Memo
from relay.transports.pool import MOST_IDLE, Footing, Pool
from relay.transports.session import Session
from relay.transports.transaction import Carried, Result
from relay.transports.turn import LoopTurn

LOG: Final = logging.getLogger(__name__)
TLS_FIRST: Final = 530
DROPS: Final = 2  # pipelined exchanges cut short at a destination before we go step by step
STEP_BY_STEP: Final = 24 * 3600.0  # seconds that this lasts
DIALLED_AT_ONCE: Final = 4  # to a turn of the loop: 2 ms, and 5 on a slow machine
PerConnection = Callable[[Destination], int | None]


def shipped_per_connection(destination: Destination) -> int | None:
    """What the destination's profile says of letters a connection."""
    return destination.profile.messages_per_connection


@dataclass(frozen=True, slots=True)
class _Begun:
    """When a job was begun, by both clocks."""

    at: Instant
    monotonic: float


class SmtpTransport:
    """Carries jobs over SMTP. See `base.Transport`."""

    def __init__(
        self,
        dialler: Dialler,
        departures: Departures,
        bodies: Bodies,
        clock: Clock,
        idle_seconds: float,
        source: str | None = None,
        per_connection: PerConnection = shipped_per_connection,
        most_idle: int = MOST_IDLE,
    ) -> None:
        """``per_connection``: letters that a session to a destination may carry, None: any.
        ``most_idle``: sessions kept open for the next letter, to all destinations together."""
        self._dialler = dialler
        self._departures = departures
        self._bodies = bodies
        self._clock = clock
        self._source = source
        self._per_connection = per_connection
        self._pool = Pool(idle_seconds, most_idle)
        self._dialling = LoopTurn(DIALLED_AT_ONCE)
        self._dropped_once = Memo(clock, STEP_BY_STEP)
        self._one_by_one = Memo(clock, STEP_BY_STEP)

    async def deliver(self, job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
        """See Transport.deliver and the promises above."""
        begun = _Begun(self._clock.now(), self._clock.monotonic())
        footing = Footing.of(job.route, self._source)
        is_second = False
        while True:
            session = await self._session(job, permits, footing, is_new=is_second)
            if isinstance(session, NotYet):
                return session
            if isinstance(session, Unreached):
                return self._unreached(job, begun, session)
            was_reused = session.carried > 0
            done = await self._on(session, job, permits, footing, begun)
            if done is not None or is_second or not was_reused:
                return done if done is not None else self._lost(job, begun, session)
            await session.gone()
            is_second = True  # the server had hung up while it was idle: once more, on a new one

    async def hang_up(self, *destinations: str) -> None:
        """See Transport.hang_up. Busy sessions end after the letter that they carry."""
        await self._pool.hang_up(*destinations)

    async def close(self) -> None:
        """See Transport.close. Waits for the goodbyes, not for letters under way."""
        await self._pool.close()

    def sessions(self, destination: str) -> tuple[int, int]:
        """Idle and busy sessions of a destination."""
        return self._pool.count(destination)

    # A session

    async def _session(
        self, job: Job, permits: Permits, footing: Footing, is_new: bool
    ) -> Session | NotYet | Unreached:
        while not is_new and (idle := self._pool.take(footing)) is not None:
            if not self._may_carry(idle, job):
                self._pool.give_back(footing, idle, may_stay=False)
            elif await self._is_ready(idle, footing):
                return idle
        not_yet = await permits.connect()
        while not_yet is not None and await self._pool.make_room(footing.destination):
            not_yet = await permits.connect()
        if not_yet is not None:
            return not_yet
        try:
            with self._pool.expecting(footing) as expected:
                await self._dialling.take()
                dialled = await self._dialler.dial(job.route)
        except BaseException:
            permits.disconnected()
            raise
        if isinstance(dialled, Unreached):
            permits.disconnected()
            return dialled
        self._pool.add_busy(footing, dialled, expected)
        permits.connected()
        dialled.when_gone(permits.disconnected)
        return dialled

    async def _is_ready(self, session: Session, footing: Footing) -> bool:
        try:
            is_ready = await session.make_ready()
        except BaseException:
            self._pool.drop(footing, session)
            raise
        if not is_ready:
            self._pool.drop(footing, session)
            await session.gone()
        return is_ready

    def _may_carry(self, session: Session, job: Job) -> bool:
        limit = self._per_connection(job.route.destination)
        return limit is None or session.carried < limit

    # A letter on a session

    async def _on(
        self, session: Session, job: Job, permits: Permits, footing: Footing, begun: _Begun
    ) -> Sequence[Attempt] | NotYet | None:
        """The job on a ready session; None where a reused one turned out to be dead.

        Whatever happens, the session is in the pool again or closed when this returns or raises.
        """
        may_stay = False
        try:
            outcome = await self._letter(session, job, permits, begun)
            may_stay = outcome is not None
            return outcome
        finally:
            if may_stay:
                self._pool.give_back(footing, session, self._may_carry(session, job))
            else:
                self._pool.drop(footing, session)

    async def _letter(
        self, session: Session, job: Job, permits: Permits, begun: _Begun
    ) -> Sequence[Attempt] | NotYet | None:
        try:
            head = await self._departures.head(job)
        except DepartureError as error:
            LOG.error("a letter could not be made ready to leave: %s", error)
            failure = Failure(FailureKind.SIGNING, str(error), Stage.MAIL)
            return self._attempts(job, begun, session, [failure])
        body = await self._bodies.body(job.letter.id)
        parcel = _parcel(job, head, body, self._departures.sender(job))
        refused = commands.refusals(parcel, session.offered)
        if session.is_helo_only:
            refused = {n: _not_known(failure) for n, failure in refused.items()}
        if len(refused) == len(job.deliveries):
            return self._attempts(job, begun, session, list(refused.values()))
        if refused:
            parcel = parcel.without(refused)
        if not session.still_stands:  # it was hung up meanwhile; no unit is spent on it
            return None
        domain = job.deliveries[0].domain
        not_yet = await permits.admit(len(parcel.addressees), domain)
        if not_yet is not None:
            return not_yet
        if _has_gone(session):  # or while the units were made durable
            permits.refund(len(parcel.addressees), domain)
            return None
        was_reused = session.carried > 0
        is_pipelined = self._is_pipelined(job.route.destination)
        carried = await session.carry(parcel, is_pipelined)
        self._heed(session, carried)
        if carried.unwritten:
            permits.refund(carried.unwritten, domain)
        if was_reused and _was_dead(carried):
            return None
        self._remember(job.route.destination.key, is_pipelined and session.has_pipelining, carried)
        sha256, results = carried.sha256, _merged(refused, carried.results)
        return self._attempts(job, begun, session, results, head if sha256 else None, sha256)

    def _heed(self, session: Session, carried: Carried) -> None:
        """A host that takes nothing in the clear is asked for TLS the next time."""
        if session.tls is None and any(map(_wants_tls, carried.results)):
            self._dialler.wants_tls(session.mx)
            session.is_last = True

    # Pipelining

    def _is_pipelined(self, destination: Destination) -> bool:
        return destination.profile.is_pipelining and destination.key not in self._one_by_one

    def _remember(self, key: str, was_pipelined: bool, carried: Carried) -> None:
        """Two letters cut short within MAIL to DATA, in a row: this server cannot pipeline."""
        if not was_pipelined:
            return
        if not any(map(_is_cut_short, carried.results)):
            self._dropped_once.discard(key)
        elif key in self._dropped_once:
            self._one_by_one.add(key)
            LOG.warning("%s drops pipelined connections; going step by step", key)
        else:
            self._dropped_once.add(key)

    # Attempts

    def _unreached(self, job: Job, begun: _Begun, unreached: Unreached) -> list[Attempt]:
        source = self._source or ""
        where = (source, unreached.mx, unreached.ip, None)
        return self._made(job, begun, where, [unreached.result], None, None)

    def _lost(self, job: Job, begun: _Begun, session: Session) -> list[Attempt]:
        text = "the connection was closed before MAIL was answered"
        return self._attempts(job, begun, session, [Failure(FailureKind.LOST, text, Stage.MAIL)])

    def _attempts(
        self,
        job: Job,
        begun: _Begun,
        session: Session,
        results: Sequence[Result],
        head: bytes | None = None,
        sha256: bytes | None = None,
    ) -> list[Attempt]:
        where = (session.source_ip, session.mx, session.ip, session.tls)
        return self._made(job, begun, where, results, head, sha256)

    def _made(
        self,
        job: Job,
        begun: _Begun,
        where: tuple[str, str, str, str | None],
        results: Sequence[Result],
        head: bytes | None,
        sha256: bytes | None,
    ) -> list[Attempt]:
        """One attempt a delivery; a single result is everybody's."""
        took_us = round((self._clock.monotonic() - begun.monotonic) * 1_000_000)
        source_ip, mx, ip, tls = where
        if len(results) == 1:
            results = list(results) * len(job.deliveries)
        return [
            Attempt(
                message_id=delivery.message_id,
                n=delivery.n,
                number=delivery.tries + 1,
                started_at=begun.at,
                took_us=took_us,
                source_ip=source_ip,
                mx=mx,
                ip=ip,
                tls=tls,
                stage=result.stage if result.stage is not None else Stage.CONNECT,
                reply=result if isinstance(result, Reply) else None,
                failure=result if isinstance(result, Failure) else None,
                sent_head=head if result.stage is Stage.EOD else None,
                sent_sha256=sha256 if result.stage is Stage.EOD else None,
                route_key=job.route.destination.key,
            )
            for delivery, result in zip(job.deliveries, results, strict=True)
        ]


def _not_known(failure: Failure) -> Failure:
    """What is not offered after a HELO may be offered after the next EHLO."""
    if failure.kind is not FailureKind.UNSUPPORTED:
        return failure
    return replace(failure, kind=FailureKind.NO_EHLO, text=f"{failure.text} (it hung up on EHLO)")


def _has_gone(session: Session) -> bool:
    return not session.still_stands


def _parcel(job: Job, head: bytes, body: bytes, sender: str) -> Parcel:
    letter = job.letter
    addressees = tuple([Addressee(d.recipient, d.notify, d.orcpt) for d in job.deliveries])
    options = letter.options
    if sender != letter.sender:  # what comes back comes to us, and we know the letter
        options = replace(options, ret="HDRS")
    return Parcel(
        sender,
        addressees,
        head,
        body,
        options,
        letter.is_8bit,
        letter.needs_utf8,
    )


def _merged(refused: Mapping[int, Result], results: Sequence[Result]) -> Sequence[Result]:
    """The results of all in their order: those that were never asked about, and the others."""
    if not refused:
        return results
    others = iter(results)
    return [refused.get(n) or next(others) for n in range(len(refused) + len(results))]


def _was_dead(carried: Carried) -> bool:
    """Nothing was answered, not even MAIL: the server had hung up before it was written."""
    first = carried.results[0]
    return not carried.is_answered and isinstance(first, Failure) and first.kind is FailureKind.LOST


def _wants_tls(result: Result) -> bool:
    """RFC 3207 4: 530 says "Must issue a STARTTLS command first"."""
    return isinstance(result, Reply) and result.code == TLS_FIRST


def _is_cut_short(result: Result) -> bool:
    return (
        isinstance(result, Failure)
        and result.kind is FailureKind.LOST
        and Stage.MAIL <= result.stage <= Stage.DATA
    )
