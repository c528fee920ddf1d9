"""Sides: what is tried in a rehearsal — a shaping, and with it how replies are read and retried.

Everything else is the same for all of them: scheduler, settle, store, transport, letters, draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from relay.config.shipped import shipped_classifier
from relay.lab.quotas.base import Provider
from relay.mail.instant import Instant
from relay.mail.reply import Reply
from relay.replies.classify import Classifier as Shipped
from relay.scheduler import Classifier
from relay.shaping.base import Shaping
from relay.shaping.profiles import Profiles
from relay.shaping.settings import LifeSettings, NxdomainSettings, PauseSettings, RetrySettings
from relay.shaping.shaper import Shaper
from relay.suppression import SuppressionSettings


@dataclass(frozen=True, slots=True)
class Setting:
    """What a shaping may know when it is made. Only baselines that say so look at `providers`:
    whoever is to be praised sees replies only."""

    book: Profiles
    source: str
    providers: tuple[Provider, ...]
    start: Instant


@dataclass(frozen=True, slots=True)
class Side:
    """One way to send. `falls_over`: to the next MX after any refusal in the banner; `life`: how
    long its letters live; the last two what is made of bad addresses."""

    name: str
    make: Callable[[Setting], Shaping]
    classifier: Classifier = field(default_factory=shipped_classifier)
    retry: RetrySettings = field(default_factory=RetrySettings)
    falls_over: bool = False
    life: LifeSettings = field(default_factory=LifeSettings)
    nxdomain: NxdomainSettings = field(default_factory=NxdomainSettings)
    suppression: SuppressionSettings = field(default_factory=SuppressionSettings)

    def may_fall_over(self, reply: Reply, mx: str) -> bool:
        """After a banner that the rules know nothing of at that host: never after a throttle or a
        block."""
        if self.falls_over:
            return True
        reader = self.classifier
        return isinstance(reader, Shipped) and reader.is_guess(reader.classify(reply, mx))


def ours(setting: Setting) -> Shaping:
    """The relay's own, as it is built for a real one."""
    book = setting.book
    return Shaper(PauseSettings(), book.within, book.names, book.sums(), setting.source)


OURS = Side("ours", ours)
