"""MemoryReporting: what reporting.py asks of SQL, asked of the records in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeVar

from relay.mail.classification import Category
from relay.mail.delivery import Attempt, State
from relay.mail.envelope import REPORT_FLOW, Message
from relay.mail.follow_up import FollowUp
from relay.mail.instant import DAY, Instant
from relay.mail.late import Kind, Late
from relay.store.memory_inbox import Key, Record
from relay.store.reporting import ACTION, change
from relay.store.reports import MOST_FAILING, Counted, Failing, rounded

T = TypeVar("T")
_ENDED = (State.BOUNCED, State.EXPIRED, State.SUPPRESSED)


class MemoryReporting:
    """Implements Reports; what it looks through is the store's."""

    _records: dict[Key, Record]
    _messages: dict[int, Message]
    _attempts: dict[Key, list[Attempt]]
    _late_reports: dict[tuple[int, int, Kind], Late]

    def __init__(self) -> None:
        super().__init__()
        self._follow_ups: dict[str, FollowUp] = {}

    async def audit(
        self, who: str, action: str, subject: str, reason: str, now: Instant, detail: str = ""
    ) -> None:
        """See Queue.audit."""
        raise NotImplementedError

    async def failing_addresses(
        self, categories: Collection[Category], since: Instant = 0, limit: int = MOST_FAILING
    ) -> list[Failing]:
        """See Reports.failing_addresses."""
        by_address: dict[str, list[Key]] = {}
        for key, record in sorted(self._records.items()):
            if record.in_inbox:
                one = record.delivery
                by_address.setdefault((one.recipient or one.as_given).lower(), []).append(key)
        found = [self._failing(address, keys, categories) for address, keys in by_address.items()]
        meant = [one for one in found if one is not None and one.last_at >= since]
        return sorted(meant, key=lambda one: (-one.missed, one.address))[:limit]

    def _failing(
        self, address: str, keys: list[Key], categories: Collection[Category]
    ) -> Failing | None:
        ends = [(*end, key) for key in keys if (end := self._end(key)) is not None]
        fatal = [end for end in ends if end[1] in categories]
        if not fatal:
            return None
        last_at, category, key = max(fatal, key=lambda end: (end[0], end[2]))
        late = self._came_back(key)
        made = self._attempts.get(key)
        last = made[-1] if made else None
        said = late.text if late else last.said() if last else ""
        read = last.classification if last else None
        return Failing(
            address=address,
            category=category or Category.OTHER,
            first_at=min(end[0] for end in fatal),
            last_at=last_at,
            missed=len(ends),
            accepted_at=max((at for k in keys if (at := self._taken(k)) is not None), default=None),
            domain=self._records[key].delivery.domain,
            route_key=last.route_key if last else "",
            rule=late.rule if late else read.rule if read else "",
            said=said,
        )

    def _came_back(self, key: Key) -> Late | None:
        if self._records[key].delivery.state is not State.DELIVERED:
            return None
        return self._late_reports.get((*key, Kind.FAILED))

    def _end(self, key: Key) -> tuple[Instant, Category | None] | None:
        record, late = self._records[key], self._came_back(key)
        if late is not None:
            return late.at, late.category
        if record.delivery.state in _ENDED:
            return record.state_at, record.category
        return None

    def _taken(self, key: Key) -> Instant | None:
        record = self._records[key]
        is_taken = record.delivery.state is State.DELIVERED and self._came_back(key) is None
        return record.state_at if is_taken else None

    async def counted(
        self,
        since: Instant,
        until: Instant,
        zone: int,
        labels: Collection[str],
        fold: Callable[[Iterable[Counted]], T],
    ) -> T:
        """See Reports.counted."""
        return fold(self._counted(since, until, zone, labels))

    def _counted(
        self, since: Instant, until: Instant, zone: int, labels: Collection[str]
    ) -> Iterator[Counted]:
        counts: Counter[tuple[object, ...]] = Counter()
        for key, record in self._records.items():
            message, one = self._messages[key[0]], record.delivery
            if not since <= message.received_at < until:
                continue
            if message.particulars.flow == REPORT_FLOW:
                continue
            late, made = self._came_back(key), self._attempts.get(key)
            state = State.BOUNCED if late else one.state
            route = made[-1].route_key if made else ""
            took = rounded(record.state_at - message.received_at)
            counts[
                (message.received_at + zone) // DAY,
                one.domain if one.domain in labels else "",
                route if route in labels else "",
                message.particulars.urgency,
                state,
                late.category if late else record.category,
                took if state is State.DELIVERED else None,
            ] += 1
        for kind, count in counts.items():
            yield Counted(*kind, count)  # type: ignore[call-arg, arg-type]

    async def follow_ups(self) -> Mapping[str, FollowUp]:
        """See Reports.follow_ups."""
        return dict(sorted(self._follow_ups.items()))

    async def save_follow_up(self, made: FollowUp) -> FollowUp | None:
        """See Reports.save_follow_up."""
        before = self._follow_ups.get(made.address)
        self._follow_ups[made.address] = made
        detail = change(before, made)
        await self.audit(made.who, ACTION, made.address, made.note, made.at, detail)
        return before
