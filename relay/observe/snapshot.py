"""Snapshot: what the gauges show, sampled in the background, and what it is sampled from.

The protocols name what is asked of the store and the shaper, in their own shapes; the real ones
fulfil them as they are, and this room need not know their packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from relay.mail.delivery import State
from relay.mail.instant import Instant


class Rate(Protocol):
    """A limit; `str()` of it ends in `/` and the window's name: `20/min`."""

    @property
    def count(self) -> int:
        """RCPTs in a window."""
        ...


class Standing(Protocol):
    """A destination's standing, as `shaping` shows it."""

    @property
    def provider(self) -> str | None:
        """Its provider's name, None where it is none."""
        ...

    @property
    def state(self) -> str:
        """`paused` is what is asked for."""
        ...

    @property
    def limits(self) -> Sequence[Rate]:
        """What holds now."""
        ...

    @property
    def rate_now(self) -> float | None:
        """RCPTs a minute at most, now."""
        ...

    @property
    def connections_open(self) -> int:
        """Sessions to it."""
        ...


class DomainDepth(Protocol):
    """A domain's unfinished deliveries in a state, as the store counts them."""

    @property
    def domain(self) -> str:
        """The recipients' domain."""
        ...

    @property
    def state(self) -> State:
        """Their state."""
        ...

    @property
    def count(self) -> int:
        """How many."""
        ...

    @property
    def oldest_at(self) -> Instant:
        """When the oldest came."""
        ...


class Readings(Protocol):
    """What the sampler asks of the store."""

    async def depths(self) -> Sequence[DomainDepth]:
        """The queue's depth by domain and state."""
        ...

    async def inbox_rows(self) -> int:
        """Letters in all inboxes."""
        ...

    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        ...

    def free_bytes(self) -> tuple[int, int]:
        """Free and total octets of the disk."""
        ...

    def commit_seconds(self) -> list[float]:
        """Durations of the commits since the last call."""
        ...


@dataclass(frozen=True, slots=True)
class Depth:
    """Unfinished deliveries of a provider in a state that wait for the same; `oldest_at`: when the
    oldest came."""

    provider: str | None
    state: State
    count: int
    oldest_at: Instant
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the gauges show; `at` 0: nothing was sampled yet. `loop_lag` in seconds."""

    at: Instant
    depths: tuple[Depth, ...] = ()
    standings: tuple[Standing, ...] = ()
    wal_bytes: int = 0
    disk_free: int = 0
    inbox_rows: int = 0
    loop_lag: float = 0.0
    sessions_open: int = 0
    loop_tasks: int = 0
    workers: int = 0


NOTHING_YET = Snapshot(0)
