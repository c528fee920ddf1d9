"""Pool: idle sessions kept for the next letter, by destination and by how they were made.

Decide, then do: the bookkeeping is synchronous and finished before any goodbye is waited for, so
no session is ever given to two letters. A session that dies while idle is dropped without a word.
There are never more than MOST_IDLE of all destinations together: the one idle for the longest goes.
An announcement to ten thousand domains would else hold ten thousand connections, nearly all of them
to hosts for which nothing is left.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from relay.transports.base import Host, Route, TlsPolicy
from relay.transports.session import Session

MOST_IDLE: Final = 256  # of all destinations together; each is a descriptor here and at its host


@dataclass(frozen=True, slots=True)
class Footing:
    """What must be equal for a session to serve another letter; never a password."""

    destination: str
    hosts: tuple[Host, ...]
    source: str | None
    tls: TlsPolicy
    is_verified: bool
    user: str | None

    def __hash__(self) -> int:
        """By its destination alone, of which there are few: each letter asks several times."""
        return hash(self.destination)

    @classmethod
    def of(cls, route: Route, source: str | None) -> Footing:
        """The footing that a route asks for."""
        user = route.credentials.user if route.credentials else None
        return cls(route.destination.key, route.hosts, source, route.tls, route.is_verified, user)


class Expected:
    """A session that is being opened; whether it ends with its first letter may be known before."""

    __slots__ = ("is_last",)

    def __init__(self) -> None:
        self.is_last = False


class Pool:
    """Sessions, idle and busy, and those being opened.

    All methods but `hang_up`, `close`, `make_room` are synchronous."""

    def __init__(self, idle_seconds: float, most_idle: int = MOST_IDLE) -> None:
        self._idle_seconds = idle_seconds
        self._most_idle = most_idle
        # Of each footing the one used last is taken first: the others may then time out.
        self._idle: dict[Footing, OrderedDict[Session, None]] = {}
        # All of them, that idle for the longest first, and until when (the loop's time).
        self._order: OrderedDict[Session, tuple[Footing, float]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None  # for the first, or for one before it
        self._busy: dict[str, set[Session]] = defaultdict(set)
        self._expected: dict[str, set[Expected]] = defaultdict(set)
        self._leaving: dict[str, set[asyncio.Task[None]]] = defaultdict(set)
        self._is_closed = False

    def take(self, footing: Footing) -> Session | None:
        """An idle session that still stands, now busy; None where there is none."""
        while (sessions := self._idle.get(footing)) is not None:
            session = next(reversed(sessions))
            self._no_more_idle(session)
            if session.still_stands:
                self._busy[footing.destination].add(session)
                return session
            session.abort()
        return None

    @contextmanager
    def expecting(self, footing: Footing) -> Iterator[Expected]:
        """A session is being opened meanwhile: a goodbye said to all others is meant for it too."""
        expected = Expected()
        self._expected[footing.destination].add(expected)
        try:
            yield expected
        finally:
            others = self._expected[footing.destination]
            others.discard(expected)
            if not others:
                del self._expected[footing.destination]

    def add_busy(self, footing: Footing, session: Session, expected: Expected) -> None:
        """The session that was expected, which carries a letter now."""
        session.is_last = session.is_last or expected.is_last
        self._busy[footing.destination].add(session)

    def give_back(self, footing: Footing, session: Session, may_stay: bool) -> None:
        """After its letter: keep it if it may stay and still can, else say goodbye."""
        if not session.is_usable:
            self.drop(footing, session)
            return
        self._no_more_busy(footing, session)
        if may_stay and not session.is_last and not self._is_closed:
            self._keep(footing, session)
        else:
            self._goodbye(footing.destination, session)

    def drop(self, footing: Footing, session: Session) -> None:
        """A busy session that is of no more use: closed at once; `gone` in the loop's next turn."""
        self._no_more_busy(footing, session)
        session.abort()

    async def make_room(self, destination: str) -> bool:
        """Wait until one session of a destination that carries nothing is gone. False: none is.

        One that is saying goodbye already, or the one idle for the longest is told to.
        """
        if leaving := self._leaving.get(destination):
            await asyncio.wait(leaving, return_when=asyncio.FIRST_COMPLETED)
            return True
        for footing, sessions in self._idle.items():
            if footing.destination == destination:
                session = next(iter(sessions))
                self._no_more_idle(session)
                await asyncio.shield(self._goodbye(destination, session))
                return True
        return False

    async def hang_up(self, *destinations: str) -> None:
        """Say goodbye on the idle sessions of these destinations; busy ones, and those being
        opened, end after their letter, or at once where it may not go."""
        await self._hang_up(frozenset(destinations).__contains__)

    async def close(self) -> None:
        """Hang up everywhere and for good; busy sessions end after their letter."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self._hang_up(lambda key: True)

    def count(self, destination: str) -> tuple[int, int]:
        """Idle and busy sessions of a destination."""
        idle = sum(len(s) for f, s in self._idle.items() if f.destination == destination)
        return idle, len(self._busy.get(destination, ()))

    async def _hang_up(self, is_meant: Callable[[str], bool]) -> None:
        for destination, busy in self._busy.items():
            if is_meant(destination):
                for session in busy:
                    session.is_last = True
        for destination, expected in self._expected.items():
            if is_meant(destination):
                for one in expected:
                    one.is_last = True
        for footing in [f for f in self._idle if is_meant(f.destination)]:
            for session in list(self._idle[footing]):
                self._no_more_idle(session)
                self._goodbye(footing.destination, session)
        meant = [t for key, tasks in self._leaving.items() if is_meant(key) for t in tasks]
        if meant:
            await asyncio.wait(meant)

    def _no_more_busy(self, footing: Footing, session: Session) -> None:
        busy = self._busy[footing.destination]
        busy.discard(session)
        if not busy:
            del self._busy[footing.destination]

    def _keep(self, footing: Footing, session: Session) -> None:
        """It is idle from now on; where there are too many, another one goes."""
        until = asyncio.get_running_loop().time() + self._idle_seconds
        self._idle.setdefault(footing, OrderedDict())[session] = None
        self._order[session] = footing, until
        if len(self._order) > self._most_idle:
            oldest = next(iter(self._order))
            self._goodbye(self._no_more_idle(oldest).destination, oldest)
        if self._timer is None:
            self._wind()

    def _no_more_idle(self, session: Session) -> Footing:
        footing, _ = self._order.pop(session)
        sessions = self._idle[footing]
        del sessions[session]
        if not sessions:
            del self._idle[footing]
        return footing

    def _wind(self) -> None:
        """One timer serves them all: a session that is taken before its time costs none."""
        self._timer = None
        if self._order:
            _, until = next(iter(self._order.values()))
            self._timer = asyncio.get_running_loop().call_at(until, self._late, until)

    def _late(self, at: float) -> None:
        """Goodbye to those that were idle for long enough."""
        now = max(at, asyncio.get_running_loop().time())
        late = [one for one, (_, until) in self._order.items() if until <= now]
        for session in late:
            self._goodbye(self._no_more_idle(session).destination, session)
        self._wind()

    def _goodbye(self, destination: str, session: Session) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(_leave(session))
        self._leaving[destination].add(task)

        def over(task: asyncio.Task[None]) -> None:
            tasks = self._leaving[destination]
            tasks.discard(task)
            if not tasks:
                del self._leaving[destination]

        task.add_done_callback(over)
        return task


async def _leave(session: Session) -> None:
    await session.quit()
    await session.gone()
