"""Build: from a configuration to the objects of the road; nothing here listens or sends yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from relay.clock import Clock
from relay.config import Config, SourceError
from relay.config.keys import secret
from relay.filters.base import Alerts, Departure
from relay.filters.pipeline import Pipeline
from relay.mail.dkim import SigningError, referee
from relay.mail.events import Emit, by_the_wall
from relay.mail.headers import Headers
from relay.mail.ids import Ids
from relay.mail.instant import millis
from relay.mail.reply import Reply
from relay.mail.return_path import ReturnPath
from relay.observe.settings import LogSettings
from relay.scheduler import Scheduler, Tuning
from relay.scheduler.scheduler import Parts
from relay.service.destinations import Directory
from relay.service.falling_back import fallback_of
from relay.service.returning import sender_of
from relay.shaping.base import Standing
from relay.shaping.destination import Destination
from relay.shaping.shaper import Shaper
from relay.store.base import Store
from relay.strict_yaml import Problem
from relay.transports.deadlines import Deadlines
from relay.transports.departure import Departures
from relay.transports.dialling import Dialler
from relay.transports.forbidden import Frontier
from relay.transports.hops import Hops, RouteError
from relay.transports.lookup import Lookup, async_resolver_of
from relay.transports.mx import MxRouter
from relay.transports.siblings import Siblings
from relay.transports.smtp import SmtpTransport
from relay.transports.tls import Contexts
from relay.web.dates import offset
from relay.web.links import Linker
from relay.web.settings import WebSettings


def log_settings(config: Config) -> LogSettings:
    """The log's settings, a relative file laid beside the configuration."""
    settings = config.settings.log
    if isinstance(settings.to, Path):
        return settings.model_copy(update={"to": config.file.parent / settings.to})
    return settings


def referee_keys(config: Config, alerts: Alerts, clock: Clock) -> None:
    """Every key signs a short sample, and dkimpy verifies it. Raises SourceError.

    A From domain that may send and has no key is an alert: its letters leave unsigned.
    """
    problems = []
    for n, entry in enumerate(config.settings.dkim):
        try:
            referee(config.keys[entry.domain], None, clock.now())
        except SigningError as error:
            problems.append(config.problem(("dkim", n, "key_file"), str(error)))
    if problems:
        raise SourceError(problems)
    domains = {entry.rpartition("@")[2] for entry in config.settings.allowed_senders}
    for domain in sorted(d for d in domains if not d.startswith(".") and d not in config.keys):
        alerts.alert(f"unsigned:{domain}", f"{domain} has no DKIM key: its letters leave unsigned")


def hops(config: Config) -> Hops:
    """`routes:` with their passwords. Raises SourceError."""
    passwords: dict[str, str] = {}
    problems: list[Problem] = []
    for domain, route in config.settings.routes.items():
        if route.password_file is not None:
            try:
                passwords[domain] = secret(config.file.parent / route.password_file)
            except ValueError as error:
                at = ("routes", domain, "password_file")
                problems.append(config.problem(at, str(error)))
    try:
        if not problems:
            return Hops(config.settings.routes, passwords)
    except RouteError as error:
        problems.append(config.problem(("routes", error.key), str(error)))
    raise SourceError(problems)


def shaper_of(config: Config) -> Shaper:
    """By the limits, pauses and reactions of a configuration; nothing is restored yet."""
    book = config.profiles
    return Shaper(
        config.settings.pause,
        book.within,
        book.names,
        book.sums(),
        config.source,
        reactions=config.reactions,
    )


def linker(web: WebSettings, address: str, key: bytes) -> Linker:
    """Makes inbox links: under base_url, or at the listener's own address."""
    return Linker([key], web.base_url or f"http://{address}", millis(web.link_life))


def with_port(address: str, port: int) -> str:
    """`127.0.0.1:0` with the port that was really bound."""
    return f"{address.rpartition(':')[0]}:{port}"


