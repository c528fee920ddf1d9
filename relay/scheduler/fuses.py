"""Fuses: the fuse box of a running relay — read at the first attempt, asked, kept by the store.

What was refused is on stable storage before its flight ends; of what was accepted a second may be
missing after a crash, which only makes a fuse blow earlier.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Final

from relay.clock import Clock
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Attempt, Delivery
from relay.mail.events import Emit, by_the_wall
from relay.mail.instant import HOUR, SECOND, Instant
from relay.mail.letter import Letter
from relay.mail.strike import Cause, Doubt, Ref, key_of
from relay.scheduler.asking import asked
from relay.scheduler.suppressing import Suppressing
from relay.settle import Earlier
from relay.shaping.fuse import CONTENT, WHOLE, Fuse, FuseBox, is_about_the_address
from relay.store.base import Queue, StoreDead, StoreError
from relay.store.suppressing import Suppressions
from relay.suppression import Skip

OFTEN: Final = SECOND

logger = logging.getLogger(__name__)


class Fuses:
    """One a process; called in the loop."""

    def __init__(
        self,
        store: Queue,
        list_: Suppressions,
        clock: Clock,
        emit: Emit,
        suppressing: Suppressing,
    ) -> None:
        """Nothing is read before the first question. `list_` keeps what is said of addresses."""
        self._store = store
        self._list = list_
        self._suppressing = suppressing
        self._clock = clock
        self._emit = emit
        self._box: FuseBox | None = None
        self._one_at_a_time = asyncio.Lock()
        self._kept_at: Instant = 0

    async def box(self) -> FuseBox:
        """The fuses, restored. Raises StoreDead."""
        if self._box is None:
            async with self._one_at_a_time:
                if self._box is None:
                    self._box = await self._restored()
        return self._box

    async def _restored(self) -> FuseBox:
        box = FuseBox()
        kept = await asked(self._store.load_shaping, "the fuses") or {}
        try:
            box.restore(kept, self._clock.now())
        except ValueError as error:
            logger.error("%s", error)
        for one in box.blown():  # a crash may have come between the fuse and what it doubted
            if one.blown_at is not None and not one.name.endswith(CONTENT):
                doubt = Doubt(one.name, one.key, one.blown_at - HOUR)
                await asked(partial(self._list.doubt, doubt), f"what {one.name} doubts")
        return box

    def note(
        self,
        box: FuseBox,
        key: str,
        letter: Letter,
        attempt: Attempt,
        read: Classification | None,
        now: Instant,
    ) -> tuple[Fuse, Doubt | None]:
        """Count what was answered at the destination `key`; the fuse for its outcome, and, where it
        blew for refused addresses, what was said of them there that is not in force for now."""
        if attempt.reply is None:
            return WHOLE, None
        fuse, alert = box.note(key, letter.body_hash, read, now)
        if alert is not None:
            self._emit(by_the_wall(alert, self._clock.now() - now))
        if alert is None or not is_about_the_address(read):
            return fuse, None
        return fuse, Doubt(alert.name, key, self._clock.now() - HOUR)

    def note_skipped(
        self, box: FuseBox, key: str, letter: Letter, skip: Skip, ref: Ref, now: Instant
    ) -> Doubt | None:
        """A delivery was not tried because of what was said within the hour: it counts like one
        more refusal, so that the list does not hide a bad hour from its fuse, and comes back with
        the bounces where that blows."""
        box.skipped(key, ref, now)
        standing = skip.standing
        category = (standing.cause or Cause.UNKNOWN).category or Category.UNKNOWN_USER
        read = Classification(category, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, standing.rule)
        _, alert = box.note(key, letter.body_hash, read, now)
        if alert is None:
            return None
        self._emit(by_the_wall(alert, self._clock.now() - now))
        return Doubt(alert.name, key, self._clock.now() - HOUR)

    async def keep(self, now: Instant) -> None:
        """Return when every refusal noted so far is kept; many that wait share one commit. Where
        the store cannot keep it now, the next one tries again. Raises StoreDead."""
        box = await self.box()
        if not self._is_due(box, now):
            return
        async with self._one_at_a_time:
            if not self._is_due(box, now):
                return  # who came before kept it
            changed = box.dirty(now)
            if not changed:
                return
            try:
                await self._store.save_shaping(changed, self._clock.now())
                self._kept_at = now
            except BaseException as error:
                box.not_kept(changed)
                if not isinstance(error, StoreError) or isinstance(error, StoreDead):
                    raise
                logger.error("the fuses could not be kept, trying again: %s", error)

    def _is_due(self, box: FuseBox, now: Instant) -> bool:
        return box.is_urgent or not 0 <= now - self._kept_at < OFTEN

    async def past_of(
        self, delivery: Delivery, read: Classification | None, past: list[Attempt]
    ) -> Earlier:
        """When the address last took a letter, and when it was first refused after that, by this
        letter or another. Where nobody can say, as if it took one just now: it is asked again.
        Raises StoreDead."""
        ask = partial(self._accepted_at, key_of(delivery.recipient))
        found = await asked(ask, f"what {delivery.ref}'s address took")
        accepted_at = self._clock.now() if found is None else found[0]
        if accepted_at is None:
            return Earlier()
        refused = (one for one in past if is_about_the_address(one.classification))
        after = [one.started_at for one in refused if found is None or one.started_at > accepted_at]
        other = await self._suppressing.refused_at(delivery, accepted_at) if found else None
        if other is not None:
            after.append(other)
        return Earlier(accepted_at=accepted_at, refused_at=min(after, default=None))

    async def _accepted_at(self, key: str) -> tuple[Instant | None]:
        return (await self._store.last_accepted_at(key),)
