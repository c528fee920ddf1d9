"""Profiles: what is known of providers — shipped, then the site's limits laid over; last wins.

Layers: shipped profile < `relay.yaml` < the files of `site.d`. A limit's key is a domain that a
profile names (the whole provider), any other domain (that domain by itself), `mx:HOST+HOST` (all
domains whose MX hosts are these, in any order), `*` (each destination by itself; it never raises a
profile), the URL of a route, `total` (all that is sent, as a sum) or `source:ADDRESS` (all from one
address of ours). `null`, for a key or for one word of it, unsets what the layers below said of it;
what is shipped stays. Under `providers` it lifts what is shipped, too.

Provider, site and domain lie inside one another. What belongs to the way there (connections,
pauses) is the outermost's that is known; a rate further in is counted besides, and hours and a
warm-up further in hold besides, so that each holds to the letter whatever the others say, and
whatever DNS says tomorrow. What a domain says of the connections to a provider's MX is idle there,
for a connection carries many domains' letters: explained so, and alerted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from pydantic import ValidationError

from relay.shaping import limit_keys
from relay.shaping.destination import Destination, Profile, Rate, Sum, belongs, site_key
from relay.shaping.limit_keys import EVERY, MX
from relay.shaping.mistakes import Fault, beyond, shadowed
from relay.shaping.settings import LimitSettings, ProviderSettings, WarmupSettings
from relay.shaping.warmup import Warmup
from relay.strict_yaml import Problem, Reader, SourceError, nearest, plain

DEFAULT: Final = "default"
_SAYS: Final = tuple(LimitSettings.model_fields)
# What a limit says of the way there: at a provider the provider's own counts.
_OF_THE_WAY: Final = ("connections", "connection_rate", "messages_per_connection")
_FIELDS: Final = {  # of a profile, where it calls them otherwise
    "pipelining": "is_pipelining",
    "rate": "rates",
    "connection_rate": "connection_rates",
}
_WORDS: Final = tuple(ProviderSettings.model_fields)
_UNSET: Final = Profile("", connections=None, messages_per_connection=None)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one file says; `where` names it."""

    limits: Mapping[str, LimitSettings | None]
    providers: Mapping[str, ProviderSettings | None]
    where: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)  # limits.gmail.com[.rate] → its line

    def place(self, key: str, word: str = "") -> str:
        """`site.d/a.yaml:12`, the line where it is known; of a word of the key, if one is named."""
        line = self.lines.get(f"{key}.{word}") if word else None
        line = line or self.lines.get(key)
        return f"{self.where}:{line}" if line else self.where


class _Shipped(ProviderSettings):
    name: str


def parse(text: str, where: str) -> Profile:
    """A shipped profile's file. Raises SourceError."""
    root = Reader(where).read(text)
    try:
        read = _Shipped.model_validate(plain(root))
    except ValidationError as error:
        raise SourceError(
            Problem(where, root.line, ".".join(map(str, fault["loc"])), fault["msg"])
            for fault in error.errors()
        ) from None
    return _over(Profile(read.name, where=where), read, dict.fromkeys(_WORDS, where))


def _over(base: Profile, said: ProviderSettings, places: Mapping[str, str]) -> Profile:
    """A profile with what a layer says of it; `places`: where, by the words that it has."""
    given: dict[str, object] = {}
    at: dict[str, str] = {}
    for name in ProviderSettings.model_fields:
        value, into = getattr(said, name), _FIELDS.get(name, name)
        if value is not None:
            given[into] = _plan(value) if name == "warmup" else value
            at[into] = places[name]
        elif name in said.model_fields_set:  # `null` unsets what is below, shipped or not
            given[into] = getattr(_UNSET, into)
            at[into] = places[name]
    if not given:
        return base
    where = next(iter(at.values()))
    return replace(base, where=where, places={**base.places, **at}, **given)  # type: ignore[arg-type]


def _limited(base: Profile, said: LimitSettings, places: Mapping[str, str]) -> Profile:
    """A profile with a limit in the users' own words."""
    return _over(
        base,
        ProviderSettings.model_construct(set(), **{name: getattr(said, name) for name in _SAYS}),
        places,
    )


