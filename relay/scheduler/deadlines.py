"""Deadlines: who is told before one is missed, and what a letter waited for that missed its own.

What stands before a deadline, divided by what shaping lets go, says when the last of it will have
left. It is reckoned when letters that name a deadline were accepted, at most once a second and for
at most a twentieth of the time; it asks for no more than the queue's order and a limit's count, so
it errs by what is under way, and by what is accepted later and is more urgent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from relay.mail import events
from relay.mail.delivery import Delivery, State
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant, iso, millis
from relay.mail.urgency import Urgency
from relay.scheduler.parts import Parts
from relay.scheduler.steady import Steady
from relay.shaping.base import Explained, Identity
from relay.shaping.destination import Destination
from relay.shaping.warmup import FAR, Ahead
from relay.store.base import Backlog, Ready

IdentityOf = Callable[[Delivery], Awaitable[Identity]]

EVERYTHING: Final = "*"
EVERY: Final = SECOND
SHARE: Final = 20  # a look that took this part of the time until the next may be taken at once
ROUTED: Final = MINUTE  # a domain whose route is not known by then is not looked at
MAX_TOLD: Final = 10_000  # deadlines that are remembered as told of


@dataclass(frozen=True, slots=True)
class Risk:
    """`late` of the `ahead` letters that are to leave by a deadline will not; the last of them
    leaves at `through_at`."""

    urgency: Urgency
    deadline_at: Instant
    late: int
    ahead: int
    through_at: Instant


def by_the_wall(found: Explained, step: int) -> Explained:
    """As the wall clock says it, which was set forward by `step` milliseconds since the start."""
    bounds = tuple(
        bound if bound.free_at is None else replace(bound, free_at=bound.free_at + step)
        for bound in found.bounds
    )
    next_at = None if found.next_at is None else found.next_at + step
    shut = tuple(replace(one, until=one.until + step) for one in found.shut)
    warmup = None if found.warmup is None else _stepped(found.warmup, step)
    inside = found.inside
    if inside is not None:
        warmups = tuple((whose, _stepped(plan, step)) for whose, plan in inside.warmups)
        there = None if inside.next_there is None else inside.next_there + step
        inside = replace(inside, warmups=warmups, next_there=there)
    return replace(found, next_at=next_at, bounds=bounds, shut=shut, warmup=warmup, inside=inside)


def _stepped(plan: Ahead, step: int) -> Ahead:
    return plan if plan.ends_at is None else replace(plan, ends_at=plan.ends_at + step)


def is_closed(found: Explained, now: Instant) -> bool:
    """True where it goes on when somebody says so: no letter an hour, and no time that is named."""
    is_shut = found.state == "paused" and found.an_hour == 0
    return is_shut and found.next_at is not None and found.next_at <= now + HOUR


def through_at(explained: Explained, count: int, now: Instant, own: int = 0) -> Instant:
    """When so many letters will have left, if each goes as soon as shaping says that it may, within
    its hours and as its warm-up grows; in ten years at the latest.

    `own`: how many of them are to the domain itself: what is written for it inside the destination
    holds those alone, and the others pass them by."""
    inside = explained.inside
    if inside is None:
        return _through(explained, count, now)
    bounds = tuple(bound for bound in explained.bounds if not bound.is_inside)
    next_at = None if explained.next_at is None else inside.next_there
    there = _through(replace(explained, bounds=bounds, next_at=next_at), count, now)
    if not own:
        return there
    plans: list[Ahead | None] = [plan for _, plan in inside.warmups]
    plans = plans or [None]
    way = replace(explained, hours=inside.hours, pace=inside.pace)
    return max(there, *(_through(replace(way, warmup=plan), own, now) for plan in plans))


def _through(explained: Explained, count: int, now: Instant) -> Instant:
    start = max(now, explained.next_at or now)
    at = _paced(explained, count, start)
    if explained.warmup is not None:
        opens_at = start if explained.hours is None else explained.hours.open_at(start)
        day_at, left = explained.warmup.last(count, opens_at)
        at = max(at, _paced(explained, left, day_at))
    for bound in explained.bounds:
        most = bound.rate.count - bound.closed
        over = count - max(0, most - bound.used)
        if millis(bound.rate.window) > HOUR and over > 0:
            at = max(at, now + over * millis(bound.rate.window) // most)
    return min(at, now + FAR)


def _paced(explained: Explained, count: int, start: Instant) -> Instant:
    """When so many will have left at its pace, in the time that is open."""
    hourly = _hourly(explained)
    needed = int(min(-(-count * HOUR // hourly), FAR)) if hourly else 0
    if explained.start is not None:  # few letters are through before it has the whole
        needed += min(explained.start.delay, int(needed * (1 / explained.start.share - 1)))
    return start + needed if explained.hours is None else explained.hours.after(start, needed)


def _hourly(explained: Explained) -> float | None:
    """How many leave an hour for hours on end, while it is open; None: as many as there are."""
    rates = [
        bound.rate.count * HOUR / millis(bound.rate.window)
        for bound in explained.bounds
        if millis(bound.rate.window) <= HOUR
    ]
    if explained.pace is not None:
        rates.append(explained.pace)
    return min((rate for rate in rates if rate > 0), default=None)


def risks(
    backlog: Iterable[Backlog], explained: Explained, now: Instant, domain: str = ""
) -> list[Risk]:
    """The deadlines of one destination and class that will be missed, the earliest first.

    `backlog` is all that is ready there; `explained` is of the class of its least urgent letters,
    and only their deadlines are judged; `domain` is the one that it was asked of. A deadline that
    is past was missed before it came here.
    """
    rows = list(backlog)
    urgency = max((row.urgency for row in rows), default=Urgency.KRITIS)
    ahead = sum(row.count for row in rows if row.urgency < urgency)
    own = sum(row.count for row in rows if row.urgency < urgency and row.domain == domain)
    dated = sorted(
        (row.deadline_at, row.count, row.count if row.domain == domain else 0)
        for row in rows
        if row.urgency is urgency and row.deadline_at is not None
    )
    found: list[Risk] = []
    for deadline_at, group in groupby(dated, key=lambda one: one[0]):
        counts = [(number, its) for _, number, its in group]
        count = sum(number for number, _ in counts)
        ahead += count
        own += sum(its for _, its in counts)
        if deadline_at <= now:
            continue
        through = through_at(explained, ahead, now, own)
        if through > deadline_at:
            late = min(count, ahead - _fitting(explained, ahead, deadline_at, now, own))
            found.append(Risk(urgency, deadline_at, late, ahead, through))
    return found


def _fitting(explained: Explained, most: int, deadline_at: Instant, now: Instant, own: int) -> int:
    """How many of `most` letters will have left by a deadline; `own` of them last."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if through_at(explained, middle, now, max(0, own + middle - most)) <= deadline_at:
            low = middle
        else:
            high = middle - 1
    return low


