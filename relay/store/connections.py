"""Connections: the one that writes, and a few that only read, on threads of their own."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import quote

from relay.store.base import StoreError

NAME: Final = "store.db"
READERS: Final = 2
_CACHE_KIB: Final = 4 << 10  # the writer's; 16 MiB took 13 MB more for 2 % less CPU a letter
BUSY_MS: Final = 2000
_STATEMENTS: Final = 256

P = ParamSpec("P")
T = TypeVar("T")


def _folded(text: str) -> str:
    return text.lower()


def _made(connection: sqlite3.Connection, *pragmas: str) -> sqlite3.Connection:
    try:
        connection.create_function("folded", 1, _folded, deterministic=True)
        for pragma in ("trusted_schema = OFF", *pragmas):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def writing(path: Path) -> sqlite3.Connection:
    """The writing connection, in autocommit mode; the file is made, for its owner only."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
    )
    return _made(
        connection,
        f"cache_size = -{_CACHE_KIB}",
        "synchronous = FULL",
        "wal_autocheckpoint = 0",  # the writer does it, after its answers
        "temp_store = MEMORY",
        # Only for what is none of ours: somebody's sqlite3 in a transaction, a reader that
        # recovers the log just when we start. Readers never make the writer wait.
        f"busy_timeout = {BUSY_MS}",
    )


def reading(path: Path, is_immutable: bool = False) -> sqlite3.Connection:
    """A connection that cannot write."""
    mode = "mode=ro&immutable=1" if is_immutable else "mode=ro"
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    return _made(connection, "query_only = ON", f"busy_timeout = {BUSY_MS}")


class Readers:
    """A small pool of reading connections, one a thread."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._made: list[sqlite3.Connection] = []
        self._is_closed = False
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    async def ask(
        self,
        question: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Answer a question on one of the threads. Raises StoreError."""

        def answer() -> T:
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            try:
                if connection is None:
                    connection = self._local.connection = self._connect()
                    self._made.append(connection)
                return question(connection, *args, **kwargs)
            except sqlite3.Error as error:
                raise StoreError(f"the store could not be read: {error}") from error

        return await self.do(answer)

    async def do(self, work: Callable[[], T]) -> T:
        """Any work that is too long for the loop."""
        try:
            future = self._pool.submit(work)
        except RuntimeError:
            raise StoreError("the store is closed") from None
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Wait for what is being read, end the threads, close the connections."""
        if self._is_closed:
            return
        self._is_closed = True
        ended = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        self._pool.submit(lambda: loop.call_soon_threadsafe(ended.set_result, None))
        await ended
        self._pool.shutdown(wait=True)
        for connection in self._made:
            connection.close()
