"""Mistakes: what a limit or a provider may say although it can mean nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from relay.shaping.destination import Profile, Rate, belongs

Fault = tuple[str, str]  # what is wrong, and what to write


def beyond(burst: int | None, rates: Sequence[Rate]) -> Fault | None:
    """A burst that is more than a rate lets through at all."""
    least = min(rates, key=lambda rate: rate.count, default=None)
    if burst is None or least is None or burst <= least.count:
        return None
    message = f"a burst of {burst} never adds to {least}: no more than {least.count} go at once"
    return message, f"burst: {least.count}"


def shadowed(profiles: Mapping[str, Profile], said: Collection[str]) -> Iterator[tuple[str, Fault]]:
    """Providers that never get a letter, since all their MX hosts belong to an earlier one; each is
    put down to the one of the two that is `said` (the later, where both are)."""
    names = list(profiles)
    for n, later in enumerate(names):
        for earlier in names[:n]:
            blamed = later if later in said else earlier
            if blamed in said and _covers(profiles[earlier].match, profiles[later].match):
                hint = f"change {earlier}, or write {earlier}: null"
                message = f"{later} never matches: its MX hosts all belong to {earlier} before it"
                yield blamed, (message, hint)
                break


def _covers(earlier: tuple[str, ...], later: tuple[str, ...]) -> bool:
    return bool(later) and all(belongs(suffix.strip("."), earlier) for suffix in later)
