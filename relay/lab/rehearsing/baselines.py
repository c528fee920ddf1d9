"""Baselines: what an administrator has today, played on the same stage.

*fixed*: someone who knows the quota writes half of it, and nothing reacts. *postfix*: a rate delay
in whole seconds for each domain, one letter at a time; a site counts as dead for five minutes after
a failed greeting, and everything else concerns one letter only. *kumomta*: its shipped rules with
their thresholds: a fixed-time override that snaps back; as shipped, where the rules for Gmail are
filed under a name that no MX belongs to, and mended, where they match. All three read a 5 as final
and a 4 as this letter's own affair, with the retry times that they ship.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from relay.lab.quotas.base import Quota
from relay.lab.rehearsing.sides import Setting, Side
from relay.lab.rehearsing.simple import BANNER, Plain, Simple
from relay.mail.classification import Classification
from relay.mail.delivery import FailureKind
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant, millis
from relay.mail.urgency import Urgency
from relay.shaping.base import NOBODY, Identity, Short, Wait
from relay.shaping.destination import Destination, Rate
from relay.shaping.settings import RetrySettings


def _doubling(first: int, times: int) -> RetrySettings:
    """Minutes that double."""
    steps = tuple(timedelta(minutes=first << n) for n in range(times))
    return RetrySettings(schedule=steps, jitter=0.0)


# --- a fixed rate


class Fixed(Simple):
    """Half of the tightest quota, as someone would who knew it when the run began."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        quotas: dict[str, list[Quota]] = {}
        for provider in setting.providers:
            for domain in provider.domains:
                hosts = provider.hosts(domain, setting.start)
                if not isinstance(hosts, FailureKind):
                    key = setting.book.destination_of(domain, hosts).key
                    quotas.setdefault(key, []).extend(provider.quotas(domain, setting.start))
        self._own = {key: _half(found) for key, found in quotas.items() if found}

    def rates(self, destination: Destination, now: Instant) -> tuple[Rate, ...]:
        """Beside what is configured."""
        own = self._own.get(destination.key)
        return destination.profile.rates + ((own,) if own else ())


