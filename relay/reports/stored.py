"""Stored: the store's answers as report lines, with how far the LPSE's people are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from relay.mail.delivery import State
from relay.mail.follow_up import FollowUp, Progress
from relay.mail.instant import DAY, Instant, iso
from relay.reports.grouped import Group, Key, category_word
from relay.reports.lines import AddressLine, address_shape
from relay.reports.spread import step
from relay.store.reports import Counted, Failing

ProviderOf = Callable[[str, str], str]  # (domain, destination's key) → name
Row = dict[str, object]
_FAILED: Final = (State.BOUNCED, State.EXPIRED, State.SUPPRESSED)


def address_rows(
    found: Iterable[Failing],
    follow_ups: Mapping[str, FollowUp],
    provider_of: ProviderOf,
    *,
    is_all: bool = False,
) -> list[Row]:
    """A row an address. Without ``is_all`` those that took a letter since, or that are done with,
    are left out."""
    rows = []
    for one in found:
        line = AddressLine(
            address=one.address,
            category=one.category,
            first_at=one.first_at,
            last_at=one.last_at,
            missed=one.missed,
            accepted_at=one.accepted_at,
            provider=provider_of(one.domain, one.route_key),
            rule=one.rule,
            said=one.said,
        )
        noted = follow_ups.get(one.address)
        progress = noted.after(one.last_at) if noted else Progress.NEW
        if is_all or not (line.is_healed or progress is Progress.DONE):
            rows.append(address_shape(line) | follow_up_shape(noted, progress))
    return rows


def follow_up_shape(noted: FollowUp | None, progress: Progress) -> Row:
    """As JSON and CSV have it."""
    return {
        "state": progress.value,
        "note": noted.note if noted else "",
        "noted_by": noted.who if noted else "",
        "noted_at": iso(noted.at) if noted else None,
    }


def fold(provider_of: ProviderOf) -> Callable[[Iterable[Counted]], dict[Key, Group]]:
    """Counts → groups, one at a time: what is held is a group each, whatever comes. What an
    operator removed is no letter that was sent."""

    def folded(counts: Iterable[Counted]) -> dict[Key, Group]:
        groups: dict[Key, Group] = {}
        for one in counts:
            if one.state is State.REMOVED:
                continue
            provider = provider_of(one.domain, one.route_key)
            is_delivered = one.state is State.DELIVERED
            category = "" if is_delivered else category_word(one.category)
            key = (one.day, provider, one.urgency.word, category)
            _count(groups.setdefault(key, Group()), one)
        return groups

    return folded


def _count(group: Group, one: Counted) -> None:
    if one.state is State.DELIVERED:
        group.delivered += one.count
        if one.took is not None:
            group.spread.add_steps({step(one.took / 1000): one.count})
    elif one.state in _FAILED:
        group.failed += one.count
    else:
        group.waiting += one.count


def days(first: int, last: int, zone: int) -> tuple[Instant, Instant]:
    """The span of whole days, by their numbers since 1970, the last one included."""
    return first * DAY - zone, (last + 1) * DAY - zone
