"""`routes:` read: URLs, defaults, which entry counts, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from relay.transports.hop import Hop, parse_hop
from relay.transports.hops import Hops, RouteError
from relay.transports.settings import RouteSettings


@pytest.mark.parametrize(
    ("text", "password", "url"),
    [
        ("smtp://127.0.0.1:2526", None, "smtp://127.0.0.1:2526"),
        ("smtp://Hub.go.id", None, "smtp://hub.go.id:25"),
        ("smtp://[::1]:2526", None, "smtp://[::1]:2526"),
        ("smtps://user@hub.go.id", "x", "smtps://user@hub.go.id:465"),
        ("smtps://hub.go.id", None, "smtps://hub.go.id:465"),
        ("smtp://user@hub.go.id", "x", "smtp://user@hub.go.id:587"),
        ("smtps://lpse%40go.id@hub.go.id", "x", "smtps://lpse%40go.id@hub.go.id:465"),
    ],
)
def test_urls(text: str, password: str | None, url: str) -> None:
    hop = parse_hop(text, password)
    assert hop is not None and hop.url == url
    assert parse_hop(hop.url, password) == hop
    assert "rahasia" not in repr(Hop("smtp", "a", 25, "u", "rahasia"))


def test_mx() -> None:
    assert parse_hop("mx") is None
    assert parse_hop(" MX ") is None


@pytest.mark.parametrize(
    ("text", "password", "fault"),
    [
        ("hub.go.id", None, "is no route"),
        ("http://hub.go.id", None, "is no route"),
        ("smtp://", None, "is no route"),
        ("smtp://a b", None, "is no route"),
        ("smtp://hub.go.id:99999", None, "out of range"),
        ("smtp://hub.go.id:x", None, "write mx"),
        ("smtp://hub.go.id/queue", None, "behind the port"),
        ("smtp://user:geheim@hub.go.id", "x", "password_file, not in the URL"),
        ("smtp://user@hub.go.id", None, "password_file is missing"),
        ("smtp://hub.go.id", "x", "no user in the URL"),
        ("mx", "x", "mx takes no password"),
        ("http://user:geheim@hub.go.id", None, "is no route"),
    ],
)
def test_faults(text: str, password: str | None, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        parse_hop(text, password)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("to", ["hub.go.id", "smtp://user@hub.go.id", "smtp://a:b@hub.go.id"])
def test_settings_refuse_what_cannot_be_read(to: str) -> None:
    with pytest.raises(ValidationError):
        RouteSettings(to=to)


def test_the_nearest_entry_counts() -> None:
    hops = Hops(
        {
            "*": RouteSettings(to="smtp://rest"),
            "go.id": RouteSettings(to="smtp://exact"),
            "*.go.id": RouteSettings(to="smtp://under"),
            ".lpse.go.id": RouteSettings(to="smtp://deeper"),
            "mail.go.id": RouteSettings(to="mx"),
        }
    )

    def host(domain: str) -> str | None:
        hop = hops.of(domain)
        return hop.host if hop else None

    assert host("go.id") == "exact"
    assert host("a.go.id") == "under"
    assert host("lpse.go.id") == "under"
    assert host("a.b.lpse.go.id") == "deeper"
    assert host("mail.go.id") is None
    assert host("xgo.id") == "rest"
    assert host("example.co.id") == "rest"


def test_without_routes_all_goes_by_mx() -> None:
    assert Hops({}).of("example.co.id") is None


@pytest.mark.parametrize("key", ["a b", "", "*.", "é.\u0000"])
def test_a_bad_key_is_named(key: str) -> None:
    with pytest.raises(RouteError) as caught:
        Hops({key: RouteSettings(to="mx")})
    assert caught.value.key == key


def test_a_password_that_was_not_handed_in_is_named() -> None:
    routes = {"go.id": RouteSettings(to="smtps://u@hub.go.id", password_file=Path("p"))}
    with pytest.raises(RouteError, match=r"routes: go.id: .*password_file is missing"):
        Hops(routes, {})


def test_one_domain_twice() -> None:
    with pytest.raises(RouteError, match="stands twice"):
        Hops({"*.go.id": RouteSettings(to="mx"), ".GO.id": RouteSettings(to="mx")})
