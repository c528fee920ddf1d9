"""Doorway: from a configuration to what the door goes by, in whichever process the door is."""

from __future__ import annotations

from collections.abc import Collection
from importlib import resources
from pathlib import Path
from typing import Protocol

from relay.config.settings import RelaySettings
from relay.filters import loading, rules
from relay.filters.base import Alerts
from relay.filters.loading import Supplies
from relay.filters.pipeline import Pipeline
from relay.ingress.policy import Policy, certificate


class Written(Protocol):
    """The door's part of a Config. `keys`: the domains that letters are signed for."""

    @property
    def file(self) -> Path:
        """`relay.yaml`, beside which other files lie."""
        ...

    @property
    def settings(self) -> RelaySettings:
        """What it says."""
        ...

    @property
    def hostname(self) -> str:
        """The relay's own name."""
        ...

    @property
    def keys(self) -> Collection[str]:
        """Domains that have a key."""
        ...


def pipeline(written: Written, alerts: Alerts) -> Pipeline:
    """The filters in YAML's order. Raises SourceError."""
    settings = written.settings
    text = resources.files("relay.filters").joinpath("classes.yaml").read_text(encoding="utf-8")
    supplies = Supplies(
        written.hostname,
        settings.allowed_senders,
        (*rules.of_site(settings.classes, str(written.file)), *rules.shipped(text)),
        frozenset(written.keys),
        alerts,
        settings.inbox.zone,
    )
    return loading.pipeline(settings.filters, supplies, str(written.file))


def policy(written: Written, filters: Pipeline) -> Policy:
    """What the door goes by. Raises OSError, ssl.SSLError for a bad certificate."""
    settings, folder = written.settings, written.file.parent
    tls = None
    if settings.certificate.certificate_file is not None:
        key = settings.certificate.key_file
        tls = certificate(
            folder / settings.certificate.certificate_file, folder / key if key else None
        )
    return Policy(
        written.hostname,
        settings.trusted_networks,
        filters,
        settings.ingress,
        settings.auth,
        settings.life,
        settings.disk,
        tls,
        settings.dsn,
        settings.refused,
    )
