"""Turned away: what a store promises about letters that a trusted client was refused after DATA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.mail.instant import Instant


@dataclass(frozen=True, slots=True)
class RefusedLetter:
    """One letter that was not taken, and why. The same octets from the same sender to the same
    recipients, handed in again, are the same letter: `times` counts, `last_at` moves.

    `recipients` are as given, at most the first ten thousand of `recipient_count`; `size` is as
    received. `is_whole` False: only its beginning is kept, or (`stored` 0) nothing of it.
    """

    id: int
    at: Instant
    last_at: Instant
    times: int
    client: str
    sender: str
    recipients: Sequence[str]
    recipient_count: int
    subject: str
    code: int
    reply: str
    reason: str
    size: int
    stored: int
    is_whole: bool
    sha256: bytes


class TurnedAway(Protocol):
    """Kept so that a letter that the application hands in once, and never again, is not gone."""

    async def keep_refused(
        self, letter: RefusedLetter, octets: bytes, since: Instant, most: int
    ) -> int:
        """Keep it (`stored` is filled in), then drop what was refused last before `since`, and the
        oldest until no more than `most` octets are stored. The id that it is kept by: of the first
        time. Raises StoreError."""
        ...

    async def drop_refused(self, since: Instant, most: int) -> int:
        """The same clearing without a new one; how many went. Raises StoreError."""
        ...

    async def refused(self, limit: int = 100) -> list[RefusedLetter]:
        """What is kept, the latest first."""
        ...

    async def refused_letter(self, id: int) -> RefusedLetter:
        """One. Raises KeyError."""
        ...

    async def refused_octets(self, id: int) -> bytes:
        """Its octets as received, or their beginning. Raises KeyError."""
        ...
