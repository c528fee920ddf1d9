"""Outcomes: from an attempt to its settlement — read, feed back, decide, report, write down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from relay.mail import events
from relay.mail.classification import Classification, Scope
from relay.mail.delivery import (
    Attempt,
    Bounced,
    Deferred,
    Delivered,
    Delivery,
    Expired,
    Failure,
    FailureKind,
    Outcome,
)
from relay.mail.events import Event
from relay.mail.instant import Instant, millis
from relay.mail.letter import Letter
from relay.mail.reply import Stage
from relay.scheduler import reports
from relay.scheduler.ledger import Entry, Ledger
from relay.scheduler.steady import Steady
from relay.settle import Earlier, settle
from relay.shaping.destination import Destination
from relay.shaping.settings import LifeSettings, NxdomainSettings, RetrySettings
from relay.store.base import Settlement

if TYPE_CHECKING:
    from relay.scheduler.scheduler import Parts

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a reload may change of the scheduler's decisions."""

    hostname: str
    retry: RetrySettings = field(default_factory=RetrySettings)
    nxdomain: NxdomainSettings = field(default_factory=NxdomainSettings)
    life: LifeSettings = field(default_factory=LifeSettings)


class Outcomes:
    """Turns attempts into settlements; the ledger writes them."""

    def __init__(self, parts: Parts, steady: Steady, ledger: Ledger) -> None:
        """`parts` are the scheduler's own, so that a reload reaches here too."""
        self._parts = parts
        self._steady = steady
        self._ledger = ledger

    async def attempted(
        self,
        destination: Destination,
        letter: Letter,
        deliveries: Sequence[Delivery],
        made: Sequence[Attempt],
    ) -> None:
        """One attempt a delivery, in their order."""
        for delivery, attempt in zip(deliveries, made, strict=True):
            read = self._read(attempt, destination.provider)
            told = self._parts.shaper.feedback(
                destination, read, attempt.said(), self._steady.now()
            )
            paused = [e for e in told if isinstance(e, events.Paused)]
            for event in told:
                self._parts.emit(event)
            await self._settle(delivery, attempt, read, destination.label, letter)
            if paused:
                await self._parts.transport.hang_up(destination.key)

    async def failed(self, delivery: Delivery, failure: Failure) -> None:
        """No host could even be asked: the domain is missing, DNS does not answer …"""
        attempt = Attempt(
            delivery.message_id,
            delivery.n,
            delivery.tries + 1,
            self._parts.clock.now(),
            0,
            "",
            "",
            "",
            None,
            Stage.CONNECT,
            None,
            failure,
            route_key=delivery.domain,
        )
        letter = await self._parts.store.letter(delivery.message_id)
        await self._settle(delivery, attempt, self._read(attempt, None), OTHER, letter)

    async def expire(self, delivery: Delivery, why: str) -> None:
        """Its time was over before it could be tried (again)."""
        cause = f"{why}: {delivery.why}" if delivery.why else why
        letter = await self._parts.store.letter(delivery.message_id)
        await self._write(delivery, None, Expired(cause), None, OTHER, letter)

    def _read(self, attempt: Attempt, provider: str | None) -> Classification | None:
        if attempt.is_accepted:
            return None
        if attempt.reply is not None:
            reply = replace(attempt.reply, stage=attempt.stage)
            return self._parts.classifier.classify(reply, attempt.mx, provider)
        failure = attempt.failure or Failure(FailureKind.LOST, "nothing was said", attempt.stage)
        return self._parts.classifier.classify_failure(failure)

    async def _settle(
        self,
        delivery: Delivery,
        attempt: Attempt,
        read: Classification | None,
        label: str,
        letter: Letter,
    ) -> None:
        tuning, now = self._parts.tuning, self._parts.clock.now()
        earlier = await self._earlier(delivery, attempt)
        outcome = settle(delivery, attempt, read, now, tuning.retry, tuning.nxdomain, earlier)
        if read is not None and read.scope is Scope.OURSELVES and attempt.reply is None:
            detail = f"{delivery.ref}: {attempt.said()}"
            self._parts.emit(events.Alert(now, f"ourselves:{read.rule}", detail))
        attempt = replace(attempt, classification=read)
        await self._write(delivery, attempt, outcome, read, label, letter)

    async def _earlier(self, delivery: Delivery, attempt: Attempt) -> Earlier:
        """Look-ups in a row that found no domain; asked only where this one found none."""
        if attempt.failure is None or attempt.failure.kind not in (
            FailureKind.NXDOMAIN,
            FailureKind.NO_ADDRESS,
        ):
            return Earlier()
        missing, since = 0, 0
        past = await self._parts.store.attempts(delivery.message_id, delivery.n)
        for one in reversed(past):
            if one.failure is None or one.failure.kind is not attempt.failure.kind:
                break
            missing, since = missing + 1, one.started_at
        return Earlier(missing, since)

    async def _write(
        self,
        delivery: Delivery,
        attempt: Attempt | None,
        outcome: Outcome,
        read: Classification | None,
        label: str,
        letter: Letter,
    ) -> None:
        now = self._parts.clock.now()
        dsn = None
        if isinstance(outcome, Bounced | Expired) and reports.is_wanted(letter, delivery):
            past = await self._parts.store.attempts(delivery.message_id, delivery.n)
            tuning = self._parts.tuning
            dsn = reports.report(
                letter,
                delivery,
                [*past, attempt] if attempt else past,
                outcome,
                tuning.hostname,
                self._parts.names.next(now),
                now,
                millis(tuning.life.transaksi),
            )
        told = _told(delivery, attempt, outcome, read, label, letter, now)
        self._ledger.write(Entry(Settlement(delivery, outcome, attempt, dsn), told, _nothing))


def _nothing() -> None:
    return None


def _told(
    delivery: Delivery,
    attempt: Attempt | None,
    outcome: Outcome,
    read: Classification | None,
    label: str,
    letter: Letter,
    now: Instant,
) -> tuple[Event, ...]:
    """The events of one settlement."""
    name = (now, delivery.message_id, delivery.n)
    to = (delivery.recipient, label)
    found: list[Event] = []
    if attempt is not None:
        found.append(events.Attempted(*name, *to, attempt, read))
    match outcome:
        case Delivered():
            assert attempt is not None  # noqa: S101 - only an attempt delivers
            age = now - letter.received_at
            found.append(events.Delivered(*name, *to, attempt.mx, attempt.said(), age))
        case Deferred(until, why, category):
            found.append(events.Deferred(*name, *to, until, why, category))
        case Bounced(why, category):
            found.append(events.Bounced(*name, *to, why, category))
        case Expired(why, reason):
            found.append(events.Expired(*name, *to, why, reason))
        case _:
            found.append(events.Held(*name, outcome.why))
    return tuple(found)
