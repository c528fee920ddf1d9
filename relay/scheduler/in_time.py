"""InTime: a flight's permits, refused at the last moment where the letter's time has run out.

A session may take minutes to greet; a password's link of yesterday must not leave for that.
"""

from __future__ import annotations

from collections.abc import Sequence

from relay.clock import Clock
from relay.mail.delivery import Delivery, is_over
from relay.transports.base import NotYet, Permits


class InTime:
    """Implements transports.base.Permits. What it refuses comes back, and is ended there."""

    def __init__(self, permits: Permits, deliveries: Sequence[Delivery], clock: Clock) -> None:
        self._permits = permits
        self._deliveries = deliveries
        self._clock = clock

    async def connect(self) -> NotYet | None:
        """See Permits.connect."""
        return await self._permits.connect()

    def connected(self) -> None:
        """See Permits.connected."""
        self._permits.connected()

    def disconnected(self) -> None:
        """See Permits.disconnected."""
        self._permits.disconnected()

    async def admit(self, units: int, domain: str) -> NotYet | None:
        """See Permits.admit."""
        now = self._clock.now()
        if any(is_over(delivery, now) for delivery in self._deliveries):
            return NotYet(now, "its time was over before the session was ready")
        return await self._permits.admit(units, domain)

    def refund(self, units: int, domain: str) -> None:
        """See Permits.refund."""
        self._permits.refund(units, domain)
