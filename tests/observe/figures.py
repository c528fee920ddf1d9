"""Figures: what a store and a shaper tell the sampler, and what Prometheus reads of them."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from relay.observe.metrics import Metrics
from relay.shaping.base import Standing
from relay.shaping.destination import Rate
from relay.store.base import Depth
from tests.observe.examples import HandClock

PER_MINUTE = Rate(20, timedelta(minutes=1))
PER_DAY = Rate(1500, timedelta(days=1))
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(metrics: Metrics) -> Samples:
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def new_metrics(dropped: int = 0) -> Metrics:
    return Metrics(["gmail", "yahoo"], lambda: dropped)


def standing(
    provider: str | None, state: str = "ok", rates: tuple[Rate, ...] = (), now: float | None = None
) -> Standing:
    return Standing(
        key=provider or "mx.example.co.id",
        provider=provider,
        state=state,  # type: ignore[arg-type]
        paused_until=None,
        why="",
        limits=rates,
        rate_now=now,
        connections=2,
        connections_open=1,
        last_reply="",
        last_reply_at=None,
    )


class Readings:
    """A store's figures, and how often they were asked for."""

    def __init__(self, depths: list[Depth], clock: HandClock | None = None) -> None:
        self._depths = depths
        self._clock = clock  # where counting the rows takes a tenth of a second
        self.rows_asked = 0
        self.is_broken = False

    async def depths(self) -> list[Depth]:
        if self.is_broken:
            raise OSError("no disk")
        return self._depths

    async def inbox_rows(self) -> int:
        self.rows_asked += 1
        if self._clock is not None:
            self._clock.at += 100
        return 311 + self.rows_asked

    def wal_bytes(self) -> int:
        return 4096

    def free_bytes(self) -> tuple[int, int]:
        return 900, 1000

    def commit_seconds(self) -> list[float]:
        return [0.002, 0.02]
