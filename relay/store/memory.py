"""MemoryStore: the same contract without a disk, for tests and the lab; nothing survives it.

Work is done at once, in the caller's turn of the loop; listeners are called before it returns.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from relay.mail.delivery import (
    Attempt,
    Delivery,
    State,
    TransitionError,
    is_over,
)
from relay.mail.envelope import REPORT_FLOW
from relay.mail.instant import Instant
from relay.mail.letter import Letter
from relay.mail.urgency import Urgency
from relay.store import codec
from relay.store.base import (
    Backlog,
    Change,
    Changed,
    Depth,
    Entry,
    Named,
    QueueRow,
    Ready,
    ReadyListener,
    Selector,
    Settlement,
    StoreError,
)
from relay.store.changing import movable
from relay.store.memory_inbox import Key, MemoryInbox, Record
from relay.store.memory_kept import MemoryKept
from relay.store.memory_owed import MemoryOwed
from relay.store.memory_refused import MemoryRefused
from relay.store.memory_reporting import MemoryReporting
from relay.store.memory_returning import MemoryReturning
from relay.store.memory_suppressing import MemorySuppressing
from relay.store.memory_unsent import MemoryUnsent
from relay.store.memory_wishes import MemoryWishes, changed_by, ended
from relay.store.selection import means
from relay.store.settling import Sentence, sentence
from relay.store.turns import Lane, Turns, deadline_of, stretch_of


class MemoryStore(
    MemoryKept,
    MemoryUnsent,
    MemoryOwed,
    MemoryRefused,
    MemoryInbox,
    MemorySuppressing,
    MemoryReturning,
    MemoryReporting,
):
    """Implements Store."""

    def __init__(self) -> None:
        super().__init__()
        self.dead = asyncio.Event()
        self._listeners: list[ReadyListener] = []
        self._attempts: dict[Key, list[Attempt]] = {}
        self._domains: dict[str, int] = {}
        self._wishes = MemoryWishes()
        self._turns = Turns(self._lowest)

    # Queue.

    def subscribe(self, listener: ReadyListener) -> None:
        """See Queue.subscribe."""
        self._listeners.append(listener)

    async def put(self, *entries: Entry) -> None:
        """See Queue.put."""
        self._check(entries)
        made = self._add(entries)
        letters = (entry.message for entry in entries)
        dated = {m.id for m in letters if m.particulars.deadline_at is not None}
        self._announce(made, {one.domain for one in made if one.message_id in dated})

    def _check(self, entries: Sequence[Entry]) -> None:
        """Raise StoreError before anything is changed."""
        ids = [entry.message.id for entry in entries]
        if len(set(ids)) != len(ids) or any(one in self._messages for one in ids):
            raise StoreError("a letter of that id is there already")
        for entry in entries:
            numbers = [placement.delivery.n for placement in entry.placements]
            if len(set(numbers)) != len(numbers):
                raise StoreError("two deliveries of one number")
            for placement in entry.placements:
                delivery = placement.delivery
                if delivery.message_id != entry.message.id:
                    raise StoreError(f"{delivery.ref} is no delivery of the letter it came with")
                if delivery.urgency is not entry.message.particulars.urgency:
                    raise StoreError(f"{delivery.ref} is of another class than its letter")

    def _add(self, entries: Iterable[Entry]) -> list[Delivery]:
        made: list[Delivery] = []
        for entry in entries:
            message = entry.message
            self._messages[message.id] = message
            for placement in entry.placements:
                mailbox = self._mailbox_of(placement.mailbox_address) if entry.has_inbox else 0
                delivery = placement.delivery
                if not delivery.state.is_final:
                    known = message.particulars
                    turn = self._turns.give(self._lane(delivery), known.flow, known.deadline_at)
                    delivery = delivery.changed(mailbox_id=mailbox, turn=turn)
                else:
                    delivery = delivery.changed(mailbox_id=mailbox)
                    delivery = ended(delivery, message.received_at)
                key = (message.id, delivery.n)
                self._records[key] = Record(
                    delivery, placement.category, message.received_at, entry.has_inbox
                )
                if placement.attempt is not None:
                    self._note(placement.attempt)
                if placement.owes_report:
                    self._owed[key] = message.received_at
                made.append(delivery)
        self._turns.keep()
        return made

    def _note(self, attempt: Attempt) -> None:
        kept = self._attempts.setdefault((attempt.message_id, attempt.n), [])
        next_ = kept[-1].number + 1 if kept else 1
        kept.append(attempt if attempt.number >= next_ else replace(attempt, number=next_))

    def _lane(self, delivery: Delivery) -> Lane:
        domain = self._domains.setdefault(delivery.domain, len(self._domains) + 1)
        return domain, int(delivery.urgency)

    def _lowest(self, lane: Lane, first: int, last: int) -> int | None:
        turns = [d.turn for d in self._in(State.READY) if self._lane(d) == lane]
        return min((turn for turn in turns if first <= turn <= last), default=None)

    def _in(self, *states: State) -> list[Delivery]:
        return [r.delivery for r in self._records.values() if r.delivery.state in states]

    def _unfinished(self) -> list[Delivery]:
        return [r.delivery for r in self._records.values() if not r.delivery.state.is_final]

    def _announce(self, deliveries: Iterable[Delivery], dated: Collection[str] = ()) -> list[Ready]:
        best: dict[str, Urgency] = {}
        for one in deliveries:
            if one.state is State.READY:
                best[one.domain] = min(one.urgency, best.get(one.domain, one.urgency))
        where = [Ready(domain, urgency, domain in dated) for domain, urgency in best.items()]
        if where:
            for listener in self._listeners:
                listener(where)
        return where

    def _keep(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        kept = list(deliveries)
        for one in kept:
            key = (one.message_id, one.n)
            old = self._records[key]
            self._records[key] = Record(one, old.category, old.state_at, old.in_inbox, old.read_at)
        return kept

    async def recover(self, now: Instant) -> int:
        """See Queue.recover."""
        return self._land(self._in(State.LEASED))

    def _land(self, leased: Iterable[Delivery]) -> int:
        """Ready again, or what was asked of them meanwhile."""
        landed = [self._wishes.obeyed(one.moved(State.READY)) for one in leased]
        kept = [ended(one, one.due_at) if one.state.is_final else one for one in landed]
        self._announce(self._keep(kept))
        return len(kept)

    async def ready(self) -> list[Ready]:
        """See Queue.ready."""
        best: dict[str, Urgency] = {}
        for one in self._in(State.READY):
            best[one.domain] = min(one.urgency, best.get(one.domain, one.urgency))
        return [Ready(domain, urgency) for domain, urgency in best.items()]

    async def wake(self, now: Instant, limit: int = 5000) -> list[Ready]:
        """See Queue.wake."""
        due = sorted(
            (d for d in self._in(State.WAITING) if d.due_at <= now), key=lambda d: d.due_at
        )[:limit]
        return self._announce(self._keep(one.moved(State.READY) for one in due))

    async def next_due_at(self) -> Instant | None:
        """See Queue.next_due_at."""
        return min((one.due_at for one in self._in(State.WAITING)), default=None)

    async def claim(
        self,
        domains: Sequence[str],
        limit: int,
        now: Instant,
        leased_until: Instant,
        least: Urgency = Urgency.KRITIS,
        down_to: Urgency = Urgency.MASSAL,
        not_of: Named | None = None,
    ) -> list[Delivery]:
        """See Queue.claim."""
        ready = self._in(State.READY)
        meant = [d for d in ready if d.domain in domains and least <= d.urgency <= down_to]
        if not_of is not None:
            meant = [d for d in meant if not self._is_of(not_of, d.message_id)]
        rank, lane = self._turns.rank, self._lane
        meant.sort(key=lambda d: (d.urgency, rank(lane(d), d.turn), d.message_id, d.n))
        chosen = self._keep(one.moved(State.LEASED) for one in meant[: max(limit, 0)])
        for one in chosen:
            self._turns.leased(self._lane(one), one.turn)
        self._turns.keep()
        return chosen

    def _is_of(self, named: Named, message_id: int) -> bool:
        message = self._messages[message_id]
        return named.means(message.envelope.sender, message.particulars.from_domain)

    async def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """See Queue.give_back."""
        live = [self._records[one.message_id, one.n].delivery for one in deliveries]
        self._land(one for one in live if one.state is State.LEASED)

    async def overdue(self, now: Instant, limit: int = 1000) -> list[Delivery]:
        """See Queue.overdue."""
        states = (State.READY, State.WAITING, State.HELD)
        late = [one for one in self._in(*states) if is_over(one, now)]
        return sorted(late, key=lambda one: one.expires_at)[:limit]

    async def settle(self, settlements: Sequence[Settlement], now: Instant) -> None:
        """See Queue.settle."""
        reports = [s.dsn for s in settlements if s.dsn is not None]
        self._check(reports)
        changed: dict[Key, Record] = {}
        for settlement in settlements:
            key = (settlement.delivery.message_id, settlement.delivery.n)
            record = changed.get(key) or self._records.get(key)
            if record is None or record.delivery.state.is_final:
                raise StoreError("a delivery to be settled is not in the queue")
            said = sentence(settlement)
            moved = self._wishes.obeyed(self._moved(record.delivery, said))
            if moved.state.is_final:
                moved = ended(moved, now)
            changed[key] = Record(moved, said.category, now, record.in_inbox, record.read_at)
        self._records |= changed
        self._turns.keep()
        for settlement in settlements:
            if settlement.attempt is not None:
                self._note(settlement.attempt)
            key = (settlement.delivery.message_id, settlement.delivery.n)
            if settlement.owes_report and changed[key].delivery.state.is_final:
                self._owed[key] = now
        for settlement in settlements:
            if settlement.healed:
                self.mend(settlement.healed)
        self.doubted(s.doubt for s in settlements if s.doubt)
        await self.strike(*(s.strike for s in settlements if s.strike))
        self._announce(self._add(reports))

    def _moved(self, delivery: Delivery, said: Sentence) -> Delivery:
        try:
            moved = delivery.moved(
                said.state,
                due_at=said.due_at,
                tries=said.tries,
                why=said.why,
                expires_at=said.expires_at or delivery.expires_at,
            )
        except TransitionError as error:
            raise StoreError(str(error)) from error
        if not said.goes_behind:
            return moved
        known = self._messages[delivery.message_id].particulars
        turn = self._turns.give(self._lane(moved), known.flow, known.deadline_at)
        return replace(moved, turn=turn)

    async def letter(self, message_id: int) -> Letter:
        """See Queue.letter."""
        return codec.letter_of(self._messages[message_id])

    async def body(self, message_id: int) -> bytes:
        """See Queue.body."""
        return self._messages[message_id].content.body

    async def attempts(self, message_id: int, n: int) -> list[Attempt]:
        """See Queue.attempts."""
        return list(self._attempts.get((message_id, n), ()))

    def _row(self, key: Key) -> QueueRow:
        record, message = self._records[key], self._messages[key[0]]
        made = self._attempts.get(key, [])
        reading = made[-1].classification if made else None
        category = record.category
        if category is None and reading is not None:
            category = reading.category
        delivery = record.delivery
        if delivery.state.is_final:
            delivery = delivery.changed(tries=len(made))
        return QueueRow(
            delivery,
            message.envelope.sender,
            message.particulars.subject,
            category,
            None if reading is None else reading.rule,
            message.received_at,
            message.particulars.from_domain or "",
        )

    def _meant(self, selector: Selector) -> list[Delivery]:
        meant = []
        for one in self._unfinished():
            message = self._messages[one.message_id]
            if means(selector, one, message.particulars.subject, message.content.head):
                meant.append(one)
        return meant

    async def rows(
        self, selector: Selector, limit: int = 100, after: tuple[int, int] | None = None
    ) -> list[QueueRow]:
        """See Queue.rows."""
        keys = sorted((one.message_id, one.n) for one in self._meant(selector))
        return [self._row(key) for key in keys if after is None or key > after][:limit]

    async def find(self, message_id: int, n: int | None = None) -> list[QueueRow]:
        """See Queue.find."""
        keys = sorted(k for k in self._records if k[0] == message_id and n in (None, k[1]))
        return [self._row(key) for key in keys]

    async def count(self, selector: Selector) -> dict[State, int]:
        """See Queue.count."""
        counts: dict[State, int] = {}
        for one in self._meant(selector):
            counts[one.state] = counts.get(one.state, 0) + 1
        return counts

    async def change(
        self, what: Change, selector: Selector, who: str, reason: str, now: Instant
    ) -> Changed:
        """See Queue.change."""
        meant = self._meant(movable(what, selector))
        in_flight = sum(one.state is State.LEASED for one in self._meant(selector))
        for one in meant:
            key = (one.message_id, one.n)
            record = self._records[key]
            category = None if what in ("hold", "remove") else record.category
            moved = changed_by(what, one, record.state_at, reason, now)
            self._records[key] = replace(record, delivery=moved, category=category, state_at=now)
        self._wishes.note(what, self._meant(selector), reason)
        if meant or in_flight:
            note = f"moved {len(meant)}, in flight {in_flight}"
            await self.audit(who, what, str(selector), reason, now, note)
        moved_to = [self._records[one.message_id, one.n].delivery for one in meant]
        ready = self._announce(moved_to)
        return Changed(len(meant), in_flight, frozenset(r.domain for r in ready))

    async def accepted_since(self, since: Instant) -> list[tuple[Instant, int]]:
        """See Queue.accepted_since."""
        seconds: dict[Instant, int] = {}
        for message in self._messages.values():
            if message.received_at >= since and message.particulars.flow != REPORT_FLOW:
                second = message.received_at // 1000 * 1000
                seconds[second] = seconds.get(second, 0) + len(message.envelope.recipients)
        return sorted(seconds.items())

    async def domains_of(self, message_id: int) -> dict[str, int]:
        """See Queue.domains_of."""
        deliveries = (record.delivery for record in self._records.values())
        return dict(Counter(one.domain for one in deliveries if one.message_id == message_id))

    async def depths(self) -> list[Depth]:
        """See Queue.depths."""
        groups: dict[tuple[str, State], list[int]] = {}
        for one in self._unfinished():
            groups.setdefault((one.domain, one.state), []).append(one.message_id)
        return [
            Depth(domain, state, len(found), self._messages[min(found)].received_at)
            for (domain, state), found in sorted(groups.items())
        ]

    async def backlog(self, domains: Collection[str]) -> list[Backlog]:
        """See Queue.backlog."""
        ready = (one for one in self._in(State.READY) if one.domain in domains)
        counts = Counter((d.domain, d.urgency, stretch_of(d.turn)) for d in ready)
        return [
            Backlog(domain, urgency, deadline_of(first), count)
            for (domain, urgency, first), count in sorted(counts.items())
        ]
