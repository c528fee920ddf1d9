"""What the scheduler asks of shaping, as a protocol: two permits, feedback, what to show and keep.

Pure: every method gets `now`. One instance a process, called from one thread, so limits are exact
for free. State that must survive a restart leaves by `dirty()` and comes back by `restore()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from relay.mail.classification import Classification
from relay.mail.events import Event
from relay.mail.instant import Instant
from relay.shaping.destination import Destination, Rate


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before `until`, and why, in one sentence.

    `domain`: only that domain waits; its destination would take another's letter.
    """

    until: Instant
    why: str
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A destination as `providers` shows it. `rate_now` is RCPTs a minute at most, now."""

    key: str
    provider: str | None
    state: Literal["ok", "slow", "paused", "probing"]
    paused_until: Instant | None
    why: str
    limits: tuple[Rate, ...]
    rate_now: float | None
    connections: int
    connections_open: int
    last_reply: str
    last_reply_at: Instant | None


class Shaping(Protocol):
    """The shaper."""

    def connect(self, destination: Destination, now: Instant) -> Wait | None:
        """Permit one: None and one more connection counts as open; or not before."""
        ...

    def disconnected(self, destination: Destination, now: Instant) -> None:
        """A counted connection is gone."""
        ...

    def peek(
        self, destination: Destination, domain: str, units: int, now: Instant, ahead: int = 0
    ) -> Wait | None:
        """Would `admit` say yes now, after `ahead` units that are under way? Spends nothing."""
        ...

    def admit(self, destination: Destination, domain: str, units: int, now: Instant) -> Wait | None:
        """Permit two, immediately before MAIL: None and `units` RCPTs are spent; or not before."""
        ...

    def connections(self, destination: Destination, now: Instant) -> int:
        """How many connections may be open now, and so how many letters may be under way."""
        ...

    def refund(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        admitted_at: Instant | None = None,
    ) -> None:
        """Units admitted at `admitted_at` (None: last) whose RCPT was never written come back."""
        ...

    def feedback(
        self,
        destination: Destination,
        classification: Classification | None,
        reply: str,
        now: Instant,
    ) -> Sequence[Event]:
        """What a reply means for the destination (None: accepted). Returns Paused, Resumed …"""
        ...

    def messages_per_connection(self, destination: Destination, now: Instant) -> int | None:
        """How many letters a session may carry."""
        ...

    def pause(self, destination: str, until: Instant | None, why: str, now: Instant) -> None:
        """By hand; `until` None: until `resume`. `*` is everything."""
        ...

    def resume(self, destination: str, why: str, now: Instant) -> bool:
        """By hand. False if it was not paused."""
        ...

    def is_paused(self, destination: str, now: Instant) -> bool:
        """True while nothing may be sent there."""
        ...

    def standings(self, now: Instant) -> list[Standing]:
        """All destinations that have a state worth showing."""
        ...

    def dirty(self, now: Instant) -> Mapping[str, str]:
        """State changed since the last call, as JSON text by key; to be kept by the store."""
        ...

    def restore(self, states: Mapping[str, str], now: Instant) -> None:
        """At start. What cannot be read is an error that names the key; the rest is taken."""
        ...
