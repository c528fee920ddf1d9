"""DestinationPermits: shaping's two permits, bound to one destination and one flight."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from relay.mail.instant import SECOND, Instant
from relay.mail.urgency import Urgency
from relay.scheduler.lane import Lane
from relay.scheduler.setting_aside import SettingAside
from relay.scheduler.steady import Steady
from relay.shaping.base import NOBODY, Identity, Shaping, Short, Wait
from relay.shaping.destination import Destination
from relay.store.base import StoreDead, StoreError
from relay.transports.base import NotYet

TRIES: Final = 5  # commits that one letter waits for; others may take what was set aside

logger = logging.getLogger(__name__)


def _nothing() -> None:
    return None


class DestinationPermits:
    """Implements transports.base.Permits. `on_admitted` is called once, when units are spent."""

    def __init__(
        self,
        shaper: Shaping,
        destination: Destination,
        steady: Steady,
        aside: SettingAside,
        urgency: Urgency = Urgency.TRANSAKSI,
    ) -> None:
        """A session that was opened with this one's permit outlives the flight."""
        self._shaper = shaper
        self._destination = destination
        self._steady = steady
        self._aside = aside
        self._urgency = urgency
        self.identity: Identity = NOBODY  # known once the letter is read
        self.is_admitted = False
        self.waits_for_name = False  # not for what all letters wait for: others would be admitted
        self.began_at: Instant | None = None  # when the last permit was given
        self.on_admitted: Callable[[], None] = _nothing

    def names_to_ask(self, lane: Lane) -> tuple[str, ...] | None:
        """The names of ours that the letter may ask for, refused as they are; None: it may not be
        sent, for another one asks, or it is not time yet."""
        now = self._steady.now()
        refused = self._shaper.shut_names(self._destination, now)
        names = tuple(name for name in self.identity.names if name in refused) if refused else ()
        self.waits_for_name = any(refused[one] > now or one in lane.asking for one in names)
        return None if self.waits_for_name else names

    async def connect(self) -> NotYet | None:
        """See Permits.connect."""
        said = await self._granted(self._dial, self._destination.key)
        return NotYet(said.until, said.why) if isinstance(said, Wait) else said

    def _dial(self) -> Wait | Short | None:
        now = self._steady.now()
        said = self._shaper.connect(self._destination, now, self._urgency)
        if said is None:
            self.began_at = now
        return said

    def connected(self) -> None:
        """See Permits.connected."""

    def disconnected(self) -> None:
        """See Permits.disconnected."""
        self._shaper.disconnected(self._destination, self._steady.now())

    async def admit(self, units: int, domain: str) -> NotYet | None:
        """See Permits.admit."""
        said = await self._granted(lambda: self._said(units, domain), domain)
        if isinstance(said, Wait):
            self.waits_for_name = said.name is not None
            return NotYet(said.until, said.why)
        if said is None and not self.is_admitted:
            self.is_admitted = True
            self.on_admitted()
        return said

    async def _granted(
        self, ask: Callable[[], Wait | Short | None], whom: str
    ) -> Wait | NotYet | None:
        """What shaping says once enough is set aside, or that it could not be."""
        said = ask()
        for _ in range(TRIES):
            if not isinstance(said, Short):
                return said
            try:
                await self._aside.more()
            except StoreDead:
                raise
            except StoreError as error:
                logger.error("no units can be set aside for %s: %s", whom, error)
                break
            said = ask()
        if isinstance(said, Short):
            return NotYet(self._steady.now() + SECOND, "no units could be set aside yet")
        return said

    def _said(self, units: int, domain: str) -> Wait | Short | None:
        now = self._steady.now()
        to, urgency = self._destination, self._urgency
        said = self._shaper.admit(to, domain, units, now, urgency, self.identity)
        if said is None:
            self.began_at = now
        return said

    def refund(self, units: int, domain: str) -> None:
        """See Permits.refund."""
        now = self._steady.now()
        to, identity = self._destination, self.identity
        self._shaper.refund(to, domain, units, now, self.began_at, identity)
