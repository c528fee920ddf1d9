"""Rehearsal: when an announcement would be through, by provider and class, under a site's limits.

The providers are drawn, so the answer is an example and no promise: what the limits of the
configuration alone make of it is exact, what a provider bears is a guess by seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from relay.config import Config
from relay.lab.quotas import MODELS, VARIANTS, address, draw
from relay.lab.quotas.base import Kind, Provider
from relay.lab.rehearsing.arrivals import Arrival, arrivals
from relay.lab.rehearsing.cases import BEGINS, book_with
from relay.lab.rehearsing.playing import played
from relay.lab.rehearsing.scoring import blocks_of
from relay.lab.rehearsing.sides import OURS, Setting, Side
from relay.lab.rehearsing.world import Outcome, Run
from relay.mail.delivery import State
from relay.mail.instant import HOUR
from relay.mail.urgency import Urgency
from relay.shaping.base import Shaping
from relay.shaping.shaper import Shaper

__all__ = ["MODELS", "VARIANTS", "Asked", "Line", "rehearse", "rows"]

# Where vendors in Indonesia have their mailboxes, roughly.
SHARES: Final = {
    "gmail": 0.55,
    "yahoo": 0.12,
    "outlook": 0.08,
    "m365": 0.07,
    "go.id": 0.08,
    "small": 0.10,
}
POINTS: Final = 48  # of the curve


@dataclass(frozen=True, slots=True)
class Asked:
    """What is rehearsed. `models` empty: all, as vendors are spread."""

    letters: int
    models: tuple[str, ...] = ()
    variant: str = VARIANTS[0]
    seed: int = 1
    hours: int = 24
    hourly: int = 60
    config: Config | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One provider's letters of one class, or of all. Times in seconds from the start; None: not
    within the hours of the rehearsal."""

    provider: str
    urgency: Urgency | None
    letters: int
    taken: int
    half_after: float | None
    most_after: float | None  # 95 % of those that end well
    last_after: float | None
    waiting: int
    bounced: int
    expired: int
    suppressed: int  # not tried: the address was on the list by then
    throttled: int | None = None
    blocks: int | None = None
    curve: tuple[float, ...] = ()  # the share taken, at even steps of the hours

    def shape(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "provider": self.provider,
            "class": None if self.urgency is None else self.urgency.word,
            "letters": self.letters,
            "taken": self.taken,
            "half_after_s": self.half_after,
            "most_after_s": self.most_after,
            "last_after_s": self.last_after,
            "waiting": self.waiting,
            "bounced": self.bounced,
            "expired": self.expired,
            "suppressed": self.suppressed,
            "throttled": self.throttled,
            "blocks": self.blocks,
            "curve": list(self.curve),
        }


_METRICS: Final = ("half_after_s", "most_after_s", "last_after_s", "taken", "waiting", "throttled")


def rows(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The same as all tables of ours are written, a row a figure; no side is tried beside."""
    return [
        {
            "case": line.provider if line.urgency is None else f"{line.provider} {shape['class']}",
            "side": OURS.name,
            "metric": metric,
            "median": shape[metric],
            "ratios": {},
        }
        for line, shape in ((line, line.shape()) for line in lines)
        for metric in _METRICS
        if shape[metric] is not None
    ]


def rehearse(asked: Asked) -> list[Line]:
    """Some seconds of work: for each provider a line for all, and one for each class."""
    run = _run(asked)
    outcome = played(run, _side(asked.config))
    lines = []
    for provider in run.providers:
        lines.append(_line(outcome, provider, None, asked.hours))
        for urgency in Urgency:
            line = _line(outcome, provider, urgency, asked.hours)
            if line.letters:
                lines.append(line)
    return lines


def _run(asked: Asked) -> Run:
    length = asked.hours * HOUR
    models = asked.models or tuple(SHARES)
    providers = tuple(draw(m, asked.variant, asked.seed, BEGINS, length) for m in models)
    total = sum(SHARES.get(model, 0.1) for model in models)
    vendors: list[str] = []
    for model, provider in zip(models, providers, strict=True):
        count = max(1, round(asked.letters * SHARES.get(model, 0.1) / total))
        vendors += [address(provider, n) for n in range(count)]
    random.Random(asked.seed).shuffle(vendors)  # noqa: S311 - no secret
    letters = arrivals(vendors, asked.letters, asked.hourly, BEGINS, length, asked.seed)
    book = asked.config.profiles if asked.config else book_with("", ())
    return Run(providers, book, letters, BEGINS, length)


def _side(config: Config | None) -> Side:
    """As a relay with that configuration would be built."""
    if config is None:
        return OURS
    settings = config.settings

    def make(setting: Setting) -> Shaping:
        book = setting.book
        limits = (book.within, book.names, book.sums())
        source = config.source or setting.source
        return Shaper(settings.pause, *limits, source, reactions=config.reactions)

    return Side(
        "ours",
        make,
        config.classifier,
        settings.retry,
        life=settings.life,
        nxdomain=settings.nxdomain,
        suppression=settings.suppression,
    )


def _line(outcome: Outcome, provider: Provider, urgency: Urgency | None, hours: int) -> Line:
    domains = set(provider.domains)
    meant = {
        name: arrival
        for name, arrival in outcome.letters.items()
        if arrival.recipient.rpartition("@")[2] in domains and urgency in (None, arrival.urgency)
    }
    waits = _waits(provider, meant, outcome.run.start, is_from_start=urgency is None)
    states = [outcome.ends[name].state for name in meant if name in outcome.ends]
    waiting = sum(not state.is_final for state in states)
    well = len(waits) + waiting
    length = hours * 3600
    steps = [length * (n + 1) / POINTS for n in range(POINTS)] if urgency is None else []
    return Line(
        provider.name,
        urgency,
        len(meant),
        len(waits),
        _after(waits, 0.5, well),
        _after(waits, 0.95, well),
        _after(waits, 1.0, well),
        waiting,
        states.count(State.BOUNCED),
        states.count(State.EXPIRED),
        states.count(State.SUPPRESSED),
        provider.book.count(Kind.THROTTLED) if urgency is None else None,
        blocks_of(provider) if urgency is None else None,
        tuple(sum(wait <= step for wait in waits) / max(1, well) for step in steps),
    )


def _waits(
    provider: Provider, meant: dict[str, Arrival], start: int, is_from_start: bool
) -> list[float]:
    """Seconds until each letter was first taken: from the start, or from when it came."""
    first: dict[str, float] = {}
    for entry in provider.book.entries:
        arrival = meant.get(entry.message_id)
        if entry.is_taken and arrival is not None:
            since = start if is_from_start else arrival.at
            first.setdefault(entry.message_id, (entry.at - since) / 1000)
    return sorted(first.values())


def _after(waits: Sequence[float], share: float, well: int) -> float | None:
    """When that share of those that end well was taken."""
    n = max(1, round(share * well))
    return waits[n - 1] if n <= len(waits) else None
