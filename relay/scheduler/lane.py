"""Lane: one destination's work — what is leased for it, in which order, and what flies."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from relay.mail.delivery import Delivery
from relay.mail.instant import SECOND, Instant
from relay.mail.urgency import Urgency
from relay.scheduler.share import Share
from relay.shaping.destination import Destination

Turn = tuple[int, bool, int, int, int]
Entry = tuple[Turn, Delivery]
APPETITE: Final = 8  # how many a lane leases at first; it doubles while it keeps up
LANE_ROWS: Final = 200  # the most of it
LEASE: Final = 3600 * SECOND  # written down for who looks; a lease ends by settle, give back or the
# next start, never by time, so that nothing flies twice because something took long
MAX_REFUSED: Final = 1_000  # letters of a lane that are remembered as refused for our sake
PROBES: Final = 64  # rows among which the letter is looked for that asks for all
NOTHING: Final = 99  # less urgent than any class
NONE: Final[Mapping[Any, Any]] = MappingProxyType(
    {}
)  # a dict of each lane's own is made when needed


@dataclass(slots=True, eq=False)
class Alarm:
    """When a lane is to be looked at again; called off where it has none any more."""

    at: float  # the loop's time, in seconds
    lane: Lane | None

    def __lt__(self, other: Alarm) -> bool:
        return self.at < other.at


@dataclass(slots=True, eq=False)
class Lane:
    """`domains`: those with ready mail in the store, and the most urgent class of it.

    `shut`: domains that wait for a limit of their own. `passed_over`: names of ours whose letters
    wait, each until its moment; `beside`: domains that may have ready letters of those; `asking`:
    names for which a letter is on its way to ask. `refused`: letters that the destination
    refused for our sake; another one asks it next, so that no single letter keeps it shut.
    There may be ten thousand lanes that only wait: what is empty costs none of them anything.
    """

    destination: Destination
    is_fallback: bool = False  # it carries kritis of other destinations, and nothing else
    domains: dict[str, Urgency] = field(default_factory=dict)
    leased: list[Entry] | tuple[()] = ()
    flying: tuple[asyncio.Task[None], ...] = ()  # few
    refused: Mapping[tuple[int, int], None] = field(default_factory=lambda: NONE)
    shut: Mapping[str, Instant] = field(default_factory=lambda: NONE)
    passed_over: Mapping[str, Instant] = field(default_factory=lambda: NONE)
    beside: Mapping[str, Urgency] = field(default_factory=lambda: NONE)
    asking: tuple[str, ...] = ()
    unadmitted: int = 0  # units flying whose RCPT was not yet written
    claiming: asyncio.Task[None] | None = None
    alarm: Alarm | None = None
    not_before: Instant = 0
    holds_from: int = 0  # the most urgent class that `not_before` holds
    appetite: int = APPETITE
    share: Share = field(default_factory=Share)
    massal: int = 0  # flights of that class

    @property
    def key(self) -> str:
        """What it is known by: a fallback's own, even where other mail goes by the same hop."""
        return lane_key(self.destination, self.is_fallback)

    @property
    def down_to(self) -> Urgency:
        """The least urgent class that it carries."""
        return Urgency.KRITIS if self.is_fallback else Urgency.MASSAL

    @property
    def is_idle(self) -> bool:
        """True where nothing is left to do."""
        waits = self.domains or self.leased or self.beside
        return not (waits or self.flying or self.claiming)

    def _turn(self, delivery: Delivery) -> Turn:
        """The order: class, not yet refused, then the fairness tag, then age."""
        key = (delivery.message_id, delivery.n)
        return delivery.urgency, key in self.refused, delivery.turn, *key

    def push(self, deliveries: Iterable[Delivery]) -> None:
        """Take leased deliveries in."""
        for delivery in deliveries:
            if delivery.why[:1] == "5":
                self.refuse(delivery)  # before a restart, perhaps
            if not isinstance(self.leased, list):
                self.leased = []
            heapq.heappush(self.leased, (self._turn(delivery), delivery))

    def refuse(self, delivery: Delivery) -> None:
        """Its letter was refused for our sake."""
        if len(self.refused) < MAX_REFUSED:
            if not isinstance(self.refused, dict):
                self.refused = {}
            self.refused[delivery.message_id, delivery.n] = None

    def shut_until(self, domain: str, until: Instant) -> None:
        """That domain waits for a limit of its own."""
        if not isinstance(self.shut, dict):
            self.shut = {}
        self.shut[domain] = until

    def pass_over(self, refused: Mapping[str, Instant], now: Instant) -> bool:
        """Letters with these names of ours wait (see Shaping.shut_names); True where these are
        others than before, so that what is leased may be meant, or have to wait its turn."""
        shut = {name: until for name, until in refused.items() if until > now}
        shut |= {name: now + SECOND for name in self.asking if name in refused and name not in shut}
        before, self.passed_over = self.passed_over, shut or NONE
        if not before.keys() <= shut.keys():
            left, self.beside = self.beside, NONE
            for domain, urgency in left.items():
                self.note(domain, urgency)
        return before.keys() != shut.keys()

    def leave(self, domains: Mapping[str, Urgency], passed: Mapping[str, Instant]) -> None:
        """Letters with the names that were passed over may be ready there still."""
        if passed.keys() <= self.passed_over.keys():
            self.beside = {**self.beside, **domains}
        else:  # they need not wait any more
            for domain, urgency in domains.items():
                self.note(domain, urgency)

    def open_domains(self, now: Instant) -> dict[str, Urgency]:
        """The domains with ready mail that do not wait for a limit of their own."""
        if self.shut:
            shut = {domain: until for domain, until in self.shut.items() if until > now}
            self.shut = shut or NONE
        if not self.shut:
            return self.domains
        return {domain: u for domain, u in self.domains.items() if domain not in self.shut}

    def best_of(self, only_new: bool = False) -> int:
        """The most urgent class that is leased and may be tried."""
        first = self.first(only_new)
        return NOTHING if first is None else first.urgency

    def next_urgency(self, now: Instant) -> Urgency:
        """The most urgent class that is leased, or ready in the store."""
        ready = min(self.open_domains(now).values(), default=Urgency.MASSAL)
        best = self.first()
        return ready if best is None else min(ready, best.urgency)

    def first(self, only_new: bool = False) -> Delivery | None:
        """The next delivery whose domain may be tried, still leased; `only_new`: none that was
        refused."""
        first = self._first(only_new)
        return None if first is None else first[1]

    def _first(self, only_new: bool) -> Entry | None:
        if not self.shut and not only_new:
            return self.leased[0] if self.leased else None
        open_ = [
            entry
            for entry in self.leased
            if entry[1].domain not in self.shut and not (only_new and entry[0][1])
        ]
        return min(open_, default=None)

    def likeliest(self, only_new: bool = False) -> Delivery | None:
        """As :meth:`first`, but within a class one that was never tried comes before others: who
        asks for all had better not be refused for its own sake."""
        first = self._first(only_new)
        if first is None:
            return None
        (urgency, was_refused, *_), _ = first
        untried = [
            entry
            for entry in self.leased
            if not entry[1].tries
            and entry[0][0] == urgency
            and entry[0][1] == was_refused
            and entry[1].domain not in self.shut
        ]
        return min(untried)[1] if untried else first[1]

    def wanted(self, is_scarce: bool, is_probing: bool) -> int:
        """How many to lease at a time, a whole transaction at least; `is_scarce`: room for rows
        is."""
        each = min(self.destination.profile.recipients_per_transaction, LANE_ROWS)
        wanted = APPETITE // 4 if is_scarce else max(self.appetite, each)
        return max(wanted, PROBES) if is_probing else wanted

    def first_of(self, urgency: Urgency) -> Delivery | None:
        """The next delivery of that class whose domain may be tried."""
        of_class = [entry for entry in self.leased if entry[0][0] == urgency]
        if self.shut:
            of_class = [entry for entry in of_class if entry[1].domain not in self.shut]
        return min(of_class)[1] if of_class else None

    def wait(self, until: Instant, urgency: Urgency, now: Instant) -> None:
        """Nothing of that class or a less urgent one before that moment; where less urgent ones
        wait already, all of them ask again at the earlier of the two."""
        if self.not_before > now:
            self.not_before = min(until, self.not_before)
            self.holds_from = min(self.holds_from, urgency)
        else:
            self.not_before, self.holds_from = until, urgency

    def wait_for_new(self, until: Instant, now: Instant) -> None:
        """All that is leased was refused: else it would be claimed again as soon as it is given
        back. What is more urgent than all of it may come meanwhile, and is asked for."""
        self.wait(until, min(delivery.urgency for _, delivery in self.leased), now)

    def hold(self, until: Instant) -> None:
        """Nothing before that moment."""
        self.not_before, self.holds_from = until, 0

    def take(self, first: Delivery, most: int) -> tuple[Delivery, ...]:
        """`first` and up to `most` in all of the same letter and domain, no longer leased."""
        if most == 1 and isinstance(self.leased, list):
            self._drop_one(self.leased, first)
            return (first,)
        same = [
            d
            for _, d in self.leased
            if d is not first and d.message_id == first.message_id and d.domain == first.domain
        ]
        taken = (first, *same[: most - 1])
        self._drop({(d.message_id, d.n) for d in taken})
        return taken

    def take_out(self, domains: Collection[str] | None) -> list[Delivery]:
        """All leased deliveries of these domains that do not fly, to be given back."""
        out = [d for _, d in self.leased if domains is None or d.domain in domains]
        self._drop({(d.message_id, d.n) for d in out})
        for delivery in out:
            self.note(delivery.domain, delivery.urgency)
        return out

    def note(self, domain: str, urgency: Urgency) -> None:
        """There is ready mail of that class in the store."""
        self.domains[domain] = min(urgency, self.domains.get(domain, urgency))

    def _drop_one(self, leased: list[Entry], gone: Delivery) -> None:
        """Without looking at the names of all."""
        at = next(n for n, entry in enumerate(leased) if entry[1] is gone)
        if at == 0:
            heapq.heappop(leased)
        else:
            del leased[at]
            heapq.heapify(leased)
        self.leased = leased or ()

    def _drop(self, gone: set[tuple[int, int]]) -> None:
        left = [e for e in self.leased if (e[1].message_id, e[1].n) not in gone]
        heapq.heapify(left)
        self.leased = left or ()


def lane_key(destination: Destination, is_fallback: bool) -> str:
    """See Lane.key."""
    return f"fallback {destination.key}" if is_fallback else destination.key
