"""Intake: what stands behind the door — a finished letter is counted, placed, made safe and told.

The contract
- `take` returns when content, a delivery and an inbox row for each recipient are on disk, in one
  commit; only then may the door say 250. If it raises, nothing of the letter is there.
- Whoever takes a letter tells of it: what was committed is counted, even where the session, or the
  worker, that handed it in is gone by then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from relay.clock import Clock
from relay.filters.base import Alerts
from relay.ingress import placing
from relay.ingress.auth import Verifies
from relay.ingress.ceiling import Ceiling
from relay.ingress.policy import Policy
from relay.mail import events, ids
from relay.mail.envelope import Message
from relay.mail.events import Emit
from relay.mail.instant import Instant
from relay.store.base import Entry, Placement, Store
from relay.store.turned_away import RefusedLetter

LOG: Final = logging.getLogger(__name__)
CHUNK: Final = 500  # recipients placed without letting others run
CEILING: Final = "over ingress.ceiling recipients in an hour"


class Intake(Protocol):
    """What the door's handler asks for: here of the store, in a worker of the main process."""

    async def take(self, message: Message, policy: Policy) -> None:
        """Make the letter safe, as `policy` places it, and tell of it. Raises StoreError."""
        ...

    async def keep_refused(
        self, letter: RefusedLetter, octets: bytes, since: Instant, most: int
    ) -> int:
        """See TurnedAway.keep_refused. Raises StoreError."""
        ...

    def free_bytes(self) -> tuple[int, int]:
        """See Store.free_bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Behind:
    """All that a door has behind it: where letters go, and who knows the users."""

    intake: Intake
    authenticator: Verifies


class Receiving:
    """The intake of the process that has the store; one a relay, so that the ceiling is exact."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        names: ids.Ids,
        emit: Emit,
        alerts: Alerts,
        executor: Executor,
        recent: Sequence[tuple[Instant, int]] = (),
    ) -> None:
        """`executor` makes reports on many recipients. `recent`: see :class:`Door`."""
        self._store = store
        self._clock = clock
        self._ids = names
        self._emit = emit
        self._alerts = alerts
        self._executor = executor
        self._ceiling = Ceiling(recent, clock.now(), clock.monotonic())

    async def keep_refused(
        self, letter: RefusedLetter, octets: bytes, since: Instant, most: int
    ) -> int:
        """See TurnedAway.keep_refused."""
        return await self._store.keep_refused(letter, octets, since, most)

    def free_bytes(self) -> tuple[int, int]:
        """See Store.free_bytes."""
        return self._store.free_bytes()

    async def take(self, message: Message, policy: Policy) -> None:
        """See Intake.take."""
        recipients = len(message.envelope.recipients)
        message = self._counted(message, recipients, policy.ingress.ceiling)
        placed = await self._placed(message, policy)
        entries = [Entry(message, placed)]
        report = await self._report(message, placed, policy)
        if report is not None:
            entries.append(report)
        try:
            await self._store.put(*entries)
        except BaseException:
            self._ceiling.add(-recipients, self._clock.monotonic())
            raise
        try:
            self._tell(message, placed)
        except Exception:  # it is on disk: whatever fails now, nobody may hear that it is not
            LOG.exception("%s was taken, and could not be told of", ids.show(message.id))

    def _counted(self, message: Message, recipients: int, ceiling: int) -> Message:
        """The letter, held where it is over the ceiling."""
        total = self._ceiling.add(recipients, self._clock.monotonic())
        if total * 2 >= ceiling:
            words = f"{total} recipients in the last hour; above {ceiling} mail is held"
            self._alerts.alert("ingress_ceiling", words)
        if total <= ceiling:
            return message
        words = f"{total} recipients in the last hour, over {ceiling}: mail is held now"
        self._alerts.alert("ingress_ceiling_held", words)
        if message.particulars.is_held:
            return message
        held = replace(message.particulars, is_held=True, hold_reason=CEILING)
        return replace(message, particulars=held)

    async def _placed(self, message: Message, policy: Policy) -> tuple[Placement, ...]:
        count = len(message.envelope.recipients)
        placed: list[Placement] = []
        for start in range(0, count, CHUNK):
            if start:
                await asyncio.sleep(0)
            placed += placing.placements(
                message, start, start + CHUNK, policy.life, policy.dsn.mode
            )
        return tuple(placed)

    async def _report(
        self, message: Message, placed: Sequence[Placement], policy: Policy
    ) -> Entry | None:
        bounced = [placement for placement in placed if placement.attempt is not None]
        if not bounced:
            return None
        name = self._ids.next(message.received_at)
        terms = (policy.hostname, name, policy.life, policy.dsn.mode)
        make = partial(placing.report, message, bounced, *terms)
        if len(bounced) <= CHUNK // 10:
            return make()
        return await asyncio.get_running_loop().run_in_executor(self._executor, make)

    def _tell(self, message: Message, placed: Sequence[Placement]) -> None:
        particulars, at = message.particulars, message.received_at
        self._emit(
            events.Received(
                at=at,
                id=message.id,
                source=message.source,
                sender=message.envelope.sender,
                recipients=len(placed),
                size=message.content.size,
                urgency=particulars.urgency,
                subject=particulars.subject,
                package=particulars.package,
                sha256=message.content.sha256,
                notes=particulars.notes,
            )
        )
        if particulars.is_held:
            why = particulars.hold_reason or ""
            self._emit(events.Held(at, message.id, None, why, count=len(placed)))
        for placement in placed:
            if placement.attempt is not None and placement.category is not None:
                n, recipient = placement.delivery.n, placement.delivery.recipient
                why = placement.delivery.why
                bounced = events.Bounced(
                    at, message.id, n, recipient, "other", why, placement.category
                )
                self._emit(bounced)
