"""Scoring: what a run was worth, by the providers' own books and by where each letter stands.

Nothing that the relay says of itself counts. T95 is the time from the start of the run until a side
has as many letters taken as the oracle had when 95 % of the announcement was over and done with; in
a draw where that is never so, 95 % of what the oracle got through within the run. All letters that
are taken count, whatever their class, so that nobody is praised for an order. Where a side never
gets so far within the run, the time is drawn out at the pace that it had.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from relay.lab.quotas.base import Entry, Kind, Provider
from relay.lab.rehearsing.warming import SendingDay, days_of
from relay.lab.rehearsing.world import Outcome, Run
from relay.mail.delivery import FailureKind, State
from relay.mail.instant import DAY, Instant, millis
from relay.mail.urgency import Urgency
from relay.shaping.destination import Destination

SHARE: Final = 0.95
# That an address is dead or full, or a letter refused for itself, is what a bounce may rest on.
_FINAL: Final = frozenset({Kind.DEAD, Kind.FULL, Kind.CONTENT})
_OWN: Final = frozenset({Kind.DEAD, Kind.FULL})  # an address' own fault
# Lists that nobody's conduct leads to: an hour comes, and we are on them.
_BY_THEMSELVES: Final = frozenset({"small"})


@dataclass(frozen=True, slots=True)
class Progress:
    """When letters were first taken, milliseconds from the start, in order.

    `goal`: how many T95 speaks of; only an oracle's is asked for.
    """

    times: tuple[int, ...]
    length: int  # of the run
    goal: int = 0

    def at(self, n: int) -> float:
        """When the n-th was taken, or would be at the pace so far; infinite without any."""
        if n <= 0:
            return 0.0
        if n <= len(self.times):
            return float(max(1, self.times[n - 1]))
        return self.length * n / len(self.times) if self.times else math.inf

    @property
    def t95(self) -> float:
        """When an oracle had its goal."""
        return self.at(self.goal)

    def by(self, at: int) -> int:
        """How many were taken until then."""
        return bisect_right(self.times, at)


@dataclass(frozen=True, slots=True)
class Score:
    """One side in one run. `blocks`: how often it was blocked, by day; `over`: by how many RCPTs a
    configured limit was exceeded at the worst; `suppressed`: addresses that are neither dead nor
    full and were not tried any more."""

    progress: Progress
    announced: tuple[int, ...]  # when the announcement's letters were taken, of these
    delivered: int
    tried: int
    over: int
    throttled: int
    warned: int
    blocks: tuple[int, ...]
    inside: int
    lost: int
    wrongly_bounced: int
    false_dead_bounced: int
    suppressed: int
    twice: int
    expired: int
    held: int
    kritis_wait: float  # seconds to the first attempt: the longest but one in a hundred
    days: tuple[SendingDay, ...] = ()  # of a warm-up

    @property
    def blocked(self) -> int:
        """Blocks in all."""
        return sum(self.blocks)


def ratio(oracle: Progress, side: Progress) -> float:
    """G: T95 of the oracle over the side's, for as many letters; 1 is as fast as it."""
    if not oracle.times:
        return 1.0
    return oracle.t95 / side.at(oracle.goal)


def second_half(oracle: Progress, side: Progress) -> float:
    """The same of the later half of those letters."""
    if not oracle.times:
        return 1.0
    goal, half = oracle.goal, oracle.goal // 2
    ours = side.at(goal) - side.at(half)
    return (oracle.t95 - oracle.at(half)) / ours if ours > 0 else 1.0


def score(outcome: Outcome) -> Score:
    """Read the books."""
    run = outcome.run
    taken, times, seen, through = _taken(outcome)
    ends, reasons = outcome.ends, _reasons(run.providers)
    bounced = [name for name, end in ends.items() if end.state is State.BOUNCED]
    without = [name for name in bounced if not reasons.get(name, set()) & _FINAL]
    lied = [name for name in without if Kind.FALSE_DEAD in reasons.get(name, set())]
    lost = sum(
        name not in ends or (ends[name].state is State.DELIVERED and name not in taken)
        for name in outcome.letters
    )
    states = [end.state for end in ends.values()]
    return Score(
        progress=Progress(tuple(sorted(times)), run.length),
        announced=tuple(sorted(through)),
        delivered=len(taken),
        tried=sum(map(len, outcome.written.values())),
        over=max(0, _over(outcome)),
        throttled=_count(run.providers, Kind.THROTTLED),
        warned=_count(run.providers, Kind.WARNED),
        blocks=_blocks(outcome),
        inside=_count(run.providers, Kind.INSIDE),
        lost=lost,
        wrongly_bounced=len(without) - len(lied),
        false_dead_bounced=len(lied),
        suppressed=len(suppressed_by_lies(outcome)),
        twice=sum(count - 1 for count in taken.values()),
        expired=states.count(State.EXPIRED),
        held=states.count(State.HELD),
        kritis_wait=_kritis(outcome, seen),
        days=tuple(_days(outcome)),
    )