def _plan(said: WarmupSettings | None) -> Warmup | None:
    return None if said is None else Warmup(said.start, said.growth, said.end)


def _lowered(base: Profile, said: LimitSettings, places: Mapping[str, str]) -> Profile:
    """What `*` does to a provider: it may lower, never raise. What it has lowered stands there."""
    made = replace(
        base,
        rates=_both(base.rates, said.rate),
        burst=min(base.burst, said.burst or base.burst),
        connection_rates=_both(base.connection_rates, said.connection_rate),
        connections=_least(base.connections, said.connections),
        messages_per_connection=_least(base.messages_per_connection, said.messages_per_connection),
        hours=base.hours or said.hours,
        warmup=base.warmup or _plan(said.warmup),
    )
    at: dict[str, str] = {}
    for name in _SAYS:
        into = _FIELDS.get(name, name)
        if getattr(made, into) == getattr(base, into):
            continue
        if name in ("rate", "connection_rate"):
            new = (rate for rate in getattr(said, name) if rate not in getattr(base, into))
            at |= {f"{into} {rate}": places[name] for rate in new}
        else:
            at[into] = places[name]
    return replace(made, places={**base.places, **at})


def _both(rates: tuple[Rate, ...], said: tuple[Rate, ...] | None) -> tuple[Rate, ...]:
    return rates + tuple(rate for rate in said or () if rate not in rates)


def _least(one: int | None, other: int | None) -> int | None:
    return min((n for n in (one, other) if n is not None), default=None)


