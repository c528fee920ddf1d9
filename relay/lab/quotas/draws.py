"""Draws: a model, a variant and a seed → a provider; its recipients, and an administrator's limits.

The ranges ride beside the models as YAML; whoever has other ones hands them in, read by
:func:`read`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Final

from relay.config import shipped
from relay.lab.quotas import ranges as reading
from relay.lab.quotas.base import Provider, Quota
from relay.lab.quotas.chance import chance
from relay.lab.quotas.drawn import COMMON, COMMON_KEYS, Draw, Drawn
from relay.lab.quotas.gmail import Gmail
from relay.lab.quotas.government import Government
from relay.lab.quotas.m365 import M365
from relay.lab.quotas.outlook import Outlook
from relay.lab.quotas.ranges import Keys, Ranges
from relay.lab.quotas.small import Small
from relay.lab.quotas.variants import DIURNAL, FALL, FALSE_DEAD, VARIANTS, Variant
from relay.lab.quotas.yahoo import Yahoo
from relay.mail.instant import DAY, HOUR, MINUTE, Instant
from relay.strict_yaml import nearest

_CLASSES: Final[dict[str, type[Drawn]]] = {
    model.name: model for model in (Gmail, Yahoo, Outlook, M365, Government, Small)
}
MODELS: Final = tuple(_CLASSES)
KEYS: Final[Mapping[str, Keys]] = {
    COMMON: COMMON_KEYS,
    **{name: model.keys for name, model in _CLASSES.items()},
}


def read(text: str, where: str) -> Ranges:
    """One model's file, or the common one. Raises SourceError."""
    return reading.parse(text, where, KEYS)


@cache
def shipped_ranges() -> Mapping[str, Ranges]:
    """The files that ride beside the models, by model."""
    texts = shipped.texts("relay.lab.quotas", "models")
    found = [read(text, where) for where, text in texts.items()]
    return {ranges.model: ranges for ranges in found}


def draw(
    model: str,
    variant: str,
    seed: int,
    start: Instant,
    length: int,
    others: Mapping[str, Ranges] | None = None,
) -> Drawn:
    """The provider of that seed for a run of `length` milliseconds from `start`.

    `others`: ranges instead of shipped ones, by model. Raises ValueError for a model or variant
    that is none, naming the nearest.
    """
    if model not in _CLASSES:
        raise ValueError(f"no model: {model!r} ({nearest(model, MODELS)})")
    ranges = {**shipped_ranges(), **(others or {})}
    common = ranges[COMMON]
    course = _course(variant, seed, start, length, common)
    drawn = Draw(seed, start, length, ranges[model], common, course)
    return _CLASSES[model](drawn)  # type: ignore[call-arg]  # each model knows its own hosts


def _course(variant: str, seed: int, start: Instant, length: int, common: Ranges) -> Variant:
    """The variant, drawn."""
    if variant not in VARIANTS:
        raise ValueError(f"no variant: {variant!r} ({nearest(variant, VARIANTS)})")
    if variant == FALL:
        at = start + int(length * common.number("fall_at", seed))
        return Variant(FALL, fall_at=at, fall_to=common.number("fall_to", seed))
    if variant == DIURNAL:
        first, last = common.count("diurnal_from", seed), common.count("diurnal_until", seed)
        low = common.number("diurnal", seed)
        return Variant(DIURNAL, low=low, low_from=first, low_until=last)
    if variant == FALSE_DEAD:
        at = start + int(length * common.number("false_dead_at", seed))
        until = at + common.count("false_dead_for", seed)
        return Variant(FALSE_DEAD, false_from=at, false_until=until)
    return Variant(variant)


def address(provider: Provider, n: int) -> str:
    """The n-th recipient: spread evenly over the provider's domains."""
    domains = provider.domains
    return f"rekanan{n:05d}@{domains[n % len(domains)]}"


def tightest(provider: Provider, now: Instant) -> Quota | None:
    """The window that allows the least in the long run, of all domains; None without any."""
    windows = (quota for domain in provider.domains for quota in provider.quotas(domain, now))
    return min(windows, key=lambda quota: quota.count / quota.span, default=None)


def configured_rates(provider: Drawn, seed: int) -> tuple[str, ...]:
    """What an administrator has written as limit, by chance: `20/min`, `83/h`, `900/day`.

    0.3–5 × the tightest window as it is at the run's start, in the shortest unit that still has
    twenty of them; nothing where the provider has no window.
    """
    window = tightest(provider, provider.draw.start)
    if window is None:
        return ()
    limits = provider.draw.common.values["limits"]
    factor = limits.low + (limits.high - limits.low) * chance(seed, provider.name, "limit")
    a_day = window.count * factor * DAY / window.span
    for word, span in (("min", MINUTE), ("h", HOUR)):
        count = a_day * span / DAY
        if count >= 20:
            return (f"{math.floor(count)}/{word}",)
    return (f"{max(1, math.floor(a_day))}/day",)
