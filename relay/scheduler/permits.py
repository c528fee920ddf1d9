"""DestinationPermits: shaping's two permits, bound to one destination and one flight."""

from __future__ import annotations

from collections.abc import Callable

from relay.mail.instant import Instant
from relay.scheduler.steady import Steady
from relay.shaping.base import Shaping
from relay.shaping.destination import Destination
from relay.transports.base import NotYet


def _nothing() -> None:
    return None


class DestinationPermits:
    """Implements transports.base.Permits. `on_admitted` is called once, when units are spent."""

    def __init__(self, shaper: Shaping, destination: Destination, steady: Steady) -> None:
        """A session that was opened with this one's permit outlives the flight."""
        self._shaper = shaper
        self._destination = destination
        self._steady = steady
        self.is_admitted = False
        self._admitted_at: Instant | None = None
        self.has_answer = False  # the transport gave attempts
        self.on_admitted: Callable[[], None] = _nothing

    def connect(self) -> NotYet | None:
        """See Permits.connect."""
        wait = self._shaper.connect(self._destination, self._steady.now())
        return None if wait is None else NotYet(wait.until, wait.why)

    def connected(self) -> None:
        """See Permits.connected."""

    def disconnected(self) -> None:
        """See Permits.disconnected."""
        self._shaper.disconnected(self._destination, self._steady.now())

    def admit(self, units: int, domain: str) -> NotYet | None:
        """See Permits.admit."""
        now = self._steady.now()
        wait = self._shaper.admit(self._destination, domain, units, now)
        if wait is not None:
            return NotYet(wait.until, wait.why)
        if not self.is_admitted:
            self.is_admitted = True
            self.on_admitted()
        self._admitted_at = now
        return None

    def refund(self, units: int, domain: str) -> None:
        """See Permits.refund."""
        now = self._steady.now()
        self._shaper.refund(self._destination, domain, units, now, self._admitted_at)
