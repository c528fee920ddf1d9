"""Profiles: what is known of providers — shipped, then the site's limits laid over; last wins.

Layers: shipped profile < `relay.yaml` < the files of `site.d`. A limit's key is a domain that a
profile names (the whole provider), any other domain (that domain by itself), `mx:HOST+HOST` (all
domains whose MX hosts are these, in any order), `*` (each destination by itself; it never raises a
profile), the URL of a route, `total` (all that is sent, as a sum) or `source:ADDRESS` (all from one
address of ours). `null` unsets what the layers below said; what is shipped stays.

Provider, site and domain lie inside one another. What belongs to the way there (connections, hours,
pauses) is the outermost's that is known; a rate further in is counted besides, so that each limit
holds to the letter whatever the others say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final

from pydantic import ValidationError

from relay.shaping.destination import Destination, Profile, Rate, Sum, belongs, site_key
from relay.shaping.mistakes import beyond, shadowed
from relay.shaping.settings import LimitSettings, ProviderSettings, WarmupSettings
from relay.shaping.warmup import Warmup
from relay.strict_yaml import Problem, Reader, SourceError, nearest, plain

DEFAULT: Final = "default"
EVERY: Final = "*"
TOTAL: Final = "total"
SOURCE: Final = "source:"
MX: Final = "mx:"
_HOST: Final = re.compile(r"[\w-]+(\.[\w-]+)+")
_SAYS: Final = tuple(LimitSettings.model_fields)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one file says; `where` names it."""

    limits: Mapping[str, LimitSettings | None]
    providers: Mapping[str, ProviderSettings | None]
    where: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)  # limits.gmail.com → its line

    def place(self, key: str) -> str:
        """`site.d/a.yaml:12`, the line where it is known."""
        line = self.lines.get(key)
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
    return _over(Profile(read.name, where=where), read, where)


