"""WorkerDoor: one worker's part of the door, on listeners that all workers share."""

from __future__ import annotations

from collections.abc import Sequence

from relay.clock import Clock
from relay.filters.base import Alerts
from relay.ingress.intake import Behind
from relay.ingress.listening import Listener
from relay.ingress.policy import Policy
from relay.ingress.server import Door
from relay.ingress.settings import ListenSettings
from relay.mail.events import Emit
from relay.mail.ids import Ids


class WorkerDoor(Door):
    """`policy` holds this worker's part of `max_sessions` and of `memory`."""

    at_once = 1  # the next connection is for whoever has time, perhaps another worker

    def __init__(
        self,
        policy: Policy,
        shared: Sequence[Listener],
        behind: Behind,
        clock: Clock,
        names: Ids,
        emit: Emit,
        alerts: Alerts,
    ) -> None:
        """`shared`: bound and listening; this process holds copies of them."""
        listen = [
            ListenSettings.model_validate({"address": one.name, "tls": one.tls}) for one in shared
        ]
        super().__init__(policy, listen, behind, clock, names, emit, alerts)
        self._shared = list(shared)
        self.is_everybody_full = False

    def _opened(self) -> list[Listener]:
        return self._shared

    @property
    def is_full(self) -> bool:
        """True while it leaves new connections to the others."""
        return self._is_full

    def _turn_away(self) -> None:
        """While another worker has room, those that wait are its clients."""
        if self.is_everybody_full:
            super()._turn_away()
        elif self._is_full and not self._is_draining:
            self._be_patient()
