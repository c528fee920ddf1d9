"""Directory: who is where — a domain's label and key, and what a name on a command line means."""

from __future__ import annotations

from relay.mail.address import AddressError, parse_domain
from relay.shaping.base import Shaping
from relay.shaping.profiles import Profiles
from relay.transports.base import Route, Router

SOON = 0  # any moment serves where only names are asked for


class Directory:
    """Answers from the router's cache, and by DNS only where a person asks by name."""

    def __init__(self, router: Router, shaper: Shaping, profiles: Profiles) -> None:
        """A reload replaces router and profiles by `use`."""
        self._router = router
        self._shaper = shaper
        self._profiles = profiles

    def use(self, router: Router, profiles: Profiles) -> None:
        """A new configuration."""
        self._router, self._profiles = router, profiles

    def provider_of(self, domain: str) -> str | None:
        """A domain's label; None where it is not known yet."""
        route = self._router.known(domain)
        return route.destination.label if route else self._profiles.named(domain)

    def key_of(self, domain: str) -> str | None:
        """A domain's destination; None where it is not known yet."""
        route = self._router.known(domain)
        return route.destination.key if route else self._profiles.named(domain)

    async def destination(self, name: str) -> str | None:
        """What `pause NAME` means: a provider, a destination's key, a domain's destination."""
        if name in self._profiles.names:
            return name
        named = self._profiles.named(name)
        if named is not None:
            return named
        if name in {standing.key for standing in self._shaper.standings(SOON)}:
            return name
        try:
            domain = parse_domain(name)
        except AddressError:
            return None
        found = await self._router.route(domain.name)
        return found.destination.key if isinstance(found, Route) else None
