"""Suppressions: what a store promises about addresses that are not worth a try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.mail.instant import Instant
from relay.mail.strike import Doubt, History, Listed, Ref, Resent, Strike


@dataclass(frozen=True, slots=True)
class Audited:
    """A row of the audit trail: who did what, when, and in his own words why."""

    at: Instant
    who: str
    action: str
    reason: str
    detail: str


class Suppressions(Protocol):
    """Strikes and the list. A strike is noted once: those of replies by their moment, a late report
    or a complaint by its delivery and cause, so that it may come twice."""

    async def strike(self, *strikes: Strike) -> int:
        """Note them in one transaction; how many were new. Raises StoreError."""
        ...

    async def struck(self) -> set[str]:
        """Every address that has a strike or is on the list."""
        ...

    async def history(self, address: str) -> History:
        """What is known of one address (`Address.key`)."""
        ...

    async def histories(self, limit: int = 1000, after: str = "") -> list[History]:
        """Of all struck addresses behind that one, by address; without what was sent again."""
        ...

    async def audited(self, address: str, limit: int = 50) -> list[Audited]:
        """What was done to that address by hand, the latest first."""
        ...

    async def enlist(self, listed: Sequence[Listed], who: str, reason: str, now: Instant) -> None:
        """Put them on the list, each in the place of what stood there, with one audit row each.
        Raises StoreError."""
        ...

    async def heal(self, addresses: Sequence[str], who: str, reason: str, now: Instant) -> int:
        """Take them off the list; their strikes count no more, complaints included. Each that had
        anything gets an audit row; how many had. Raises StoreError."""
        ...

    async def doubt(self, doubt: Doubt) -> None:
        """The strikes of replies that are meant are pending. Raises StoreError."""
        ...

    async def decide(self, fuse: str, is_right: bool) -> list[str]:
        """What that fuse left pending is in force, or gone. Their addresses, sorted. Raises
        StoreError."""
        ...

    async def pending(self) -> dict[str, int]:
        """How many addresses wait for a word on what a fuse left pending, by its name."""
        ...

    async def forgive(self, refs: Sequence[Ref], now: Instant) -> None:
        """These deliveries failed for no fault of their addresses: what replies said with them
        counts no more, and each is tried once more whatever the list says. Raises StoreError."""
        ...

    async def resend(
        self, address: str, ref: Ref, most: int, since: Instant, who: str, now: Instant
    ) -> Resent:
        """A failed delivery is ready again at its owner's wish, at most so often an address since
        that moment; it is tried whatever the list says. `over`: it did not fail, or its time is
        over. With an audit row. Raises StoreError."""
        ...

    async def drop_outlived(self, before: Instant, complaints_end: bool) -> int:
        """Forget what no longer says anything: strikes from before that moment that were healed, or
        whose address has no newer one in force, and what was sent again before it and is through.
        What is pending stays, and so do complaints unless they end. How many went. Raises
        StoreError."""
        ...
