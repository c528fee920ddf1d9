"""IndexedStore: the store in memory for tens of thousands of letters: no call looks at all of them.

It keeps the contract by being MemoryStore; only what is asked for each letter is answered from
indexes: by state, by domain and class in the order of turns, by due time, by the end of a life.
Indexes are filled by every change of a record, and what they hold of earlier states is dropped when
it is met.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from relay.mail.delivery import Delivery, State, is_over
from relay.mail.instant import Instant
from relay.mail.letter import Letter
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.store.base import Named, QueueRow, Ready
from relay.store.memory import MemoryStore
from relay.store.memory_inbox import Key, Record
from relay.store.turns import Lane

_MAY_BE_OVER: Final = (State.READY, State.WAITING, State.HELD)


class Others:
    """What is ready in one domain and not meant by `named`, in heaps by class."""

    def __init__(self, named: Named, is_meant: Callable[[int], bool]) -> None:
        self.named = named
        self._is_meant = is_meant
        self.heaps: dict[int, list[tuple[int, Key]]] = {}

    def add(self, ready: Delivery) -> None:
        """One more, unless it is meant."""
        key = (ready.message_id, ready.n)
        if not self._is_meant(ready.message_id):
            heap = self.heaps.setdefault(int(ready.urgency), [])
            heapq.heappush(heap, (ready.turn, key))


class _Records(dict[Key, Record]):
    """The records, with what finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.by_state: dict[State, dict[Key, None]] = {state: {} for state in State}
        self.ready: dict[str, dict[int, list[tuple[int, Key]]]] = {}  # domain → class → heap
        self.due: list[tuple[Instant, Key]] = []
        self.ends: list[tuple[Instant, Key]] = []
        self.numbers: dict[int, list[int]] = {}  # letter → its deliveries
        self.accepted: dict[str, Instant] = {}  # address → when it last took a letter
        # domain → ready ones of the others, where letters with names of ours are passed over
        self.others: dict[str, Others] = {}

    def __setitem__(self, key: Key, record: Record) -> None:
        new, old = record.delivery, self.get(key)
        if old is None:
            self.numbers.setdefault(key[0], []).append(key[1])
        elif old.delivery.state is not new.state:
            del self.by_state[old.delivery.state][key]
        super().__setitem__(key, record)
        state = new.state
        self.by_state[state][key] = None
        if state is State.READY:
            heaps = self.ready.setdefault(new.domain, {})
            heapq.heappush(heaps.setdefault(int(new.urgency), []), (new.turn, key))
            if self.others and new.domain in self.others:
                self.others[new.domain].add(new)
        elif state is State.WAITING:
            heapq.heappush(self.due, (new.due_at, key))
        elif state is State.DELIVERED and record.in_inbox:
            address = (new.recipient or new.as_given).lower()
            self.accepted[address] = max(record.state_at, self.accepted.get(address, 0))
        was = None if old is None else old.delivery
        if was is None or was.expires_at != new.expires_at or was.state.is_final:
            heapq.heappush(self.ends, (new.expires_at, key))

    def __ior__(self, other: Any) -> _Records:  # type: ignore[override,misc]
        for key, record in dict(other).items():
            self[key] = record
        return self

    def is_ready(self, turn: int, key: Key) -> bool:
        """True where that entry of a heap still says what is."""
        delivery = self[key].delivery
        return delivery.state is State.READY and delivery.turn == turn

    def is_due(self, at: Instant, key: Key) -> bool:
        """The same of a waiting one."""
        delivery = self[key].delivery
        return delivery.state is State.WAITING and delivery.due_at == at

    def head(self, heap: list[tuple[int, Key]]) -> tuple[int, Key] | None:
        """The first ready one of a heap."""
        while heap:
            first = turn, key = heap[0]
            delivery = self[key].delivery
            if delivery.state is State.READY and delivery.turn == turn:
                return first
            heapq.heappop(heap)
        return None


