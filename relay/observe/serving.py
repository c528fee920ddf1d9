"""Serving: an ASGI application on our own socket, started and stopped by us.

uvicorn by itself takes SIGTERM, ends the process where a port is taken, and speaks to the log on
its own; here signals stay with the service, a taken port is an OSError that names the address, and
the port that was bound comes back (0 chooses a free one).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

BACKLOG: Final = 128
MAX_CONNECTIONS: Final = 200
_GRACE: Final = 3  # seconds that open requests get at the end
_START: Final = 10.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the service's."""
        yield


class Serving:
    """One application on one listener."""

    def __init__(self, app: Any, name: str) -> None:
        """`name` is for the task's name and errors."""
        self._name = name
        self._server = _Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=_GRACE,
                h11_max_incomplete_event_size=16 * 1024,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self, address: str | socket.socket) -> int:
        """Listen on `host:port`, `[v6]:port`, or a bound socket; the bound port is returned.

        Raises OSError with the address in it, ValueError where it is none.
        """
        listener = bound(address) if isinstance(address, str) else address
        port = listener.getsockname()[1] if listener.family != socket.AF_UNIX else 0
        self._task = asyncio.create_task(self._server.serve([listener]), name=self._name)
        async with asyncio.timeout(_START):
            while not self._server.started:
                if self._task.done():
                    await self._task
                    raise OSError(f"{self._name}: the server ended at its start")
                await asyncio.sleep(0.005)
        return int(port)

    async def wait(self) -> None:
        """Until it was stopped; raises what the server died of, so that a task group may know."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Stop listening, let open requests end for a few seconds."""
        if self._task is None:
            return
        self._server.should_exit = True
        await self._task
        self._task = None


def split_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:8025` or `[::1]:8025` as host and port. Raises ValueError naming the text."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError(f"not an address to listen on: {text!r} (write 127.0.0.1:8025)")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or (":" in bare) != host.startswith("["):
        raise ValueError(f"not an address to listen on: {text!r} (an IPv6 host needs brackets)")
    return bare, int(port)


def bound(text: str) -> socket.socket:
    """A listening socket there. Raises OSError naming the address, ValueError."""
    host, port = split_address(text)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{error.strerror} ({text})") from None
    listener.setblocking(False)
    return listener
