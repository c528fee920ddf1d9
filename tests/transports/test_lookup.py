"""Look-ups: addresses, which name servers are asked, and what is said of those that fail."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import cast

import dns.asyncresolver
import dns.resolver
import pytest
from pydantic import ValidationError

from relay.clock import SystemClock
from relay.mail.delivery import Failure, FailureKind
from relay.transports.lookup import (
    ASKED_AT_ONCE,
    MAX_QUERIES,
    Lookup,
    LookupFailed,
    async_resolver_of,
    resolver_of,
    server,
    unanswered,
)
from relay.transports.settings import DnsSettings
from tests.peers.ports import free_port
from tests.transports.desk import ZONE, Desk
from tests.transports.nameserver import NameServer


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


async def test_new_queries_are_spread_over_turns_of_the_loop() -> None:
    begun: list[int] = []
    at = 0

    class Counting:
        async def resolve(self, *_: object, **__: object) -> None:
            begun.append(at)
            raise dns.resolver.NoNameservers

    def turned() -> None:
        nonlocal at
        at += 1
        asyncio.get_running_loop().call_soon(turned)

    turned()
    lookup = Lookup(cast(dns.asyncresolver.Resolver, Counting()), SystemClock())
    found = await asyncio.gather(*(lookup.addresses(f"mx{n}.example.co.id") for n in range(40)))
    assert all(isinstance(one, Failure) and one.kind is FailureKind.DNS for one in found)
    assert len(begun) == 40
    assert max(Counter(begun).values()) == ASKED_AT_ONCE


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


async def test_a_server_that_errs_at_aaaa_has_its_a_all_the_same() -> None:
    async with NameServer(ZONE) as names:
        names.broken.add("both.example AAAA")
        six = Desk(names, is_ipv6=True).lookup
        assert await six.addresses("both.example") == ("202.46.129.21",)
        names.broken.add("six.example AAAA")
        found = await six.addresses("six.example")
        assert isinstance(found, Failure) and found.kind is FailureKind.DNS


async def test_a_routes_host_may_be_an_address_or_known_to_the_system_only() -> None:
    async with NameServer(ZONE) as names:
        lookup = Desk(names).lookup
        assert await lookup.addresses("127.0.0.1", is_route=True) == ("127.0.0.1",)
        assert await lookup.addresses("localhost", is_route=True) == ("127.0.0.1",)
        assert isinstance(await lookup.addresses("localhost"), Failure)


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
