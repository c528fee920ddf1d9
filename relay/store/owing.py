"""Owing: what a store promises about failures that their sender is told of once a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from relay.mail.instant import Instant
from relay.store.terms import Entry, QueueRow


@dataclass(frozen=True, slots=True)
class Owed:
    """How many failures of one sender and flow (an announcement) wait for a digest; 0 where all
    that waited was brought back meanwhile."""

    sender: str
    flow: str
    count: int


class Owing(Protocol):
    """A delivery whose end, or whose late failure (Returns.note_late), `owes_report` waits here
    from the commit of that until the one of its digest: it is told of once, whatever happens
    between. What was brought back does not count while it is in the queue, nor when it arrived."""

    async def owed(self, before: Instant) -> list[Owed]:
        """What ended before that moment and is not told of, by sender and flow."""
        ...

    async def owed_rows(
        self, sender: str, flow: str | None, before: Instant, limit: int
    ) -> list[QueueRow]:
        """The first of them, by letter; `flow` None: all of the sender's."""
        ...

    async def report_owed(
        self, sender: str, flow: str | None, before: Instant, report: Entry | None
    ) -> None:
        """Put the report (None: nobody can be told) and owe them no more, in one transaction.
        Raises StoreError."""
        ...
