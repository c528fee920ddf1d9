"""World: one rehearsal, from the first letter to the end of its hours, in virtual time.

Real are the scheduler, settle, the classifier and the shaping; the store is in memory, and the
transport has providers with hidden quotas instead of sockets. What the providers wrote into their
books, and what the store says of each letter at the end, is all that comes out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Final

from relay.lab.quotas.base import Provider
from relay.lab.rehearsing.arrivals import Arrival
from relay.lab.rehearsing.calm import CalmScheduler
from relay.lab.rehearsing.dialling import OUR_IP, Dialler
from relay.lab.rehearsing.sides import Setting, Side
from relay.lab.rehearsing.store import IndexedStore
from relay.lab.rehearsing.transport import PerConnection, QuotaTransport, message_id_of
from relay.lab.virtual_time import VirtualClock
from relay.mail import address
from relay.mail.address import Address
from relay.mail.classification import Classification
from relay.mail.delivery import Delivery, Failure, FailureKind, State
from relay.mail.dkim import hash_body
from relay.mail.envelope import Content, Envelope, Message, Particulars, Recipient, Source
from relay.mail.events import Event, Paused
from relay.mail.ids import Ids
from relay.mail.instant import HOUR, SECOND, Instant, millis
from relay.mail.reply import Reply
from relay.mail.urgency import Urgency
from relay.scheduler import Classifier, Parts, Tuning
from relay.shaping.base import Shaping
from relay.shaping.destination import Destination
from relay.shaping.profiles import Profiles
from relay.store.base import Entry, Placement
from relay.transports.base import Host, Route

HOSTNAME: Final = "relay.lpse.example.go.id"
SENDER: Final = "panitia@lpse.example.go.id"
DNS_LIFE: Final = HOUR  # so long an MX answer is believed
DOWN: Final = 20  # seconds that a restart takes
MAX_READ: Final = 5_000
GRACE: Final = 30.0  # seconds that it waits for what flies
_BODY: Final = b"Isi.\r\n"
_CONTENT: Final = Content(
    f"From: <{SENDER}>\r\nSubject: Pengumuman\r\n".encode(), _BODY, hash_body(_BODY), b"0" * 32
)
_SOURCE: Final = Source("127.0.0.1", "spse", None, None, "lan", is_trusted=True)
NEVER: Final = frozenset({"NEVER"})  # no reports: they are no part of what is measured


@dataclass(frozen=True, slots=True)
class Run:
    """What is rehearsed. `restart_at`: when the relay stops and starts again, None: never."""

    providers: tuple[Provider, ...]
    book: Profiles
    arrivals: Sequence[Arrival]
    start: Instant
    length: int
    restart_at: Instant | None = None


@dataclass(slots=True)
class Outcome:
    """What came of a run: the letters by Message-ID, and where each stands at the end."""

    run: Run
    letters: dict[str, Arrival] = field(default_factory=dict)
    ends: dict[str, Delivery] = field(default_factory=dict)
    written: dict[str, list[Instant]] = field(default_factory=dict)  # RCPTs, by destination
    classes: dict[str, list[Urgency]] = field(default_factory=dict)  # theirs, in the same order
    pauses: int = 0


class Remembering:
    """Implements scheduler.Classifier: what was read once is not read again."""

    def __init__(self, classifier: Classifier) -> None:
        """A classifier says the same of the same."""
        self._classifier = classifier
        self._read: dict[tuple[Reply, str], Classification] = {}

    def classify(self, reply: Reply, mx: str = "", provider: str | None = None) -> Classification:
        """See Classifier.classify."""
        read = self._read.get((reply, mx))
        if read is None:
            read = self._classifier.classify(reply, mx)
            if len(self._read) < MAX_READ:
                self._read[reply, mx] = read
        return read

    def overruled(self, said: Classification, reply: Reply, mx: str = "") -> None:
        """A rehearsal writes no log in which it would stand."""

    def classify_failure(self, failure: Failure) -> Classification:
        """See Classifier.classify_failure."""
        return self._classifier.classify_failure(failure)

    def is_documented(self, said: Classification, mx: str) -> bool:
        """See Classifier.is_documented."""
        return self._classifier.is_documented(said, mx)


class Router:
    """Implements transports.base.Router by asking the providers for their hosts."""

    def __init__(
        self, providers: Mapping[str, Provider], book: Profiles, clock: VirtualClock
    ) -> None:
        """`providers`: by their recipients' domains."""
        self._providers = providers
        self._book = book
        self._clock = clock
        self._routes: dict[str, tuple[Instant, Route]] = {}

    def known(self, domain: str) -> Route | None:
        """See Router.known."""
        found = self._routes.get(domain)
        return found[1] if found is not None and self._clock.now() < found[0] else None

    def last(self, domain: str) -> Route | None:
        """See Router.last."""
        found = self._routes.get(domain)
        return found[1] if found is not None else None

    async def route(self, domain: str) -> Route | Failure:
        """See Router.route."""
        await asyncio.sleep(0.02)
        provider, now = self._providers.get(domain), self._clock.now()
        hosts = provider.hosts(domain, now) if provider else FailureKind.NXDOMAIN
        if isinstance(hosts, FailureKind):
            return Failure(hosts, f"{domain}: {hosts}")
        destination = self._book.destination_of(domain, hosts)
        named = tuple(Host(host, 25, n) for n, host in enumerate(hosts))
        route = Route(destination, named, tls=destination.profile.tls)
        self._routes[domain] = (now + DNS_LIFE, route)
        return route


