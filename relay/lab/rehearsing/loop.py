"""SwiftLoop: virtual time for a rehearsal's millions of callbacks: no file is ever looked at.

A turn of asyncio's own loop asks the system about files, sums up a time-out and looks after slow
callbacks; here there are only timers and callbacks, so a turn is only those.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from relay.lab.virtual_time import Stalled, VirtualClock, VirtualTimeLoop
from relay.mail.instant import Instant

Result = TypeVar("Result")
MANY: Final = 200_000  # turns at one moment: nobody has so much to do at once
AT_ONCE: Final = 1e-6  # seconds between two timers that ring together


class SwiftLoop(VirtualTimeLoop):
    """A VirtualTimeLoop without files; a callback from another thread is not heard of."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _turns = 0

    def _run_once(self) -> None:
        """One turn: what is ready; where nothing is, the time of the next timer comes."""
        ready, timers = self._ready, self._scheduled
        while timers and timers[0].cancelled():
            heapq.heappop(timers)
        if not ready:
            if not timers:
                raise Stalled("no callback is ready and no timer is set: nothing would ever happen")
            self._elapsed = max(self._elapsed, timers[0].when())
            self._turns = 0
        self._turns += 1
        if self._turns > MANY:
            raise Stalled(f"time stands still: {MANY} turns, and something is always ready")
        until = self._elapsed + AT_ONCE
        while timers and timers[0].when() <= until:
            timer = heapq.heappop(timers)
            if not timer.cancelled():
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is dropped when its time comes; nothing counts them."""


def run(main: Callable[[VirtualClock], Coroutine[Any, Any, Result]], start: Instant) -> Result:
    """Run `main(clock)` on a loop of its own, from `start` to its end."""
    with asyncio.Runner(loop_factory=SwiftLoop) as runner:
        return runner.run(main(VirtualClock(runner.get_loop(), start)))
