"""Worker: a process that takes letters at the door and hands each to the main process.

    python -P -m relay.service.worker NODE DESCRIPTOR LISTENERS

It is started by `service.post` alone, with one end of the link at DESCRIPTOR and copies of the
listening sockets. It ends when it is told to drain, or at once, without another word, when the
main process is gone: what was not acknowledged is the application's again. Signals mean the main
process, not this one.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from relay import __version__
from relay.clock import SystemClock
from relay.config.again import settings_of
from relay.config.settings import RelaySettings
from relay.ingress.far import FarAuthenticator, FarIntake, FarLog, Telling
from relay.ingress.intake import Behind
from relay.ingress.link import READ, Link, Parts, ProtocolError, Said
from relay.ingress.listening import Listener
from relay.ingress.policy import Policy
from relay.ingress.worker_door import WorkerDoor
from relay.mail.ids import Ids
from relay.service import doorway, loop_factory

STATUS: Final = 1.0  # seconds between two words of how it stands
MOST_PREPARED: Final = 4  # configurations that wait to be used
MOST_UNSENT: Final = 64 * 1024 * 1024  # octets, beside letters, that the main process has not read

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Handed:
    """The door's part of a Config, as the main process handed it over."""

    file: Path
    settings: RelaySettings
    hostname: str
    keys: frozenset[str]


class Worker:
    """One process."""

    def __init__(self, node: int, shared: Sequence[Listener]) -> None:
        """`node` is in the ids of its letters; `shared`: the listeners."""
        self._clock = SystemClock()
        self._names = Ids(node)
        self._shared = shared
        self._prepared: dict[int, Policy] = {}
        self._state_dir = Path()
        self._door: WorkerDoor | None = None
        self._must_drain = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        self._is_drained = False

    async def run(self, connection: socket.socket) -> None:
        """Until the drain is over; does not return where the main process is gone."""
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=READ)
        self._link = Link(reader, writer, self._answer, self._hear)
        log = FarLog(self._link, asyncio.get_running_loop())
        logging.getLogger().handlers[:] = [log]
        logging.getLogger().setLevel(logging.INFO)
        for name in ("mail.log", "mail.debug", "asyncio"):
            logging.getLogger(name).setLevel(logging.WARNING)
        reading = asyncio.create_task(self._link.run(), name="link")
        reading.add_done_callback(self._end)
        telling = asyncio.create_task(self._tell_how_it_stands(), name="status")
        await self._must_drain.wait()
        if self._door is not None:
            await self._door.drain()
        telling.cancel()
        self._is_drained = True
        await asyncio.sleep(0)  # what was logged from other threads
        writer.write_eof()  # what was told is sent first; then the main process hangs up
        await reading

    def _end(self, reading: asyncio.Task[None]) -> None:
        """The main process is gone, or has heard all: no thread and no client is waited for."""
        os._exit(0 if self._is_drained else 1)

    async def _tell_how_it_stands(self) -> None:
        while True:
            await asyncio.sleep(STATUS)
            door = self._door
            if door is not None:
                self._link.tell("status", door.sessions_open, door.is_full)
                if self._link.unsent > MOST_UNSENT + 4 * door.policy.ingress.memory:
                    os._exit(1)  # it reads no more: its own watchdog's case, and no memory of ours

    async def _answer(self, word: str, said: list[Any], parts: Parts) -> Said:
        if word != "prepare":
            raise ProtocolError(f"the main process asks for {word!r}")
        number, version, *rest = said
        if version != __version__:
            words = f"this program is {__version__} by now, and {version} runs: restart the relay"
            raise ValueError(words)
        policy = await asyncio.to_thread(self._policy, parts[0].decode(), rest)
        if self._door is not None:
            self._door.check(policy)
        self._prepared[number] = replace(policy, number=number)
        for old in list(self._prepared)[:-MOST_PREPARED]:
            del self._prepared[old]
        return [True], ()

    def _policy(self, text: str, terms: list[Any]) -> Policy:
        """Raises SourceError, OSError, ValueError."""
        file, hostname, keys, state_dir, sessions, memory = terms
        self._state_dir = Path(state_dir)
        settings = settings_of(text, Path(file))
        handed = Handed(Path(file), settings, hostname, frozenset(keys))
        policy = doorway.policy(handed, doorway.pipeline(handed, Telling(self._link)))
        part = {"max_sessions": sessions, "memory": memory}
        return replace(policy, ingress=policy.ingress.model_copy(update=part))

    def _hear(self, word: str, said: list[Any]) -> None:
        match word:
            case "use":
                self._use(self._prepared.pop(said[0]))
            case "full":
                if self._door is not None:
                    self._door.is_everybody_full = bool(said[0])
            case "drain":
                self._must_drain.set()
            case _:
                raise ProtocolError(f"the main process tells {word!r}")

    def _use(self, policy: Policy) -> None:
        if self._door is not None:
            self._door.swap(policy)
            return
        behind = Behind(FarIntake(self._link, self._state_dir), FarAuthenticator(self._link))
        telling = Telling(self._link)
        self._door = WorkerDoor(
            policy, self._shared, behind, self._clock, self._names, telling.emit, telling
        )
        self._opening = asyncio.create_task(self._door.start(), name="door")
        gc.freeze()


def main(node: str, descriptor: str, listeners: str) -> None:
    """The process."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    shared = []
    for name, tls, fd in json.loads(listeners):
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        bound = sock.getsockname()
        shared.append(Listener(name, tls, sock, (str(bound[0]), int(bound[1]))))
    connection = socket.socket(fileno=int(descriptor))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(Worker(int(node), shared).run(connection))


if __name__ == "__main__":
    main(*sys.argv[1:])
