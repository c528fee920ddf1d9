"""Returning: one relay's return path — its addresses on the way out, its door on the way in."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from relay.clock import Clock
from relay.config import Config
from relay.control import Command, ControlError
from relay.filters.base import Alerts
from relay.ingress.bounces import ReturnDoor
from relay.ingress.noting import Noting
from relay.ingress.policy import Policy
from relay.mail import ids
from relay.mail.address import parse_domain
from relay.mail.events import Emit
from relay.mail.ids import Ids
from relay.mail.return_path import ReturnPath
from relay.service.secrets import return_keys
from relay.store.base import Store
from relay.store.returns import Returns
from relay.transports.base import Job


def path_of(config: Config) -> ReturnPath | None:
    """The return path, its key made at the first start; None where no domain is set. Raises
    OSError, StoreError."""
    domain = config.settings.return_path.domain
    if domain is None:
        return None
    return ReturnPath(return_keys(config.state_dir), parse_domain(domain).name)


def sender_of(path: ReturnPath, clock: Clock, job: Job) -> str:
    """The envelope sender of a job of one delivery; of several, the letter's own."""
    if len(job.deliveries) != 1:
        return job.letter.sender
    (delivery,) = job.deliveries
    received_at = job.letter.received_at
    return path.address(delivery.message_id, delivery.n, received_at, clock.now())


Around = tuple[Store, Clock, Ids, Emit, Alerts]


class ReturnCommands:
    """What the control socket answers about kept letters."""

    def __init__(self, store: Returns, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def table(self) -> dict[str, Command]:
        """Command → answer."""
        return {"returns.rm": self.rm}

    async def rm(self, params: dict[str, Any], who: str) -> dict[str, Any]:
        """Remove letters that somebody dealt with."""
        reason = str(params.get("reason", "")).strip()
        if not reason:
            raise ControlError("a reason is needed: it is kept in the audit trail")
        try:
            named = [ids.read(str(one))[0] for one in params["ids"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ControlError(f"name the letters by their ids: {error}") from None
        now = self._clock.now()
        return {"removed": await self._store.drop_returns(named, who, reason, now)}


class Returning:
    """The door of the return path, where there is one; it opens last and closes with the others."""

    def __init__(
        self,
        config: Config,
        path: ReturnPath | None,
        policy: Policy,
        around: Around,
        sockets: Mapping[str, Sequence[socket.socket]],
        struck: Callable[[Sequence[str]], None],
    ) -> None:
        """Nothing is opened before `start`. `struck` hears of addresses on which there is something
        now."""
        self._door: ReturnDoor | None = None
        settings, (store, clock, names, emit, alerts) = config.settings.return_path, around
        if path is None or not settings.listen:
            return
        self._noting = Noting(
            store,
            path,
            config.classifier,
            clock,
            names,
            emit,
            alerts,
            struck,
            config.hostname,
            config.settings.life,
            config.settings.dsn.mode,
        )
        self._door = ReturnDoor(
            policy, settings, path, store, clock, names, emit, alerts, self._noting, sockets
        )

    @property
    def addresses(self) -> list[str]:
        """`host:port` of its listeners."""
        if self._door is None:
            return []
        return [f"{host}:{port}" for host, port in self._door.addresses]

    async def start(self) -> None:
        """Listen. Raises OSError naming the address."""
        if self._door is not None:
            await self._door.start()

    def check(self, policy: Policy) -> None:
        """Raises ValueError where the policy cannot be taken."""
        if self._door is not None:
            self._door.check(policy)

    def swap(self, policy: Policy, config: Config) -> None:
        """From the next letter on."""
        if self._door is not None:
            self._door.swap(policy)
            self._noting.classifier = config.classifier
            self._noting.hostname, self._noting.life = config.hostname, config.settings.life
            self._noting.mode = config.settings.dsn.mode

    async def drain(self) -> None:
        """Stop accepting; let open sessions finish."""
        if self._door is not None:
            await self._door.drain()
