"""SwiftLoop: virtual time for a rehearsal's millions of callbacks: no file is ever looked at.

A turn of asyncio's own loop asks the system about files, sums up a time-out and looks after slow
callbacks; here there are only timers and callbacks, so a turn is only those. Nothing in a rehearsal
has context variables: a callback is called as it is. The order is asyncio's own, to the last tie.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from relay.lab.virtual_time import Stalled, VirtualClock, VirtualTimeLoop
from relay.mail.instant import Instant

Result = TypeVar("Result")
Given = TypeVarTuple("Given")
MANY: Final = 200_000  # turns at one moment: nobody has so much to do at once
AT_ONCE: Final = 1e-6  # seconds between two timers that ring together


def _nothing(*_: object) -> None:
    """What a cancelled callback does."""


class _Ready(asyncio.Handle):
    """A callback whose turn comes."""

    __slots__ = ()
    _callback: Callable[..., object]
    _args: tuple[Any, ...]
    _cancelled: bool

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._callback = callback
        self._args = args
        self._cancelled = False

    def cancel(self) -> None:
        """See asyncio.Handle.cancel."""
        self._cancelled = True
        self._callback, self._args = _nothing, ()


class _Timer(asyncio.TimerHandle):
    """A callback whose time comes. Two of one time have no order: the heap decides."""

    __slots__ = ()
    _callback: Callable[..., object]
    _args: tuple[Any, ...]
    _cancelled: bool
    _when: float

    def __init__(self, when: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._cancelled = False

    def cancel(self) -> None:
        """See asyncio.Handle.cancel; it is dropped when its time comes."""
        self._cancelled = True
        self._callback, self._args = _nothing, ()

    def __lt__(self, other: object) -> bool:
        return False

    __eq__ = object.__eq__
    __hash__ = object.__hash__


class SwiftLoop(VirtualTimeLoop):
    """A VirtualTimeLoop without files; a callback from another thread is not heard of."""

    _ready: deque[_Ready | _Timer]
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._timers: list[tuple[float, _Timer]] = []
        self.elapsed = 0  # milliseconds since its beginning

    def call_soon(
        self,
        callback: Callable[[Unpack[Given]], object],
        *args: *Given,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """See AbstractEventLoop.call_soon."""
        handle = _Ready(callback, args)
        self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Given]], object],
        *args: *Given,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See AbstractEventLoop.call_later."""
        when = self._elapsed + delay
        timer = _Timer(when, callback, args)
        heapq.heappush(self._timers, (when, timer))
        return timer

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Given]], object],
        *args: *Given,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See AbstractEventLoop.call_at."""
        timer = _Timer(when, callback, args)
        heapq.heappush(self._timers, (when, timer))
        return timer

    def _run_once(self) -> None:
        """Turns until the loop is stopped: what is ready; where nothing is, the time of the next
        timer comes."""
        ready, timers, pop = self._ready, self._timers, heapq.heappop
        turns = 0
        while not self._stopping:
            while timers and timers[0][1]._cancelled:
                pop(timers)
            if not ready:
                if not timers:
                    raise Stalled(
                        "no callback is ready and no timer is set: nothing would ever happen"
                    )
                self._elapsed = max(self._elapsed, timers[0][0])
                self.elapsed = round(self._elapsed * 1000)
                turns = 0
            turns += 1
            if turns > MANY:
                raise Stalled(f"time stands still: {MANY} turns, and something is always ready")
            until = self._elapsed + AT_ONCE
            while timers and timers[0][0] <= until:
                timer = pop(timers)[1]
                if not timer._cancelled:
                    ready.append(timer)
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    try:
                        handle._callback(*handle._args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:
                        told = {"message": f"{handle._callback} failed", "exception": error}
                        self.call_exception_handler(told)


class SwiftClock(VirtualClock):
    """Read some hundred times a letter: each time it is one call, and the time is there."""

    _loop: SwiftLoop

    def now(self) -> int:
        """See Clock.now."""
        return self._start + self._loop.elapsed

    def monotonic(self) -> float:
        """See Clock.monotonic."""
        return self._loop._elapsed


def run(main: Callable[[VirtualClock], Coroutine[Any, Any, Result]], start: Instant) -> Result:
    """Run `main(clock)` on a loop of its own, from `start` to its end."""
    loop = SwiftLoop()  # no Runner: its care for signals writes out the whole outcome, twice
    try:
        return loop.run_until_complete(main(SwiftClock(loop, start)))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
