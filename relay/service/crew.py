"""Crew: the workers of one relay — started, watched, started again, reloaded, drained.

The contract
- The main process binds the listeners and keeps them; workers share copies, so that no waiting
  connection is lost with a worker.
- A worker that dies is named by an alert and started again, after 1, 2, 4 … 60 s where it goes on
  dying. Its sessions are lost; what it handed over is still taken, and what was acknowledged is on
  disk. One that says nothing for a minute is killed first.
- A reload is taken by all workers or by none. One that is started later gets what counts then.
- A drain lets each worker's sessions finish as the door's own would, and waits for what was
  handed over.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from relay.clock import Clock
from relay.config import Config
from relay.filters.base import Alerts
from relay.ingress.auth import Authenticator
from relay.ingress.hatch import Hatch
from relay.ingress.intake import Behind, Receiving
from relay.ingress.link import Fault, LinkLost
from relay.ingress.listening import Listener, listeners
from relay.ingress.memory import Memory
from relay.ingress.policy import Policy
from relay.ingress.server import LAST_WORD
from relay.mail.events import Emit
from relay.mail.ids import Ids
from relay.mail.instant import Instant
from relay.service.post import GRACE, Post, Wanted
from relay.store.base import Store

FIRST: Final = 1.0  # seconds until a worker that died is started again; doubles up to
LONGEST: Final = 60.0
STEADY: Final = 60.0  # seconds that one has lived whose death is the first of its kind again
SILENT: Final = 60  # seconds without a word, each of which this process' loop has seen
NODES: Final = 255  # node 0 is the main process's own
_NOT_STARTED: Final = (OSError, Fault, TimeoutError)  # LinkLost is an OSError

logger = logging.getLogger(__name__)


class Crew:
    """See Entrance."""

    def __init__(
        self,
        config: Config,
        policy: Policy,
        around: tuple[Store, Clock, Ids, Emit, Alerts],
        sockets: Mapping[str, Sequence[socket.socket]],
        recent: Sequence[tuple[Instant, int]] = (),
    ) -> None:
        """As :class:`Door`; nothing runs before `start`."""
        store, clock, names, emit, alerts = around
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="ingress")
        self._verifying = ThreadPoolExecutor(1, thread_name_prefix="auth")
        receiving = Receiving(store, clock, names, emit, alerts, self._executor, recent)
        authenticator = Authenticator(store, self._verifying, clock.monotonic)
        self._hatch = Hatch(Behind(receiving, authenticator), emit, alerts)
        self._clock = clock
        self._alerts = alerts
        self._listen = config.settings.listen  # a reload does not change it
        self._sockets = sockets
        self._memory = Memory(policy.ingress.memory)
        self._count = 0  # configurations so far
        self._next = self._wanted = self._numbered(config, policy)
        self._last_node = 0
        self._listeners: list[Listener] = []
        self._posts: list[Post] = []
        self._keeping: list[asyncio.Task[None]] = []
        self._catching_up: set[asyncio.Task[None]] = set()
        self._is_everybody_full = False
        self._is_draining = False

    # --- Entrance

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """See Door.addresses."""
        return [listener.address for listener in self._listeners]

    @property
    def sessions_open(self) -> int:
        """Of all workers, as they said within the last second."""
        return sum(post.sessions for post in self._posts if post.is_taking)

    @property
    def is_open(self) -> bool:
        """True while a worker takes letters."""
        return not self._is_draining and self.workers > 0

    @property
    def workers(self) -> int:
        """How many take letters."""
        return sum(post.is_taking for post in self._posts)

    async def start(self) -> None:
        """Bind, start all workers. Raises OSError, ValueError; then none is left."""
        self._check(self._wanted.policy)
        settings = self._wanted.config.settings
        self._listeners = listeners(self._listen, settings.ingress.backlog, self._sockets)
        count = settings.workers
        for n in range(1, count + 1):
            self._posts.append(Post(n, count, self._listeners, self._hatch, self._memory))
        filled = await asyncio.gather(*map(self._fill, self._posts), return_exceptions=True)
        for post, fault in zip(self._posts, filled, strict=True):
            if fault is not None:
                for one in self._posts:
                    one.kill()
                await self._stop()
                raise OSError(f"worker {post.n} could not be started: {fault!r}") from fault
        self._keeping = [asyncio.create_task(self._keep(post)) for post in self._posts]
        self._keeping.append(asyncio.create_task(self._watch(), name="watch over workers"))
        logger.info("%d workers take letters", count)

    async def prepare(self, policy: Policy, config: Config) -> None:
        """Have all workers build it. Raises ValueError where one cannot; then nothing changes."""
        self._check(policy)
        self._next = self._numbered(config, policy)
        asked = [post for post in self._posts if post.is_taking]
        waiting = (post.prepare(self._next) for post in asked)
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        for post, answer in zip(asked, answers, strict=True):
            # One that died meanwhile is started again with what counts then.
            if isinstance(answer, BaseException) and not isinstance(answer, LinkLost):
                raise ValueError(f"worker {post.n}: {str(answer) or repr(answer)}")

    def swap(self, policy: Policy) -> None:
        """What was prepared last, from the next message on."""
        self._wanted = self._next
        self._memory.limit = policy.ingress.memory
        for post in self._posts:
            if post.is_taking and not post.use(self._wanted):
                # It began to take letters after the others were asked.
                task = asyncio.create_task(self._catch_up(post))
                self._catching_up.add(task)
                task.add_done_callback(self._catching_up.discard)

    async def drain(self) -> None:
        """See Door.drain."""
        self._is_draining = True
        for listener in self._listeners:
            listener.socket.close()
        for post in self._posts:
            post.tell("drain")
        wait = self._wanted.policy.ingress.drain_sessions.total_seconds() + LAST_WORD + GRACE
        alive = [asyncio.create_task(post.ended()) for post in self._posts if post.link is not None]
        if alive:
            await asyncio.wait(alive, timeout=wait)
        await self._stop()

    # --- one worker

    def _numbered(self, config: Config, policy: Policy) -> Wanted:
        self._count += 1
        wanted = Wanted(config, replace(policy, number=self._count))
        self._hatch.policy(wanted.policy)
        return wanted

    def _check(self, policy: Policy) -> None:
        if policy.tls is None and any(setting.tls != "off" for setting in self._listen):
            raise ValueError("a listener wants TLS, but there is no certificate")

    def _node(self) -> int:
        """Not one of those that live, nor soon the one that died: ids are never given twice."""
        taken = {post.node for post in self._posts if post.link is not None}
        while True:
            self._last_node = self._last_node % NODES + 1
            if self._last_node not in taken:
                return self._last_node

    async def _fill(self, post: Post) -> None:
        await post.fill(self._node(), self._wanted)
        await self._catch_up(post)

    async def _catch_up(self, post: Post) -> None:
        """A reload may have come while it read the configuration."""
        while post.is_taking and post.used != (wanted := self._wanted).number:
            try:
                await post.prepare(wanted)
            except (Fault, TimeoutError, LinkLost):
                post.kill()
                return
            post.use(wanted)

    async def _keep(self, post: Post) -> None:
        """Start it again whenever it has ended."""
        pause = FIRST
        began = self._clock.monotonic()
        while True:
            how = await post.ended()
            if self._is_draining:
                return
            if self._clock.monotonic() - began > STEADY:
                pause = FIRST
            self._say(post, f"{how}; its sessions ({post.sessions}) are lost", pause)
            while True:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST)
                began = self._clock.monotonic()
                try:
                    await self._fill(post)
                except _NOT_STARTED as error:
                    self._say(post, f"could not be started: {error!r}", pause)
                else:
                    logger.info("worker %d takes letters again", post.n)
                    break

    def _say(self, post: Post, what: str, pause: float) -> None:
        words = f"worker {post.n} {what}; it is started again in {pause:g} s"
        logger.error("%s", words)
        self._alerts.alert("worker_died", words)

    async def _watch(self) -> None:
        """Each second: who has fallen silent, and whether everybody is full."""
        while True:
            await asyncio.sleep(1)
            taking = [post for post in self._posts if post.is_taking]
            for post in taking:
                post.silent_for += 1
                if post.silent_for > SILENT:
                    logger.error("worker %d says nothing for %d s: killed", post.n, SILENT)
                    post.kill()
            is_full = bool(taking) and all(post.is_full for post in taking)
            if is_full or self._is_everybody_full:
                for post in taking:
                    post.tell("full", is_full)
            self._is_everybody_full = is_full

    async def _stop(self) -> None:
        """End what is left, once what was handed over is on disk."""
        for task in (*self._keeping, *self._catching_up):
            task.cancel()
        await asyncio.gather(*self._keeping, *self._catching_up, return_exceptions=True)
        for post in self._posts:
            if post.link is not None:
                if self._is_draining:
                    self._alerts.alert("door_drain", f"worker {post.n} did not end and was killed")
                post.kill()
                await post.ended()
        settling = [asyncio.create_task(post.settle()) for post in self._posts]
        if settling:
            await asyncio.wait(settling, timeout=LAST_WORD)
        for listener in self._listeners:
            listener.socket.close()
        for executor in (self._executor, self._verifying):
            executor.shutdown(wait=False, cancel_futures=True)
