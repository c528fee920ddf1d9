"""Providers: the name of whoever a letter went to, the few words that reports group by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from relay.reports.lines import OTHER
from relay.shaping.destination import belongs
from relay.shaping.profiles import Profiles


def by_host(profiles: Profiles) -> Callable[[str, str], str]:
    """(domain, host that answered) → the provider of the host, else of the domain, else `other`."""
    suffixes: Final = [(name, profile.match) for name, profile in profiles.items().items()]

    def name_of(domain: str, host: str) -> str:
        found = next((name for name, match in suffixes if host and belongs(host, match)), None)
        return found or profiles.named(domain) or OTHER

    return name_of


def labels(profiles: Profiles) -> frozenset[str]:
    """The domains and destinations' keys that :func:`by_route` tells from `other`."""
    domains = (profile.domains for profile in profiles.items().values())
    return profiles.names.union(*domains)


def by_route(profiles: Profiles) -> Callable[[str, str], str]:
    """(domain, destination's key of the last attempt) → the same, from what the store keeps."""
    names: Final = profiles.names

    def name_of(domain: str, route_key: str) -> str:
        return route_key if route_key in names else profiles.named(domain) or OTHER

    return name_of
