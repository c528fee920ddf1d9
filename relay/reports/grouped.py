"""Grouped: counts of deliveries by day, provider, class and category, folded into report lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from relay.mail.classification import Category
from relay.mail.instant import DAY, Instant
from relay.reports.lines import DeliveryLine
from relay.reports.spread import Spread

BY: Final = ("day", "provider", "class", "category")
Key = tuple[int, str, str, str]  # the day since 1970, provider, class, category


@dataclass(slots=True)
class Group:
    """Counts of one group; grows while it is counted."""

    delivered: int = 0
    failed: int = 0
    waiting: int = 0
    spread: Spread = field(default_factory=Spread)

    def take(self, other: Group) -> None:
        """Add another group's counts."""
        self.delivered += other.delivered
        self.failed += other.failed
        self.waiting += other.waiting
        self.spread.take(other.spread)


def day_of(at: Instant, zone: int) -> int:
    """The number of the day, in a zone so many milliseconds east of UTC."""
    return (at + zone) // DAY


def day_text(day: int) -> str:
    """``2026-11-29``."""
    return f"{datetime.fromtimestamp(day * DAY // 1000, UTC):%Y-%m-%d}"


def lines(groups: Mapping[Key, Group], by: Sequence[str] = BY) -> list[DeliveryLine]:
    """The lines, told apart by what ``by`` names, in the order of its words."""
    kept = [BY.index(word) for word in by]
    folded: dict[tuple[int | str, ...], Group] = {}
    for key, group in groups.items():
        folded.setdefault(tuple(key[n] for n in kept), Group()).take(group)
    made = []
    for short in sorted(folded):
        told = dict(zip(by, short, strict=True))
        made.append(_line(told, folded[short]))
    return made


def total(groups: Iterable[Group]) -> DeliveryLine:
    """All of it in one line."""
    whole = Group()
    for group in groups:
        whole.take(group)
    return _line({}, whole)


def _line(told: Mapping[str, int | str], group: Group) -> DeliveryLine:
    day = told.get("day")
    return DeliveryLine(
        day=day_text(day) if isinstance(day, int) else None,
        provider=_said(told.get("provider")),
        urgency=_said(told.get("class")),
        category=_said(told.get("category")),
        sent=group.delivered + group.failed + group.waiting,
        delivered=group.delivered,
        failed=group.failed,
        p50=group.spread.quantile(0.5),
        p95=group.spread.quantile(0.95),
    )


def _said(word: int | str | None) -> str | None:
    return str(word) if word else None


def category_word(category: Category | None) -> str:
    """The category as a key has it."""
    return category.value if category else ""
