"""Simple: a shaping that keeps the configured limits and learns nothing; baselines build on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Failure
from relay.mail.events import Event
from relay.mail.instant import SECOND, Instant
from relay.mail.reply import Reply, Stage
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.replies import failures
from relay.shaping.base import NOBODY, Explained, Identity, Short, Standing, Wait
from relay.shaping.destination import Destination, Rate
from relay.shaping.windows import Meter

UNLIMITED: Final = 100  # connections
BANNER: Final = "plain.connect"


class Plain:
    """Implements scheduler.Classifier as most servers read replies: a 5 is final, a 4 is for this
    letter only, whatever the words say."""

    def classify(self, reply: Reply, mx: str = "", provider: str | None = None) -> Classification:
        """See Classifier.classify."""
        rule = f"plain.{(reply.stage or Stage.CONNECT).word}"
        if reply.is_permanent:
            return Classification(Category.OTHER, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, rule)
        return Classification(Category.OTHER, Scope.RECIPIENT, Action.RETRY_LATER, rule)

    def overruled(self, said: Classification, reply: Reply, mx: str = "") -> None:
        """No site has a rule here."""

    def classify_failure(self, failure: Failure) -> Classification:
        """See Classifier.classify_failure."""
        return failures.classify(failure)

    def is_documented(self, said: Classification, mx: str) -> bool:
        """It knows nobody's words."""
        return False


class Simple:
    """Implements shaping.base.Shaping."""

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}
        self._open: dict[str, int] = {}
        self._until: dict[str, Instant] = {}

    # --- what a baseline says otherwise

    def rates(self, destination: Destination, now: Instant) -> tuple[Rate, ...]:
        """What is kept; as configured."""
        return destination.profile.rates

    def most(self, destination: Destination, now: Instant) -> int:
        """Connections; as configured."""
        return destination.profile.connections or UNLIMITED

    def heard(
        self, destination: Destination, read: Classification | None, reply: str, now: Instant
    ) -> None:
        """A reply, or an acceptance; nothing follows from it."""

    def stop(self, destination: Destination, until: Instant) -> None:
        """Nothing more there before that moment."""
        self._until[destination.key] = max(until, self._until.get(destination.key, 0))

    # --- permits

    def connect(
        self, destination: Destination, now: Instant, urgency: Urgency = Urgency.TRANSAKSI
    ) -> Wait | None:
        """See Shaping.connect."""
        until = self._until.get(destination.key, 0)
        if now < until:
            return Wait(until, "stopped")
        if self._open.get(destination.key, 0) >= self.most(destination, now):
            return Wait(now + SECOND, "as many connections as may be are open")
        self._open[destination.key] = self._open.get(destination.key, 0) + 1
        return None

    def disconnected(self, destination: Destination, now: Instant) -> None:
        """See Shaping.disconnected."""
        self._open[destination.key] -= 1

    def peek(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        ahead: int = 0,
        urgency: Urgency = Urgency.TRANSAKSI,
        identity: Identity = NOBODY,
    ) -> Wait | None:
        """See Shaping.peek."""
        until = self._until.get(destination.key, 0)
        if now < until:
            return Wait(until, "stopped")
        at = self._meter(destination, now).free_at(units, now, ahead)
        return Wait(at, "the limit") if at > now else None

    def admit(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        urgency: Urgency = Urgency.TRANSAKSI,
        identity: Identity = NOBODY,
    ) -> Wait | Short | None:
        """See Shaping.admit."""
        wait = self.peek(destination, domain, units, now)
        if wait is None:
            self._meter(destination, now).add(units, now)
        return wait

    def _meter(self, destination: Destination, now: Instant) -> Meter:
        rates = self.rates(destination, now)
        meter = self._meters.get(destination.key)
        if meter is None or meter.rates != rates:
            meter = self._meters[destination.key] = Meter(rates)
        return meter

    def connections(
        self, destination: Destination, now: Instant, urgency: Urgency = Urgency.TRANSAKSI
    ) -> int:
        """See Shaping.connections."""
        return self.most(destination, now)

    def refund(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        admitted_at: Instant | None = None,
        identity: Identity = NOBODY,
    ) -> None:
        """See Shaping.refund."""
        self._meter(destination, now).take_back(units, admitted_at)

    def feedback(
        self,
        destination: Destination,
        classification: Classification | None,
        reply: str,
        now: Instant,
        identity: Identity = NOBODY,
        domain: str = "",
        began_at: Instant | None = None,
    ) -> Sequence[Event]:
        """See Shaping.feedback."""
        self.heard(destination, classification, reply, now)
        return ()

    def is_full(self, destination: Destination, now: Instant) -> bool:
        """See Shaping.is_full."""
        return self._open.get(destination.key, 0) >= self.most(destination, now)

    def messages_per_connection(self, destination: Destination, now: Instant) -> int | None:
        """See Shaping.messages_per_connection."""
        return destination.profile.messages_per_connection

    def wants_new(self, destination: Destination, now: Instant) -> bool:
        """See Shaping.wants_new."""
        return False

    def is_probing(self, destination: Destination, now: Instant) -> bool:
        """See Shaping.is_probing."""
        return False

    def shut_names(self, destination: Destination, now: Instant) -> Mapping[str, Instant]:
        """See Shaping.shut_names."""
        return {}

    # --- by hand: nobody does

    def pause(self, destination: str, until: Instant | None, why: str, now: Instant) -> None:
        """See Shaping.pause."""

    def resume(self, destination: str, why: str, now: Instant) -> bool:
        """See Shaping.resume."""
        return False

    def is_paused(self, destination: str, now: Instant) -> bool:
        """See Shaping.is_paused."""
        return now < self._until.get(destination, 0)

    def closed_since(self, destination: str, now: Instant) -> Instant | None:
        """See Shaping.closed_since."""
        return None

    def shown_keys(self) -> list[str]:
        """See Shaping.shown_keys."""
        return []

    def open_keys(self) -> list[str]:
        """See Shaping.open_keys. None of these ever stops everything."""
        return []

    def shown(self, key: str, now: Instant) -> Standing:
        """See Shaping.shown."""
        return Standing(key, None, "ok", None, "", (), None, 0, 0, "", None)

    def explain(
        self, destination: Destination, domain: str, now: Instant, urgency: Urgency
    ) -> Explained:
        """See Shaping.explain."""
        count = self.most(destination, now)
        return Explained(destination.key, None, "ok", "", (), None, None, None, None, count)

    # --- nothing is set aside, and nothing kept

    def setting_aside(self, now: Instant) -> Sequence[Spent]:
        """See Shaping.setting_aside."""
        return ()

    def set_aside(self, rows: Sequence[Spent], now: Instant) -> None:
        """See Shaping.set_aside."""

    def not_set_aside(self, rows: Sequence[Spent]) -> None:
        """See Shaping.not_set_aside."""

    def lapsed(self, now: Instant) -> Sequence[Event]:
        """See Shaping.lapsed."""
        return ()

    def corrections(self, now: Instant) -> Sequence[Spent]:
        """See Shaping.corrections."""
        return ()

    def dirty(self, now: Instant, is_last: bool = False) -> Mapping[str, str]:
        """See Shaping.dirty."""
        return {}

    def restore(self, states: Mapping[str, str], now: Instant, spent: Sequence[Spent] = ()) -> None:
        """See Shaping.restore."""
