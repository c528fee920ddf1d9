"""Disk: whether the store's disk has room; asked at most once a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from relay.filters.base import Alerts
from relay.store.settings import DiskSettings

EVERY: Final = 1.0  # seconds


class Disk:
    """Refuses below the reserve, alerts below twice of it."""

    def __init__(self, free_bytes: Callable[[], tuple[int, int]], alerts: Alerts) -> None:
        self._free_bytes = free_bytes
        self._alerts = alerts
        self._asked_at: float | None = None
        self._is_low = False

    def is_low(self, settings: DiskSettings, now: float) -> bool:
        """True where no letter may be taken. `now`: monotonic seconds."""
        if self._asked_at is None or now - self._asked_at >= EVERY:
            self._asked_at = now
            self._look(settings)
        return self._is_low

    def _look(self, settings: DiskSettings) -> None:
        free, total = self._free_bytes()
        reserve = max(settings.reserve, int(total * settings.reserve_percent / 100))
        self._is_low = free < reserve
        if free < 2 * reserve:
            state = "the door answers 452" if self._is_low else f"at {reserve} it answers 452"
            self._alerts.alert("low_disk", f"{free} octets free: {state}")
