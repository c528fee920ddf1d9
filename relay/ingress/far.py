"""Far: what a worker has in place of the store: the main process at the other end of a link.

The contract
- `take` returns when the main process has committed the letter. Where the link is lost before the
  answer, nobody here knows whether it was: the worker ends without a reply, so that the client
  sees none and sends again. Never is a 250 said for what is not on disk.
- What a worker refuses, warns of or logs is told in order; events of letters are the main
  process's own.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Final

from relay.ingress import carried
from relay.ingress.auth import TooManyAtOnceError
from relay.ingress.link import Fault, Link, LinkLost
from relay.ingress.policy import Policy
from relay.mail.envelope import Message
from relay.mail.events import Event, Refused
from relay.store.base import StoreDead, StoreError
from relay.store.turned_away import RefusedLetter

_FAULTS: Final[dict[str, type[Exception]]] = {
    kind.__name__: kind for kind in (StoreError, StoreDead, TooManyAtOnceError)
}


class FarIntake:
    """See Intake."""

    def __init__(self, link: Link, state_dir: Path) -> None:
        """`state_dir`: on whose disk letters will lie."""
        self._link = link
        self._state_dir = state_dir

    async def take(self, message: Message, policy: Policy) -> None:
        """See Intake.take."""
        said, parts = await carried.of_message(message)
        try:
            await self._link.ask("take", policy.number, *said, parts=parts)
        except Fault as fault:
            raise _as_here(fault) from None
        except LinkLost:  # this process ends within the moment; until then no 451 may be said
            await asyncio.get_running_loop().create_future()

    async def keep_refused(
        self, letter: RefusedLetter, octets: bytes, since: int, most: int
    ) -> int:
        """See TurnedAway.keep_refused."""
        said = carried.of_refused(letter)
        try:
            (id,), _ = await self._link.ask("keep_refused", since, most, said, parts=[octets])
        except Fault as fault:
            raise _as_here(fault) from None
        return int(id)

    def free_bytes(self) -> tuple[int, int]:
        """See Store.free_bytes."""
        disk = os.statvfs(self._state_dir)
        return disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize


class FarAuthenticator:
    """See Authenticator: delays and turns count for all workers together."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def verify(self, client: str, name: bytes, password: bytes) -> str | None:
        """See Authenticator.verify."""
        try:
            (user,), _ = await self._link.ask("verify", client, parts=[name, password])
        except Fault as fault:
            raise _as_here(fault) from None
        return None if user is None else str(user)


class Telling:
    """What happens in a worker, for the main process's log, metrics and alerts."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def emit(self, event: Event) -> None:
        """A refusal: all other events are made where the store is."""
        assert isinstance(event, Refused)  # noqa: S101 - the door itself makes no other
        self._link.tell("refused", carried.of_refusal(event))

    def alert(self, name: str, detail: str) -> None:
        """See Alerts.alert."""
        self._link.tell("alert", name, detail)


class FarLog(logging.Handler):
    """The program's own words, with their tracebacks, for the main process's log."""

    def __init__(self, link: Link, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._link = link
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        """From any thread."""
        said = (record.levelno, record.name, self.format(record))
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._link.tell, "record", *said)


def _as_here(fault: Fault) -> Exception:
    """As the same call would have raised beside the store."""
    kind = _FAULTS.get(fault.kind)
    return fault if kind is None else kind(str(fault))
