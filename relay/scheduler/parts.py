"""Parts: what a scheduler works with, and what a reload may change of its decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from relay.clock import Clock
from relay.mail.classification import Classification
from relay.mail.delivery import Failure
from relay.mail.events import Emit
from relay.mail.ids import Ids
from relay.mail.reply import Reply
from relay.scheduler.fuses import Fuses
from relay.shaping.base import Shaping
from relay.shaping.settings import LifeSettings, NxdomainSettings, RetrySettings
from relay.store.base import Queue
from relay.transports.base import Route, Router, Transport


class Classifier(Protocol):
    """What reads replies."""

    def classify(self, reply: Reply, mx: str = "", provider: str | None = None) -> Classification:
        """See replies.classify."""
        ...

    def classify_failure(self, failure: Failure) -> Classification:
        """See replies.classify."""
        ...


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


@dataclass(slots=True)
class Parts:
    """What a scheduler works with; `router`, `classifier` and `tuning` are replaced by a reload."""

    store: Queue
    router: Router
    transport: Transport
    shaper: Shaping
    classifier: Classifier
    clock: Clock
    names: Ids
    emit: Emit
    tuning: Tuning
    fuses: Fuses = field(init=False)

    def __post_init__(self) -> None:
        """The fuses go by the store that the road goes by."""
        self.fuses = Fuses(self.store, self.clock, self.emit)