class World:
    """One side in one run; `play` once."""

    def __init__(self, run: Run, side: Side, clock: VirtualClock) -> None:
        """`clock` shows `run.start`."""
        self._run = run
        self._side = side
        self._lives = {one: millis(getattr(side.life, one.word)) for one in Urgency}
        self._clock = clock
        self._names = Ids()
        self._store = IndexedStore()
        self._outcome = Outcome(run)
        self._providers = {d: one for one in run.providers for d in one.domains}
        self._pauses = 0

    async def play(self) -> Outcome:
        """Run it to its end."""
        run = self._run
        posting = asyncio.create_task(self._post(), name="LPSE")
        if run.restart_at is not None:
            await self._serve(until=run.restart_at)
            await asyncio.sleep(DOWN)
        await self._serve(until=run.start + run.length)
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)
        outcome = self._outcome
        for record in self._store.deliveries():
            outcome.ends[message_id_of(record.delivery)] = record.delivery
        outcome.pauses = self._pauses
        return outcome

    async def _serve(self, until: Instant) -> None:
        """A relay from its start to its end."""
        run, side, clock = self._run, self._side, self._clock
        shaping = side.make(Setting(run.book, OUR_IP, run.providers, run.start))
        dialler = Dialler(self._providers, clock, side.may_fall_over)
        transport = QuotaTransport(dialler, clock, _per_connection(shaping, clock))
        tuning = Tuning(
            HOSTNAME,
            side.retry,
            side.nxdomain,
            side.life,
            suppression=side.suppression,
        )
        scheduler = CalmScheduler(
            Parts(
                self._store,
                Router(self._providers, run.book, clock),
                transport,
                shaping,
                Remembering(side.classifier),
                clock,
                self._names,
                self._emit,
                tuning,
            )
        )
        await scheduler.start()
        running = asyncio.create_task(scheduler.run(), name="scheduler")
        await asyncio.sleep((until - clock.now()) / SECOND)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await scheduler.stop(GRACE)
        await transport.close()
        for key, times in transport.written.items():
            self._outcome.written.setdefault(key, []).extend(times)
            self._outcome.classes.setdefault(key, []).extend(transport.classes[key])

    def _emit(self, event: Event) -> None:
        self._pauses += isinstance(event, Paused)

    async def _post(self) -> None:
        """LPSE hands its letters in, those of one second together."""
        clock, waiting = self._clock, list(self._run.arrivals)[::-1]
        while waiting:
            late = waiting[-1].at - clock.now()
            if late > 0:
                await asyncio.sleep(late / SECOND)
            now, entries = clock.now(), []
            while waiting and waiting[-1].at < now + SECOND:
                entries.append(self._entry(waiting.pop(), now))
            await self._store.put(*entries)

    def _entry(self, arrival: Arrival, now: Instant) -> Entry:
        recipient, urgency = arrival.recipient, arrival.urgency
        message_id = self._names.next(now)
        parsed, envelope = _addressed(recipient)
        flow = "Pengumuman" if arrival.is_announcement else urgency.word
        particulars = _particulars(flow, urgency)
        message = Message(message_id, envelope, _CONTENT, _SOURCE, now, particulars)
        delivery = Delivery(
            message_id,
            0,
            recipient,
            0,
            parsed.domain.name,
            urgency,
            State.READY,
            now,
            now + self._lives[urgency],
            notify=NEVER,
            as_given=recipient,
            is_fixed=urgency is Urgency.KRITIS,
        )
        self._outcome.letters[message_id_of(delivery)] = arrival
        return Entry(message, (Placement(delivery, parsed.key),))


@lru_cache(maxsize=20_000)
def _addressed(recipient: str) -> tuple[Address, Envelope]:
    parsed = address.parse(recipient)
    return parsed, Envelope(SENDER, (Recipient(recipient, parsed, notify=NEVER),))


@cache
def _particulars(flow: str, urgency: Urgency) -> Particulars:
    return Particulars(flow, urgency, from_domain="lpse.example.go.id", flow=flow)


def _per_connection(shaping: Shaping, clock: VirtualClock) -> PerConnection:
    def per_connection(destination: Destination) -> int | None:
        return shaping.messages_per_connection(destination, clock.now())

    return per_connection