def _over(base: Profile, said: ProviderSettings, where: str) -> Profile:
    """A profile with what a layer says of it."""
    changes: dict[str, object] = {
        "match": said.match,
        "domains": said.domains,
        "tls": said.tls,
        "is_pipelining": said.pipelining,
        "connections": said.connections,
        "messages_per_connection": said.messages_per_connection,
        "recipients_per_transaction": said.recipients_per_transaction,
        "rates": said.rate,
        "burst": said.burst,
        "connection_rates": said.connection_rate,
        "hours": said.hours,
        "warmup": _plan(said.warmup),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(base, where=where, **given) if given else base  # type: ignore[arg-type]


def _limited(base: Profile, said: LimitSettings, where: str) -> Profile:
    """A profile with a limit in the users' own words."""
    return _over(
        base,
        ProviderSettings.model_construct(**{name: getattr(said, name) for name in _SAYS}),
        where,
    )


def _plan(said: WarmupSettings | None) -> Warmup | None:
    return None if said is None else Warmup(said.start, said.growth, said.end)


def _lowered(base: Profile, said: LimitSettings) -> Profile:
    """What `*` does to a provider: it may lower, never raise."""
    extra = tuple(rate for rate in said.rate or () if rate not in base.rates)
    return replace(
        base,
        rates=base.rates + extra,
        connections=_least(base.connections, said.connections),
        messages_per_connection=_least(base.messages_per_connection, said.messages_per_connection),
        hours=base.hours or said.hours,
        warmup=base.warmup or _plan(said.warmup),
    )


def _least(one: int | None, other: int | None) -> int | None:
    return min((n for n in (one, other) if n is not None), default=None)


class Profiles:
    """All profiles and limits of one configuration: domain and MX set → Destination."""

    def __init__(self, shipped: Iterable[Profile], layers: Sequence[Layer] = ()) -> None:
        """Raises SourceError naming each limit or provider that cannot be."""
        self._base = {profile.name: profile for profile in shipped}
        self._default = self._base.pop(DEFAULT, Profile(DEFAULT))
        self._limits: dict[str, tuple[LimitSettings, str]] = {}
        self._matched: dict[str, str] = {}  # a provider whose `match` a layer says → which
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
        self._at_provider: dict[str, Sum] = {}  # domain → its site's limit, inside the provider

    def _lay(self, layer: Layer) -> Iterable[Problem]:
        for name, said in layer.providers.items():
            if said is None:
                self._base.pop(name, None)
                continue
            if name not in self._base and not said.match:
                known = tuple(self._base)
                message = f"{name} is no shipped profile: a new one needs `match`"
                yield Problem(layer.where, 0, f"providers.{name}", message, nearest(name, known))
                continue
            if fault := _twice(said.rate):
                yield Problem(layer.where, 0, f"providers.{name}.rate", *fault)
                continue
            place = layer.place(f"providers.{name}")
            made = _over(self._base.get(name, Profile(name)), said, place)
            if (said.burst or said.rate) and (fault := beyond(made.burst, made.rates)):
                yield Problem(layer.where, 0, f"providers.{name}", *fault)
            self._base[name] = made
            if said.match:
                self._matched[name] = layer.where
        for key, limit in layer.limits.items():
            if limit is None:
                self._limits.pop(_key(key), None)
            elif (fault := _fault(key)) or (fault := _twice(limit.rate) or _of_sum(key, limit)):
                yield Problem(layer.where, 0, f"limits.{key}", *fault)
            else:
                below, _ = self._limits.pop(_key(key), (LimitSettings(), ""))
                given = {name: getattr(limit, name) for name in _SAYS}
                said_here = {name: value for name, value in given.items() if value is not None}
                place = layer.place(f"limits.{key}")
                merged = below.model_copy(update=said_here)
                if fault := self._of_burst(_key(key), merged):
                    yield Problem(layer.where, 0, f"limits.{key}", *fault)
                self._limits[_key(key)] = (merged, place)

    def _of_burst(self, key: str, said: LimitSettings) -> tuple[str, str] | None:
        """What is wrong with its burst, beside the limit that it goes with."""
        if said.burst is None:
            return None
        if not said.rate and _is_sum(key):
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
            profile = _lowered(profile, every)
        for limit, where in named:
            profile = _limited(profile, limit, where)
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
        """What a domain's or a site's own key says, where it is counted inside another."""
        said, where = self._limits[key]
        if not said.rate or key in self._by_domain:
            return None
        name = key if key.startswith(MX) else f"@{key}"
        return Sum(name, said.rate, said.burst or 1, where)

    def within(self, domain: str) -> Sequence[Sum]:
        """The limits that a domain's letters meet inside their destination: its own, and at a
        provider its site's. A site is known once `destination_of` was asked."""
        own, site = self._inner.get(domain), self._at_provider.get(domain)
        return () if own is None and site is None else [s for s in (own, site) if s is not None]

    def sums(self) -> tuple[Sum, ...]:
        """The limits over several destinations: `total`, `source:ADDRESS`."""
        return tuple(
            Sum(key, said.rate, said.burst or 1, where)
            for key, (said, where) in self._limits.items()
            if said.rate and _is_sum(key)
        )

    def destination_of(self, domain: str, mx_hosts: Sequence[str]) -> Destination:
        """The provider, if ALL hosts belong to it; else the site of these hosts, if it has a limit;
        else the domain with a limit of its own; else the site."""
        key = site_key(mx_hosts or (domain,))
        site = f"{MX}{key}" if f"{MX}{key}" in self._limits else None
        for name, profile in self._profiles.items():
            if mx_hosts and all(belongs(host, profile.match) for host in mx_hosts):
                self._lives_at_provider(domain, site)
                return Destination(name, profile, name)
        self._lives_at_provider(domain, None)
        own = domain if domain in self._limits else None
        if site is not None:
            return self._site(key, (site, own) if own == key else (site,))
        return self._site(own or key, (own,) if own else ())

    def _lives_at_provider(self, domain: str, site: str | None) -> None:
        limit = None if site is None else self._inner.get(site)
        if limit is not None:
            self._at_provider[domain] = limit
        elif domain in self._at_provider:
            del self._at_provider[domain]

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


def _twice(rates: tuple[Rate, ...] | None) -> tuple[str, str] | None:
    """What is wrong with limits of which two have one window."""
    windows = [rate.window for rate in rates or ()]
    for rate in rates or ():
        if windows.count(rate.window) > 1:
            return f"two limits for one window ({rate})", "keep one of them"
    return None


def _of_sum(key: str, limit: LimitSettings) -> tuple[str, str] | None:
    """A sum has a rate and a burst, and nothing else."""
    if not _is_sum(key):
        return None
    given = [name for name in _SAYS if getattr(limit, name) is not None]
    other = [name for name in given if name not in ("rate", "burst")]
    if other:
        return f"{key} is a sum over destinations: {other[0]} means nothing there", "rate, burst"
    return None


def _is_sum(key: str) -> bool:
    return key == TOTAL or _key(key).startswith(SOURCE)


def _key(key: str) -> str:
    if key == EVERY or "://" in key:
        return key
    name = key.strip().lower().rstrip(".")
    if name.startswith(SOURCE) and not _no_address(name.removeprefix(SOURCE)):
        return SOURCE + str(ip_address(name.removeprefix(SOURCE)))
    if not name.startswith(MX) or "#" in name:
        return name
    return MX + site_key(host.strip() for host in name.removeprefix(MX).split("+"))


def _fault(key: str) -> tuple[str, str] | None:
    """What is wrong with a limit's key, and what to write."""
    if key in (EVERY, TOTAL) or key.startswith(("smtp://", "smtps://")):
        return None
    name = key.strip().lower()
    if name.startswith(SOURCE):
        return _no_address(name.removeprefix(SOURCE))
    if name.startswith(MX):
        return _no_hosts(key.strip()[len(MX) :])
    if "@" in key:
        return f"{key!r} is an address", "write the domain behind the @"
    if "." not in key.strip(".") or any(odd in key.strip() for odd in "*/ "):
        return f"{key!r} is no domain", 'write gmail.com, dinas.example.go.id or "*"'
    return None


def _no_hosts(text: str) -> tuple[str, str] | None:
    """A site is named by all its MX hosts, or as `explain` names it where they are many."""
    for host in text.partition("#")[0].split("+") if text else [""]:
        if not _HOST.fullmatch(host.strip().rstrip(".")) and not ("#" in text and host.isdigit()):
            return f"{host!r} is no MX host", 'write "mx:mx1.example.go.id+mx2.example.go.id"'
    return None


def _no_address(text: str) -> tuple[str, str] | None:
    try:
        ip_address(text)
    except ValueError:
        return f"{text!r} is no IP address", 'write "source:203.0.113.7", one that we dial from'
    return None
