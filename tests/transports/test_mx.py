"""From a domain to a route: MX, null MX, aliases, failures, and our own routes."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.mail.delivery import Failure, FailureKind
from relay.transports.base import Credentials, Host
from relay.transports.hops import Hops
from relay.transports.mx import MAX_HOSTS
from relay.transports.settings import RouteSettings
from tests.transports.desk import ZONE, Desk
from tests.transports.nameserver import NameServer


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
