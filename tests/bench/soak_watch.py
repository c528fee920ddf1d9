"""What a soaked relay shows meanwhile: memory, its slope, the longest stall, the largest queue."""

from __future__ import annotations

import asyncio
import math
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SAMPLES: Final = 20  # of the memory, in a run that is shorter than so many minutes
LONGEST: Final = 60.0  # seconds between two of them
LOOK: Final = 2.0  # seconds: the gauge of the stalls is renewed every five
PATIENCE: Final = 60.0  # seconds for /metrics: a stall is to be told, not to end the run
JUDGED: Final = 600.0  # seconds: of a shorter run the slope says nothing
TOLERATED: Final = 100.0  # MB a day
ERRORS: Final = 3.0  # standard errors that a slope may be wrong by: what wanders is not what grows
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Slope:
    """A growth, and by how much it may be wrong; MB a day."""

    mb_a_day: float
    give_or_take: float

    @property
    def is_growth(self) -> bool:
        """Surely more than is tolerated."""
        return self.mb_a_day - self.give_or_take > TOLERATED


def slope(samples: Sequence[tuple[float, float]]) -> Slope | None:
    """The straight line of least squares through (seconds, MB); None of fewer than three."""
    count = len(samples)
    if count < 3:
        return None
    mid = sum(at for at, _ in samples) / count
    mean = sum(mb for _, mb in samples) / count
    spread = sum((at - mid) ** 2 for at, _ in samples)
    rise = sum((at - mid) * (mb - mean) for at, mb in samples) / spread
    left = sum((mb - mean - rise * (at - mid)) ** 2 for at, mb in samples)
    error = math.sqrt(left / (count - 2) / spread)
    return Slope(rise * DAY, ERRORS * error * DAY)


def pss(pid: int) -> float:
    """MB that are a process' part of the memory."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return round(int(line.split()[1]) / 1e3, 2)
    raise AssertionError("no Pss in smaps_rollup")


async def gauge(metrics: str, name: str) -> float:
    """One of /metrics, by its name without labels; `metrics` is host:port."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=PATIENCE) as page:
            return str(page.read(), "utf-8")

    lines = (await asyncio.to_thread(read)).splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


@dataclass
class Watch:
    """Looks at a process for `seconds`; `queued` says how many letters wait now."""

    pid: int
    metrics: str
    seconds: float
    queued: Callable[[], int]
    samples: list[tuple[float, float]] = field(default_factory=list)  # seconds, MB
    stall_ms: float = 0.0
    largest_queue: int = 0

    async def look(self) -> None:
        """Until cancelled."""
        began, every = time.monotonic(), min(LONGEST, self.seconds / SAMPLES)
        while True:
            at = time.monotonic() - began
            if at >= len(self.samples) * every:
                self.samples.append((at, pss(self.pid)))
            self.largest_queue = max(self.largest_queue, self.queued())
            lag = await gauge(self.metrics, "lpse_loop_lag_seconds")
            self.stall_ms = max(self.stall_ms, round(lag * 1e3, 1))
            await asyncio.sleep(min(LOOK, every / 2))

    def slope(self) -> Slope | None:
        """Of the second half; None where the run is too short to say."""
        if self.seconds < JUDGED:
            return None
        return slope([(at, mb) for at, mb in self.samples if at >= self.seconds / 2])

    def grown(self) -> dict[str, float]:
        """MB a day, where that is surely more than is tolerated."""
        found = self.slope()
        return {"mb_a_day": round(found.mb_a_day)} if found and found.is_growth else {}
