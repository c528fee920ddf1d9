"""Deciding: what an operator makes of a fuse that blew — what it held was right, or goes again.

What is held is found in the queue, by the name that its reason begins with: whatever was released
or removed one by one meanwhile is not touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from relay.mail.classification import Category
from relay.mail.delivery import Bounced, Delivery, State
from relay.mail.events import Released
from relay.mail.instant import Instant
from relay.mail.telling import Telling
from relay.scheduler import ending
from relay.scheduler.ledger import Ledger
from relay.scheduler.parts import Parts
from relay.shaping.fuse import PREFIX, Blown
from relay.store.base import QueueRow, Selector, Settlement

AT_ONCE: Final = 200  # deliveries that are decided while nothing else is claimed

Halted = Callable[[], AbstractAsyncContextManager[None]]
LabelOf = Callable[[str], str | None]  # domain → its provider's name


class NoFuse(Exception):
    """Nothing of that name blew; the message says so."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """A fuse with what it left to the operator: held deliveries, bounces before it blew, and the
    addresses whose suppression waits for his word."""

    name: str  # gmail, gmail:content
    blown_at: Instant | None  # None: it is whole again
    why: str
    held: int
    pending: int
    addresses: int


@dataclass(frozen=True, slots=True)
class Decided:
    """How many held ones bounced or went again; of the bounces before, how many came back."""

    held: int
    pending: int


class Deciding:
    """Confirm or requeue. `halted`: while it is entered no delivery is claimed."""

    def __init__(self, parts: Parts, halted: Halted, label_of: LabelOf) -> None:
        """`parts` are the scheduler's own."""
        self._parts = parts
        self._halted = halted
        self._label_of = label_of
        self._ledger = Ledger(parts.store, parts.clock, parts.emit)

    async def undecided(self) -> list[Undecided]:
        """Every fuse that is blown, or that left something to decide, by name."""
        found = {one.name: one for one in (await self._parts.fuses.box()).blown()}
        held: dict[str, int] = {}
        async for rows in self._rows(PREFIX):
            for row in rows:
                name = row.delivery.why.partition(": ")[0]
                held[name] = held.get(name, 0) + 1
        struck = await self._parts.store.pending()
        return [
            _undecided(name, found.get(name), held.get(name, 0), struck.get(name, 0))
            for name in sorted(found.keys() | held.keys() | struck.keys())
        ]

    async def confirm(self, name: str, who: str, reason: str) -> Decided:
        """What is held bounces, with its report; the bounces before were right, and what they said
        of addresses is in force. The fuse is whole. Raises NoFuse, StoreError."""
        full = await self._known(name)
        held = 0
        async for rows in self._rows(f"{full}: "):
            async with self._halted():
                held += await self._bounce(rows, who, reason)
        box, now = await self._parts.fuses.box(), self._parts.clock.now()
        pending = len(box.pending(full))
        box.decided(full, held, now)
        await self._parts.store.decide(full, is_right=True)
        await self._parts.fuses.keep(now)
        detail = f"{held} bounced, {pending} bounces before were right"
        await self._parts.store.audit(who, "fuse.confirm", full, reason, now, detail)
        return Decided(held, pending)

    async def requeue(self, name: str, who: str, reason: str) -> Decided:
        """What is held goes again, and so do the bounces of the hour before it blew; what they said
        of addresses is forgotten. The fuse stays as it is: what comes of them tells. Raises NoFuse,
        StoreError."""
        full = await self._known(name)
        box = await self._parts.fuses.box()
        await self._parts.store.decide(full, is_right=False)
        pending = await self._again(box.pending(full), who, reason)
        box.decided(full, None, self._parts.clock.now())
        held = 0
        async for rows in self._rows(f"{full}: "):
            refs = [(row.delivery.message_id, row.delivery.n) for row in rows]
            held += await self._again(refs, who, reason)
        now = self._parts.clock.now()
        await self._parts.fuses.keep(now)
        detail = f"{held} held ones and {pending} bounced ones go again"
        await self._parts.store.audit(who, "fuse.requeue", full, reason, now, detail)
        return Decided(held, pending)

    async def _known(self, name: str) -> str:
        full = name if name.startswith(PREFIX) else f"{PREFIX}{name}"
        there = await self.undecided()
        if full.removeprefix(PREFIX) in {one.name for one in there}:
            return full
        names = ", ".join(one.name for one in there) or "none"
        raise NoFuse(f"no fuse {name!r} has anything to decide; those that have: {names}")

    async def _rows(self, why: str) -> AsyncIterator[Sequence[QueueRow]]:
        """What is held for a reason that begins so, some at a time, oldest first."""
        wanted = Selector(states=frozenset({State.HELD}), why=why)
        after = None
        while rows := await self._parts.store.rows(wanted, AT_ONCE, after):
            after = (rows[-1].delivery.message_id, rows[-1].delivery.n)
            yield rows

    async def _again(self, refs: Sequence[tuple[int, int]], who: str, reason: str) -> int:
        moved = 0
        for at in range(0, len(refs), AT_ONCE):
            now = self._parts.clock.now()
            some = refs[at : at + AT_ONCE]
            changed = await self._parts.store.requeue(some, "fuse.requeue", who, reason, now)
            if changed.moved:
                moved += changed.moved
                self._parts.emit(Released(now, None, None, who, reason, changed.moved))
        return moved

    async def _bounce(self, rows: Sequence[QueueRow], who: str, reason: str) -> int:
        """From held by way of ready to bounced, while nothing is claimed: after a crash in between
        they are only tried once more."""
        now = self._parts.clock.now()
        refs = [(row.delivery.message_id, row.delivery.n) for row in rows]
        await self._parts.store.requeue(refs, "fuse.confirm", who, reason, now)
        writing = []
        for row in rows:
            ready = await self._ready(row)
            if ready is not None:
                writing.append(await self._written(ready, row, who, reason, now))
        await asyncio.gather(*writing)
        return len(writing)

    async def _ready(self, row: QueueRow) -> Delivery | None:
        """It as it stands now; None where it went another way meanwhile."""
        found = await self._parts.store.find(row.delivery.message_id, row.delivery.n)
        return next((one.delivery for one in found if one.delivery.state is State.READY), None)

    async def _written(
        self, delivery: Delivery, row: QueueRow, who: str, reason: str, now: Instant
    ) -> asyncio.Future[None]:
        past = await self._parts.store.attempts(delivery.message_id, delivery.n)
        letter = await self._parts.store.letter(delivery.message_id)
        said = past[-1].said() if past else row.delivery.why
        why = f"{said} (held by a fuse; confirmed by {who}: {reason})"
        outcome = Bounced(why, row.category or Category.OTHER)
        telling = ending.telling(self._parts.tuning, letter, delivery, outcome)
        report = None
        if telling is Telling.NOW:
            report = ending.report(self._parts, letter, delivery, past, outcome, now)
        label = self._label_of(delivery.domain) or "other"
        told = ending.told(delivery, None, outcome, None, label, letter, now)
        is_owed = telling is Telling.DAILY
        settlement = Settlement(delivery, outcome, None, report, owes_report=is_owed)
        return self._ledger.write(settlement, told)


def _undecided(name: str, blown: Blown | None, held: int, addresses: int) -> Undecided:
    short = name.removeprefix(PREFIX)
    if blown is None:
        return Undecided(short, None, "", held, 0, addresses)
    return Undecided(
        short, blown.blown_at, blown.why.removeprefix(f"{name}: "), held, blown.pending, addresses
    )
