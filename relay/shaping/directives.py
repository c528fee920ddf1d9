"""Directives: what a site's reaction asks of shaping, as it is written and as it is issued.

Written: :class:`SlowBy`, :class:`PauseFor`, :class:`RateOf`, :class:`ConnectionsOf`,
:class:`Alarm`; each issues a directive that names the rule it is from and the key it is for: a
destination's, or `@domain` where one domain alone is meant.
"""

from __future__ import annotations

from dataclasses import dataclass

from relay.mail.instant import Instant
from relay.shaping.destination import Rate


@dataclass(frozen=True, slots=True)
class Slow:
    """The rate that `key` has found for itself, times `factor` (0–1); it grows again by itself."""

    rule: str
    key: str
    factor: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is sent to `key` before `until`."""

    rule: str
    key: str
    until: Instant


@dataclass(frozen=True, slots=True)
class RateFor:
    """At most `rate` to `key` until `until`; it never raises what other limits say."""

    rule: str
    key: str
    rate: Rate
    until: Instant


@dataclass(frozen=True, slots=True)
class ConnectionsFor:
    """At most `connections` open to `key` until `until`."""

    rule: str
    key: str
    connections: int
    until: Instant


@dataclass(frozen=True, slots=True)
class Alert:
    """Somebody is to be told; `text` is a sentence with what was said, foreign words in it."""

    rule: str
    key: str
    text: str


Lasting = Pause | RateFor | ConnectionsFor
Directive = Slow | Lasting | Alert


@dataclass(frozen=True, slots=True)
class SlowBy:
    """`slow 50%`: slower by that share."""

    percent: int

    def issue(self, rule: str, key: str, now: Instant, why: str) -> Slow:
        """At `now`."""
        return Slow(rule, key, (100 - self.percent) / 100)


@dataclass(frozen=True, slots=True)
class PauseFor:
    """`pause 2h`; `span` in milliseconds."""

    span: int

    def issue(self, rule: str, key: str, now: Instant, why: str) -> Pause:
        """At `now`."""
        return Pause(rule, key, now + self.span)


@dataclass(frozen=True, slots=True)
class RateOf:
    """`rate 1/min for 30m`; `span` in milliseconds."""

    rate: Rate
    span: int

    def issue(self, rule: str, key: str, now: Instant, why: str) -> RateFor:
        """At `now`."""
        return RateFor(rule, key, self.rate, now + self.span)


@dataclass(frozen=True, slots=True)
class ConnectionsOf:
    """`connections 1 for 1h`; `span` in milliseconds."""

    connections: int
    span: int

    def issue(self, rule: str, key: str, now: Instant, why: str) -> ConnectionsFor:
        """At `now`."""
        return ConnectionsFor(rule, key, self.connections, now + self.span)


@dataclass(frozen=True, slots=True)
class Alarm:
    """`alert`."""

    def issue(self, rule: str, key: str, now: Instant, why: str) -> Alert:
        """At `now`."""
        return Alert(rule, key, why)


Action = SlowBy | PauseFor | RateOf | ConnectionsOf | Alarm
