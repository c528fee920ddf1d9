"""A router over a name server that knows a small zone, and a clock that is put forward."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from relay.clock import SystemClock
from relay.mail.delivery import Failure
from relay.shaping.destination import Destination, Profile
from relay.transports.base import Host, Route
from relay.transports.hops import Hops
from relay.transports.lookup import CAPACITY, Lookup, async_resolver_of
from relay.transports.mx import NO_HOSTS, MxRouter
from relay.transports.settings import DnsSettings, RouteSettings
from tests.transports.nameserver import NameServer

GOOGLE = Profile("gmail", tls="required")
OTHER = Profile("other")
ZONE = {
    ("example.co.id", "MX"): [
        "20 mx2.example.co.id.",
        "10 MX1.example.co.id.",
        "10 mx3.example.co.id.",
    ],
    ("mx1.example.co.id", "A"): ["202.46.129.18", "202.46.129.19"],
    ("a.example", "MX"): ["5 aspmx.google.example."],
    ("b.example", "MX"): ["5 aspmx.google.example."],
    ("null.example", "MX"): ["0 ."],
    ("odd.example", "MX"): ["0 .", "10 mx1.example.co.id."],
    ("bare.example", "A"): ["202.46.129.20"],
    ("six.example", "AAAA"): ["2607:f8b0::1"],
    ("both.example", "A"): ["202.46.129.21"],
    ("both.example", "AAAA"): ["2607:f8b0::2"],
    ("nothing.example", "TXT"): ['"v=spf1 -all"'],
    ("alias.example", "CNAME"): ["example.co.id."],
    ("loop1.example", "CNAME"): ["loop2.example."],
    ("loop2.example", "CNAME"): ["loop1.example."],
    ("ours.example", "MX"): ["10 relay.lpse.example.go.id.", "20 mx1.example.co.id."],
    ("backup.example", "MX"): [
        "10 mx1.example.co.id.",
        "20 relay.lpse.example.go.id.",
        "30 mx2.example.co.id.",
    ],
    ("literal.example", "MX"): ["10 127.0.0.1."],
    ("many.example", "MX"): [f"{n} mx{n}.many.example." for n in range(30)],
}


class Clock(SystemClock):
    """A clock that is put forward by hand."""

    ahead = 0.0

    def monotonic(self) -> float:
        return self.ahead


def destination_of(domain: str, hosts: tuple[str, ...]) -> Destination:
    if all(host.endswith(".google.example") for host in hosts):
        return Destination("gmail", GOOGLE, "gmail")
    return Destination(min(hosts), OTHER, None)


class Desk:
    """A router over a name server."""

    def __init__(
        self,
        names: NameServer,
        is_ipv6: bool = False,
        routes: dict[str, RouteSettings] | None = None,
        patience: float = 20,
        capacity: int = CAPACITY,
        before: Mapping[str, tuple[Host, ...]] = NO_HOSTS,
    ) -> None:
        """`patience`: seconds until a name server's answer is given up."""
        self.clock = Clock()
        settings = DnsSettings(servers=(names.address,), timeout=timedelta(seconds=patience))
        self.lookup = Lookup(async_resolver_of(settings), self.clock, is_ipv6)
        self.router = MxRouter(
            Hops(routes or {}),
            self.lookup,
            destination_of,
            self.clock,
            smtp_port=2525,
            own_names=["Relay.lpse.example.go.id"],
            capacity=capacity,
            before=before,
        )

    async def route(self, domain: str) -> Route:
        found = await self.router.route(domain)
        assert isinstance(found, Route), found
        return found

    async def failure(self, domain: str) -> Failure:
        found = await self.router.route(domain)
        assert isinstance(found, Failure), found
        return found
