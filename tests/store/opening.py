"""Opening a SQLite store in a test, and looking into its file from beside."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from relay.clock import Clock
from relay.store import sqlite
from relay.store.connections import NAME, writing
from tests.store.letters import SteppingClock


@asynccontextmanager
async def opened(folder: Path, clock: Clock | None = None) -> AsyncIterator[sqlite.SqliteStore]:
    """The store of that directory, closed at the end."""
    store = await sqlite.open(folder, clock or SteppingClock())
    try:
        yield store
    finally:
        await store.close()


def asked(folder: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """A question to the file, past the store."""
    with closing(sqlite3.connect(folder / NAME)) as connection:
        return connection.execute(sql, values).fetchall()


def owner(folder: Path) -> sqlite3.Connection:
    """A writing connection as the store's own, for what only it may do."""
    return writing(folder / NAME)