def warning(key: str, risk: Risk, others: int, why: str, pace: str, is_shut: bool = False) -> str:
    """The sentence of the alert; `pace`: see :func:`_pace`; `is_shut`: until somebody opens it."""
    end = iso(risk.through_at)
    through = f"would be through by {end} if it were resumed now" if is_shut else ""
    pace = f", {pace}" if pace else ""
    said = (
        f"{risk.late} {risk.urgency.word} letters to {key} will miss their deadline"
        f" {iso(risk.deadline_at)}: {risk.ahead} stand in line until then{pace}, and the last of"
        f" them {through or f'will be through by {end}'}"
    )
    if others:
        said += f"; {others} other deadlines there will be missed too"
    return f"{said} ({why})" if why else said


def _pace(explained: Explained) -> str:
    """How fast they go, and when; empty: as fast as they are taken."""
    hourly = _hourly(explained)
    said = [f"{int(hourly)} an hour"] if hourly else []
    if explained.hours is not None:
        said.append(f"only at {explained.hours}")
    if explained.warmup is not None:
        said.append(f"sending day {explained.warmup.day + 1} of its warm-up")
    return ", ".join(said)


class Deadlines:
    """Looks at what was accepted, and raises `deadline_at_risk:<destination>`."""

    def __init__(self, parts: Parts, steady: Steady) -> None:
        """`parts` are the scheduler's own, so that a reload reaches here too."""
        self._parts = parts
        self._steady = steady
        self._noted: dict[str, Instant] = {}  # domains with new deadlines, and until when
        self._next_at: Instant = 0
        self._told: dict[tuple[str, Urgency, Instant], int] = {}  # how many late ones were told of

    def note(self, where: Iterable[Ready]) -> None:
        """This became ready."""
        until = self._steady.now() + ROUTED
        for ready in where:
            if ready.is_dated:
                self._noted[ready.domain] = until

    async def look(self) -> None:
        """Reckon for the destinations of what was noted, if it is time. Raises StoreError, and is
        asked again then."""
        began = self._steady.now()
        if not self._noted or began < self._next_at:
            return
        wanted = self._wanted(began)
        looked_at = {d: self._noted.pop(d) for domains in wanted.values() for d in domains}
        try:
            if wanted:
                await self._reckon(wanted)
        except BaseException:
            self._noted = looked_at | self._noted
            raise
        finally:
            took = self._steady.now() - began
            self._next_at = began + max(EVERY, SHARE * took)

    def _wanted(self, now: Instant) -> dict[str, list[str]]:
        """The noted domains by destination; those whose route is not known yet stay noted."""
        self._noted = {domain: until for domain, until in self._noted.items() if until > now}
        wanted: dict[str, list[str]] = {}
        for domain in self._noted:
            route = self._parts.router.known(domain)
            if route is not None:
                wanted.setdefault(route.destination.key, []).append(domain)
        return wanted

    async def _reckon(self, wanted: dict[str, list[str]]) -> None:
        destinations: dict[str, Destination] = {}
        keys: dict[str, str] = {}
        for ready in await self._parts.store.ready():
            route = self._parts.router.known(ready.domain)
            if route is not None and route.destination.key in wanted:
                keys[ready.domain] = route.destination.key
                destinations[route.destination.key] = route.destination
        if not keys:
            return
        rows: dict[str, list[Backlog]] = {}
        for row in await self._parts.store.backlog(list(keys)):
            rows.setdefault(keys[row.domain], []).append(row)
        for key, backlog in rows.items():
            self._judge(destinations[key], backlog)

    def _judge(self, destination: Destination, backlog: Sequence[Backlog]) -> None:
        """Each class that has deadlines, against what shaping says of that class now."""
        now, steady = self._parts.clock.now(), self._steady.now()
        for urgency in sorted({row.urgency for row in backlog if row.deadline_at is not None}):
            before = [row for row in backlog if row.urgency <= urgency]
            most = max((r for r in before if r.urgency is urgency), key=lambda row: row.count)
            explained = self._parts.shaper.explain(destination, most.domain, steady, urgency)
            at = explained.next_at or steady  # of a pause by hand: soon, to be asked again
            if at <= steady + MINUTE and self._parts.shaper.is_paused(EVERYTHING, steady):
                explained = replace(explained, state="paused", an_hour=0)
            # It is by the steady clock; a deadline is by the wall's.
            explained = by_the_wall(explained, now - steady)
            found = risks(before, explained, now, most.domain)
            self._tell(destination.key, found, explained, now)

    def _tell(self, key: str, found: Sequence[Risk], explained: Explained, now: Instant) -> None:
        """One alert for those that are new, or twice as bad as when they were told of."""
        named = {(key, risk.urgency, risk.deadline_at): risk for risk in found}
        new = [risk for name, risk in named.items() if risk.late >= 2 * self._told.get(name, 0)]
        if not new:
            return
        self._told |= {name: risk.late for name, risk in named.items() if risk in new}
        if len(self._told) > MAX_TOLD:
            self._told = {name: n for name, n in self._told.items() if name[2] > now}
        said = (explained.why, _pace(explained), is_closed(explained, now))
        detail = warning(key, new[0], len(found) - 1, *said)
        self._parts.emit(events.Alert(now, f"deadline_at_risk:{key}", detail))


async def waited_for(
    delivery: Delivery, parts: Parts, now: Instant, identity: IdentityOf
) -> tuple[str, str]:
    """Where it was to go, as a metric's label (empty: not known), and what it waited for when its
    time was over (empty: nothing but what stands beside it). It may have waited for longer than a
    route is kept."""
    route = parts.router.last(delivery.domain)
    label = "" if route is None else route.destination.label
    if delivery.state is State.HELD:
        return label, f"it was held: {delivery.why}" if delivery.why else "it was held"
    if delivery.state is not State.READY or route is None:
        return label, ""
    told = parts.shaper.explain(route.destination, delivery.domain, now, delivery.urgency)
    if told.why or not told.shut:
        return label, told.why
    names = (await identity(delivery)).names
    return label, next((wait.why for wait in told.shut if wait.name in names), "")
