"""Outcomes: from an attempt to its settlement — read, feed back, decide, report, write down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from relay.mail import events
from relay.mail.classification import Category, Classification, Scope
from relay.mail.delivery import (
    MISSING,
    Attempt,
    Bounced,
    Deferred,
    Delivered,
    Delivery,
    Expired,
    Failure,
    FailureKind,
    Held,
    Outcome,
    Suppressed,
    expires_at,
)
from relay.mail.events import Event
from relay.mail.instant import MINUTE, Instant
from relay.mail.letter import Letter
from relay.mail.reply import Reply, Stage
from relay.mail.strike import Doubt
from relay.mail.telling import Telling
from relay.scheduler import ending, hops
from relay.scheduler.asking import asked
from relay.scheduler.identity import identity_of
from relay.scheduler.ledger import Ledger
from relay.scheduler.parts import Parts
from relay.scheduler.steady import Steady
from relay.scheduler.suppressing import is_fresh, strike_of
from relay.settle import Earlier, settle
from relay.shaping import backoff
from relay.shaping.base import NOBODY, Identity
from relay.shaping.destination import Destination
from relay.shaping.fuse import WHOLE, is_about_the_address
from relay.shaping.operating import EVERYTHING
from relay.store.base import Settlement, StoreDead
from relay.suppression import Skip

LOG = logging.getLogger(__name__)
OTHER = "other"
ALERT_EVERY = 10 * MINUTE
TOO_LATE = "its time was over"


class Outcomes:
    """Turns attempts into settlements; the ledger writes them."""

    def __init__(
        self, parts: Parts, steady: Steady, ledger: Ledger, keep: Callable[[], Awaitable[object]]
    ) -> None:
        """`parts` are the scheduler's own, so that a reload reaches here too. `keep` makes safe
        what shaping knows: a pause, before the letter that it began with is settled."""
        self._parts = parts
        self._keep = keep
        self._steady = steady
        self._ledger = ledger
        self._alerted_at: dict[str, Instant] = {}

    async def attempted(
        self,
        destination: Destination,
        letter: Letter,
        deliveries: Sequence[Delivery],
        made: Sequence[Attempt],
        began_at: Instant | None,
    ) -> list[Classification | None]:
        """One attempt a delivery, in their order; `began_at`: when shaping permitted them. Returns
        their readings when all is written."""
        readings: list[Classification | None] = []
        writing: list[asyncio.Future[None]] = []
        paused: set[str] = set()
        for delivery, attempt in zip(deliveries, made, strict=True):
            try:
                read = self._read(attempt, destination)
                told = self._fed_back(destination, read, attempt, letter, delivery.domain, began_at)
            except Exception as error:
                readings.append(None)
                writing.append(await self._unsettled(delivery, attempt, destination, letter, error))
                continue
            pauses = {e.destination for e in told if isinstance(e, events.Paused)}
            if pauses:
                paused |= pauses
                await self._keep()
            readings.append(read)
            writing.append(await self._written(delivery, attempt, read, destination, letter))
        if paused:
            await self._hang_up(destination, is_everywhere=EVERYTHING in paused)
        await self._parts.fuses.keep(self._steady.now())
        for written in writing:  # all under way: a task for them would cost more than it waits
            await written
        return readings

    async def _hang_up(self, destination: Destination, is_everywhere: bool) -> None:
        others = self._parts.shaper.open_keys() if is_everywhere else ()
        await self._parts.transport.hang_up(destination.key, *others)

    def _fed_back(
        self,
        destination: Destination,
        read: Classification | None,
        attempt: Attempt,
        letter: Letter,
        domain: str,
        began_at: Instant | None,
    ) -> Sequence[Event]:
        """What shaping made of it, told already."""
        return_domain = self._parts.tuning.return_domain
        now, us = self._steady.now(), identity_of(letter, attempt.source_ip, return_domain)
        said, shaper = attempt.said(), self._parts.shaper
        told = shaper.feedback(destination, read, said, now, us, domain, began_at)
        for event in told:
            self._parts.emit(events.by_the_wall(event, self._steady.step))
        return told

    async def _written(
        self,
        delivery: Delivery,
        attempt: Attempt,
        read: Classification | None,
        destination: Destination,
        letter: Letter,
    ) -> asyncio.Future[None]:
        """Its settlement, or :meth:`_unsettled` where none could be made. Raises StoreDead."""
        try:
            return await self._settle(delivery, attempt, read, destination, letter)
        except StoreDead:
            raise
        except Exception as error:
            return await self._unsettled(delivery, attempt, destination, letter, error, read)

    async def _unsettled(
        self,
        delivery: Delivery,
        attempt: Attempt,
        destination: Destination,
        letter: Letter,
        error: Exception,
        read: Classification | None = None,
    ) -> asyncio.Future[None]:
        """A fault of our own after the letter was carried: it must neither fly again by itself nor
        stay leased where nobody sees it. Delivered where it was accepted, else held."""
        LOG.error("what came of %s could not be settled", delivery.ref, exc_info=error)
        why = f"carried, but what came of it could not be settled: {error!r}; {attempt.said()}"
        self._call("unsettled", f"{delivery.ref}: {why}", self._parts.clock.now())
        outcome: Outcome = Delivered() if attempt.is_accepted else Held(why)
        return await self._write(delivery, attempt, outcome, read, destination.label, letter)

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
        letter = await self._letter(delivery)
        await (await self._settle(delivery, attempt, self._read(attempt), None, letter))

    async def set_aside(self, delivery: Delivery, why: str, label: str) -> None:
        """It could not be handed to the transport, and would not be the next moment either: it
        waits by its own backoff, so that the next letter flies, and ends when its time is over."""
        now = self._parts.clock.now()
        LOG.error("%s is set aside: %s", delivery.ref, why)
        self._call("set_aside", f"{delivery.ref}: {why}", now)
        lives_until = expires_at(delivery, now)
        until = min(backoff.due_at(delivery, now, self._parts.tuning.retry), lives_until)
        aside = Deferred(until, why, counts=True, expires_at=lives_until)
        await (await self._write(delivery, None, aside, None, label, None))

    async def put_off(self, delivery: Delivery, until: Instant, why: str, label: str) -> None:
        """Its address is limited: it waits without a try, and none of that time is of its life,
        unless that is fixed."""
        now = self._parts.clock.now()
        lives_until = expires_at(delivery, now)
        if delivery.is_fixed:
            until = min(until, lives_until)
        else:
            lives_until += until - now
        read = Category.RATE_LIMITED
        later = Deferred(until, why, read, counts=False, expires_at=lives_until)
        await (await self._write(delivery, None, later, None, label, None))

    async def identity(self, delivery: Delivery) -> Identity:
        """Whom of us its letter names; nobody where it cannot be read. Raises StoreDead."""
        letter = await self._letter(delivery)
        instead = self._parts.tuning.return_domain
        return NOBODY if letter is None else identity_of(letter, "", instead)

    async def expire(self, delivery: Delivery, label: str = OTHER, waited_for: str = "") -> None:
        """Its time was over before it could be tried (again); the cause is what it waited for, or
        what stands beside it, and what was said last. Where the letter cannot be read it ends all
        the same, and an alert says so."""
        letter = await self._letter(delivery)
        past = await self._past(delivery)
        last = past[-1] if past else None
        said = last.said() if last else ""
        waited_for = waited_for or delivery.why
        cause = f"{TOO_LATE}: {waited_for}" if waited_for and waited_for != said else TOO_LATE
        if said:
            cause = f"{cause}; last: {said}"
        read = last.classification if last else None
        category = read.category if read else None
        is_full = last is not None and last.reply is not None and category is Category.MAILBOX_FULL
        key = last.route_key if last is not None and is_full else ""
        ended = Expired(cause, category)
        await (await self._write(delivery, None, ended, read, label, letter, key))

    async def suppress(self, delivery: Delivery, skip: Skip, destination: Destination) -> None:
        """It is not tried: its address is on the list."""
        box, steady, standing = await self._parts.fuses.box(), self._steady.now(), skip.standing
        letter, doubt = await self._letter(delivery), None
        if letter is not None and is_fresh(skip, destination.key, self._parts.clock.now()):
            ref = (delivery.message_id, delivery.n)
            doubt = self._parts.fuses.note_skipped(box, destination.key, letter, skip, ref, steady)
        category = standing.cause.category if standing.cause is not None else None
        outcome = Suppressed(skip.why, standing.rule, standing.since, category)
        label = destination.label
        await (await self._write(delivery, None, outcome, None, label, letter, doubt=doubt))
        await self._parts.fuses.keep(steady)

    def _read(
        self, attempt: Attempt, destination: Destination | None = None
    ) -> Classification | None:
        """The host that said it tells the rules whose words they are; None: it took the letter."""
        if attempt.is_accepted:
            return None
        if attempt.reply is not None:
            reply = _staged(attempt.reply, attempt.stage)
            read = self._parts.classifier.classify(reply, attempt.mx)
            return read if destination is None else hops.reading(read, attempt, destination)
        failure = attempt.failure or Failure(FailureKind.LOST, "nothing was said", attempt.stage)
        return self._parts.classifier.classify_failure(failure)

    def _original(
        self, attempt: Attempt | None, read: Classification | None
    ) -> Classification | None:
        """What the shipped rules say, where a rule of the site's overrules them."""
        if attempt is None or read is None or attempt.reply is None:
            return None
        reply = _staged(attempt.reply, attempt.stage)
        return self._parts.classifier.overruled(read, reply, attempt.mx)

    async def _settle(
        self,
        delivery: Delivery,
        attempt: Attempt,
        read: Classification | None,
        destination: Destination | None,
        letter: Letter | None,
    ) -> asyncio.Future[None]:
        """`destination` None: nobody was asked."""
        earlier = await self._earlier(delivery, attempt, read)
        box = await self._parts.fuses.box()
        tuning, now, steady = self._parts.tuning, self._parts.clock.now(), self._steady.now()
        fuse, doubt = WHOLE, None
        if destination is not None and letter is not None:
            key = destination.key
            fuse, doubt = self._parts.fuses.note(box, key, letter, attempt, read, steady)
        outcome = settle(delivery, attempt, read, now, tuning.retry, tuning.nxdomain, earlier, fuse)
        self._parts.recipients.note(delivery, attempt, read, outcome)
        if isinstance(outcome, Bounced) and destination is not None and letter is not None:
            ref = (delivery.message_id, delivery.n)
            box.bounced(destination.key, letter.body_hash, read, ref, steady)
        self._alert(delivery, attempt, read, now)
        if read is not attempt.classification:
            attempt = replace(attempt, classification=read)
        label = OTHER if destination is None else destination.label
        key = destination.key if destination is not None and attempt.reply is not None else ""
        return await self._write(delivery, attempt, outcome, read, label, letter, key, doubt)

    def _alert(
        self, delivery: Delivery, attempt: Attempt, read: Classification | None, now: Instant
    ) -> None:
        """Our own fault that no provider's pause tells of: once in a while for each rule."""
        if read is None or read.scope is not Scope.OURSELVES:
            return
        if attempt.reply is not None and read.keeps_the_mail:
            return  # the shaper pauses the provider, and alerts
        self._call(f"ourselves:{read.rule}", f"{delivery.ref}: {attempt.said()}", now)

    def _call(self, name: str, detail: str, now: Instant) -> None:
        """An alert, once in a while for each name."""
        if now - self._alerted_at.get(name, 0) >= ALERT_EVERY:
            self._alerted_at[name] = now
            self._parts.emit(events.Alert(now, name, detail))

    async def _letter(self, delivery: Delivery) -> Letter | None:
        """None, with an alert, where it cannot be read. Raises StoreDead."""
        ask = partial(self._parts.store.letter, delivery.message_id)
        letter = await asked(ask, f"the letter of {delivery.ref}")
        if letter is None:
            detail = f"{delivery.ref} cannot be read: it goes on without its letter and report"
            self._call("unreadable", detail, self._parts.clock.now())
        return letter

    async def _past(self, delivery: Delivery) -> list[Attempt]:
        """Earlier attempts, none where they cannot be read: the letter was carried, and must not
        fly once more for that. Raises StoreDead."""
        ask = partial(self._parts.store.attempts, delivery.message_id, delivery.n)
        return await asked(ask, f"attempts of {delivery.ref}") or []

    async def _earlier(
        self, delivery: Delivery, attempt: Attempt, read: Classification | None
    ) -> Earlier:
        """Look-ups in a row that found no domain; asked only where this one found none. Or what the
        address is known for, where it was refused."""
        if is_about_the_address(read):
            past = await self._past(delivery)
            return await self._parts.fuses.past_of(delivery, read, past)
        if attempt.failure is None or attempt.failure.kind not in MISSING:
            return Earlier()
        missing, since = 0, 0
        past = await self._past(delivery)
        for one in reversed(past):
            if one.failure is None or one.failure.kind not in MISSING:
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
        letter: Letter | None,
        said_at: str = "",
        doubt: Doubt | None = None,
    ) -> asyncio.Future[None]:
        """`said_at`: the destination whose words `read` are; empty where they are no reply's, or
        say nothing about the address."""
        now = self._parts.clock.now()
        dsn = None
        telling = ending.telling(self._parts.tuning, letter, delivery, outcome)
        if telling is Telling.NOW and letter is not None:
            past = await self._past(delivery)
            made = [*past, attempt] if attempt else past
            dsn = ending.report(self._parts, letter, delivery, made, outcome, now)
        original = self._original(attempt, read)
        told = ending.told(delivery, attempt, outcome, read, label, letter, now, original)
        strike = None
        if said_at and read is not None:
            mx = "" if attempt is None else attempt.mx
            is_documented = self._parts.classifier.is_documented(read, mx)
            fuse = (await self._parts.fuses.box()).blown_at(said_at)
            strike = strike_of(delivery, read, outcome, is_documented, said_at, fuse, now)
        suppressing = self._parts.suppressing
        healed = suppressing.healed(delivery, outcome)
        is_owed = telling is Telling.DAILY
        settlement = Settlement(delivery, outcome, attempt, dsn, strike, healed, doubt, is_owed)
        written = self._ledger.write(settlement, told)
        suppressing.written(settlement, written)
        return written


def _staged(reply: Reply, stage: Stage) -> Reply:
    """The reply as one of that stage."""
    return reply if reply.stage is stage else replace(reply, stage=stage)
