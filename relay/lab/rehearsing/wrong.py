"""Wrong shapers: each with one fault that people have shipped; a benchmark that lets one pass is
none.

Those that are right but for one thing go around the relay's own; the others are simple.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, cast

from relay.lab.rehearsing.sides import Setting, Side, ours
from relay.lab.rehearsing.simple import Simple
from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.events import Event
from relay.mail.instant import MINUTE, SECOND, Instant
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.shaping.base import NOBODY, Identity, Shaping, Short, Wait
from relay.shaping.destination import Destination, Rate

PAUSE: Final = 10 * MINUTE
FIRST: Final = 120.0  # RCPTs a minute, where nothing is configured
_ABOUT_US: Final = (Scope.DESTINATION, Scope.SENDER)


class Around:
    """The relay's own, but for what a subclass says."""

    def __init__(self, setting: Setting) -> None:
        self._inner = ours(setting)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class IgnoresReplies(Around):
    """Whatever is said, it goes on."""

    def feedback(self, *_: object, **__: object) -> Sequence[Event]:
        """See Shaping.feedback."""
        return ()


class NeverRises(Simple):
    """Each refusal halves its rate, for good."""

    def __init__(self) -> None:
        super().__init__()
        self._slowed: dict[str, float] = {}

    def rates(self, destination: Destination, now: Instant) -> tuple[Rate, ...]:
        """As configured, and its own."""
        own = self._slowed.get(destination.key)
        if own is None:
            return destination.profile.rates
        hourly = Rate(max(1, int(own * 60)), timedelta(hours=1))
        return (*destination.profile.rates, hourly)

    def heard(
        self, destination: Destination, read: Classification | None, reply: str, now: Instant
    ) -> None:
        """Halve, and pause."""
        if not _is_refusal(read):
            return
        if now >= self._until.get(destination.key, 0):
            rates = destination.profile.rates
            paces = [rate.count * 60 / rate.window.total_seconds() for rate in rates]
            slowed = self._slowed.get(destination.key, min(paces, default=FIRST))
            self._slowed[destination.key] = slowed / 2
        self.stop(destination, now + PAUSE)


class SnapsBack(Simple):
    """A pause, and then all at once as before."""

    def heard(
        self, destination: Destination, read: Classification | None, reply: str, now: Instant
    ) -> None:
        """Pause."""
        if _is_refusal(read):
            self.stop(destination, now + PAUSE)


class HalvesOnRecipient(Around):
    """What is said of one recipient is taken for the whole provider."""

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
        read = classification
        if (
            read is not None
            and read.scope is Scope.RECIPIENT
            and read.category is Category.RATE_LIMITED
        ):
            read = replace(read, scope=Scope.DESTINATION, action=Action.SLOW_DOWN_PROVIDER)
        return self._inner.feedback(destination, read, reply, now, identity, domain, began_at)


class Forgets(Around):
    """Nothing survives a restart."""

    def dirty(self, now: Instant, is_last: bool = False) -> Mapping[str, str]:
        """See Shaping.dirty."""
        return {}

    def restore(self, states: Mapping[str, str], now: Instant, spent: Sequence[Spent] = ()) -> None:
        """See Shaping.restore."""


class ProbesEachMx(Around):
    """After a refusal the other MX are asked too, one letter each, a minute apart."""

    HOSTS: Final = 3

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._probes: dict[str, list[Instant]] = {}

    def _probe_at(self, destination: Destination, wait: Wait) -> Wait | None:
        """The next probe instead of what the relay's own would wait for."""
        probes = self._probes.get(destination.key)
        if not probes or probes[0] >= wait.until:
            return wait
        return replace(wait, until=probes[0])

    def connect(
        self, destination: Destination, now: Instant, urgency: Urgency = Urgency.TRANSAKSI
    ) -> Wait | Short | None:
        """See Shaping.connect."""
        wait = self._inner.connect(destination, now, urgency)
        if wait is None or not self._is_probe(destination, now):
            return wait
        return None

    def disconnected(self, destination: Destination, now: Instant) -> None:
        """See Shaping.disconnected."""
        self._inner.disconnected(destination, now)

    def _is_probe(self, destination: Destination, now: Instant) -> bool:
        probes = self._probes.get(destination.key)
        return bool(probes) and self._probes[destination.key][0] <= now

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
        if self._is_probe(destination, now) and not ahead:
            return None
        wait = self._inner.peek(destination, domain, units, now, ahead, urgency, identity)
        return wait and self._probe_at(destination, wait)

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
        if self._is_probe(destination, now):
            self._probes[destination.key].pop(0)
            return None
        said = self._inner.admit(destination, domain, units, now, urgency, identity)
        return self._probe_at(destination, said) if isinstance(said, Wait) else said

    def connections(
        self, destination: Destination, now: Instant, urgency: Urgency = Urgency.TRANSAKSI
    ) -> int:
        """See Shaping.connections."""
        allowed = self._inner.connections(destination, now, urgency)
        return max(1, allowed) if self._is_probe(destination, now) else allowed

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
        if _is_refusal(classification) and not self._inner.is_paused(destination.key, now):
            later = [now + n * MINUTE + SECOND for n in range(1, self.HOSTS)]
            self._probes[destination.key] = later
        read = classification
        return self._inner.feedback(destination, read, reply, now, identity, domain, began_at)


def _is_refusal(read: Classification | None) -> bool:
    return (
        read is not None
        and read.action in (Action.SLOW_DOWN_PROVIDER, Action.FIX_CONFIG)
        and read.scope in _ABOUT_US
    )


def _around(kind: type[Around]) -> Any:
    return lambda setting: cast(Shaping, kind(setting))


IGNORES_REPLIES: Final = Side("ignores replies", _around(IgnoresReplies))
NEVER_RISES: Final = Side("never rises", lambda _: NeverRises())
SNAPS_BACK: Final = Side("snaps back", lambda _: SnapsBack())
HALVES_ON_RECIPIENT: Final = Side("halves on 4.2.1", _around(HalvesOnRecipient))
FORGETS: Final = Side("forgets at restart", _around(Forgets))
PROBES_EACH_MX: Final = Side("one probe per MX", _around(ProbesEachMx), falls_over=True)
WRONG: Final = (
    IGNORES_REPLIES,
    NEVER_RISES,
    SNAPS_BACK,
    HALVES_ON_RECIPIENT,
    FORGETS,
    PROBES_EACH_MX,
)
