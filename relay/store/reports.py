"""Reports: what a store promises to whoever asks afterwards how it went,, at which address."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from relay.mail.classification import Category
from relay.mail.delivery import State
from relay.mail.follow_up import FollowUp
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency

T = TypeVar("T")
# Durations below so many milliseconds go by such steps: 2 % of the decade's begin, 20 ms at least.
STEPS: Final[tuple[tuple[int, int], ...]] = (
    (10_000, 20),
    (100_000, 200),
    (1_000_000, 2_000),
    (10_000_000, 20_000),
    (100_000_000, 200_000),
)
LAST_STEP: Final = 2_000_000
MOST_FAILING: Final = 100_000  # addresses that are told at once


@dataclass(frozen=True, slots=True)
class Failing:
    """An address at which letters ended for a reason of its own. ``missed``: letters that it did
    not get; ``rule``, ``said``, ``route_key``: of the last attempt at the letter that failed last,
    or of the report that came late; foreign text."""

    address: str
    category: Category
    first_at: Instant
    last_at: Instant
    missed: int
    accepted_at: Instant | None
    domain: str
    route_key: str
    rule: str
    said: str


@dataclass(frozen=True, slots=True)
class Counted:
    """So many deliveries of one kind. ``day``: of acceptance, since 1970 in the zone asked for;
    ``took``: milliseconds from acceptance to delivery, to 2 %, None of what is not delivered."""

    day: int
    domain: str
    route_key: str
    urgency: Urgency
    state: State
    category: Category | None
    took: int | None
    count: int


class Reports(Protocol):
    """Answers over all that was ever accepted; reports of our own are no letters. A letter that
    came back after it was taken has failed."""

    async def failing_addresses(
        self, categories: Collection[Category], since: Instant = 0, limit: int = MOST_FAILING
    ) -> list[Failing]:
        """Addresses whose letters ended bounced or expired in one of these categories, with a
        failure at or after ``since``; most missed first, then by address."""
        ...

    async def counted(
        self,
        since: Instant,
        until: Instant,
        zone: int,
        labels: Collection[str],
        fold: Callable[[Iterable[Counted]], T],
    ) -> T:
        """What ``fold`` makes of the deliveries accepted in [since, until), streamed in no order.
        ``zone``: milliseconds east of UTC; ``labels``: the domains and destinations' keys that are
        told apart, all others are empty. ``fold`` may run on another thread."""
        ...

    async def follow_ups(self) -> Mapping[str, FollowUp]:
        """What was noted, by address."""
        ...

    async def save_follow_up(self, made: FollowUp) -> FollowUp | None:
        """Note it, with its audit row, in one transaction; what stood before. Raises
        StoreError."""
        ...


def rounded(took: int) -> int:
    """Milliseconds to 2 %, as :class:`Counted` has them; what SQL does too."""
    took = max(took, 0)
    for limit, step in STEPS:
        if took < limit:
            return took // step * step
    return took // LAST_STEP * LAST_STEP
