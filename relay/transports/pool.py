"""Pool: idle sessions kept for the next letter, by destination and by how they were made.

Decide, then do: the bookkeeping is synchronous and finished before any goodbye is waited for, so
no session is ever given to two letters. A session that dies while idle is dropped without a word.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from relay.transports.base import Host, Route, TlsPolicy
from relay.transports.session import Session


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


class Pool:
    """Sessions, idle and busy. All methods but `hang_up`, `close`, `make_room` are synchronous."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        # Of each footing the one used last is taken first: the others may then time out.
        self._idle: dict[Footing, OrderedDict[Session, asyncio.TimerHandle]] = {}
        self._busy: dict[str, set[Session]] = defaultdict(set)
        self._leaving: dict[str, set[asyncio.Task[None]]] = defaultdict(set)
        self._is_closed = False

    def take(self, footing: Footing) -> Session | None:
        """An idle session that still stands, now busy; None where there is none."""
        while (sessions := self._idle.get(footing)) is not None:
            session, timer = sessions.popitem()
            timer.cancel()
            if not sessions:
                del self._idle[footing]
            if session.still_stands:
                self._busy[footing.destination].add(session)
                return session
            session.abort()
        return None

    def add_busy(self, footing: Footing, session: Session) -> None:
        """A new session, which carries a letter now."""
        self._busy[footing.destination].add(session)

    def give_back(self, footing: Footing, session: Session, may_stay: bool) -> None:
        """After its letter: keep it if it may stay and still can, else say goodbye."""
        if not session.is_usable:
            self.drop(footing, session)
            return
        self._no_more_busy(footing, session)
        if may_stay and not session.is_last and not self._is_closed:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self._idle_seconds, self._late, footing, session)
            self._idle.setdefault(footing, OrderedDict())[session] = timer
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
                session, timer = sessions.popitem(last=False)
                timer.cancel()
                if not sessions:
                    del self._idle[footing]
                await asyncio.shield(self._goodbye(destination, session))
                return True
        return False

    async def hang_up(self, destination: str) -> None:
        """Say goodbye on the idle sessions of a destination; busy ones end after their letter."""
        await self._hang_up(lambda key: key == destination)

    async def close(self) -> None:
        """Hang up everywhere and for good; busy sessions end after their letter."""
        self._is_closed = True
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
        for footing in [f for f in self._idle if is_meant(f.destination)]:
            for session, timer in self._idle.pop(footing).items():
                timer.cancel()
                self._goodbye(footing.destination, session)
        meant = [t for key, tasks in self._leaving.items() if is_meant(key) for t in tasks]
        if meant:
            await asyncio.wait(meant)

    def _no_more_busy(self, footing: Footing, session: Session) -> None:
        busy = self._busy[footing.destination]
        busy.discard(session)
        if not busy:
            del self._busy[footing.destination]

    def _late(self, footing: Footing, session: Session) -> None:
        sessions = self._idle[footing]
        del sessions[session]
        if not sessions:
            del self._idle[footing]
        self._goodbye(footing.destination, session)

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
