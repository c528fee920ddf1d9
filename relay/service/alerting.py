"""Alerting: the ways of `alerts:` built from a configuration, and what the control socket says."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from relay.clock import Clock
from relay.config import Config, SourceError
from relay.config.keys import secret
from relay.control import Command as Answer
from relay.control import ControlError
from relay.mail.events import Paused
from relay.mail.instant import Instant, iso, millis
from relay.observe.alerts import Alerts, Raised
from relay.observe.command import Command
from relay.observe.mailing import Host, Mailing
from relay.observe.meanings import meaning_of
from relay.observe.notice import SITE, said
from relay.observe.notifying import Notifying, Told
from relay.observe.settings import AlertSettings
from relay.observe.ways import Way
from relay.observe.webhook import Webhook
from relay.shaping.base import Standing
from relay.transports.hop import parse_hop


def ways(config: Config, clock: Clock) -> list[Told]:
    """`alerts:` as it stands. Raises SourceError for a secret that cannot be read any more.

    A way's label is its kind; of several of one kind `webhook`, `webhook-2`, in YAML's order.
    """
    made, kinds = [], Counter[str]()
    for n, settings in enumerate(config.settings.alerts):
        kinds[settings.kind] += 1
        count = kinds[settings.kind]
        label = settings.kind if count == 1 else f"{settings.kind}-{count}"
        try:
            way = _way(settings, config, clock)
        except ValueError as error:
            raise SourceError([config.problem(("alerts", n), str(error))]) from None
        made.append(Told(label, way, settings.only, millis(settings.every)))
    return made


def _way(settings: AlertSettings, config: Config, clock: Clock) -> Way:
    folder = config.file.parent.absolute()
    roots = folder / settings.ca_file if settings.ca_file is not None else None
    if settings.webhook is not None:
        return Webhook(settings.webhook, _secret(folder, settings.secret_file), roots)
    if settings.command is not None:
        program, *arguments = settings.command
        return Command((str(folder / program), *arguments), clock, os.environ)
    password = _secret(folder, settings.password_file)
    hop = parse_hop(settings.via or "", password)
    if hop is None:
        raise ValueError("mail needs via: smtp://host:port")
    host = Host(hop.host, hop.port, hop.is_implicit, hop.user, hop.password, roots)
    sender = settings.sender or f"lpse-relay@{config.hostname}"
    return Mailing(settings.mail or "", sender, host)


def _secret(folder: Path, file: Path | None) -> str | None:
    """The first line of a secret's file, without blanks around. Raises ValueError."""
    return None if file is None else secret(folder / file).strip()


def remember(alerts: Alerts, standings: Iterable[Standing], now: Instant) -> None:
    """Pauses that a restart kept stand again; nobody is told anew."""
    for one in standings:
        if one.state == "paused":
            label = one.provider or SITE
            alerts.heard(Paused(now, label, one.key, one.paused_until, one.why))


class AlertCommands:
    """`alerts.ls` and `alerts.test` at the control socket."""

    def __init__(self, alerts: Alerts, notifying: Notifying) -> None:
        """Both are the running relay's."""
        self._alerts = alerts
        self._notifying = notifying

    def table(self) -> dict[str, Answer]:
        """Command → answer."""
        return {"alerts.ls": self.ls, "alerts.test": self.test}

    async def ls(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """What stands, and how the ways do."""
        rows = [_shape(raised) for raised in self._alerts.current()]
        return {"alerts": rows, "ways": self._notifying.shapes()}

    async def test(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """A test message by each way."""
        results = await self._notifying.test(who)
        if not results:
            raise ControlError("alerts reach nobody: no way is configured (alerts: in relay.yaml)")
        return {"ways": results}


def _shape(raised: Raised) -> dict[str, Any]:
    return {
        "name": raised.name,
        "severity": (raised.severity or meaning_of(raised.name).severity).value,
        "detail": raised.detail,
        "meaning": said(raised.name),
        "first_at": iso(raised.first_at),
        "last_at": iso(raised.last_at),
        "count": raised.count,
    }
