"""Post: one worker's place — the process that holds it now, the link to it, how it stands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from relay import __version__
from relay.config import Config
from relay.ingress.hatch import Hatch
from relay.ingress.link import READ, Link
from relay.ingress.listening import Listener
from relay.ingress.memory import Memory
from relay.ingress.policy import Policy

GRACE: Final = 5.0  # seconds from the link's end to the process'
START: Final = 60.0  # seconds to start and to read a configuration
_OURS: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A configuration as workers are handed it; `policy` bears its number."""

    config: Config
    policy: Policy

    @property
    def number(self) -> int:
        """By which both sides mean it."""
        return self.policy.number


class Post:
    """One of `count`; `n` from 1. Called from the loop's thread."""

    def __init__(
        self, n: int, count: int, shared: Sequence[Listener], hatch: Hatch, memory: Memory
    ) -> None:
        """`shared`: the listeners, of which each process gets copies; `memory`: of all posts."""
        self.n = n
        self._count = count
        self._shared = shared
        self._hatch = hatch
        self._memory = memory
        self._process: asyncio.subprocess.Process | None = None
        self._link: Link | None = None
        self._reading: asyncio.Task[None] | None = None
        self.node = 0
        self._prepared = 0  # number of the configuration that it may be told to use
        self.used = 0  # number of the one that it goes by; 0: it takes no letters yet
        self.sessions = 0
        self.is_full = False
        self.silent_for = 0  # looks at it since its last word

    @property
    def link(self) -> Link | None:
        """To the process that is there; None where none is."""
        return self._link if self._link is not None and not self._link.is_lost else None

    @property
    def is_taking(self) -> bool:
        """True while letters are taken here."""
        return self.link is not None and self.used > 0

    async def fill(self, node: int, wanted: Wanted) -> None:
        """Start a process and have it take letters. Raises OSError, Fault, LinkLost, TimeoutError;
        then none is left."""
        self.node, self._prepared, self.used = node, 0, 0
        self.sessions, self.is_full, self.silent_for = 0, False, 0
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = await self._started(theirs)
            except BaseException:
                ours.close()
                raise
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours, limit=READ)
            hear = self._hatch.hear(f"worker {self.n}", self._hear)
            self._link = Link(reader, writer, self._hatch.answer, hear, self._memory)
            self._reading = asyncio.create_task(self._link.run(), name=f"worker {self.n}")
            await self.prepare(wanted)
            self.use(wanted)
        except BaseException:
            self.kill()
            await self.ended()
            raise

    async def _started(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        listeners = [(one.name, one.tls, one.socket.fileno()) for one in self._shared]
        environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        # The same packages as here, the site's filters among them, and nothing of the folder that
        # it happens to be started in.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "relay.service.worker"),
            *(str(self.node), str(theirs.fileno()), json.dumps(listeners)),
            pass_fds=[theirs.fileno(), *(one.socket.fileno() for one in self._shared)],
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,  # the log of events may be ours
        )

    async def prepare(self, wanted: Wanted) -> None:
        """Have it read and build a configuration. Raises Fault where it cannot, LinkLost,
        TimeoutError."""
        if self.link is None:
            return
        config, ingress = wanted.config, wanted.policy.ingress
        async with asyncio.timeout(START):
            await self.link.ask(
                "prepare",
                wanted.number,
                __version__,
                str(config.file.absolute()),
                config.hostname,
                sorted(config.keys),
                str(config.state_dir.absolute()),
                self._part(ingress.max_sessions),
                self._part(ingress.memory),
                parts=[config.main.text.encode()],
            )
        self._prepared = wanted.number

    def _part(self, whole: int) -> int:
        return whole // self._count + (self.n <= whole % self._count)

    def use(self, wanted: Wanted) -> bool:
        """What it has prepared counts from the next message on; False: it has not prepared it."""
        if self.link is None or self._prepared != wanted.number:
            return False
        self.link.tell("use", wanted.number)
        self.used = wanted.number
        return True

    def tell(self, word: str, *arguments: Any) -> None:
        """Without an answer."""
        if self.link is not None:
            self.link.tell(word, *arguments)

    def _hear(self, word: str, said: list[Any]) -> None:
        if word == "status":
            self.sessions, self.is_full = int(said[0]), bool(said[1])
            self.silent_for = 0

    def kill(self) -> None:
        """At once; what it was about to hand over is not taken."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def ended(self) -> str:
        """Wait for the process' end; how it was, in words. What it handed over is still taken."""
        why = ""
        if self._reading is not None:
            try:
                await asyncio.shield(self._reading)
            except Exception as error:
                why = f" after it said what is no frame ({error!r})"
        assert self._process is not None  # noqa: S101 - called after `fill`
        try:
            async with asyncio.timeout(GRACE):
                code = await self._process.wait()
        except TimeoutError:
            self.kill()
            code = await self._process.wait()
        if code >= 0:
            return f"ended with status {code}{why}"
        return f"was ended by {signal.Signals(-code).name}{why}"

    async def settle(self) -> None:
        """Wait until what the last process handed over is on disk, or was refused."""
        if self._link is not None:
            await self._link.settle()
