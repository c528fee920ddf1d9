"""A relay's commands without a road: a store in memory, the real shaper, deliveries that note."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from typing import Any

from relay.control import Command
from relay.mail.delivery import Failure, FailureKind
from relay.mail.events import Event
from relay.mail.instant import Instant
from relay.service.commands import Commands
from relay.service.explaining import Explainer
from relay.service.reporting import ReportCommands
from relay.service.requeueing import RequeueCommands
from relay.service.suppressing import SuppressionCommands
from relay.shaping.destination import Destination, Profile, Rate
from relay.shaping.settings import PauseSettings
from relay.shaping.shaper import Shaper
from relay.store.base import Entry, Settlement, StoreError
from relay.store.memory import MemoryStore
from relay.suppression import SuppressionSettings
from relay.transports.base import Host, Route
from tests.store.letters import Post, SteppingClock, attempt, deferred

KEEP, WIB = timedelta(days=30), timezone(timedelta(hours=7))
GMAIL = Destination(
    "gmail",
    Profile("gmail", rates=(Rate(20, timedelta(minutes=1)), Rate(1500, timedelta(days=1)))),
    "gmail",
)
SITE = Destination("mx1.dinas.example.go.id", Profile("default"))
WHERE = {"gmail.com": GMAIL, "kampus.example.ac.id": GMAIL, "dinas.example.go.id": SITE}
# A delivery in an answer, in this order: scripts read it.
DELIVERY_KEYS = [
    "id",
    "recipient",
    "sender",
    "subject",
    "class",
    "provider",
    "state",
    "tries",
    "due_at",
    "expires_at",
    "why",
    "category",
    "rule",
]


@dataclass
class Deliveries:
    """Notes what was asked of the scheduler; may be made to fail."""

    asked: list[str] = field(default_factory=list)
    hung_up: list[list[str]] = field(default_factory=list)
    fails: bool = False
    never_ends: bool = False  # a goodbye
    keeping: Callable[[], Awaitable[None]] | None = None

    async def keep(self) -> None:
        if self.keeping is not None:
            await self.keeping()

    async def recall(self, domains: frozenset[str] | None = None) -> None:
        self.asked.append("recall " + ("all" if domains is None else ",".join(sorted(domains))))
        if self.fails:
            raise StoreError("the disk is full")

    def nudge(self) -> None:
        self.asked.append("nudge")

    async def hang_up(self, destinations: Collection[str]) -> None:
        self.hung_up.append(sorted(destinations))
        if self.never_ends:
            await asyncio.Event().wait()


class Destinations:
    """Who is where, from a table."""

    def provider_of(self, domain: str) -> str | None:
        found = WHERE.get(domain)
        return found.label if found else None

    def key_of(self, domain: str) -> str | None:
        found = WHERE.get(domain)
        return found.key if found else None

    def limits_of(self, key: str) -> tuple[Rate, ...]:
        return GMAIL.profile.rates if key == "gmail" else ()

    def last(self, domain: str) -> Route | None:
        found = WHERE.get(domain)
        return None if found is None else Route(found, (Host(f"mx.{domain}", 25),))

    async def route(self, domain: str) -> Route | Failure:
        return self.last(domain) or Failure(FailureKind.DNS, "no name server answered")

    async def look_up(self, domains: Iterable[str]) -> None:
        """All is in the table."""

    async def look_up_new(self, domains: Iterable[str]) -> None:
        """All is in the table."""

    async def destination(self, name: str) -> str | None:
        if name in {"gmail", SITE.key} or name.startswith("@"):
            return name
        return self.key_of(name)

    def names(self) -> set[str]:
        return {"gmail", SITE.key}


def _shaper() -> Shaper:
    return Shaper(PauseSettings(), lambda _: (), is_ramping=False)


@dataclass
class House:
    """The commands and everything that they touch."""

    store: MemoryStore = field(default_factory=MemoryStore)
    shaper: Shaper = field(default_factory=_shaper)
    deliveries: Deliveries = field(default_factory=Deliveries)
    clock: SteppingClock = field(default_factory=SteppingClock)
    events: list[Event] = field(default_factory=list)
    post: Post = field(default_factory=Post)
    struck: list[str] = field(default_factory=list)
    step: int = 0  # milliseconds that the wall clock was set forward

    def steady(self) -> Instant:
        """The moment that shaping goes by."""
        return self.clock.at - self.step

    def __post_init__(self) -> None:
        self.deliveries.keeping = self._keep

    async def _keep(self) -> None:
        await self.store.save_shaping(self.shaper.dirty(self.steady()), self.clock.at)

    @property
    def commands(self) -> Commands:
        return Commands(
            self.store,
            self.shaper,
            self.deliveries,
            Destinations(),
            self.clock,
            self.steady,
            self.events.append,
            self.reload,
            self.link,
            {"version": "1.2.3"},
        )

    async def reload(self) -> list[str]:
        return ["web changed: this needs a restart; the old value is kept"]

    def link(self, link_id: bytes, now: Instant) -> tuple[str, Instant]:
        return f"http://127.0.0.1:8025/masuk?t={link_id.hex()}", now + 900_000

    def table(self) -> dict[str, Command]:
        """All that the control socket serves here."""
        requeueing = RequeueCommands(
            self.store, Destinations(), self.clock, self.events.append, lambda: (KEEP, WIB)
        )
        suppressing = SuppressionCommands(
            self.store, self.struck.extend, self.clock, SuppressionSettings
        )
        reports = ReportCommands(self.store, self.clock)
        explainer = Explainer(
            self.store,
            self.shaper,
            Destinations(),
            self.clock,
            self.steady,
            not_tried=suppressing.not_tried,
        )
        own = self.commands.table() | {"explain": explainer.explain}
        return own | requeueing.table() | suppressing.table() | reports.table()

    async def ask(self, command: str, /, **params: Any) -> dict[str, Any]:
        return await self.table()[command](params, "siti")

    async def put(self, *to: str, **message: Any) -> Entry:
        entry = self.post.entry(to or ("vendor@gmail.com",), **message)
        await self.store.put(entry)
        return entry

    async def defer(self, entry: Entry) -> None:
        """The first delivery is tried, and waits."""
        domain = entry.placements[0].delivery.domain
        (leased,) = await self.store.claim([domain], 1, self.clock.at, self.clock.at + 60_000)
        later = self.clock.at + 300_000
        await self.store.settle([deferred(leased, later)], self.clock.at)

    async def lease(self, domain: str, limit: int = 1) -> None:
        await self.store.claim([domain], limit, self.clock.at, self.clock.at + 60_000)


def settled(delivery: Any, outcome: Any, **changes: Any) -> Settlement:
    return Settlement(delivery, outcome, attempt(delivery, **changes))
