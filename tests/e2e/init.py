"""A small parent in the place of init: it holds the socket and hears what the relay notifies."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from relay.lab.running import PROGRAM, Relay

BACKLOG: Final = 1024
HANDING_IN: Final = Path(__file__).with_name("handing_in.py")
PATIENCE: Final = 30.0  # seconds until a word must have come
WATCHDOG: Final = 10  # seconds within which the relay must give a sign of life


class Init:
    """Holds the door's socket across restarts; `heard` is every line that was notified, in order.

    The socket listens from the first moment, so clients wait in its backlog while no relay runs.
    """

    def __init__(self, folder: Path) -> None:
        self.heard: list[str] = []
        self.door = socket.socket()
        self._path = str(folder / "notify")
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._news = asyncio.Event()

    def __enter__(self) -> Self:
        self.door.bind(("127.0.0.1", 0))
        self.door.listen(BACKLOG)
        self._notified.bind(self._path)
        self._notified.setblocking(False)
        asyncio.get_running_loop().add_reader(self._notified, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._notified)
        self._notified.close()
        self.door.close()

    def relay(self, config: Path, state: Path) -> Relay:
        """A relay that is handed the socket, and told where to notify."""
        number = self.door.fileno()
        return Relay(
            config,
            state,
            (sys.executable, str(HANDING_IN), str(number), *PROGRAM),
            {"NOTIFY_SOCKET": self._path, "WATCHDOG_USEC": str(WATCHDOG * 1_000_000)},
            (number,),
        )

    async def hears(self, word: str, times: int = 1) -> None:
        """Waits until a line was notified so often."""
        async with asyncio.timeout(PATIENCE):
            while self.heard.count(word) < times:
                self._news.clear()
                await self._news.wait()

    def _hear(self) -> None:
        try:
            while True:
                self.heard += self._notified.recv(65536).decode().splitlines()
        except BlockingIOError:
            self._news.set()
