"""Entrance: where letters come in — the door of this process, or a crew of workers."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Protocol

from relay.clock import Clock
from relay.config import Config
from relay.filters.base import Alerts
from relay.ingress.policy import Policy
from relay.ingress.server import Door
from relay.mail.events import Emit
from relay.mail.ids import Ids
from relay.mail.instant import Instant
from relay.service.crew import Crew
from relay.store.base import Store

Around = tuple[Store, Clock, Ids, Emit, Alerts]


class Entrance(Protocol):
    """What a running relay asks of it."""

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """See Door.addresses."""
        ...

    @property
    def sessions_open(self) -> int:
        """See Door.sessions_open."""
        ...

    @property
    def is_open(self) -> bool:
        """True while letters are taken."""
        ...

    @property
    def workers(self) -> int:
        """How many workers take letters; 0 where the main process does."""
        ...

    async def start(self) -> None:
        """Listen. Raises OSError, ValueError."""
        ...

    async def prepare(self, policy: Policy, config: Config) -> None:
        """Before a swap: raises ValueError where it cannot be; then nothing has changed."""
        ...

    def swap(self, policy: Policy) -> None:
        """What was prepared counts from each session's next message on."""
        ...

    async def drain(self) -> None:
        """See Door.drain."""
        ...


class OwnDoor(Door):
    """The door of a relay without workers."""

    workers = 0

    @property
    def is_open(self) -> bool:
        """See Entrance."""
        return bool(self._listeners) and not self._is_draining

    async def prepare(self, policy: Policy, config: Config) -> None:
        """See Entrance."""
        self.check(policy)


def entrance(
    config: Config,
    policy: Policy,
    around: Around,
    sockets: Mapping[str, Sequence[socket.socket]],
    recent: Sequence[tuple[Instant, int]],
) -> Entrance:
    """By `workers:`; see :class:`Door` for the arguments."""
    if config.settings.workers:
        return Crew(config, policy, around, sockets, recent)
    return OwnDoor(policy, config.settings.listen, *around, sockets, recent)
