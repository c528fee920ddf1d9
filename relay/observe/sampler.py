"""Sampler: renews the snapshot of the gauges every few seconds, in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from relay.clock import Clock
from relay.mail.delivery import State
from relay.observe.metrics import Metrics
from relay.observe.others import Others
from relay.observe.pulse import Pulse
from relay.observe.snapshot import Depth, DomainDepth, Readings, Snapshot, Standing

EVERY: Final = 5.0  # seconds; /metrics is never older than three of these
AT_ONCE: Final = 50  # domains or destinations that are asked after before others have their turn
_ROWS_EVERY: Final = 12  # samples, where counting all inbox rows is slow: it may be a scan
_REASONS_EVERY: Final = 3  # samples, where asking for the reasons is slow
_STANDINGS_EVERY: Final = 3  # samples, where there are thousands of destinations
_SLOW: Final = 0.02  # seconds

ReasonOf = Callable[[str, State, int], str]

logger = logging.getLogger(__name__)


class Sampler:
    """`run` as a task. A failed sample is logged, and the last one stays, with its time on it."""

    def __init__(
        self,
        readings: Readings,
        standings: Callable[[], Iterable[Standing]],
        provider_of: Callable[[str], str | None],
        metrics: Metrics,
        clock: Clock,
        pulse: Pulse | None = None,
        sessions_open: Callable[[], int] = lambda: 0,
        reason_of: ReasonOf = lambda domain, state, count: "",
        workers: Callable[[], int] = lambda: 0,
    ) -> None:
        """`readings` is the store; `standings` makes each one as it is come to; `provider_of` maps
        a domain to a name, None where unknown;
        `reason_of` says in a word of a closed list what so many of a domain in a state wait for."""
        self._readings = readings
        self._standings = standings
        self._provider_of = provider_of
        self._metrics = metrics
        self._clock = clock
        self._pulse = pulse
        self._sessions_open = sessions_open
        self._reason_of = reason_of
        self._workers = workers
        self._reasons: dict[tuple[str, State], str] = {}
        self._asking = 0.0  # seconds that it took in this sample
        self._keep_reasons = 0  # samples for which they are still good
        self._shown: tuple[Standing, ...] = ()
        self._keep_shown = 0  # samples for which these are still good
        self._skip = 0  # samples until the inbox rows are counted again
        self._inbox_rows = 0

    async def run(self, every: float = EVERY) -> None:
        """Sample until cancelled."""
        while True:
            try:
                await self.sample()
            except Exception:
                logger.exception("the gauges could not be sampled; the last ones stay")
            await asyncio.sleep(every)

    async def sample(self) -> None:
        """Take one snapshot and hand it to the metrics."""
        now = self._clock.now()
        await self._count_rows()
        depths = await self._depths()
        standings = await self._all_standings()
        self._metrics.snapshot = Snapshot(
            now,
            depths,
            standings,
            self._readings.wal_bytes(),
            self._readings.free_bytes()[0],
            self._inbox_rows,
            self._pulse.take_lag() if self._pulse else 0.0,
            self._sessions_open(),
            len(asyncio.all_tasks()),
            self._workers(),
        )
        self._metrics.commit_seconds(self._readings.commit_seconds())

    async def _count_rows(self) -> None:
        """With every sample while it is quick, so that a young relay does not show what was."""
        if self._skip:
            self._skip -= 1
            return
        begun = self._clock.monotonic()
        self._inbox_rows = await self._readings.inbox_rows()
        self._skip = _ROWS_EVERY - 1 if self._clock.monotonic() - begun > _SLOW else 0

    async def _all_standings(self) -> tuple[Standing, ...]:
        """Each provider's, and the others' as one, a few at a time."""
        if self._keep_shown > 0:
            self._keep_shown -= 1
            return self._shown
        shown: list[Standing] = []
        others, took = Others(), 0.0
        begun = self._clock.monotonic()
        for n, one in enumerate(self._standings(), 1):
            if one.provider is None:
                others.add(one)
            else:
                shown.append(one)
            if n % AT_ONCE == 0:
                took += self._clock.monotonic() - begun
                await asyncio.sleep(0)
                begun = self._clock.monotonic()
        took += self._clock.monotonic() - begun
        self._keep_shown = _STANDINGS_EVERY - 1 if took > _SLOW else 0
        self._shown = (*shown, others) if others.is_any else tuple(shown)
        return self._shown

    async def _depths(self) -> tuple[Depth, ...]:
        """By provider: thousands of domains become a handful of sums, a few at a time."""
        found: dict[tuple[str | None, State, str], Depth] = {}
        self._keep_reasons -= 1
        is_fresh = self._keep_reasons <= 0
        if is_fresh:
            self._reasons = {}
        self._asking = 0.0
        for n, part in enumerate(await self._readings.depths(), 1):
            provider = self._provider_of(part.domain)
            key = (provider, part.state, self._reason(part))
            had = found.get(key)
            count = part.count + (had.count if had else 0)
            oldest_at = min(part.oldest_at, had.oldest_at) if had else part.oldest_at
            found[key] = Depth(provider, part.state, count, oldest_at, key[2])
            if n % AT_ONCE == 0:
                await asyncio.sleep(0)
        if is_fresh and self._asking > _SLOW:
            self._keep_reasons = _REASONS_EVERY
        return tuple(found.values())

    def _reason(self, part: DomainDepth) -> str:
        """What they wait for; of thousands of domains it is not asked with each sample."""
        key = (part.domain, part.state)
        reason = self._reasons.get(key)
        if reason is None:
            begun = self._clock.monotonic()
            reason = self._reasons[key] = self._reason_of(*key, part.count)
            self._asking += self._clock.monotonic() - begun
        return reason
