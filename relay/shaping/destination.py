"""Destination: what limits, pauses and connections are counted by — a provider, a site or a route.

A domain shares a provider only if ALL its MX hosts belong to it, by suffix on label boundaries;
a mixed set is its own destination, so a hostile MX set cannot pause Gmail for everybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Final, Literal

from relay.shaping.hours import Hours
from relay.shaping.warmup import Warmup

_UNITS: Final = {86400: "d", 3600: "h", 60: "m", 1: "s"}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` RCPTs written in any window of that length."""

    count: int
    window: timedelta

    def __str__(self) -> str:
        return f"{self.count}/{_shown(self.window)}"


@lru_cache(1024)
def _shown(window: timedelta) -> str:
    words = {60: "min", 3600: "hour", 86400: "day", 1: "s"}
    seconds = int(window.total_seconds())
    unit = next(length for length in (86400, 3600, 60, 1) if seconds % length == 0)
    return words.get(seconds, f"{seconds // unit}{_UNITS[unit]}")


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a provider, shipped or configured; None or empty: no such limit."""

    name: str
    match: tuple[str, ...] = ()  # MX suffixes: ".google.com" matches a.google.com, not agoogle.com
    domains: tuple[str, ...] = ()  # what a limit's key may call it: gmail.com, googlemail.com
    tls: Literal["required", "opportunistic", "none"] = "opportunistic"
    is_pipelining: bool = True
    connections: int | None = 2
    messages_per_connection: int | None = 10
    recipients_per_transaction: int = 1
    rates: tuple[Rate, ...] = ()
    burst: int = 1  # so many may go back to back; the rates hold all the same
    connection_rates: tuple[Rate, ...] = ()
    hours: Hours | None = None  # when it may be sent to; never holds kritis
    warmup: Warmup | None = None
    where: str = ""  # file:line of what bound last, for `explain`
    places: Mapping[str, str] = field(default_factory=dict, compare=False)  # the same, by field

    def place(self, of: str, rate: Rate | None = None) -> str:
        """Where that field was written; of several rates each may have a place of its own."""
        return self.places.get(f"{of} {rate}") or self.places.get(of) or self.where


@dataclass(frozen=True, slots=True)
class Sum:
    """A limit that is no destination's own: over several (all that is sent, all from one address of
    ours), or of a domain or site inside whatever it is sent to."""

    key: str  # total, source:203.0.113.7, @dinas.example.go.id, mx:mx1.example.go.id
    rates: tuple[Rate, ...]
    burst: int = 1
    where: str = ""
    hours: Hours | None = None  # of a domain or site: when it is sent to, besides
    warmup: Warmup | None = None  # the same: how it begins there
    places: Mapping[str, str] = field(default_factory=dict, compare=False)  # by the word
    idle: tuple[str, ...] = ()  # what it says besides, which only counts at MX hosts of its own


@dataclass(frozen=True, slots=True)
class Destination:
    """`key` is unique and lasting: `gmail`, `mx1.example.co.id`, `smtp://127.0.0.1:2526`.

    `provider` is the profile's name or None: the metrics' label is then `other`.
    """

    key: str
    profile: Profile = field(compare=False)
    provider: str | None = None

    @property
    def label(self) -> str:
        """The only words that may stand in a metric."""
        return self.provider or "other"


MAX_KEY = 80  # characters of a site's name; a longer host list is shortened to a digest


def belongs(host: str, suffixes: tuple[str, ...]) -> bool:
    """True where a host lies under one of the suffixes, on label boundaries."""
    name = "." + host.lower().rstrip(".")
    return any(name.endswith("." + suffix.strip(".").lower()) for suffix in suffixes)


def site_key(hosts: Iterable[str]) -> str:
    """The name of a site by its MX hosts, whatever their order: domains with the same hosts share
    it. `mx1.example.co.id`, or `mx1.example.co.id+mx2.example.co.id`."""
    names = sorted({host.lower().rstrip(".") for host in hosts})
    key = "+".join(names)
    if len(key) <= MAX_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"{names[0][: MAX_KEY - 20]}+{len(names) - 1}#{digest}"
