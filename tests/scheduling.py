"""A scheduler with the real shaper, settle, classifier and memory store; time is virtual, and the
other side is a function."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta, timezone
from functools import cache

from relay.config.shipped import profile_texts, shipped_classifier
from relay.config.written import classifier_of
from relay.lab.virtual_time import VirtualClock
from relay.mail import address
from relay.mail import reply as replies
from relay.mail.delivery import Attempt, Delivery, Failure, State
from relay.mail.dkim import hash_body
from relay.mail.envelope import Content, Envelope, Message, Particulars, Recipient, Source
from relay.mail.events import Event
from relay.mail.ids import Ids
from relay.mail.instant import DAY, Instant
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency
from relay.scheduler import Parts, Scheduler, Tuning
from relay.scheduler.parts import FallbackRoute
from relay.shaping.destination import Profile
from relay.shaping.profiles import Layer, Profiles, parse
from relay.shaping.settings import LimitSettings, PauseSettings, RetrySettings
from relay.shaping.shaper import Shaper
from relay.store.base import Entry, Placement
from relay.store.memory import MemoryStore
from relay.store.settings import DsnSettings
from relay.suppression import SuppressionSettings
from relay.transports.base import Host, Job, NotYet, Permits, Route

WIB = timezone(timedelta(hours=7))
SENDER = "panitia@lpse.example.go.id"
OK = "250 2.0.0 OK"
BLOCKED = (
    "550-5.7.1 [192.0.2.1 1] Our system has detected an unusual rate of\n"
    "550-5.7.1 unsolicited mail originating from your IP address. To protect our\n"
    "550-5.7.1 users from spam, mail sent from your IP address has been\n"
    "550-5.7.1 blocked. Please visit http://www.google.com/mail/help/bulk_mail.html\n"
    "550 5.7.1 to review our Bulk Email Senders Guidelines. gsmtp"
)
Answer = str | Failure
Peer = Callable[[Delivery, Instant], Answer]
MX = {"gmail.com": "gmail-smtp-in.l.google.com", "yahoo.com": "mta5.am0.yahoodns.net"}


@cache
def shipped_profiles() -> tuple[Profile, ...]:
    return tuple(parse(text, where) for where, text in profile_texts().items())


def profiles(**limits: LimitSettings) -> Profiles:
    named = {key.replace("_", "."): limit for key, limit in limits.items()}
    return Profiles(shipped_profiles(), [Layer(named, {}, "relay.yaml")])


@dataclass
class FakeRouter:
    book: Profiles
    failures: dict[str, Failure] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    routes: dict[str, Route] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)  # whose time is over

    def known(self, domain: str) -> Route | None:
        return None if domain in self.stale else self.routes.get(domain)

    def last(self, domain: str) -> Route | None:
        return self.routes.get(domain)

    async def route(self, domain: str) -> Route | Failure:
        self.asked[domain] += 1
        await asyncio.sleep(0.01)
        if domain in self.failures:
            return self.failures[domain]
        host = MX.get(domain, f"mx.{domain}")
        route = Route(self.book.destination_of(domain, [host]), (Host(host, 25),))
        self.routes[domain] = route
        return route


class FakeTransport:
    """Dials, asks for both permits and gives the peer's answer; keeps what was written."""

    def __init__(self, peer: Peer, clock: VirtualClock, seconds: float = 0.2) -> None:
        self.peer = peer
        self.clock = clock
        self.seconds = seconds
        self.written: list[tuple[Instant, Delivery]] = []
        self.hung_up: list[str] = []
        self.open: Counter[str] = Counter()
        self.most_open: Counter[str] = Counter()
        self.after_dot: float = 0.0
        self.stage = Stage.EOD  # where its replies are said

    async def deliver(self, job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
        key = job.route.destination.key
        not_yet = await permits.connect()
        if not_yet is not None:
            return not_yet
        self.open[key] += 1
        self.most_open[key] = max(self.most_open[key], self.open[key])
        try:
            return await self._on_session(job, permits)
        finally:
            self.open[key] -= 1
            permits.disconnected()

    async def _on_session(self, job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
        began = self.clock.now()
        await asyncio.sleep(self.seconds / 2)
        permits.connected()
        not_yet = await permits.admit(len(job.deliveries), job.deliveries[0].domain)
        if not_yet is not None:
            return not_yet
        answers = [self.peer(d, self.clock.now()) for d in job.deliveries]
        self.written += [(self.clock.now(), d) for d in job.deliveries]
        await asyncio.sleep(self.seconds / 2 + self.after_dot)
        return [
            self._attempt(job, d, a, began) for d, a in zip(job.deliveries, answers, strict=True)
        ]

    def _attempt(self, job: Job, delivery: Delivery, answer: Answer, began: Instant) -> Attempt:
        reply = replies.parse(answer, self.stage) if isinstance(answer, str) else None
        failure = answer if isinstance(answer, Failure) else None
        stage = failure.stage if failure else self.stage
        mx = job.route.hosts[0].name
        return Attempt(
            delivery.message_id,
            delivery.n,
            delivery.tries + 1,
            began,
            1000,
            "192.0.2.1",
            mx,
            "192.0.2.9",
            None,
            stage,
            reply,
            failure,
            route_key=job.route.destination.key,
        )

    async def hang_up(self, *destinations: str) -> None:
        self.hung_up += destinations

    async def close(self) -> None:
        pass


def _ready(message: Message, n: int, to: address.Address, expires_at: Instant) -> Delivery:
    return Delivery(
        message.id,
        n,
        str(to),
        0,
        to.domain.name,
        message.particulars.urgency,
        State.READY,
        message.received_at,
        expires_at,
        as_given=str(to),
    )


@dataclass
class House:
    clock: VirtualClock
    store: MemoryStore
    transport: FakeTransport
    router: FakeRouter
    shaper: Shaper
    scheduler: Scheduler
    names: Ids
    events: list[Event]
    seen: int = 0

    async def put(
        self,
        *recipients: str,
        urgency: Urgency = Urgency.TRANSAKSI,
        sender: str = SENDER,
        life: int = 5 * DAY,
        notify: frozenset[str] | None = None,
        is_fixed: bool = False,
        deadline_at: Instant | None = None,
        body: bytes = b"Isi.\r\n",
        subject: str = "Uji",
        from_domain: str | None = None,
    ) -> int:
        now = self.clock.now()
        message_id = self.names.next(now)
        head = b"From: <panitia@lpse.example.go.id>\r\nSubject: Uji\r\n"
        parsed = [address.parse(one) for one in recipients]
        envelope = Envelope(sender, tuple(Recipient(str(a), a) for a in parsed))
        message = Message(
            message_id,
            envelope,
            Content(head, body, hash_body(body), b"0" * 32),
            Source("127.0.0.1", "spse", None, None, "lan", is_trusted=True),
            now,
            Particulars(
                subject=subject,
                urgency=urgency,
                flow=sender if subject == "Uji" else f"{sender} {subject}",
                deadline_at=deadline_at,
                from_domain=from_domain,
            ),
        )
        ready = [_ready(message, n, one, now + life) for n, one in enumerate(parsed)]
        asked = [replace(one, notify=notify, is_fixed=is_fixed) for one in ready]
        placed = (Placement(one, to.key) for one, to in zip(asked, parsed, strict=True))
        await self.store.put(Entry(message, tuple(placed)))
        return message_id

    async def state(self, message_id: int, n: int = 0) -> State:
        return (await self.store.find(message_id, n))[0].delivery.state

    async def states(self) -> Counter[State]:
        rows = [record.delivery.state for record in self.store._records.values()]
        return Counter(rows)

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def written(self, domain: str | None = None) -> list[Instant]:
        return [at for at, d in self.transport.written if domain in (None, d.domain)]


def _tuning(
    retry: RetrySettings | None,
    fallback: FallbackRoute | None,
    suppression: SuppressionSettings | None,
    dsn: DsnSettings | None,
) -> Tuning:
    return Tuning(
        "relay.lpse.example.go.id",
        retry or RetrySettings(),
        fallback=fallback,
        suppression=suppression or SuppressionSettings(),
        dsn=dsn or DsnSettings(),
        zone=WIB,
    )


@asynccontextmanager
async def house(
    clock: VirtualClock,
    peer: Peer,
    *,
    book: Profiles | None = None,
    store: MemoryStore | None = None,
    pauses: PauseSettings | None = None,
    retry: RetrySettings | None = None,
    seconds: float = 0.2,
    grace: float = 60.0,
    fallback: FallbackRoute | None = None,
    suppression: SuppressionSettings | None = None,
    rules: str = "",
    dsn: DsnSettings | None = None,
) -> AsyncIterator[House]:
    """A running scheduler; stopped, with nothing leased, at the end."""
    book = book or profiles()
    store = store or MemoryStore()
    events: list[Event] = []
    names = Ids()
    transport = FakeTransport(peer, clock, seconds)
    router = FakeRouter(book)
    shaper = Shaper(pauses or PauseSettings(), book.within, is_ramping=False)
    tuning = _tuning(retry, fallback, suppression, dsn)
    read = classifier_of({"site.yaml": rules}) if rules else shipped_classifier()
    parts = Parts(store, router, transport, shaper, read, clock, names, events.append, tuning)
    scheduler = Scheduler(parts)
    await scheduler.start()
    running = asyncio.create_task(scheduler.run())
    made = House(clock, store, transport, router, shaper, scheduler, names, events)
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await scheduler.stop(grace)
    assert (await made.states())[State.LEASED] == 0


def per_minute(count: int) -> LimitSettings:
    return LimitSettings(rate=(f"{count}/min",))  # type: ignore[arg-type]


def accept(delivery: Delivery, now: Instant) -> Answer:
    return OK


def most_in(times: list[Instant], window: timedelta) -> int:
    milliseconds = window // timedelta(milliseconds=1)
    times = sorted(times)
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= milliseconds:
            first += 1
        most = max(most, last - first + 1)
    return most
