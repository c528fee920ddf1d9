"""MemoryUnsent: what unsent.py and requeueing.py ask of SQL, asked of the records in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from relay.mail.classification import Category
from relay.mail.delivery import Attempt, Delivery, State, has_fixed_life
from relay.mail.envelope import Message
from relay.mail.instant import Instant
from relay.store import requeueing
from relay.store.base import Changed, QueueRow, Ready, Tally, Unsent
from relay.store.memory_inbox import Key, Record
from relay.store.memory_wishes import changed_by
from relay.store.selection import matcher
from relay.store.turns import Lane, Turns
from relay.store.unsent import order_of


class MemoryUnsent(ABC):
    """Finds, counts and brings back; what it looks through is the store's."""

    _records: dict[Key, Record]
    _messages: dict[int, Message]
    _attempts: dict[Key, list[Attempt]]
    _turns: Turns

    @abstractmethod
    def _lane(self, delivery: Delivery) -> Lane: ...

    @abstractmethod
    def _announce(self, deliveries: Iterable[Delivery]) -> list[Ready]: ...

    @abstractmethod
    async def audit(
        self, who: str, action: str, subject: str, reason: str, now: Instant, detail: str = ""
    ) -> None:
        """See Queue.audit."""

    @abstractmethod
    def _row(self, key: Key) -> QueueRow: ...

    def _unsent(self, wanted: Unsent) -> list[QueueRow]:
        found = []
        for key, record in sorted(self._records.items()):
            if record.delivery.state in requeueing.BACK:
                row = self._row(key)
                if meant(wanted, record, row, self._messages[key[0]]):
                    found.append(row)
        return found

    async def unsent(
        self, wanted: Unsent, limit: int = 500, after: tuple[int, int] | None = None
    ) -> list[QueueRow]:
        """See Queue.unsent."""
        found = [row for row in self._unsent(wanted) if after is None or _key(row) > after]
        return found[:limit]

    async def tallies(self, wanted: Unsent, now: Instant) -> list[Tally]:
        """See Queue.tallies."""
        counts: Counter[tuple[str, str | None, State, Category | None, bool]] = Counter()
        for row in self._unsent(wanted):
            one = row.delivery
            made = self._attempts.get(_key(row))
            known = self._messages[one.message_id].particulars
            fixed = has_fixed_life(known.urgency, known.deadline_at)
            if one.state is State.HELD:
                fixed = one.is_fixed
            is_over = fixed and one.expires_at <= now
            route = made[-1].route_key if made else None
            counts[one.domain, route, one.state, row.category, is_over] += 1
        return sorted((Tally(*kind, count) for kind, count in counts.items()), key=order_of)

    async def requeue(
        self,
        refs: Sequence[tuple[int, int]],
        action: str,
        who: str,
        reason: str,
        now: Instant,
        subject: str = "",
    ) -> Changed:
        """See Queue.requeue."""
        keys = list(dict.fromkeys(refs))
        back = [one for key in keys if (one := self._back(key, now)) is not None]
        if back:
            named, detail = subject or f"{len(keys)} named", f"moved {len(back)}"
            await self.audit(who, action, named, reason, now, detail)
        ready = self._announce(back)
        return Changed(len(back), 0, frozenset(r.domain for r in ready))

    def _back(self, key: Key, now: Instant) -> Delivery | None:
        """A held or failed one, ready again."""
        record = self._records.get(key)
        if record is None or record.delivery.state not in requeueing.BACK:
            return None
        one, category = record.delivery, record.category
        if one.state is State.HELD:
            if one.is_fixed and one.expires_at <= now:
                return None
            moved = changed_by("release", one, record.state_at, "", now)
        else:
            known = self._messages[key[0]].particulars
            fixed = has_fixed_life(known.urgency, known.deadline_at)
            end = requeueing.until(fixed, one.expires_at, record.state_at, now)
            if end is None:
                return None
            turn = self._turns.give(self._lane(one), known.flow, known.deadline_at)
            self._turns.keep()
            tries, category = len(self._attempts.get(key, ())), None
            moved = one.moved(State.READY, due_at=now, expires_at=end, why="", turn=turn)
            moved = replace(moved, tries=tries, is_fixed=fixed)
        self._records[key] = replace(record, delivery=moved, category=category, state_at=now)
        return moved


def _key(row: QueueRow) -> Key:
    return row.delivery.message_id, row.delivery.n


def meant(wanted: Unsent, record: Record, row: QueueRow, message: Message) -> bool:
    """True where that held or failed one is meant."""
    one = record.delivery
    if not record.in_inbox or not one.domain:
        return False
    fingerprint = message.content.body_hash.hex()
    return (
        (wanted.message_id is None or one.message_id == wanted.message_id)
        and (wanted.n is None or one.n == wanted.n)
        and (wanted.urgency is None or message.particulars.urgency is wanted.urgency)
        and (wanted.domains is None or one.domain in wanted.domains)
        and (wanted.since is None or record.state_at >= wanted.since)
        and (wanted.sender is None or row.sender.lower() == wanted.sender)
        and (wanted.subject is None or bool(matcher(wanted.subject).fullmatch(row.subject)))
        and (wanted.fingerprint is None or fingerprint.startswith(wanted.fingerprint.lower()))
        and (wanted.category is None or row.category is wanted.category)
        and (wanted.rule is None or row.rule == wanted.rule)
    )
