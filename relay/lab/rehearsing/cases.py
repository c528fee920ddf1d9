"""Cases: a model, a variant and a seed → a run with fresh providers, whoever is to be tried in it.

What an administrator has configured is drawn too. Every third seed restarts the relay at some
minute.
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
from relay.lab.rehearsing.arrivals import Arrival, arrivals
from relay.lab.rehearsing.world import Run
from relay.lab.virtual_time import START
from relay.mail.delivery import FailureKind
from relay.mail.instant import DAY, HOUR, MINUTE, Instant, millis
from relay.shaping.destination import Profile, Rate
from relay.shaping.profiles import Layer, Profiles, parse
from relay.shaping.settings import LimitSettings, ProviderSettings
from relay.shaping.windows import WIDEST

LETTERS: Final = 6_000
HOURLY: Final = 200
HOURS: Final = 48
EVERY_THIRD: Final = 3
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
        return draw(self.model, self.variant, self.seed, BEGINS, self.length)

    def rates(self) -> tuple[str, ...]:
        """What the administrator has written."""
        drawn = draw(self.model, self.variant, self.seed, BEGINS, self.length)
        return configured_rates(drawn, self.seed)

    def run(self) -> Run:
        """A run to be played once."""
        provider = self.provider()
        letters = _arrivals(self)
        restart_at = None
        if self.seed % EVERY_THIRD == 0:
            minutes = self.length // MINUTE
            restart_at = BEGINS + MINUTE * int(1 + (minutes - 2) * chance(self.seed, "restart"))
        book = book_with(self.model, self.rates())
        return Run((provider,), book, letters, BEGINS, self.length, restart_at)


@lru_cache(2)  # a case is run for each oracle and each side
def _arrivals(case: Case) -> list[Arrival]:
    provider = case.provider()
    vendors = [address(provider, n) for n in range(case.letters)]
    return arrivals(vendors, case.letters, case.hourly, BEGINS, case.length, case.seed)


@cache
def shipped_profiles() -> tuple[Profile, ...]:
    """What rides in the wheel."""
    return tuple(parse(text, where) for where, text in profile_texts().items())


def book_with(model: str, rates: tuple[str, ...]) -> Profiles:
    """The shipped profiles under one limit: of the provider, or of each site."""
    shipped = shipped_profiles()
    if not rates:
        return Profiles(shipped)
    if any(profile.name == model for profile in shipped):
        said = {model: ProviderSettings.model_validate({"rate": list(rates)})}
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