class IndexedStore(MemoryStore):
    """Implements Store."""

    def __init__(self) -> None:
        super().__init__()
        self._found = _Records()
        self._records = self._found
        self._late: set[Key] = set()
        self._letters: dict[int, Letter] = {}

    def _in(self, *states: State) -> list[Delivery]:
        records = self._found
        return [records[key].delivery for state in states for key in records.by_state[state]]

    def _unfinished(self) -> list[Delivery]:
        return self._in(*(state for state in State if not state.is_final))

    def _lowest(self, lane: Lane, first: int, last: int) -> int | None:
        number, urgency = lane
        domain = next((name for name, n in self._domains.items() if n == number), "")
        heap = self._found.ready.get(domain, {}).get(urgency, ())
        turns = (turn for turn, key in heap if self._found.is_ready(turn, key))
        return min((turn for turn in turns if first <= turn <= last), default=None)

    async def ready(self) -> list[Ready]:
        """See Queue.ready."""
        where = []
        for domain, heaps in self._found.ready.items():
            best = [u for u, heap in heaps.items() if self._found.head(heap) is not None]
            if best:
                where.append(Ready(domain, Urgency(min(best))))
        return where

    async def wake(self, now: Instant, limit: int = 5000) -> list[Ready]:
        """See Queue.wake."""
        heap = self._found.due
        keys: dict[Key, None] = {}
        while heap and heap[0][0] <= now and len(keys) < limit:
            at, key = heapq.heappop(heap)
            if self._found.is_due(at, key):
                keys[key] = None
        due = [self._found[key].delivery for key in keys]
        return self._announce(self._keep(one.moved(State.READY) for one in due)) if due else []

    async def next_due_at(self) -> Instant | None:
        """See Queue.next_due_at."""
        heap = self._found.due
        while heap and not self._found.is_due(*heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

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
        keys: dict[Key, None] = {}
        by_class: dict[int, list[tuple[Lane, list[tuple[int, Key]]]]] = {}
        for domain in dict.fromkeys(domains):
            for urgency, heap in self._heaps(domain, not_of).items():
                if heap:
                    lane = (self._domains[domain], urgency)
                    by_class.setdefault(urgency, []).append((lane, heap))
        for urgency in sorted(one for one in by_class if least <= one <= down_to):
            self._choose(by_class[urgency], limit, keys)
        chosen = self._keep(self._found[key].delivery.moved(State.LEASED) for key in keys)
        for one in chosen:
            self._turns.leased(self._lane(one), one.turn)
        self._turns.keep()
        return chosen

    def _heaps(self, domain: str, not_of: Named | None) -> dict[int, list[tuple[int, Key]]]:
        """What is ready there by class, without those that are meant."""
        ready = self._found.ready.get(domain, {})
        if not_of is None or not ready:
            return ready
        others = self._found.others.get(domain)
        if others is None or others.named != not_of:
            others = Others(not_of, partial(self._is_of, not_of))
            self._found.others[domain] = others
            for heap in ready.values():
                for turn, key in heap:
                    if self._found.is_ready(turn, key):
                        others.add(self._found[key].delivery)
        return others.heaps

    def _choose(
        self,
        lanes: Iterable[tuple[Lane, list[tuple[int, Key]]]],
        limit: int,
        keys: dict[Key, None],
    ) -> None:
        """Take from the lanes of one class, the best rank first, until there are `limit`."""
        heads: list[tuple[int, Key, Lane, list[tuple[int, Key]]]] = []
        head_of, rank_of = self._found.head, self._turns.rank

        def offer(lane: Lane, heap: list[tuple[int, Key]]) -> None:
            while (head := head_of(heap)) is not None:
                if head[1] not in keys:
                    heapq.heappush(heads, (rank_of(lane, head[0]), head[1], lane, heap))
                    return
                heapq.heappop(heap)

        if len(keys) < limit:
            for lane, heap in lanes:
                offer(lane, heap)
        while heads and len(keys) < limit:
            _, key, lane, heap = heapq.heappop(heads)
            keys[key] = None
            heapq.heappop(heap)
            offer(lane, heap)

    async def overdue(self, now: Instant, limit: int = 1000) -> list[Delivery]:
        """See Queue.overdue."""
        heap, records = self._found.ends, self._found
        while heap and heap[0][0] <= now:
            self._late.add(heapq.heappop(heap)[1])
        over = []
        for key in list(self._late):
            delivery = records[key].delivery
            if delivery.state.is_final or delivery.expires_at > now:
                self._late.discard(key)
            elif delivery.state in _MAY_BE_OVER and is_over(delivery, now):
                over.append(delivery)
        return sorted(over, key=lambda one: one.expires_at)[:limit] if over else over

    async def find(self, message_id: int, n: int | None = None) -> list[QueueRow]:
        """See Queue.find."""
        numbers = sorted(self._found.numbers.get(message_id, ()))
        return [self._row((message_id, one)) for one in numbers if n in (None, one)]

    async def last_accepted_at(self, address: str) -> Instant | None:
        """See Queue.last_accepted_at."""
        return self._found.accepted.get(address)

    async def letter(self, message_id: int) -> Letter:
        """See Queue.letter."""
        found = self._letters.get(message_id)
        if found is None:
            found = self._letters[message_id] = await super().letter(message_id)
        return found

    async def save_spent(self, rows: Sequence[Spent]) -> None:
        """See Queue.save_spent."""
        for row in rows:
            if row.units > 0:
                self._spent[row.key, row.at] = row.units
            else:
                self._spent.pop((row.key, row.at), None)

    async def save_shaping(self, states: Mapping[str, str], now: Instant) -> None:
        """See Queue.save_shaping."""
        for key, text in states.items():
            if text:
                self._shaping[key] = text
            else:
                self._shaping.pop(key, None)

    def states(self) -> Mapping[State, int]:
        """How many deliveries there are in each state."""
        return {state: len(keys) for state, keys in self._found.by_state.items()}

    def deliveries(self) -> Collection[Record]:
        """All of them, whatever became of them."""
        return self._found.values()
