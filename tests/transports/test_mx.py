"""From a domain to a route: MX, null MX, aliases, failures, our own routes; and how it is kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import dns.asyncresolver
import dns.resolver
import pytest
from pydantic import ValidationError

from relay.clock import SystemClock
from relay.mail.delivery import Failure, FailureKind
from relay.shaping.destination import Destination, Profile
from relay.transports.base import Credentials, Host, Route
from relay.transports.hops import Hops
from relay.transports.lookup import (
    LONGEST,
    MAX_QUERIES,
    SHORTEST,
    Lookup,
    LookupFailed,
    TtlCache,
    server,
    unanswered,
)
from relay.transports.mx import MAX_HOSTS, MxRouter, async_resolver_of, resolver_of
from relay.transports.settings import DnsSettings, RouteSettings
from tests.peers.ports import free_port
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
        )

    async def route(self, domain: str) -> Route:
        found = await self.router.route(domain)
        assert isinstance(found, Route), found
        return found

    async def failure(self, domain: str) -> Failure:
        found = await self.router.route(domain)
        assert isinstance(found, Failure), found
        return found


async def test_mx_hosts_by_preference() -> None:
    async with NameServer(ZONE) as names:
        desk = Desk(names)
        route = await desk.route("example.co.id")
    assert {host.name for host in route.hosts[:2]} == {"mx1.example.co.id", "mx3.example.co.id"}
    assert route.hosts[2] == Host("mx2.example.co.id", 2525, 20)
    assert route.destination.key == "mx1.example.co.id"
    assert route.tls == "opportunistic"
    assert not route.may_be_private and not route.is_verified and route.credentials is None


async def test_domains_of_one_provider_share_a_route_and_its_tls() -> None:
    async with NameServer(ZONE) as names:
        desk = Desk(names)
        first, second = await desk.route("a.example"), await desk.route("b.example")
    assert first is second
    assert first.destination.provider == "gmail" and first.tls == "required"


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("null.example", FailureKind.NULL_MX),
        ("missing.example", FailureKind.NXDOMAIN),
        ("nothing.example", FailureKind.NO_ADDRESS),
        ("broken.example", FailureKind.DNS),
        ("silent.example", FailureKind.DNS),
        ("loop1.example", FailureKind.DNS),
        ("six.example", FailureKind.UNREACHABLE),
        ("ours.example", FailureKind.FORBIDDEN_ADDRESS),
        ("[192.0.2.1]", FailureKind.ADDRESS),
        ("localhost", FailureKind.ADDRESS),
        ("a" * 64 + ".example", FailureKind.NXDOMAIN),
        ("a..example", FailureKind.NXDOMAIN),
    ],
)
async def test_failures(domain: str, kind: FailureKind) -> None:
    async with NameServer(ZONE) as names:
        names.broken.add("broken.example")
        names.silent.add("silent.example")
        desk = Desk(names, patience=0.2 if domain == "silent.example" else 20)
        failure = await desk.failure(domain)
    assert failure.kind is kind
    assert domain in failure.text
    assert desk.router.known(domain) is None


async def test_a_null_mx_among_others_is_left_out() -> None:
    async with NameServer(ZONE) as names:
        route = await Desk(names).route("odd.example")
    assert [host.name for host in route.hosts] == ["mx1.example.co.id"]


async def test_without_an_mx_the_domain_itself() -> None:
    async with NameServer(ZONE) as names:
        desk = Desk(names)
        route = await desk.route("bare.example")
        assert route.hosts == (Host("bare.example", 2525, 0),)
        six = await Desk(names, is_ipv6=True).route("six.example")
        assert [host.name for host in six.hosts] == ["six.example"]


@pytest.mark.parametrize("is_lazy", [False, True])
async def test_aliases_are_followed(is_lazy: bool) -> None:
    async with NameServer(ZONE) as names:
        names.is_lazy = is_lazy
        route = await Desk(names).route("alias.example")
    assert len(route.hosts) == 3


async def test_from_our_own_preference_on_all_are_left_out() -> None:
    async with NameServer(ZONE) as names:
        route = await Desk(names).route("backup.example")
    assert [host.name for host in route.hosts] == ["mx1.example.co.id"]


async def test_a_hostile_mx_set_is_cut() -> None:
    async with NameServer(ZONE) as names:
        route = await Desk(names).route("many.example")
    assert len(route.hosts) == MAX_HOSTS


async def test_an_mx_that_is_an_address_is_never_dialled() -> None:
    async with NameServer(ZONE) as names:
        desk = Desk(names)
        route = await desk.route("literal.example")
        found = await desk.lookup.addresses(route.hosts[0].name)
    assert isinstance(found, Failure) and found.kind is FailureKind.FORBIDDEN_ADDRESS


async def test_a_chain_of_aliases_has_an_end() -> None:
    zone = ZONE | {(f"c{n}.example", "CNAME"): [f"c{n + 1}.example."] for n in range(30)}
    async with NameServer(zone) as names:
        names.is_lazy = True
        failure = await Desk(names).failure("c0.example")
    assert failure.kind is FailureKind.DNS and "aliases" in failure.text


async def test_a_broken_answer_is_temporary() -> None:
    async with NameServer(ZONE) as names:
        names.garbled.add("example.co.id")
        assert (await Desk(names, patience=0.2).failure("example.co.id")).kind is FailureKind.DNS


async def test_mx_hosts_without_an_address_by_servfail_are_temporary() -> None:
    async with NameServer(ZONE) as names:
        names.broken.add("mx1.example.co.id")
        found = await Desk(names).lookup.addresses("mx1.example.co.id")
        assert isinstance(found, Failure) and found.kind is FailureKind.DNS
        missing = await Desk(names).lookup.addresses("no-such-host.invalid", is_route=True)
        assert isinstance(missing, Failure) and missing.kind is FailureKind.NO_ADDRESS


async def test_queries_under_way_are_bounded() -> None:
    async with NameServer(ZONE) as names:
        names.silent.update(f"s{n}.example" for n in range(3 * MAX_QUERIES))
        desk = Desk(names)
        asking = [
            asyncio.create_task(desk.router.route(f"s{n}.example")) for n in range(3 * MAX_QUERIES)
        ]
        while len(names.asked) < MAX_QUERIES:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(names.asked) == MAX_QUERIES
        for task in (*asking, *desk.router._routes._asked.values()):
            task.cancel()


# Addresses


async def test_addresses() -> None:
    async with NameServer(ZONE) as names:
        desk, six = Desk(names), Desk(names, is_ipv6=True)
        found = await desk.lookup.addresses("mx1.example.co.id")
        assert set(found) == {"202.46.129.18", "202.46.129.19"}  # type: ignore[arg-type]
        assert await desk.lookup.addresses("both.example") == ("202.46.129.21",)
        assert await six.lookup.addresses("both.example") == ("202.46.129.21", "2607:f8b0::2")
        missing = await desk.lookup.addresses("missing.example")
        assert isinstance(missing, Failure) and missing.kind is FailureKind.NO_ADDRESS


async def test_a_routes_host_may_be_an_address_or_known_to_the_system_only() -> None:
    async with NameServer(ZONE) as names:
        lookup = Desk(names).lookup
        assert await lookup.addresses("127.0.0.1", is_route=True) == ("127.0.0.1",)
        assert await lookup.addresses("localhost", is_route=True) == ("127.0.0.1",)
        assert isinstance(await lookup.addresses("localhost"), Failure)


# What is kept


async def test_answers_are_kept_for_their_time() -> None:
    async with NameServer(ZONE, ttl=100) as names:
        desk = Desk(names)
        route = await desk.route("example.co.id")
        desk.clock.ahead = 99
        assert desk.router.known("example.co.id") is route
        assert await desk.route("example.co.id") is route
        desk.clock.ahead = 101
        assert desk.router.known("example.co.id") is None
        await desk.route("example.co.id")
        assert names.asked["example.co.id", "MX"] == 2


@pytest.mark.parametrize(("ttl", "kept"), [(0, SHORTEST), (10**6, LONGEST)])
async def test_the_time_has_a_floor_and_a_ceiling(ttl: int, kept: float) -> None:
    async with NameServer(ZONE, ttl=ttl) as names:
        desk = Desk(names)
        await desk.route("example.co.id")
        desk.clock.ahead = kept - 1
        assert desk.router.known("example.co.id") is not None
        desk.clock.ahead = kept + 1
        assert desk.router.known("example.co.id") is None


async def test_failures_are_kept_too() -> None:
    async with NameServer(ZONE) as names:
        desk = Desk(names)
        for _ in range(5):
            await desk.failure("missing.example")
        assert names.asked["missing.example", "MX"] == 1
        desk.clock.ahead = SHORTEST - 1
        await desk.failure("missing.example")
        assert names.asked["missing.example", "MX"] == 1
        desk.clock.ahead = LONGEST + 1
        await desk.failure("missing.example")
        assert names.asked["missing.example", "MX"] == 2


async def test_many_who_ask_at_once_ask_once() -> None:
    async with NameServer(ZONE) as names:
        desk = Desk(names)
        asking = [asyncio.create_task(desk.router.route("example.co.id")) for _ in range(50)]
        await asyncio.sleep(0)
        asking[0].cancel()
        made = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(made[0], asyncio.CancelledError)
        assert all(isinstance(route, Route) for route in made[1:])
        assert names.asked["example.co.id", "MX"] == 1


async def test_the_cache_is_bounded() -> None:
    cache: TtlCache[int] = TtlCache(Clock(), capacity=10)

    async def ask() -> tuple[int, float]:
        return 1, 60.0

    for n in range(100):
        await cache.fetch(str(n), ask)
    assert len(cache) == 10
    assert cache.get("99") == 1 and cache.get("0") is None


# Our own routes


async def test_routes_come_before_dns() -> None:
    routes = {
        "example.co.id": RouteSettings(to="smtp://127.0.0.1:2526"),
        "*.go.id": RouteSettings(to="smtp://hub.go.id"),
        "mail.go.id": RouteSettings(to="mx"),
    }
    async with NameServer(ZONE) as names:
        desk = Desk(names, routes=routes)
        route = desk.router.known("example.co.id")
        assert route is not None and route == await desk.route("example.co.id")
        assert route.hosts == (Host("127.0.0.1", 2526),)
        assert route.destination.key == "smtp://127.0.0.1:2526"
        assert route.may_be_private and not route.is_verified and route.tls == "opportunistic"
        assert route.destination.profile.connections is None
        assert (await desk.route("dinas.go.id")).hosts == (Host("hub.go.id", 25),)
        assert (await desk.failure("mail.go.id")).kind is FailureKind.NXDOMAIN
        assert (await desk.route("a.example")).destination.key == "gmail"
        assert not names.asked["example.co.id", "MX"]


async def test_a_smarthost_takes_whatever_the_domain_is() -> None:
    async with NameServer(ZONE) as names:
        routes = {"*": RouteSettings(to="smtps://user@hub.go.id", password_file=Path("p"))}
        desk = Desk(names)
        desk.router._hops = Hops(routes, {"*": "rahasia"})
        for domain in ("example.co.id", "[192.0.2.1]", "localhost"):
            route = await desk.route(domain)
            assert route.hosts == (Host("hub.go.id", 465),)
            assert route.credentials == Credentials("user", "rahasia")
            assert route.tls == "implicit" and route.is_verified
            assert route.destination.key == "smtps://user@hub.go.id:465"


# Servers


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.53", "192.0.2.53", 53),
        ("127.0.0.1:5353", "127.0.0.1", 5353),
        ("::1", "::1", 53),
        ("[::1]:5353", "::1", 5353),
        ("[::1]", "::1", 53),
    ],
)
def test_name_servers(text: str, address: str, port: int) -> None:
    made = server(text)
    assert (made.address, made.port) == (address, port)  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["", "dns.example.net", "192.0.2.53:0", "1.2.3.4:x", "[::1"])
def test_bad_name_servers(text: str) -> None:
    with pytest.raises(ValueError, match="is no name server"):
        server(text)
    with pytest.raises(ValidationError):
        DnsSettings(servers=(text,))


def test_a_system_without_name_servers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", missing)
    with pytest.raises(ValueError, match=r"dns: \{servers"):
        resolver_of(DnsSettings())


async def test_a_server_that_does_not_answer_is_named_with_what_it_did() -> None:
    async with NameServer(ZONE) as names:
        names.broken.add("example.co.id")
        names.silent.add("a.example")
        nobody = f"127.0.0.1:{free_port()}"
        for servers, domain, said in (
            ([nobody], "x.id", f"{nobody} refuses connections: nothing listens there"),
            ([names.address], "example.co.id", f"{names.address} answered SERVFAIL"),
            ([names.address], "a.example", f"{names.address} did not answer in time"),
            (
                [nobody, names.address],
                "a.example",
                f"{nobody} refuses connections: nothing listens there; "
                f"{names.address} did not answer in time",
            ),
        ):
            settings = DnsSettings(servers=tuple(servers), timeout=timedelta(seconds=0.6))
            with pytest.raises(LookupFailed) as caught:
                await Lookup(async_resolver_of(settings), SystemClock()).mx(domain)
            assert str(caught.value) == f"MX of {domain}: {said}"


def test_a_look_up_that_tells_nothing_is_still_told_in_words() -> None:
    late = dns.resolver.LifetimeTimeout(timeout=1, errors=[])  # type: ignore[no-untyped-call]
    none = dns.resolver.NoNameservers()  # type: ignore[no-untyped-call]
    for error, said in (
        (late, "no name server answered in time"),
        (none, "the name servers failed (SERVFAIL or refused)"),
        (OSError("odd"), "OSError: odd"),
    ):
        assert unanswered("x.id", "MX", error) == f"MX of x.id: {said}"


def test_resolvers_are_configured() -> None:
    settings = DnsSettings(servers=("192.0.2.53", "[::1]:54"), timeout=timedelta(seconds=6))
    blocking = resolver_of(settings)
    assert len(blocking.nameservers) == 2 and blocking.lifetime == 6
    assert isinstance(async_resolver_of(settings), dns.asyncresolver.Resolver)