def _entries(providers: Iterable[Provider]) -> Iterable[Entry]:
    for provider in providers:
        yield from provider.book.entries


def _count(providers: Sequence[Provider], *kinds: Kind) -> int:
    return sum(provider.book.count(*kinds) for provider in providers)


def _taken(
    outcome: Outcome,
) -> tuple[dict[str, int], list[int], dict[str, Instant], list[int]]:
    """How often each letter was taken, when each first was, when each was first seen at all, and
    the times of those of the announcement."""
    taken: dict[str, int] = {}
    times: list[int] = []
    through: list[int] = []
    seen: dict[str, Instant] = {}
    for entry in _entries(outcome.run.providers):
        name = entry.message_id
        seen.setdefault(name, entry.at)
        if not entry.is_taken:
            continue
        taken[name] = taken.get(name, 0) + 1
        if taken[name] == 1:
            times.append(entry.at - outcome.run.start)
            if outcome.letters[name].is_announcement:
                through.append(entry.at - outcome.run.start)
    return taken, times, seen, through


def _over(outcome: Outcome) -> int:
    """By how many at most any window held more than it may."""
    rates = {to.key: to.profile.rates for to in _destinations(outcome.run)}
    return max(
        (
            _most_in(outcome.written.get(key, []), millis(rate.window)) - rate.count
            for key, limits in rates.items()
            for rate in limits
        ),
        default=0,
    )


def _destinations(run: Run) -> Iterable[Destination]:
    for provider in run.providers:
        for domain in provider.domains:
            hosts = provider.hosts(domain, run.start)
            if not isinstance(hosts, FailureKind):
                yield run.book.destination_of(domain, hosts)


def _days(outcome: Outcome) -> Iterable[SendingDay]:
    """The sending days of all that are warmed up."""
    plans = {to.key: to.profile.warmup for to in _destinations(outcome.run)}
    for key, plan in plans.items():
        if plan is not None:
            written = outcome.written.get(key, [])
            yield from days_of(plan, zip(written, outcome.classes.get(key, []), strict=True))


def _most_in(times: list[Instant], span: int) -> int:
    """The most that any window of that length held."""
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= span:
            first += 1
        most = max(most, last - first + 1)
    return most


def _reasons(providers: Iterable[Provider]) -> dict[str, set[Kind]]:
    """What was written of each letter."""
    reasons: dict[str, set[Kind]] = {}
    for entry in _entries(providers):
        if entry.kind is not Kind.ACCEPTED:
            reasons.setdefault(entry.message_id, set()).add(entry.kind)
    return reasons


def suppressed_by_lies(outcome: Outcome) -> set[str]:
    """Addresses that were not tried any more, of which nobody ever said with truth that they are
    dead or full."""
    true = {e.recipient for e in _entries(outcome.run.providers) if e.kind in _OWN}
    ends = outcome.ends.items()
    left = {outcome.letters[n].recipient for n, end in ends if end.state is State.SUPPRESSED}
    return left - true


def _blocks(outcome: Outcome) -> tuple[int, ...]:
    """Blocks by day."""
    run = outcome.run
    days = [0] * max(1, math.ceil(run.length / DAY))
    for provider in run.providers:
        for at in _begun(provider):
            days[min(len(days) - 1, (at - run.start) // DAY)] += 1
    return tuple(days)


def blocks_of(provider: Provider) -> int:
    """How often a provider has blocked us."""
    return len(list(_begun(provider)))


def _begun(provider: Provider) -> Iterable[Instant]:
    """When each block began: it lasts from its first refusal until a letter is taken again."""
    is_blocked = False
    for entry in provider.book.entries:
        if entry.kind is Kind.ACCEPTED:
            is_blocked = False
        elif _is_block(entry, provider.name) and not is_blocked:
            is_blocked = True
            yield entry.at


def _is_block(entry: Entry, name: str) -> bool:
    if entry.kind is Kind.ADMINISTRATIVE:
        return name not in _BY_THEMSELVES
    return entry.kind is Kind.BLOCKED


def _kritis(outcome: Outcome, seen: dict[str, Instant]) -> float:
    waits = sorted(
        (seen[name] - arrival.at) / 1000
        for name, arrival in outcome.letters.items()
        if arrival.urgency is Urgency.KRITIS and name in seen
    )
    return waits[min(len(waits) - 1, int(0.99 * len(waits)))] if waits else 0.0
