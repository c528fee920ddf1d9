"""Stalls: the longest that a relay's loop was late meanwhile, beside a process that only sleeps.

The relay renews its gauge every few seconds, and starts it anew then: so it is looked at more often
than that, and once more for the last of it. What the sleeping process (`still_ms`) was late by is
the machine's own doing, not the relay's.
"""

from __future__ import annotations

import math
import threading
import time
import urllib.request
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from relay.observe.sampler import EVERY
from tests.bench.million_world import still

LOOK: Final = EVERY * 0.8  # seconds
LAG: Final = "lpse_loop_lag_seconds"
SAMPLED: Final = "lpse_sampled_timestamp_seconds"
PATIENCE: Final = 30.0  # seconds for /metrics: a stall is to be told, not to end the run


class Stalls:
    """`with Stalls("127.0.0.1:9325") as seen`; then `seen.ms` and `seen.still_ms`.

    It begins with a sample that is not counted, since it tells of the seconds before, such as the
    relay's start: entering waits for that, five seconds at most.
    """

    def __init__(self, metrics: str) -> None:
        self.ms = self.still_ms = 0.0
        self._began = math.inf
        self._url = f"http://{metrics}/metrics"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._stack = ExitStack()
        self._fault: Exception | None = None

    def __enter__(self) -> Self:
        self._began = self._next(time.time())
        self._still = self._stack.enter_context(still())
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the last sample. Raises what a look raised, unless it ends by an error."""
        self.still_ms = self._still.value * 1e3
        self._stack.close()
        self._over.set()
        if kind is None:
            self._thread.join()
            if self._fault:
                raise self._fault

    def _look(self) -> None:
        try:
            while not self._over.wait(LOOK):
                self._seen()
            self._next(time.time())
        except Exception as fault:
            self._fault = fault

    def _next(self, now: float) -> float:
        """Look until there is a sample of after `now`; returns when it was taken."""
        while (at := self._seen()) <= now:
            if time.time() > now + EVERY + PATIENCE:
                raise TimeoutError(f"no sample of the gauges at {self._url}")
            time.sleep(0.2)
        return at

    def _seen(self) -> float:
        """Look once; returns when the gauges were sampled."""
        lag, at = gauges(self._url, LAG, SAMPLED)
        if at > self._began:
            self.ms = max(self.ms, lag * 1e3)
        return at


def gauges(url: str, *names: str) -> tuple[float, ...]:
    """These of /metrics. Raises OSError, KeyError."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as page:
        lines = page.read().decode().splitlines()
    found = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    return tuple(float(found[name]) for name in names)