class Road:
    """Scheduler, shaper, router and transport of one relay; `use` swaps what a reload may swap."""

    def __init__(
        self,
        config: Config,
        store: Store,
        clock: Clock,
        names: Ids,
        emit: Emit,
        on_signed: Callable[[float], None] | None = None,
        path: ReturnPath | None = None,
    ) -> None:
        """Nothing is sent before `start`. `path` makes the envelope sender of each delivery."""
        settings = config.settings
        self._return_path = path
        self._clock = clock
        self._store = store
        self._drain = settings.ingress.drain_replies.total_seconds()
        self._lookup = Lookup(async_resolver_of(settings.dns), clock, settings.delivery.ipv6)
        self.shaper = shaper_of(config)
        self._departures = self._leaving(config, on_signed)
        self._classifier = config.classifier
        self._transport = self._carrier(config)
        self.pipeline: Pipeline | None = None
        router = self._mx = self._router(config)
        self.directory = Directory(router, self.shaper, config.profiles)
        self._parts = Parts(
            store,
            router,
            self._transport,
            self.shaper,
            config.classifier,
            clock,
            names,
            emit,
            self._tuning(config),
        )
        self.scheduler = Scheduler(self._parts)
        self._heart: asyncio.Task[None] | None = None

    def _leaving(self, config: Config, on_signed: Callable[[float], None] | None) -> Departures:
        path, clock = self._return_path, self._clock
        return Departures(
            self._depart,
            config.keys,
            clock,
            on_signed=on_signed,
            siblings_of=Siblings(self._store, self._key_of, clock).of,
            sender_of=None if path is None else partial(sender_of, path, clock),
        )

    def _carrier(self, config: Config) -> SmtpTransport:
        settings = config.settings
        source, roots = settings.delivery.source_address, settings.delivery.ca_file
        own = () if source is None else (ip_address(source),)
        frontier = Frontier(settings.destinations.allow_networks, own, settings.lab)
        dialler = Dialler(
            self._lookup.addresses,
            frontier,
            Contexts(settings.lab, str(config.file.parent / roots) if roots else None),
            Deadlines.of(settings.delivery.timeouts),
            self._clock,
            config.hostname,
            self._may_fall_over,
            source,
            shut=self._shut,
        )
        idle = settings.delivery.timeouts.idle.total_seconds()
        return SmtpTransport(
            dialler, self._departures, self._store, self._clock, idle, source, self._per_connection
        )

    def _per_connection(self, destination: Destination) -> int | None:
        return self.shaper.messages_per_connection(destination, self.scheduler.steady.now())

    def _router(self, config: Config, before: MxRouter | None = None) -> MxRouter:
        profiles = config.profiles
        return MxRouter(
            hops(config),
            self._lookup,
            profiles.destination_of,
            self._clock,
            config.settings.testing_smtp_port,
            (config.hostname,),
            profiles.route_destination,
            before={} if before is None else before.hosts(),
        )

    def _key_of(self, domain: str) -> str | None:
        return self.directory.key_of(domain)

    def _may_fall_over(self, reply: Reply, mx: str) -> bool:
        """To another MX only after a banner that the rules know nothing of, those of the provider
        that says it included: never after a throttle or a block."""
        return self._classifier.is_guess(self._classifier.classify(reply, mx))

    def _shut(self, host: str) -> str | None:
        """The provider that an MX host belongs to, while mail for it is paused."""
        owner = self.directory.owner_of(host)
        if owner is None or not self.shaper.is_paused(owner, self.scheduler.steady.now()):
            return None
        return owner

    async def _depart(self, departure: Departure) -> Headers:
        assert self.pipeline is not None  # noqa: S101 - set by `use` before anything departs
        return await self.pipeline.depart(departure)

    def use(self, filters: Pipeline, config: Config) -> None:
        """One configuration from the next letter on. Raises SourceError before anything changed."""
        router, tuning = self._router(config, self._mx), self._tuning(config)
        self.pipeline = filters
        self._departures.keys = config.keys
        self._classifier = config.classifier
        book = config.profiles
        self.shaper.use(
            config.settings.pause,
            book.within,
            book.names,
            book.sums(),
            config.reactions,
            book.items(),
        )
        self._parts.classifier = config.classifier
        self._parts.tuning = tuning
        self._parts.router = self._mx = router
        self.directory.use(router, config.profiles)

    def paused(self) -> Iterator[Standing]:
        """What is paused, by the moment that shaping goes by: asked by a clock that was set forward
        it would forget its counts, and end its pauses."""
        now = self.scheduler.steady.now()
        for key in self.shaper.shown_keys():
            if self.shaper.is_paused(key, now):
                yield self.shaper.shown(key, now)

    def each_standing(self) -> Iterator[Standing]:
        """Of all destinations, for gauges, without domains that a reaction paused: each is made
        when it is come to, for of ten thousand one step would take half a second."""
        for key in self.shaper.shown_keys():
            if not key.startswith("@"):
                yield self.shaper.shown(key, self.scheduler.steady.now())

    async def confirm(self, checking: Awaitable[list[str]], emit: Emit) -> None:
        """Our own check's faults: with one provider that says so too everything stops."""
        faults = await checking
        steady = self.scheduler.steady
        told = self.shaper.confirm("; ".join(faults), steady.now())
        for event in told:
            emit(by_the_wall(event, steady.step))
        if told:
            await self.scheduler.hang_up(self.shaper.open_keys())

    async def start(self) -> None:
        """Recover, restore, and begin to send."""
        await self.scheduler.start()
        self._heart = asyncio.create_task(self.scheduler.run(), name="scheduler")

    async def ended(self) -> None:
        """Returns, or raises, when the scheduler has ended by itself."""
        assert self._heart is not None  # noqa: S101 - called after `start`
        await asyncio.shield(self._heart)

    async def stop(self) -> None:
        """Wait for replies after a dot, settle, give back, keep what was learned, hang up."""
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.gather(self._heart, return_exceptions=True)
        await self.scheduler.stop(self._drain)
        await self._transport.close()

    def _tuning(self, config: Config) -> Tuning:
        settings = config.settings
        return Tuning(
            config.hostname,
            settings.retry,
            settings.nxdomain,
            settings.life,
            fallback_of(config),
            settings.suppression,
            "" if self._return_path is None else self._return_path.domain,
            settings.dsn,
            offset(settings.inbox.zone),
            settings.refused,
        )