class Profiles:
    """All profiles and limits of one configuration: domain and MX set → Destination."""

    def __init__(self, shipped: Iterable[Profile], layers: Sequence[Layer] = ()) -> None:
        """Raises SourceError naming each limit or provider that cannot be."""
        self._base = {profile.name: profile for profile in shipped}
        self._default = self._base.pop(DEFAULT, Profile(DEFAULT))
        self._limits: dict[str, tuple[LimitSettings, Mapping[str, str]]] = {}  # and their places
        self._matched: dict[str, str] = {}  # a provider whose `match` a layer says → which
        self.idle: list[Problem] = []  # what stands in a file and does nothing
        problems: list[Problem] = []
        for layer in layers:
            problems += self._lay(layer)
        for name, problem in shadowed(self._base, self._matched):
            problems.append(Problem(self._matched[name], 0, f"providers.{name}", *problem))
        if problems:
            raise SourceError(problems)
        self._by_domain = {d: p.name for p in self._base.values() for d in p.domains}
        self._profiles = {name: self._bounded(profile) for name, profile in self._base.items()}
        self._own: dict[str, Destination] = {}
        self._shared: dict[tuple[str, ...], Profile] = {}  # of sites, by the limits that bind them
        self._inner = {key: found for key in self._limits if (found := self._inside(key))}
        self._of_site: dict[str, Sum] = {}  # domain → the limit of the site that it is at

    def _lay(self, layer: Layer) -> Iterable[Problem]:
        for name, said in layer.providers.items():
            if said is None:
                self._base.pop(name, None)
            else:
                for inner, message, hint in self._provider(name, said, layer):
                    yield Problem(layer.where, 0, f"providers.{name}{inner}", message, hint)
        for key, limit in layer.limits.items():
            for fault in self._limit(key, limit, layer):
                yield Problem(layer.where, 0, f"limits.{key}", *fault)

    def _provider(
        self, name: str, said: ProviderSettings, layer: Layer
    ) -> Iterable[tuple[str, str, str]]:
        """Take what a layer says of a provider; or its faults, each at a key within it."""
        if name not in self._base and not said.match:
            known = tuple(self._base)
            message = f"{name} is no shipped profile: a new one needs `match`"
            yield "", message, nearest(name, known)
        elif "match" in said.model_fields_set and said.match is None:
            message = f"without `match` no MX host belongs to {name}"
            yield ".match", message, f"to drop the profile write {name}: null"
        elif fault := _twice(said.rate):
            yield ".rate", *fault
        else:
            places = {word: layer.place(f"providers.{name}", word) for word in _WORDS}
            made = _over(self._base.get(name, Profile(name)), said, places)
            if (said.burst or said.rate) and (fault := beyond(made.burst, made.rates)):
                yield "", *fault
            self._base[name] = made
            if said.match:
                self._matched[name] = layer.where

    def _limit(self, key: str, said: LimitSettings | None, layer: Layer) -> Iterable[Fault]:
        """Take what a layer says of one key; or its faults."""
        name = limit_keys.of(key)
        if said is None:
            if self._limits.pop(name, None) is None:
                self._idle(layer, key)
        elif fault := (
            limit_keys.fault(key) or _twice(said.rate) or _of_sum(key, said) or _of_hop(key, said)
        ):
            yield fault
        else:
            below, places = self._limits.pop(name, (LimitSettings(), {}))
            here = {
                field: getattr(said, field) for field in _SAYS if field in said.model_fields_set
            }
            for field, value in here.items():
                if value is None and getattr(below, field) is None:
                    self._idle(layer, key, field)
            merged = below.model_copy(update=here)
            if fault := self._of_burst(name, merged):
                yield fault
            at = {word: layer.place(f"limits.{key}", word) for word in here}
            self._limits[name] = (merged, dict.fromkeys(_SAYS, "") | dict(places) | at)

    def _idle(self, layer: Layer, key: str, field: str = "") -> None:
        """A `null` that unsets nothing: its writer may have meant what is shipped."""
        below = f"says {field} of" if field else "limits"
        name = limit_keys.of(key)
        meant = next((one.name for one in self._base.values() if name in one.domains), None)
        what = f"{{{field}: null}}" if field else "null"
        hint = (
            f"what is shipped is lifted by providers: {{{meant}: {what}}}" if meant else "remove it"
        )
        message = f"null unsets nothing: no layer below {below} {key}"
        self.idle.append(Problem(layer.where, 0, f"limits.{key}", message, hint))

    def _of_burst(self, key: str, said: LimitSettings) -> Fault | None:
        """What is wrong with its burst, beside the limit that it goes with."""
        if said.burst is None:
            return None
        if not said.rate and limit_keys.is_sum(key):
            return f"{key} has a burst, and no rate that it is of", "rate: 1000/min"
        named = (profile.rates for profile in self._base.values() if key in profile.domains)
        return beyond(said.burst, said.rate or next(named, ()))

    def _bounded(self, profile: Profile) -> Profile:
        """A provider's profile under the limits that mean it."""
        named = [found for key, found in self._limits.items() if key in profile.domains]
        if EVERY in self._limits:
            said = {
                name for limit, _ in named for name in _SAYS if getattr(limit, name) is not None
            }
            every = self._limits[EVERY][0].model_copy(update=dict.fromkeys(said))
            profile = _lowered(profile, every, self._limits[EVERY][1])
        for limit, places in named:
            profile = _limited(profile, limit, places)
        return profile

    @property
    def names(self) -> frozenset[str]:
        """The providers' names: the only words that may stand in a metric."""
        return frozenset(self._profiles)

    def items(self) -> Mapping[str, Profile]:
        """Name → profile, limits applied."""
        return self._profiles

    def named(self, domain: str) -> str | None:
        """The provider that a domain is one of the names of; without DNS."""
        return self._by_domain.get(domain)

    def _inside(self, key: str) -> Sum | None:
        """What a domain's or a site's own key says: counted under that key wherever the domain's
        MX lead, so that a change of them gives nothing twice."""
        said, places = self._limits[key]
        if key in self._by_domain or not limit_keys.is_inner(key):
            return None
        name = key if key.startswith(MX) else f"@{key}"
        idle = tuple(word for word in _OF_THE_WAY if getattr(said, word) is not None)
        if not (said.rate or said.hours or said.warmup or idle):
            return None
        plan = _plan(said.warmup)
        where = places["rate"] or next(filter(None, places.values()), "")
        return Sum(name, said.rate or (), said.burst or 1, where, said.hours, plan, places, idle)

    def within(self, domain: str) -> Sequence[Sum]:
        """What a domain's letters meet wherever they go: its own limit, and its site's. A site is
        known once `destination_of` was asked."""
        own, site = self._inner.get(domain), self._of_site.get(domain)
        return () if own is None and site is None else [s for s in (own, site) if s is not None]

    def windows(self) -> Mapping[str, timedelta]:
        """The longest window of each limit as it is counted: by provider, `@domain`, `mx:` …, and
        `*` for each destination that has no other."""
        limits = [*self._inner.values(), *self.sums()]
        rates = {name: profile.rates for name, profile in self._profiles.items()}
        routes = (self.route_destination(key) for key in self._limits if limit_keys.is_route(key))
        rates |= {to.key: to.profile.rates for to in routes}
        rates |= {limit.key: limit.rates for limit in limits}
        rates[EVERY] = self._under(()).rates
        return {key: max(rate.window for rate in own) for key, own in rates.items() if own}

    def sums(self) -> tuple[Sum, ...]:
        """The limits over several destinations: `total`, `source:ADDRESS`."""
        return tuple(
            Sum(key, said.rate, said.burst or 1, places["rate"])
            for key, (said, places) in self._limits.items()
            if said.rate and limit_keys.is_sum(key)
        )

    def destination_of(self, domain: str, mx_hosts: Sequence[str]) -> Destination:
        """The provider, if ALL hosts belong to it; else the site of these hosts, if it has a limit;
        else the domain with a limit of its own; else the site."""
        key = site_key(mx_hosts or (domain,))
        site = f"{MX}{key}" if f"{MX}{key}" in self._limits else None
        self._belongs_to(domain, site)
        for name, profile in self._profiles.items():
            if mx_hosts and all(belongs(host, profile.match) for host in mx_hosts):
                return Destination(name, profile, name)
        if site is None and domain in self._limits:
            key = domain
        limits = [limit for limit in (site, key) if limit in self._limits]
        return self._site(key, limits)

    def owner_of(self, host: str) -> str | None:
        """The provider that an MX host belongs to; None: none."""
        named = (name for name, one in self._profiles.items() if belongs(host, one.match))
        return next(named, None)

    def _belongs_to(self, domain: str, site: str | None) -> None:
        limit = None if site is None else self._inner.get(site)
        if limit is not None:
            self._of_site[domain] = limit
        elif domain in self._of_site:
            del self._of_site[domain]

    def _site(self, key: str, limits: Sequence[str]) -> Destination:
        """A destination under these limits, the last wins."""
        found = self._own.get(key)
        if found is None:
            if len(self._own) > 50_000:
                self._own.clear()
            found = self._own[key] = Destination(key, self._under(tuple(limits)))
        return found

    def _under(self, limits: tuple[str, ...]) -> Profile:
        """One profile for all sites that these limits bind: most have none of their own."""
        found = self._shared.get(limits)
        if found is None:
            found = self._default
            for limit in ((EVERY,) if EVERY in self._limits else ()) + limits:
                found = _limited(found, *self._limits[limit])
            self._shared[limits] = found
        return found

    def route_destination(self, url: str) -> Destination:
        """A next hop of `routes:`; unlimited unless named."""
        profile = Profile(url, connections=20, messages_per_connection=None)
        if url in self._limits:
            profile = _limited(profile, *self._limits[url])
        return Destination(url, profile)


def _twice(rates: tuple[Rate, ...] | None) -> Fault | None:
    """What is wrong with limits of which two have one window."""
    windows = [rate.window for rate in rates or ()]
    for rate in rates or ():
        if windows.count(rate.window) > 1:
            return f"two limits for one window ({rate})", "keep one of them"
    return None


def _of_sum(key: str, limit: LimitSettings) -> Fault | None:
    """A sum has a rate and a burst, and nothing else."""
    if not limit_keys.is_sum(key):
        return None
    given = [name for name in _SAYS if getattr(limit, name) is not None]
    other = [name for name in given if name not in ("rate", "burst")]
    if other:
        return f"{key} is a sum over destinations: {other[0]} means nothing there", "rate, burst"
    return None


def _of_hop(key: str, limit: LimitSettings) -> Fault | None:
    """How many recipients go at once is said of a next hop, or of a provider as a whole."""
    if limit.recipients_per_transaction is None or limit_keys.is_route(key):
        return None
    hint = "providers: {NAME: {recipients_per_transaction: …}}, or the URL of a next hop"
    return f"{key} is no next hop: recipients_per_transaction means nothing there", hint
