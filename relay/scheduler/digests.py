"""Digests: once a day each sender hears, by announcement, of what failed and was not told yet.

Contract: what waits stands in the store from the commit of its end on; a digest and the end of that
waiting are one commit. So a crash, a full disk or a day without the relay makes a digest late, and
never double. The moment is one of the site's clock; what was missed while the relay was down is
made up for at the start. A failure of a digest keeps no other one, and no letter, from going. With
the day's digests goes what was kept long enough of what the door refused, and what was said of an
address so long ago that it means nothing any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from relay.mail import address, events
from relay.mail.classification import Category
from relay.mail.delivery import State
from relay.mail.digest import MOST_LISTED, Missed, digest, last_before
from relay.mail.dsn import Original, Undelivered
from relay.mail.instant import MINUTE, Instant, millis
from relay.mail.late import Kind, attempt_of
from relay.replies.reported import retold
from relay.scheduler import reports
from relay.scheduler.parts import Parts
from relay.store.base import Entry, Owed, QueueRow, StoreDead, StoreError
from relay.suppression import reach

MOST_DIGESTS: Final = 20  # a sender and day; past it all that failed stands in one

logger = logging.getLogger(__name__)


class Digests:
    """One a scheduler. `look` is cheap, and called often; the work is a task of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._told_until: Instant | None = None
        self._looked_in = -1  # the minute of the last look at the zone's clock
        self._task: asyncio.Task[None] | None = None

    def look(self, now: Instant) -> None:
        """Begin where the day's moment has come. Raises StoreDead."""
        if self._task is not None:
            if not self._task.done():
                return
            self._task.result()
        if now // MINUTE == self._looked_in:
            return  # a day's moment is a whole minute, and a zone costs more than all else here
        self._looked_in = now // MINUTE
        tuning = self._parts.tuning
        moment = last_before(now, tuning.dsn.digest_at, tuning.zone)
        if self._told_until is None or moment > self._told_until:
            self._task = asyncio.create_task(self._run(moment), name="digests")

    async def stop(self) -> None:
        """What was not told is told by the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, moment: Instant) -> None:
        try:
            owed = await self._parts.store.owed(moment)
            for sender, flow, count in _portions(owed):
                await self._tell(sender, flow, count, moment)
            refused = self._parts.tuning.refused
            await self._parts.store.drop_refused(moment - millis(refused.keep), refused.most)
            await self._forget(moment)
        except StoreDead:
            raise
        except StoreError as error:
            logger.error("digests could not be made, trying again: %s", error)
            self._looked_in = -1
            return
        self._told_until = moment

    async def _forget(self, moment: Instant) -> None:
        """What speaks against no address any more. Raises StoreError."""
        settings = self._parts.tuning.suppression
        before, ends = moment - millis(reach(settings)), settings.complaint.life is not None
        await self._parts.store.drop_outlived(before, ends)

    async def _tell(self, sender: str, flow: str | None, count: int, moment: Instant) -> None:
        """Raises StoreError."""
        try:
            report = await self._report(sender, flow, count, moment) if count else None
        except StoreError:
            raise
        except Exception as error:
            logger.exception("the digest for %s could not be made", sender)
            now, what = self._parts.clock.now(), f"the digest for {sender}: {error!r}"
            self._parts.emit(events.Alert(now, "unsettled", what))
            return
        await self._parts.store.report_owed(sender, flow, moment, report)

    async def _report(
        self, sender: str, flow: str | None, count: int, moment: Instant
    ) -> Entry | None:
        """None where nobody can be told: the sender is no mailbox."""
        try:
            to = address.parse(sender)
        except address.AddressError:
            return None
        rows = await self._parts.store.owed_rows(sender, flow, moment, MOST_LISTED)
        if not rows:
            return None  # brought back just now
        listed = [await self._missed(row) for row in rows]
        letter = await self._parts.store.letter(rows[0].delivery.message_id)
        original = Original(letter.head, sender, letter.received_at)
        tuning, now = self._parts.tuning, self._parts.clock.now()
        number, unlisted = self._parts.names.next(now), max(0, count - len(listed))
        head, body = digest(listed, unlisted, original, tuning.hostname, number, now)
        life = millis(tuning.life.transaksi)
        return reports.entry(number, head, body, to, sender, tuning.hostname, now, life)

    async def _missed(self, row: QueueRow) -> Missed:
        """The row with its last attempt. An address that once took a letter is called inactive,
        any other one unknown: both are refused in the same words."""
        job, category = row.delivery, row.category
        if job.state is State.DELIVERED:
            return await self._returned(row)
        attempts = await self._parts.store.attempts(job.message_id, job.n)
        if category is Category.UNKNOWN_USER:
            took_at = await self._parts.store.last_accepted_at(job.recipient.lower())
            category = Category.UNKNOWN_USER if took_at is None else Category.INACTIVE_USER
        is_expired = job.state is State.EXPIRED
        return Missed(Undelivered(job, attempts[-1:], category, is_expired), row.subject)

    async def _returned(self, row: QueueRow) -> Missed:
        """The row with what came back after a server had taken it, as that said it."""
        job = row.delivery
        told = await self._parts.store.late_reports([(job.message_id, job.n)])
        late = next(one for one in told if one.kind is Kind.FAILED)
        attempt = attempt_of(late, job, retold(late.text))
        return Missed(Undelivered(job, (attempt,), late.category), row.subject)


def _portions(owed: Iterable[Owed]) -> Iterator[tuple[str, str | None, int]]:
    """Sender, flow (None: all of them) and count of each digest. What nobody hears of, because it
    was brought back, is a portion too: it waits no longer."""
    for sender, group in groupby(owed, key=lambda one: one.sender):
        flows = list(group)
        if sum(one.count > 0 for one in flows) > MOST_DIGESTS:
            yield sender, None, sum(one.count for one in flows)
        else:
            yield from ((sender, one.flow, one.count) for one in flows)
