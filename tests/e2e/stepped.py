"""The installed program with a wall clock that can be set: `CLOCK` names a file with milliseconds.

They are added to the machine's time from the moment that they are written; the monotonic clock goes
on as it is. Every reading of the wall clock in the program goes through `relay.clock`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from relay.cli import main
from relay.clock import SystemClock

OFFSET = Path(os.environ["CLOCK"])


def now(self: SystemClock) -> int:
    """The machine's time and what it was set forward or back."""
    return time.time_ns() // 1_000_000 + int(OFFSET.read_text())


if __name__ == "__main__":
    SystemClock.now = now  # type: ignore[method-assign]
    main()
