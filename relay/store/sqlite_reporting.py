"""The SQLite store's half of Reports; the SQL stands in reporting.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from relay.mail.classification import Category
from relay.mail.follow_up import FollowUp
from relay.mail.instant import Instant
from relay.store import reporting
from relay.store.connections import Readers
from relay.store.reports import MOST_FAILING, Counted, Failing
from relay.store.writer import Writer

T = TypeVar("T")


class ReadingReports:
    """What is asked."""

    _readers: Readers

    async def failing_addresses(
        self, categories: Collection[Category], since: Instant = 0, limit: int = MOST_FAILING
    ) -> list[Failing]:
        """See Reports.failing_addresses."""
        return await self._readers.ask(reporting.failing, categories, since, limit)

    async def counted(
        self,
        since: Instant,
        until: Instant,
        zone: int,
        labels: Collection[str],
        fold: Callable[[Iterable[Counted]], T],
    ) -> T:
        """See Reports.counted."""

        def work(connection: sqlite3.Connection) -> T:
            return reporting.counted(connection, since, until, zone, labels, fold)

        return await self._readers.ask(work)

    async def follow_ups(self) -> Mapping[str, FollowUp]:
        """See Reports.follow_ups."""
        return await self._readers.ask(reporting.follow_ups)


class WritingReports:
    """What is changed."""

    _writer: Writer

    async def save_follow_up(self, made: FollowUp) -> FollowUp | None:
        """See Reports.save_follow_up."""
        return await self._writer.call(reporting.save_follow_up(made))
