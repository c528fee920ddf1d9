"""Cases: a model, a variant and a seed → a run with fresh providers, whoever is to be tried in it.

What an administrator has configured is drawn too. Every third seed restarts the relay at some
minute. *warm-up* is a steady provider that a new address is sent to under the plan of the shipped
example, and limits that are half of what it bears, so that nothing but the plan is in the way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from relay.config.shipped import profile_texts
from relay.lab.quotas import address, configured_rates, draw
from relay.lab.quotas.base import Provider, Quota
from relay.lab.quotas.chance import chance
from relay.lab.quotas.drawn import Drawn
from relay.lab.quotas.variants import STEADY
from relay.lab.rehearsing.arrivals import INVITED, Arrival, arrivals
from relay.lab.rehearsing.world import Run
from relay.lab.virtual_time import START
from relay.mail.delivery import FailureKind
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant, millis
from relay.shaping.destination import Profile, Rate
from relay.shaping.profiles import Layer, Profiles, parse
from relay.shaping.settings import LimitSettings, ProviderSettings, WarmupSettings
from relay.shaping.windows import WIDEST

LETTERS: Final = 6_000
HOURLY: Final = 200
HOURS: Final = 48
EVERY_THIRD: Final = 3
WARM_UP: Final = "warm-up"  # a variant of its own, of one model
WARMED: Final = "gmail"
WARMUP: Final = WarmupSettings.model_validate(
    {"start": "500/day", "growth": 1.4, "end": "20000/day"}
)
LONGER: Final = 3  # times: so many hours a warm-up's run has, and a fraction of what follows
FEWER: Final = 50
BEGINS: Final = START - START % DAY + HOUR  # eight in the morning in Jakarta


@dataclass(frozen=True, slots=True)
class Case:
    """One draw. `letters` are the announcement's, `hourly` what follows for `hours`."""

    model: str
    variant: str
    seed: int
    letters: int = LETTERS
    hourly: int = HOURLY
    hours: int = HOURS

    @property
    def length(self) -> int:
        """Of the run, in milliseconds."""
        return self.hours * HOUR

    def provider(self) -> Provider:
        """A fresh one: nobody has tried it yet."""
        return self._drawn()

    def _drawn(self) -> Drawn:
        variant = STEADY if self.is_warming else self.variant
        return draw(self.model, variant, self.seed, BEGINS, self.length)

    @property
    def is_warming(self) -> bool:
        """True where the address is new."""
        return self.variant == WARM_UP

    def rates(self) -> tuple[str, ...]:
        """What the administrator has written."""
        drawn = self._drawn()
        return _halved(drawn) if self.is_warming else configured_rates(drawn, self.seed)

    def run(self) -> Run:
        """A run to be played once."""
        provider = self.provider()
        letters = _arrivals(self)
        restart_at = None
        if self.seed % EVERY_THIRD == 0:
            minutes = self.length // MINUTE
            restart_at = BEGINS + MINUTE * int(1 + (minutes - 2) * chance(self.seed, "restart"))
        book = book_with(self.model, self.rates(), WARMUP if self.is_warming else None)
        return Run((provider,), book, letters, BEGINS, self.length, restart_at)


@lru_cache(2)  # a case is run for each oracle and each side
def _arrivals(case: Case) -> list[Arrival]:
    provider = case.provider()
    vendors = [address(provider, n) for n in range(case.letters)]
    invited = 0 if case.is_warming else INVITED
    return arrivals(vendors, case.letters, case.hourly, BEGINS, case.length, case.seed, invited)


def _halved(provider: Drawn) -> tuple[str, ...]:
    """Half of each of its windows."""
    least: dict[int, int] = {}
    for domain in provider.domains:
        for quota in provider.quotas(domain, BEGINS):
            least[quota.span] = min(quota.count, least.get(quota.span, quota.count))
    return tuple(f"{max(1, n // 2)}/{span // SECOND}s" for span, n in sorted(least.items()))


def case_of(
    model: str,
    variant: str,
    seed: int,
    letters: int = LETTERS,
    hourly: int = HOURLY,
    hours: int = HOURS,
) -> Case:
    """The draw of a row: a warm-up takes days, and little else may be in its way."""
    if variant == WARM_UP:
        hourly, hours = -(-hourly // FEWER), hours * LONGER
    return Case(model, variant, seed, letters, hourly, hours)


@cache
def shipped_profiles() -> tuple[Profile, ...]:
    """What rides in the wheel."""
    return tuple(parse(text, where) for where, text in profile_texts().items())


def book_with(model: str, rates: tuple[str, ...], warmup: WarmupSettings | None = None) -> Profiles:
    """The shipped profiles under one limit: of the provider, or of each site."""
    shipped = shipped_profiles()
    if not rates:
        return Profiles(shipped)
    if any(profile.name == model for profile in shipped):
        limit = ProviderSettings.model_validate({"rate": list(rates)})
        said = {model: limit.model_copy(update={"warmup": warmup} if warmup else None)}
        return Profiles(shipped, [Layer({}, said, "relay.yaml")])
    every = {"*": LimitSettings.model_validate({"rate": list(rates)})}
    return Profiles(shipped, [Layer(every, {}, "relay.yaml")])


def is_within(run: Run) -> bool:
    """True where what is configured never exceeds any quota in the course of the run."""
    for provider in run.providers:
        moments = range(run.start, run.start + run.length, HOUR)
        for domain in provider.domains:
            hosts = provider.hosts(domain, run.start)
            if isinstance(hosts, FailureKind):
                continue
            rates = run.book.destination_of(domain, hosts).profile.rates
            quotas = {quota for at in moments for quota in provider.quotas(domain, at)}
            if not all(_allows_at_most(rates, quota) for quota in quotas):
                return False
    return True


def _allows_at_most(rates: tuple[Rate, ...], quota: Quota) -> bool:
    """In the quota's span the rates let no more through than it bears."""
    allowed = [_within(rate, quota.span) for rate in rates]
    return bool(allowed) and min(allowed) <= quota.count


def _within(rate: Rate, span: Instant) -> int:
    """How many a rate lets through in a span at most: it spaces them, and counts its window."""
    window = millis(rate.window)
    interval = min(window / rate.count, float(WIDEST))
    return min(int(span / interval) + 1, math.ceil(span / window) * rate.count)
