"""MxRouter: domain → Route, by `routes:` first, then by MX (RFC 5321 5.1, RFC 7505)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final

from relay.clock import Clock
from relay.mail.delivery import Failure, FailureKind
from relay.shaping.destination import Destination, Profile
from relay.transports.base import Credentials, Host, Route, TlsPolicy
from relay.transports.hop import Hop
from relay.transports.hops import Hops
from relay.transports.lookup import CAPACITY, Lookup, LookupFailed, TtlCache

MAX_HOSTS: Final = 20  # of one MX set; more are left out
NO_HOSTS: Final[Mapping[str, tuple[Host, ...]]] = MappingProxyType({})
DestinationOf = Callable[[str, tuple[str, ...]], Destination]
DestinationOfHop = Callable[[str], Destination]


def unlimited(url: str) -> Destination:
    """A next hop that nobody has set limits for."""
    return Destination(url, Profile(url, connections=None, messages_per_connection=None))


def hop_route(hop: Hop, destination: Destination) -> Route:
    """The route by a next hop; where there is a password its certificate must verify."""
    credentials = None
    if hop.user is not None and hop.password is not None:
        credentials = Credentials(hop.user, hop.password)
    tls: TlsPolicy = destination.profile.tls
    if hop.is_implicit:
        tls = "implicit"
    elif credentials is not None:
        tls = "required"
    return Route(
        destination=destination,
        hosts=(Host(hop.host, hop.port),),
        credentials=credentials,
        is_verified=hop.is_implicit or credentials is not None,
        tls=tls,
        may_be_private=True,
    )


class MxRouter:
    """See `base.Router`. Answers and failures are cached by TTL, between 30 s and an hour.

    ``destination_of(domain, mx_hosts)`` maps an MX set (lower case, all of it, sorted by
    preference) to what shaping counts by; ``destination_of_hop(url)`` the same for a next hop.
    ``own_names``: this relay's names; MX records from ours on are left out (RFC 5321 5.1).
    """

    def __init__(
        self,
        hops: Hops,
        lookup: Lookup,
        destination_of: DestinationOf,
        clock: Clock,
        smtp_port: int = 25,
        own_names: Collection[str] = (),
        destination_of_hop: DestinationOfHop = unlimited,
        capacity: int = CAPACITY,
        before: Mapping[str, tuple[Host, ...]] = NO_HOSTS,
    ) -> None:
        """`before`: what another router's :meth:`hosts` said, for :meth:`last`."""
        self._hops = hops
        self._lookup = lookup
        self._destination_of = destination_of
        self._destination_of_hop = destination_of_hop
        self._smtp_port = smtp_port
        self._own_names = frozenset(name.lower().rstrip(".") for name in own_names)
        self._routes: TtlCache[Route] = TtlCache(clock, capacity)
        self._by_hop: dict[Hop, Route] = {}
        # Most domains share the MX set of a big provider: one Route for all of them.
        self._shared: dict[tuple[str, tuple[Host, ...]], Route] = {}
        self._capacity = capacity
        self._before = before

    def known(self, domain: str) -> Route | None:
        """See Router.known."""
        hop = self._hops.of(domain)
        if hop is not None:
            return self._hop_route(hop)
        found = self._routes.get(domain)
        return found if isinstance(found, Route) else None

    def last(self, domain: str) -> Route | None:
        """See Router.last."""
        hop = self._hops.of(domain)
        if hop is not None:
            return self._hop_route(hop)
        found = self._routes.last(domain)
        if found is None and (hosts := self._before.get(domain)):
            return self._shared_route(domain, [(host.preference, host.name) for host in hosts], 0)
        return found if isinstance(found, Route) else None

    def hosts(self) -> dict[str, tuple[Host, ...]]:
        """The MX set that each domain had last."""
        there = self._routes.all_last()
        here = {domain: found.hosts for domain, found in there if isinstance(found, Route)}
        return dict(islice(self._before.items(), self._capacity - len(here))) | here

    async def route(self, domain: str) -> Route | Failure:
        """See Router.route; an address literal or a name without a dot is no ADDRESS at all."""
        hop = self._hops.of(domain)
        if hop is not None:
            return self._hop_route(hop)
        if domain.startswith("[") or "." not in domain:
            text = f"{domain} is no public domain name"
            return Failure(FailureKind.ADDRESS, text)
        return await self._routes.fetch(domain, lambda: self._mx_route(domain))

    def _hop_route(self, hop: Hop) -> Route:
        route = self._by_hop.get(hop)
        if route is None:
            route = self._by_hop[hop] = hop_route(hop, self._destination_of_hop(hop.url))
        return route

    async def _mx_route(self, domain: str) -> tuple[Route, float]:
        records, ttl = await self._lookup.mx(domain)
        if records and all(not host for _, host in records):
            failure = Failure(FailureKind.NULL_MX, f"{domain} takes no mail (null MX)")
            raise LookupFailed(failure, ttl)
        named = [(preference, host) for preference, host in records if host]
        if not named:
            named = await self._implicit(domain)
        return self._shared_route(domain, named, ttl), ttl

    async def _implicit(self, domain: str) -> list[tuple[int, str]]:
        """Without an MX the domain's own address serves; it must have one."""
        found = await self._lookup.addresses(domain)
        if isinstance(found, Failure):
            if found.kind is FailureKind.NO_ADDRESS:
                text = f"{domain} has neither an MX nor an address"
                found = Failure(FailureKind.NO_ADDRESS, text)
            raise LookupFailed(found)
        return [(0, domain)]

    def _shared_route(self, domain: str, records: list[tuple[int, str]], ttl: float) -> Route:
        named = [(p, host) for p, host in records if p < self._own_preference(records)]
        if not named:
            text = f"mail for {domain} loops back to us: we are its best MX"
            raise LookupFailed(Failure(FailureKind.FORBIDDEN_ADDRESS, text), ttl)
        destination = self._destination_of(domain, tuple(host for _, host in named))
        hosts = tuple(Host(host, self._smtp_port, p) for p, host in named[:MAX_HOSTS])
        key = (destination.key, hosts)
        route = self._shared.get(key)
        if route is None or route.destination.profile != destination.profile:
            route = Route(destination=destination, hosts=hosts, tls=destination.profile.tls)
            if len(self._shared) >= self._capacity:
                del self._shared[next(iter(self._shared))]
            self._shared[key] = route
        return route

    def _own_preference(self, records: list[tuple[int, str]]) -> int:
        """The preference that we stand at, above any where we do not."""
        own = [preference for preference, host in records if host in self._own_names]
        return min(own, default=2**16)
