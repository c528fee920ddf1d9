"""Fallback: the other way that kritis letters go while their own has been closed for too long.

A password reset is worth nothing tomorrow. So where `fallback_route` is set, kritis letters to a
provider (or site) that has been paused for longer than `after`, refused probes included, go by that
host; no other class does, and nothing does whose own way is a host of `routes:`. The host is a
destination of its own, with its own limits, and its own pauses hold here too, as the pause of
everything does. When the provider takes mail again its letters go to its MX again.
"""

from __future__ import annotations

from typing import Final

from relay.mail import events
from relay.mail.instant import SECOND, Instant, iso, millis
from relay.scheduler.hops import is_hop
from relay.scheduler.lane import Lane
from relay.scheduler.parts import Parts
from relay.scheduler.steady import Steady
from relay.shaping.destination import Destination
from relay.transports.base import Route

EVERY: Final = 5 * SECOND  # between two looks for letters whose way is closed


class Fallback:
    """Which letters go the other way now. Costs nothing where none is configured."""

    def __init__(self, parts: Parts, steady: Steady) -> None:
        """`parts` are the scheduler's own, so that a reload reaches here too."""
        self._parts = parts
        self._steady = steady
        self._next_at: Instant = 0
        self._told: dict[str, Instant] = {}  # for which it was told, and since when it is closed

    def instead_of(self, destination: Destination) -> Route | None:
        """The way of kritis letters to that destination; None: their own."""
        set_up = self._parts.tuning.fallback
        if set_up is None or is_hop(destination):
            return None
        since = self._since(destination.key)
        if since is None or self._steady.now() - since <= millis(set_up.after):
            return None
        return set_up.route

    def is_due(self) -> bool:
        """True once in a while, where there is another way at all."""
        now = self._steady.now()
        if self._parts.tuning.fallback is None or now < self._next_at:
            return False
        self._next_at = now + EVERY
        return True

    def leads(self, route: Route, lane: Lane) -> Route | None:
        """The way that a lane carries the letters by whose own is `route`; None: not by this lane
        (any more)."""
        way: Route | None = route
        if lane.is_fallback:
            way = self.instead_of(route.destination)
        return way if way is not None and way.destination.key == lane.destination.key else None

    def tell(self, destination: Destination) -> None:
        """A letter goes the other way now: one alert for each time that its own is closed."""
        key, set_up = destination.key, self._parts.tuning.fallback
        since = self._since(key)
        if set_up is None or since is None or self._told.get(key) == since:
            return
        self._told = {k: at for k, at in self._told.items() if self._is_closed(k)} | {key: since}
        detail = (
            f"{key} has been paused since {iso(since)}: kritis letters to it go by"
            f" {set_up.route.destination.key} until it takes mail again"
        )
        self._parts.emit(events.Alert(self._parts.clock.now(), f"fallback_route:{key}", detail))

    def _is_closed(self, key: str) -> bool:
        return self._since(key) is not None

    def _since(self, key: str) -> Instant | None:
        return self._parts.shaper.closed_since(key, self._steady.now())
