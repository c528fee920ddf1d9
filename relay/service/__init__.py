"""Service: the only place where things are built, and where a running relay begins and ends."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relay.config import Config

__all__ = ["loop_factory", "serve"]


def serve(config: Config, started: Callable[[], None] = lambda: None) -> None:
    """Run until TERM or INT. Raises SourceError, StoreError, OSError where it cannot start.

    `started` is called once, when all of it stands. A HUP before that is served then.
    """
    early: list[int] = []  # of HUP, which would end a process that does not hear it yet
    before = signal.signal(signal.SIGHUP, lambda number, frame: early.append(number))

    def stands() -> None:
        started()
        if early:
            signal.raise_signal(signal.SIGHUP)

    # Python looks for rings when objects were made: while somebody waits, for 65 ms at its worst.
    # memory.Rings says when it is time.
    gc.disable()
    # Only the relay itself pays for its parts: other commands import this package for less.
    from relay.service.running import Running

    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(Running(config, stands).run())
    finally:
        gc.enable()
        signal.signal(signal.SIGHUP, before)


def loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """The loop that this program runs on; None: asyncio's own."""
    if sys.platform != "linux":
        return None
    try:
        import uvloop
    except ImportError:  # no wheel for this interpreter: asyncio's own loop serves
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop
