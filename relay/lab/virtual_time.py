"""Virtual time: an asyncio loop whose clock jumps to the next timer, and a Clock that follows it.

What would take days takes as long as its own work. Nothing waits: when no callback is ready, the
loop's time moves to the next timer at once. So there is no place for threads, sockets of another
process or anything else that takes real time: where nothing is ready and no timer is set, nothing
would ever happen, and the loop says so instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from relay.mail.instant import Instant

Result = TypeVar("Result")
START: Final[Instant] = 1_700_000_000_000  # an hour in November 2023; any would do


class Stalled(RuntimeError):
    """Every task waits for something that no timer and no file will bring."""


class _Jumping(selectors.DefaultSelector):
    """Files are asked without waiting; where none is ready, the time that was given passes."""

    def __init__(self, passed: Callable[[float], None]) -> None:
        super().__init__()
        self._passed = passed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See selectors.BaseSelector.select. Raises Stalled."""
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise Stalled("no callback is ready and no timer is set: nothing would ever happen")
        self._passed(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose `time()` begins at 0 and is moved by its own timers only."""

    def __init__(self) -> None:
        self._elapsed = 0.0
        super().__init__(_Jumping(self._pass))

    def time(self) -> float:
        """See AbstractEventLoop.time."""
        return self._elapsed

    def _pass(self, seconds: float) -> None:
        self._elapsed += max(seconds, 0.0)


class VirtualClock:
    """Implements Clock on a loop's time. The wall clock can be set; the monotonic one cannot."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: Instant = START) -> None:
        """`start` is the wall clock's time at the loop's time 0."""
        self._loop = loop
        self._start = start

    def now(self) -> int:
        """See Clock.now."""
        return self._start + round(self._loop.time() * 1000)

    def monotonic(self) -> float:
        """See Clock.monotonic."""
        return self._loop.time()

    def step(self, milliseconds: int) -> None:
        """Set the wall clock forward, or back."""
        self._start += milliseconds


def run(main: Callable[[VirtualClock], Coroutine[Any, Any, Result]]) -> Result:
    """Run `main(clock)` on a loop of its own, to its end. Raises what it raises, and Stalled."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main(VirtualClock(runner.get_loop())))
