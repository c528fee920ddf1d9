"""Door: listens, lets sessions in up to a bound, swaps its policy, and closes without losing one.

The contract
- Over `max_sessions` nothing is refused: accepting stops, and clients wait in the backlog. Only
  when no session ended for `accept_wait` are those that wait greeted with 421.
- Strangers hold half of the sessions at most; one more of them is greeted with 421 at once.
- `drain` stops accepting, waits for the open sessions, and says 451 only to what is open after
  that. A letter whose final dot was read is put and answered.
- `swap` changes one reference; a message that has begun ends under the policy that it began with.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final

from relay.clock import Clock
from relay.filters.base import Alerts
from relay.ingress import answers, strangers
from relay.ingress.auth import Authenticator
from relay.ingress.handler import Handler
from relay.ingress.intake import Behind, Receiving
from relay.ingress.listening import Listener, listeners
from relay.ingress.memory import Memory
from relay.ingress.policy import Policy
from relay.ingress.protocol import HANDSHAKE, Session
from relay.ingress.settings import ListenSettings
from relay.mail.events import Emit
from relay.mail.ids import Ids
from relay.mail.instant import Instant
from relay.store.base import Store

AT_ONCE: Final = 100  # connections accepted without letting others run
PAUSE: Final = 1.0  # seconds until accepting is tried again, such as without descriptors
LAST_WORD: Final = 10.0  # seconds for a put that is under way when drain's time is over


class Door:
    """All listeners of one relay. `policy` may be read; change it with :meth:`swap`."""

    at_once = AT_ONCE

    def __init__(
        self,
        policy: Policy,
        listen: Sequence[ListenSettings],
        store: Store | Behind,
        clock: Clock,
        names: Ids,
        emit: Emit,
        alerts: Alerts,
        sockets: Mapping[str, Sequence[socket.socket]] | None = None,
        recent: Sequence[tuple[Instant, int]] = (),
    ) -> None:
        """`store`: or, in a worker, what stands for it. `sockets`: those handed in by systemd, by
        their names, for `systemd:NAME`. `recent`: when letters were accepted in the last hour and
        for how many recipients, so that a restart does not lift `ingress.ceiling`; from any source,
        in any order, older ones are ignored."""
        self.policy = policy
        self.memory = Memory(policy.ingress.memory)
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="ingress")
        self._verifying = ThreadPoolExecutor(1, thread_name_prefix="auth")
        around = (clock, names, emit, alerts, self._executor)
        if isinstance(store, Behind):
            self.behind = store
        else:
            authenticator = Authenticator(store, self._verifying, clock.monotonic)
            self.behind = Behind(Receiving(store, *around, recent), authenticator)
        self.handler = Handler(self.behind, *around)
        self._alerts = alerts
        self._listen = tuple(listen)
        self._sockets = dict(sockets or {})
        self._listeners: list[Listener] = []
        self._sessions: set[Session] = set()
        self._strangers: set[Session] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_accepting = False
        self._is_draining = False
        self._patience: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every listener, in the settings' order, as really bound."""
        return [listener.address for listener in self._listeners]

    @property
    def sessions_open(self) -> int:
        """How many clients are inside."""
        return len(self._sessions)

    async def start(self) -> None:
        """Bind and accept. Raises OSError naming the address; ValueError as :meth:`swap`."""
        self.check(self.policy)
        self._loop = asyncio.get_running_loop()
        self._listeners = self._opened()
        self._accept_again()

    def _opened(self) -> list[Listener]:
        return listeners(self._listen, self.policy.ingress.backlog, self._sockets)

    def swap(self, policy: Policy) -> None:
        """The new policy counts from each session's next message on.

        Raises ValueError where a listener wants TLS and the policy has no certificate; then the
        old one stays.
        """
        self.check(policy)
        self.policy = policy
        self.memory.limit = policy.ingress.memory
        self._accept_again()

    def check(self, policy: Policy) -> None:
        """Raises ValueError where a listener wants TLS and the policy has no certificate."""
        if policy.tls is None and any(setting.tls != "off" for setting in self._listen):
            raise ValueError("a listener wants TLS, but there is no certificate")

    # --- letting in

    @property
    def _is_full(self) -> bool:
        return self.sessions_open >= self.policy.ingress.max_sessions

    def _accept_again(self) -> None:
        if self._is_accepting or self._is_draining or self._is_full:
            return
        self._is_accepting = True
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        for listener in self._listeners:
            self._loop.add_reader(listener.socket, partial(self._accept, listener))

    def _stop_accepting(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            for listener in self._listeners:
                self._loop.remove_reader(listener.socket)

    def _accept(self, listener: Listener) -> None:
        for _ in range(self.at_once):
            if self._is_full:
                self._stop_accepting()
                self._be_patient()
                return
            taken = self._taken(listener)
            if taken is None:
                return
            connection, ip = taken
            is_stranger = not self.policy.trusts(ip)
            if is_stranger and len(self._strangers) >= self._most_strangers:
                _send_away(connection, listener)
                detail = f"strangers hold {len(self._strangers)} sessions; {ip} got 421"
                self._alerts.alert("door_strangers", detail)
                continue
            self._let_in(connection, listener, is_stranger)

    @property
    def _most_strangers(self) -> int:
        return strangers.most(self.policy.ingress.max_sessions)

    def _let_in(self, connection: socket.socket, listener: Listener, is_stranger: bool) -> None:
        session = self._session(listener, is_stranger)
        self._sessions.add(session)
        if is_stranger:
            self._strangers.add(session)
        self._empty.clear()
        task = self._loop.create_task(self._open(session, listener, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _session(self, listener: Listener, is_stranger: bool) -> Session:
        """What a client speaks with."""
        return Session(self, listener, self._loop, is_stranger)

    def _taken(self, listener: Listener) -> tuple[socket.socket, str] | None:
        """The next connection and its client's address."""
        try:
            connection, peer = listener.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return None
        except OSError as error:
            self._alerts.alert("cannot_accept", f"{listener.name}: {error.strerror}")
            self._stop_accepting()
            self._loop.call_later(PAUSE, self._accept_again)
            return None
        connection.setblocking(False)
        with suppress(OSError):  # a client that has gone has no options; its end is read later
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, strangers.ip_of(peer)

    async def _open(self, session: Session, listener: Listener, connection: socket.socket) -> None:
        is_implicit = listener.tls == "implicit"
        try:
            await self._loop.connect_accepted_socket(
                lambda: session,
                connection,
                ssl=self.policy.tls if is_implicit else None,
                ssl_handshake_timeout=HANDSHAKE if is_implicit else None,
            )
        except OSError:  # ssl.SSLError and a lost connection too: nobody came in
            connection.close()
            self.ended(session)
        except Exception as error:
            self.handler.fault("a client could not be let in", error)
            connection.close()
            self.ended(session)
        except asyncio.CancelledError:
            self.ended(session)
            raise

    def admit(self, session: Session) -> None:
        """AUTH succeeded, or a letter was taken: the session is no stranger's any more."""
        session.is_stranger = False
        self._strangers.discard(session)

    def ended(self, session: Session) -> None:
        """A session's last act."""
        self._strangers.discard(session)
        self._sessions.discard(session)
        if not self._sessions:
            self._empty.set()
        self._accept_again()

    def _turn_away(self) -> None:
        """No session ended for so long: those that wait are told."""
        self._patience = None
        if self._is_draining or self._is_accepting:
            return
        try:
            for listener in self._listeners:
                while (taken := self._taken(listener)) is not None:
                    _send_away(taken[0], listener)
        finally:
            # Whatever went wrong: those that come next are told too.
            if not self._is_accepting:
                self._be_patient()
        detail = f"all {self.policy.ingress.max_sessions} sessions are taken; clients got 421"
        self._alerts.alert("door_full", detail)

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        wait = self.policy.ingress.accept_wait.total_seconds()
        self._patience = self._loop.call_later(wait, self._turn_away)

    # --- closing

    async def drain(self) -> None:
        """Stop accepting, let the open sessions finish, close. Once; the door stays closed.

        Sockets that were handed in are closed too: their parent keeps its own.
        """
        self._is_draining = True
        self._stop_accepting()
        if self._patience is not None:
            self._patience.cancel()
        for listener in self._listeners:
            listener.socket.close()
        wait = self.policy.ingress.drain_sessions.total_seconds()
        if not await self._is_empty_within(wait):
            for session in tuple(self._sessions):
                session.is_closing = True
                if session.is_waiting:
                    session.hang_up(answers.CLOSING)
            if not await self._is_empty_within(LAST_WORD):
                count = len(self._sessions)
                self._alerts.alert("door_drain", f"{count} sessions did not end and were cut")
                for task in tuple(self._tasks):
                    task.cancel()
                for session in tuple(self._sessions):
                    session.cut()
        for executor in (self._executor, self._verifying):
            executor.shutdown(wait=False, cancel_futures=True)

    async def _is_empty_within(self, seconds: float) -> bool:
        if not self._sessions:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True


def _send_away(connection: socket.socket, listener: Listener) -> None:
    """Say 421, where the client can hear it, and close."""
    with connection, suppress(OSError):  # it may have gone while it waited
        if listener.tls != "implicit":
            connection.send(answers.TOO_BUSY.wire())
