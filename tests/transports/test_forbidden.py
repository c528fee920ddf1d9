"""Which addresses are dialled: a table, and what lifts the ban."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.transports.forbidden import Address, Frontier, is_forbidden

FORBIDDEN = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("169.254.169.254", "link-local"),
    ("100.64.0.1", "carrier-grade NAT"),
    ("100.127.255.255", "carrier-grade NAT"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("192.0.0.8", "reserved"),
    ("192.0.2.1", "documentation"),
    ("198.18.0.1", "benchmarking"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("fc00::1", "private"),
    ("fd12:3456::1", "private"),
    ("fe80::1", "link-local"),
    ("fec0::1", "reserved"),
    ("ff02::1", "multicast"),
    ("2001:db8::1", "documentation"),
    ("2001:0:1234::1", "Teredo"),
    ("100::1", "reserved"),
    ("4000::1", "reserved"),
    ("::ffff:127.0.0.1", "IPv4 in IPv6, loopback"),
    ("::ffff:8.8.8.8", "IPv4 in IPv6"),
    ("::127.0.0.1", "IPv4 in IPv6, loopback"),
    ("64:ff9b::7f00:1", "loopback"),
    ("64:ff9b::a00:1", "private"),
    ("64:ff9b::e000:1", "multicast"),
    ("64:ff9b:1::a00:1", "IPv4 in IPv6, private"),
    ("2002:7f00:1::1", "IPv4 in IPv6, loopback"),
    ("2002:808:808::1", "IPv4 in IPv6"),
]
PUBLIC = [
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.0.1",
    "223.255.255.255",
    "202.46.129.18",
    "2607:f8b0:4004:c07::1b",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize(("ip", "kind"), FORBIDDEN)
def test_never_dialled(ip: str, kind: str) -> None:
    assert Frontier().why_forbidden(ip) == kind


@pytest.mark.parametrize("ip", PUBLIC)
def test_dialled(ip: str) -> None:
    assert Frontier().why_forbidden(ip) is None


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "100.64.0.1"])
def test_a_route_of_ours_may_be_private(ip: str) -> None:
    assert not is_forbidden(ip, may_be_private=True)


@pytest.mark.parametrize("ip", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"])
def test_what_leads_nowhere_stays_forbidden_for_a_route(ip: str) -> None:
    assert is_forbidden(ip, may_be_private=True)


def test_allowed_networks_lift_the_ban_for_their_addresses_only() -> None:
    allow = (IPv4Network("10.1.0.0/16"), IPv6Network("fd00:1::/32"))
    assert not is_forbidden("10.1.2.3", allow)
    assert not is_forbidden("fd00:1::9", allow)
    assert not is_forbidden("::ffff:10.1.2.3", allow)
    assert is_forbidden("10.2.2.3", allow)
    assert is_forbidden("fd00:2::9", allow)


def test_the_lab_dials_loopback_and_no_other_private_address() -> None:
    assert not is_forbidden("127.0.1.7", is_lab=True)
    assert not is_forbidden("::1", is_lab=True)
    assert is_forbidden("10.0.0.1", is_lab=True)
    assert is_forbidden("0.0.0.0", is_lab=True)


def test_our_own_addresses_would_be_a_loop() -> None:
    own: list[Address] = [IPv4Address("8.8.8.8"), IPv6Address("2607:f8b0::1")]
    assert Frontier(own=own).why_forbidden("8.8.8.8") == "our own"
    assert Frontier(own=own).why_forbidden("2607:f8b0::1") == "our own"
    assert Frontier(own=own).why_forbidden("64:ff9b::808:808") == "our own"
    assert not is_forbidden("8.8.8.8", own=own, may_be_private=True)
    assert not is_forbidden("8.8.8.8", (IPv4Network("8.8.8.8/32"),), own)
    assert not is_forbidden("127.0.0.1", own={IPv4Address("127.0.0.1")}, is_lab=True)


@given(st.ip_addresses(v=4))
def test_a_nat64_address_is_judged_as_what_it_leads_to(inner: IPv4Address) -> None:
    outer = IPv6Address(int(IPv6Address("64:ff9b::")) | int(inner))
    assert is_forbidden(outer) == is_forbidden(inner)


@given(st.ip_addresses(v=4))
def test_nothing_that_python_calls_private_is_dialled(ip: IPv4Address) -> None:
    if ip.is_private or ip.is_multicast or ip.is_reserved:
        assert is_forbidden(ip)
