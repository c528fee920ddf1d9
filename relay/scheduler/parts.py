"""Parts: what a scheduler works with, and what a reload may change of its decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from typing import Protocol

from relay.clock import Clock
from relay.mail.classification import Classification
from relay.mail.delivery import Failure
from relay.mail.events import Emit
from relay.mail.ids import Ids
from relay.mail.reply import Reply
from relay.scheduler.fuses import Fuses
from relay.scheduler.recipients import Recipients
from relay.scheduler.suppressing import Suppressing
from relay.shaping.base import Shaping
from relay.shaping.settings import LifeSettings, NxdomainSettings, RetrySettings
from relay.store.base import Queue
from relay.store.returns import Returns
from relay.store.settings import DsnSettings, RefusedSettings
from relay.store.suppressing import Suppressions
from relay.suppression import SuppressionSettings
from relay.transports.base import Route, Router, Transport


class Classifier(Protocol):
    """What reads replies."""

    def classify(self, reply: Reply, mx: str = "", provider: str | None = None) -> Classification:
        """See replies.classify."""
        ...

    def overruled(self, said: Classification, reply: Reply, mx: str = "") -> Classification | None:
        """See replies.classify."""
        ...

    def classify_failure(self, failure: Failure) -> Classification:
        """See replies.classify."""
        ...

    def is_documented(self, said: Classification, mx: str) -> bool:
        """See replies.classify."""
        ...


class RoadStore(Queue, Suppressions, Returns, Protocol):
    """What the road asks of the store."""


@dataclass(frozen=True, slots=True)
class FallbackRoute:
    """The other way of kritis letters, and how long their own must have been closed."""

    route: Route
    after: timedelta


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a reload may change of the scheduler's decisions."""

    hostname: str
    retry: RetrySettings = field(default_factory=RetrySettings)
    nxdomain: NxdomainSettings = field(default_factory=NxdomainSettings)
    life: LifeSettings = field(default_factory=LifeSettings)
    fallback: FallbackRoute | None = None
    suppression: SuppressionSettings = field(default_factory=SuppressionSettings)
    return_domain: str = ""  # of the envelope senders that are made for each delivery
    dsn: DsnSettings = field(default_factory=DsnSettings)
    zone: tzinfo = UTC
    refused: RefusedSettings = field(default_factory=RefusedSettings)


@dataclass(slots=True)
class Parts:
    """What a scheduler works with; `router`, `classifier` and `tuning` are replaced by a reload."""

    store: RoadStore
    router: Router
    transport: Transport
    shaper: Shaping
    classifier: Classifier
    clock: Clock
    names: Ids
    emit: Emit
    tuning: Tuning
    fuses: Fuses = field(init=False)
    suppressing: Suppressing = field(init=False)
    recipients: Recipients = field(default_factory=Recipients)

    def __post_init__(self) -> None:
        """Fuses and the list go by the store that the road goes by."""
        self.suppressing = Suppressing(self.store, self.store, self.clock)
        self.fuses = Fuses(self.store, self.store, self.clock, self.emit, self.suppressing)