def _half(quotas: list[Quota]) -> Rate:
    """One in twice the time that the tightest has for one: evenly, so that no window is broken."""
    tightest = min(quotas, key=lambda quota: quota.count / quota.span)
    return Rate(1, timedelta(milliseconds=2 * tightest.span // tightest.count))


# --- Postfix

DEAD: Final = 5 * MINUTE  # minimal_backoff_time


class Postfix(Simple):
    """default_destination_rate_delay and the concurrency feedback of its queue manager."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[str, Instant] = {}
        self._domains: dict[str, set[str]] = {}

    def rates(self, destination: Destination, now: Instant) -> tuple[Rate, ...]:
        """It counts nothing."""
        return ()

    def most(self, destination: Destination, now: Instant) -> int:
        """One for each domain, as a rate delay makes it."""
        return max(1, len(self._domains.get(destination.key, ())))

    def peek(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        ahead: int = 0,
        urgency: Urgency = Urgency.TRANSAKSI,
        identity: Identity = NOBODY,
    ) -> Wait | None:
        """See Shaping.peek."""
        wait = super().peek(destination, domain, units, now)
        if wait is not None:
            return wait
        self._domains.setdefault(destination.key, set()).add(domain)
        at = self._next.get(domain, 0) + ahead * _delay(destination.profile.rates)
        return Wait(at, "the rate delay", domain) if at > now else None

    def admit(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        urgency: Urgency = Urgency.TRANSAKSI,
        identity: Identity = NOBODY,
    ) -> Wait | Short | None:
        """See Shaping.admit."""
        wait = self.peek(destination, domain, units, now)
        if wait is None:
            self._next[domain] = now + _delay(destination.profile.rates)
        return wait

    def heard(
        self, destination: Destination, read: Classification | None, reply: str, now: Instant
    ) -> None:
        """One failed connection or greeting, and the site is dead for a while."""
        if read is not None and (read.rule == BANNER or read.rule.startswith("failure.")):
            self.stop(destination, now + DEAD)


def _delay(rates: tuple[Rate, ...]) -> int:
    """Whole seconds, and nothing below one: the slowest that any limit asks for."""
    spans = [-(-millis(rate.window) // (rate.count * SECOND)) for rate in rates]
    return max(1, *spans) * SECOND if spans else SECOND


# --- KumoMTA


@dataclass(frozen=True, slots=True)
class Rule:
    """One automation: after so many matches in an hour an override, for so long."""

    providers: tuple[str, ...]  # empty: all
    words: re.Pattern[str]
    matches: int
    minutes: int
    rate: int | None = None  # RCPTs a minute; None: nothing at all
    connections: int | None = None


def _rule(
    providers: tuple[str, ...],
    words: str,
    matches: int,
    minutes: int,
    rate: int | None = None,
    connections: int | None = None,
) -> Rule:
    return Rule(providers, re.compile(words, re.DOTALL), matches, minutes, rate, connections)


_ADDRESS: Final = r"\d+\.\d+\.\d+\.\d+"
_EVERYWHERE: Final = tuple(
    _rule((), words, 1, 90, rate=1, connections=1)
    for words in (
        f"Messages from {_ADDRESS} temporarily deferred",
        f"All messages from {_ADDRESS} will be permanently deferred",
        "has been temporarily rate limited due to IP reputation",
        f"Unfortunately, messages from {_ADDRESS} weren.t sent",
        r"Server busy\. Please try again later from",
    )
)
_SHIPPED: Final = (
    *_EVERYWHERE,
    _rule(("yahoo",), r"\[TS?S04\]", 1, 120),
    _rule(("yahoo",), r"\[TS02\]", 3, 30, rate=1),
    _rule(("yahoo",), r"\[TS03\]", 3, 30, rate=10),
    _rule(("yahoo",), r"421 4\.7\.0 \[TSS05\]", 2, 240),
    _rule(("yahoo",), r"553 5\.7\.1 \[BL", 5, 120),
    _rule(("outlook",), "Unfortunately.*part of their network is on our block list", 5, 120),
    _rule(("outlook",), r"Server busy\. Please try again later", 5, 30),
    _rule(("outlook",), "The mail server.*has been temporarily rate limited", 3, 30),
    _rule(("outlook",), "The mail server.*maximum number of connections", 2, 60, connections=1),
)
_GMAIL: Final = (
    _rule(("gmail",), "Our system has detected that this message", 5, 60),
    _rule(("gmail",), "has detected an unusual rate", 2, 30, rate=10),
)
_PROVIDER_CONNECTIONS: Final = {"gmail": 5, "outlook": 5, "m365": 5}
_CONNECTIONS: Final = 10


@dataclass(slots=True)
class Override:
    """What a rule has set, and until when."""

    rate: int | None
    connections: int | None
    until: Instant


@dataclass(slots=True)
class Site:
    """One destination: matches of the last hour by rule, and overrides in force."""

    seen: dict[Rule, deque[Instant]] = field(default_factory=dict)
    set: list[Override] = field(default_factory=list)


class KumoMTA(Simple):
    """Traffic shaping automation by rules."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        super().__init__()
        self._rules = rules
        self._sites: dict[str, Site] = {}

    def _overrides(self, destination: Destination, now: Instant) -> list[Override]:
        site = self._sites.get(destination.key)
        if site is None or not site.set:
            return []
        site.set = [one for one in site.set if now < one.until]
        return site.set

    def rates(self, destination: Destination, now: Instant) -> tuple[Rate, ...]:
        """As configured, or what a rule has set; when its time is over, all at once as before."""
        slowed = [one.rate for one in self._overrides(destination, now) if one.rate is not None]
        if not slowed:
            return destination.profile.rates
        return (*destination.profile.rates, Rate(min(slowed), timedelta(minutes=1)))

    def most(self, destination: Destination, now: Instant) -> int:
        """Its own figures, or what a rule has set."""
        usual = _PROVIDER_CONNECTIONS.get(destination.key, _CONNECTIONS)
        found = [one.connections for one in self._overrides(destination, now)]
        return min([usual, *(count for count in found if count is not None)])

    def heard(
        self, destination: Destination, read: Classification | None, reply: str, now: Instant
    ) -> None:
        """Each rule that the words match counts; enough of them, and it acts."""
        if read is None:
            return
        for rule in self._rules:
            if rule.providers and destination.key not in rule.providers:
                continue
            if rule.words.search(reply) is None:
                continue
            site = self._sites.setdefault(destination.key, Site())
            seen = site.seen.setdefault(rule, deque())
            seen.append(now)
            while seen[0] <= now - HOUR:
                seen.popleft()
            if len(seen) >= rule.matches:
                self._act(destination, site, rule, now)

    def _act(self, destination: Destination, site: Site, rule: Rule, now: Instant) -> None:
        until = now + rule.minutes * MINUTE
        if rule.rate is None and rule.connections is None:
            self.stop(destination, until)
        else:
            site.set.append(Override(rule.rate, rule.connections, until))


_PLAIN: Final = Plain()
FIXED: Final = Side("fixed", Fixed, _PLAIN, _doubling(5, 5))
POSTFIX: Final = Side("postfix", lambda _: Postfix(), _PLAIN, _doubling(5, 5))
KUMOMTA: Final = Side("kumomta", lambda _: KumoMTA(_SHIPPED), _PLAIN, _doubling(20, 6))
KUMOMTA_MENDED: Final = Side(
    "kumomta-mended", lambda _: KumoMTA(_SHIPPED + _GMAIL), _PLAIN, _doubling(20, 6)
)
BASELINES: Final = (FIXED, POSTFIX, KUMOMTA, KUMOMTA_MENDED)
