"""Directory: who is where — a domain's label and key, and what a name on a command line means."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Final

from relay.mail.address import AddressError, parse_domain
from relay.mail.delivery import Failure
from relay.shaping.base import Shaping
from relay.shaping.destination import Rate
from relay.shaping.profiles import Profiles
from relay.transports.base import Route, Router

MOST: Final = 1_000  # domains that are asked for at once
PATIENCE: Final = 2.0  # seconds that a person waits for all of them; what comes later is kept


class Directory:
    """Answers from the router's cache, and by DNS only where a person asks."""

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
        route = self._router.last(domain)
        return route.destination.label if route else self._profiles.named(domain)

    def last(self, domain: str) -> Route | None:
        """See Router.last."""
        return self._router.last(domain)

    async def route(self, domain: str) -> Route | Failure:
        """See Router.route."""
        return await self._router.route(domain)

    def limits_of(self, key: str) -> tuple[Rate, ...]:
        """A provider's limits; none for what is no provider."""
        profile = self._profiles.items().get(key)
        return profile.rates if profile else ()

    def owner_of(self, host: str) -> str | None:
        """The provider that an MX host belongs to; None: none."""
        return self._profiles.owner_of(host)

    def key_of(self, domain: str) -> str | None:
        """A domain's destination; None where it is not known yet."""
        route = self._router.last(domain)
        return route.destination.key if route else self._profiles.named(domain)

    async def look_up_new(self, domains: Iterable[str]) -> None:
        """The same for those of which nothing is known at all: enough to say what they wait for."""
        await self.look_up([name for name in domains if self._router.last(name) is None])

    async def look_up(self, domains: Iterable[str]) -> None:
        """Ask DNS where mail goes that is not known, or not any more: a letter that waits for
        hours outlives what the router keeps. Bounded in number and time; never fails."""
        known = self._router.known
        asked = islice((name for name in domains if known(name) is None), MOST)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*map(self._router.route, asked))

    async def destination(self, name: str) -> str | None:
        """What `pause NAME` means: a provider, a destination's key, a domain's destination.

        None for a name that is none of these. Raises LookupError where DNS does not tell, now,
        where a domain's mail goes.
        """
        if name in self._profiles.names:
            return name
        named = self._profiles.named(name)
        if named is not None:
            return named
        if name in self._standing():
            return name
        if "." not in name:
            return None  # a provider's name, misspelt: nothing to ask DNS for
        try:
            domain = parse_domain(name)
        except AddressError:
            return None
        found = await self._router.route(domain.name)
        if isinstance(found, Route):
            return found.destination.key
        raise LookupError(
            f"{name}: where its mail goes cannot be told ({found.text}); "
            "name a provider of `lpse-relay providers`, or --all"
        )

    def names(self) -> set[str]:
        """What a person may have meant: the providers, and what has a standing."""
        return {*self._profiles.names, *self._standing()}

    def _standing(self) -> set[str]:
        return set(self._shaper.shown_keys())
