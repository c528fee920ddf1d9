"""Lane: one destination's work — what is leased for it, in which order, and what flies."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Collection
from dataclasses import dataclass, field

from relay.mail.delivery import Delivery
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency
from relay.shaping.destination import Destination

Turn = tuple[int, int, int, int]


def turn_of(delivery: Delivery) -> Turn:
    """The order within a lane: class, then the fairness tag, then age."""
    return delivery.urgency, delivery.turn, delivery.message_id, delivery.n


@dataclass(slots=True)
class Lane:
    """`domains`: those with ready mail in the store, and the most urgent class of it."""

    destination: Destination
    domains: dict[str, Urgency] = field(default_factory=dict)
    leased: list[tuple[Turn, Delivery]] = field(default_factory=list)
    flying: set[asyncio.Task[None]] = field(default_factory=set)
    unadmitted: int = 0  # flying, RCPT not yet written
    claiming: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    not_before: Instant = 0

    @property
    def is_idle(self) -> bool:
        """True where nothing is left to do."""
        return not (self.domains or self.leased or self.flying or self.claiming)

    @property
    def worst(self) -> int:
        """The least urgent class that is leased; -1 for none."""
        return max((turn[0] for turn, _ in self.leased), default=-1)

    def push(self, delivery: Delivery) -> None:
        """Take a leased delivery in."""
        heapq.heappush(self.leased, (turn_of(delivery), delivery))

    def pop(self, limit: int) -> tuple[Delivery, ...]:
        """The next delivery, with up to `limit` of the same letter and domain."""
        taken = [heapq.heappop(self.leased)[1]]
        if limit > 1:
            same = [
                entry
                for entry in self.leased
                if entry[1].message_id == taken[0].message_id and entry[1].domain == taken[0].domain
            ][: limit - 1]
            for entry in same:
                self.leased.remove(entry)
                taken.append(entry[1])
            heapq.heapify(self.leased)
        return tuple(taken)

    def take_out(self, domains: Collection[str] | None) -> list[Delivery]:
        """All leased deliveries of these domains that do not fly, to be given back."""
        out = [d for _, d in self.leased if domains is None or d.domain in domains]
        gone = {(d.message_id, d.n) for d in out}
        self.leased = [e for e in self.leased if (e[1].message_id, e[1].n) not in gone]
        heapq.heapify(self.leased)
        for delivery in out:
            known = self.domains.get(delivery.domain, Urgency.MASSAL)
            self.domains[delivery.domain] = min(known, delivery.urgency)
        return out
