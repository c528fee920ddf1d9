"""Running: one relay from its first listener to its last commit — start, reload, drain.

Order of the start: lock and store; leases of a crash given back; what was learned restored;
scheduler; web and metrics; the control socket; the door last, when everything behind it stands.
Order of the end: the door stops accepting and lets its sessions finish; the scheduler waits for
replies after a dot; what was learned is kept; the store closes. A store that died ends the process
at once: what was acknowledged is on disk, and what was not is the application's again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta, timezone
from typing import Any, Final, NoReturn

from relay import __version__
from relay.clock import SystemClock
from relay.config import Config, SourceError, counts_anew, load, needs_restart
from relay.control import Command, ControlError
from relay.control.server import ControlServer
from relay.mail.events import Alert, Event
from relay.mail.ids import Ids
from relay.mail.instant import HOUR, Instant
from relay.observe.alerts import Alerts
from relay.observe.health import health_app
from relay.observe.log import EventLog, ProgramLog
from relay.observe.metrics import Metrics
from relay.observe.notify import Notify, listen_fds
from relay.observe.notifying import Notifying
from relay.observe.pulse import Pulse
from relay.observe.sampler import Sampler
from relay.observe.serving import Serving
from relay.service import alerting, build, doorway, published
from relay.service.build import Road
from relay.service.commands import Commands
from relay.service.entrance import entrance
from relay.service.explaining import Explainer
from relay.service.fusing import FuseCommands
from relay.service.memory import Rest, Rings, Trimming, stand
from relay.service.reasons import Reasons
from relay.service.reporting import ReportCommands
from relay.service.requeueing import RequeueCommands
from relay.service.returning import ReturnCommands, Returning, path_of
from relay.service.secrets import link_key
from relay.service.suppressing import SuppressionCommands
from relay.store import sqlite
from relay.store.base import Store, StoreError
from relay.transports.lookup import async_resolver_of
from relay.web.app import inbox_app
from relay.web.dates import offset
from relay.web.links import Linker

DRAIN_EXTENSION: Final = 120.0  # seconds that systemd is asked for
COMPARED: Final = 600.0  # seconds between two looks at our own keys in DNS
LAST_WORDS: Final = 1.0  # seconds between the store's death and the process'

logger = logging.getLogger(__name__)


class Running:
    """The running relay. Built from a Config that was checked; `run` returns when it has ended."""

    def __init__(self, config: Config, started: Callable[[], None] = lambda: None) -> None:
        """Nothing is opened before `run`; it calls `started` when letters are taken."""
        self.config = config
        self._started = started
        self._started_with = config  # what needs a restart is what differs from this
        self._clock = SystemClock()
        self._names = Ids()
        self._rest = Rest(self._clock.monotonic)
        self._stop = asyncio.Event()
        self._reloads = asyncio.Lock()
        self._notify = Notify(os.environ, os.getpid())
        self._compared_at = math.inf  # when our keys were last held against DNS, monotonic
        self._is_draining = False

    async def run(self) -> None:
        """Start, serve until TERM or INT, drain. Raises StoreError, OSError."""
        async with AsyncExitStack() as stack:
            self._log = EventLog(build.log_settings(self.config), self._clock)
            stack.callback(self._log.close)
            program = ProgramLog(self._clock, self.config.settings.log.addresses == "masked")
            program.install()
            stack.callback(program.stop)
            self._notify.extend(DRAIN_EXTENSION)
            self._store: Store = await sqlite.open(self.config.state_dir, self._clock)
            stack.push_async_callback(self._store.close)
            recent = await self._store.accepted_since(self._clock.now() - HOUR)
            self._build(recent)
            await self._serve(stack)

    def _build(self, recent: Sequence[tuple[Instant, int]]) -> None:
        settings = self.config.settings
        self._metrics = Metrics(self.config.profiles.names, lambda: self._log.dropped)
        self._metrics.config_loaded(self._clock.now())
        masked = settings.log.addresses == "masked"
        self._notifying = Notifying(self._clock, self._metrics.alert_told, masked)
        self._notifying.use(alerting.ways(self.config, self._clock), self.config.hostname)
        self._alerts = Alerts(self._emit, self._clock)
        build.referee_keys(self.config, self._alerts, self._clock)
        path = path_of(self.config)
        self._road = Road(
            self.config,
            self._store,
            self._clock,
            self._names,
            self._emit,
            self._metrics.dkim_seconds,
            path,
        )
        filters = doorway.pipeline(self.config, self._alerts)
        self._road.use(filters, self.config)
        policy = doorway.policy(self.config, filters)
        sockets = listen_fds(os.environ, os.getpid())
        around = (self._store, self._clock, self._names, self._emit, self._alerts)
        self._door = entrance(self.config, policy, around, sockets, recent)
        struck = self._road.scheduler.parts.suppressing.note
        self._returning = Returning(self.config, path, policy, around, sockets, struck)
        self._pulse = Pulse(self._store.beat, self._clock, self._notify.watchdog)
        self._sampler = Sampler(
            self._store,
            self._road.each_standing,
            self._road.directory.provider_of,
            self._metrics,
            self._clock,
            self._pulse,
            lambda: self._door.sessions_open,
            Reasons(self._road.shaper, self._road.directory, self._road.scheduler.steady.now).of,
            lambda: self._door.workers,
        )

    def _emit(self, event: Event) -> None:
        self._look_at_ourselves(event)
        self._metrics.on_event(event)
        self._log.on_event(event)
        self._rest.on_event()
        self._notifying.on_event(event, self._alerts.heard(event))

    async def _serve(self, stack: AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        # The pulse goes on while all else ends: a drain may be longer than the watchdog's patience.
        runs = {"pulse": self._pulse.run(), "sampler": self._sampler.run()}
        runs |= {"memory": Trimming(self._rest).run(), "rings": Rings(self._rest).run()}
        self._background = [asyncio.create_task(run, name=name) for name, run in runs.items()]
        self._notifying.start()
        stack.push_async_callback(self._notifying.stop)
        self._compare_keys()
        stack.push_async_callback(self._end_background)
        about = await self._open(stack)
        stand()
        self._pulse.take_lag()  # a start holds the loop, and nobody waits yet
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._on_hup)
        self._notify.ready(f"listening on {', '.join(about['smtp'])}")
        logger.info(
            "listening: SMTP on %s; inbox page on %s; metrics on %s%s",
            ", ".join(about["smtp"]),
            about["web"],
            about["metrics"],
            "".join(f"; return path on {one}" for one in about["returns"]),
        )
        self._started()
        await self._wait()
        await self._drain()

    def _compare_keys(self) -> None:
        """In the background: DNS may be slow, and letters need not wait for it."""
        resolver = async_resolver_of(self.config.settings.dns)
        keys = dict(self.config.keys)
        comparing = published.compare(keys, resolver, self._alerts, self._clock)
        confirming = self._road.confirm(comparing, self._emit)
        self._comparing = asyncio.create_task(confirming, name="published keys")
        self._compared_at = self._clock.monotonic()

    def _look_at_ourselves(self, event: Event) -> None:
        """Where a provider says that something of ours is not set up our own check is made anew."""
        is_of_us = isinstance(event, Alert) and event.name.startswith("fix_config:")
        if is_of_us and self._clock.monotonic() - self._compared_at > COMPARED:
            self._compare_keys()

    async def _end_background(self) -> None:
        tasks = [*self._background, self._comparing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, stack: AsyncExitStack) -> dict[str, Any]:
        """Everything that listens, the door last; each is closed at the end, in reverse."""
        settings = self.config.settings
        await self._road.start()
        now = self._clock.now()
        alerting.remember(self._alerts, self._road.paused(), now)
        stack.push_async_callback(self._say_what_waits)
        stack.push_async_callback(self._stop_road)
        key = link_key(self.config.state_dir)
        port, metrics_port = await self._pages(stack, key)
        await self._returning.start()
        await self._door.start()
        about: dict[str, Any] = {
            "version": __version__,
            "smtp": [f"{host}:{number}" for host, number in self._door.addresses],
            "returns": self._returning.addresses,
            "web": build.with_port(settings.web.listen, port),
            "metrics": build.with_port(settings.metrics.listen, metrics_port),
            "state_dir": str(self.config.state_dir),
        }
        linker = build.linker(settings.web, about["web"], key)
        control = ControlServer(self.config.control, self._table(linker, about))
        await control.start()
        stack.push_async_callback(control.stop)
        return about

    async def _pages(self, stack: AsyncExitStack, key: bytes) -> tuple[int, int]:
        """The inbox page and the metrics; the ports that they listen on."""
        settings = self.config.settings
        page = inbox_app(
            self._store,
            settings.web,
            settings.inbox,
            self._clock,
            [key],
            self._store.accepted_before,
            lambda: self.config.settings.suppression.resend,
        )
        web = Serving(page, "inbox page")
        port = await web.start(settings.web.listen)
        stack.push_async_callback(web.stop)
        metrics = Serving(health_app(self._metrics, self._pulse, self._missing), "metrics")
        metrics_port = await metrics.start(settings.metrics.listen)
        stack.push_async_callback(metrics.stop)
        self._servers = (web, metrics)
        return port, metrics_port

    def _table(self, linker: Linker, about: dict[str, Any]) -> dict[str, Command]:
        """Every command of the control socket."""
        suppressions = self._suppressing()
        explainer = Explainer(
            self._store,
            self._road.shaper,
            self._road.directory,
            self._clock,
            self._road.scheduler.steady.now,
            self._road.scheduler.fallback.instead_of,
            suppressions.not_tried,
            lambda: self._road.scheduler.parts.tuning.return_domain,
        )
        table = self._commands(linker, about, explainer).table() | {"explain": explainer.explain}
        table |= alerting.AlertCommands(self._alerts, self._notifying).table()
        fuses = FuseCommands(self._road.scheduler, self._road.directory.provider_of)
        table |= ReturnCommands(self._store, self._clock).table() | fuses.table()
        table |= self._requeueing().table() | suppressions.table()
        return table | ReportCommands(self._store, self._clock).table()

    def _commands(self, linker: Linker, about: dict[str, Any], explainer: Explainer) -> Commands:
        return Commands(
            self._store,
            self._road.shaper,
            self._road.scheduler,
            self._road.directory,
            self._clock,
            self._road.scheduler.steady.now,
            self._emit,
            self._reload,
            linker.link,
            about,
            explainer.why_now,
        )

    def _requeueing(self) -> RequeueCommands:
        def keep() -> tuple[timedelta, timezone]:
            return self.config.settings.failed.keep, offset(self.config.settings.inbox.zone)

        directory = self._road.directory
        return RequeueCommands(self._store, directory, self._clock, self._emit, keep)

    def _suppressing(self) -> SuppressionCommands:
        note = self._road.scheduler.parts.suppressing.note
        return SuppressionCommands(
            self._store, note, self._clock, lambda: self.config.settings.suppression
        )

    def _missing(self) -> Sequence[str]:
        lacks = []
        if self._store.dead.is_set():
            lacks.append("store")
        if not self._door.is_open or self._is_draining:
            lacks.append("door")
        return lacks

    async def _wait(self) -> None:
        """Until a signal. Ends the process where the store died; raises what ended a task."""
        dead = asyncio.create_task(self._store.dead.wait())
        stop = asyncio.create_task(self._stop.wait())
        watched = [asyncio.create_task(server.wait()) for server in self._servers]
        watched.append(asyncio.create_task(self._road.ended()))
        try:
            done, _ = await asyncio.wait(
                {dead, stop, *watched, *self._background}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in (dead, stop, *watched):
                task.cancel()
        if dead in done:
            await self._die()
        for task in done - {stop}:
            task.result()

    async def _die(self) -> NoReturn:
        """The store's writer is dead. What was acknowledged is on disk; clients that wait get their
        451 within the moment that is left to them; then nothing more may happen here."""
        logger.critical("the store's writer died: ending; what was acknowledged is on disk")
        await asyncio.sleep(LAST_WORDS)
        self._log.close(LAST_WORDS)
        os._exit(1)

    async def _drain(self) -> None:
        self._is_draining = True
        self._notify.stopping("draining")
        self._notify.extend(DRAIN_EXTENSION)
        logger.info("draining: no new letters; open sessions may finish")
        await asyncio.gather(self._door.drain(), self._returning.drain())

    async def _stop_road(self) -> None:
        """A phase of its own: systemd's patience begins anew."""
        self._notify.extend(DRAIN_EXTENSION)
        await self._road.stop()

    async def _say_what_waits(self) -> None:
        """The last word of a drain, when nothing is sent any more."""
        if self._is_draining:
            count = sum(depth.count for depth in await self._store.depths())
            logger.info("stopped; %d %s", count, "letter waits" if count == 1 else "letters wait")

    # --- reload

    def _on_hup(self) -> None:
        self._log.reopen()
        self._reloading = asyncio.create_task(self._reload_and_say(), name="reload")

    async def _reload_and_say(self) -> None:
        self._notify.reloading(self._clock.monotonic())
        try:
            for note in await self._reload():
                logger.warning("reload: %s", note)
            logger.info("reload: the new configuration counts")
        except ControlError as error:
            logger.error("reload refused, the old configuration is kept: %s", error)
        finally:
            self._notify.ready()

    async def _reload(self) -> list[str]:
        """Take the file anew, one after another. Raises ControlError; each refused reload is an
        event of its own."""
        try:
            async with self._reloads:
                notes = await self._swapped()
        except ControlError as error:
            self._metrics.config_refused()
            self._alerts.clear("reload_refused")
            self._alerts.alert("reload_refused", str(error))
            raise
        self._metrics.config_loaded(self._clock.now())
        self._alerts.clear("reload_refused")
        return notes

    async def _swapped(self) -> list[str]:
        """Build all anew and swap; raises ControlError and changes nothing where it has a fault."""
        old = self.config
        try:
            new = await asyncio.to_thread(load, old.file, old.state_dir)
            ways = alerting.ways(new, self._clock)
            pipeline = doorway.pipeline(new, self._alerts)
            policy = doorway.policy(new, pipeline)
            build.referee_keys(new, self._alerts, self._clock)
            self._returning.check(policy)
            await self._door.prepare(policy, new)
            self._road.use(pipeline, new)
        except (SourceError, OSError, ValueError) as error:
            raise ControlError(str(error)) from None
        self._door.swap(policy)
        self._returning.swap(policy, new)
        self._metrics.set_providers(new.profiles.names)
        self._notifying.use(ways, new.hostname)
        self.config = new
        # What is claimed goes by the old limits: it goes back, and is claimed by the new ones.
        try:
            await self._road.scheduler.reroute()
        except StoreError as error:  # they go by the new ones a little later
            logger.error("claimed letters could not be given back at the reload: %s", error)
        self._compare_keys()
        return [*needs_restart(self._started_with, new), *counts_anew(old, new)]
