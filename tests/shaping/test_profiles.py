"""Profiles: whose limits hold for whom, and what cannot be."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import relay.shaping
from relay.shaping.destination import Destination, Profile, site_key
from relay.shaping.profiles import Layer, Profiles, parse
from relay.shaping.settings import LimitSettings, ProviderSettings, limit, rate
from relay.strict_yaml import SourceError

FOLDER = Path(relay.shaping.__file__).parent / "providers"
GMAIL = ["gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com"]
YAHOO = ["mta5.am0.yahoodns.net", "mta6.am0.yahoodns.net"]


@cache
def shipped() -> tuple[Profile, ...]:
    return tuple(parse(file.read_text(), file.name) for file in sorted(FOLDER.glob("*.yaml")))


def limits(**said: Any) -> dict[str, LimitSettings | None]:
    return {
        key.replace("_", "."): None if value is None else LimitSettings.model_validate(limit(value))
        for key, value in said.items()
    }


def layer(where: str = "relay.yaml", **said: Any) -> Layer:
    return Layer(limits(**said), {}, where)


def every(value: Any, **said: Any) -> Layer:
    return Layer({"*": LimitSettings.model_validate(limit(value)), **limits(**said)}, {}, "r.yaml")


def shown(destination: Destination) -> list[str]:
    return [str(rate) for rate in destination.profile.rates]


@pytest.mark.parametrize(
    ("hosts", "provider"),
    [
        (GMAIL, "gmail"),
        (["ASPMX.L.GOOGLE.COM."], "gmail"),
        (["smtp.google.com"], "gmail"),
        (["mx.notgoogle.com"], None),
        (["google.com.evil.example"], None),
        ([*GMAIL, "mx.evil.example"], None),
        ([*GMAIL, *YAHOO], None),
        (YAHOO, "yahoo"),
        (["hotmail-com.olc.protection.outlook.com"], "outlook"),
        (["example-co-id.mail.protection.outlook.com"], "m365"),
        (["abc.k-v1.mx.microsoft"], "m365"),
        (["mx01.mail.icloud.com"], "icloud"),
        (["mx3.qq.com"], "qq"),
        (["163mx01.mxmail.netease.com"], "netease"),
        (["mx00.gmx.net"], "gmx"),
        (["eu-smtp-inbound-1.mimecast.com"], "mimecast"),
        (["d1.ess.barracudanetworks.com"], "barracuda"),
        (["mx.dinas.example.go.id"], None),
        ([], None),
    ],
)
def test_a_provider_has_all_the_hosts(hosts: list[str], provider: str | None) -> None:
    destination = Profiles(shipped()).destination_of("example.co.id", hosts)
    assert destination.provider == provider
    assert destination.label == provider or destination.label == "other"


def test_a_site_is_its_hosts_in_any_order() -> None:
    book = Profiles(shipped())
    one = book.destination_of("a.example", ["mx2.h.example", "MX1.h.example."])
    other = book.destination_of("b.example", ["mx1.h.example", "mx2.h.example"])
    assert one == other
    assert one != book.destination_of("c.example", ["mx1.h.example"])
    long = site_key(f"mx{n}.hosting.example.co.id" for n in range(40))
    assert len(long) <= 80
    assert long != site_key(f"mx{n}.hosting.example.co.id" for n in range(41))


def test_a_domain_that_a_profile_names_means_the_whole_provider() -> None:
    book = Profiles(shipped(), [layer(gmail_com="7/min", yahoo_com=["10/min", "1500/day"])])
    assert shown(book.destination_of("kampus.ac.id", GMAIL)) == ["7/min"]
    assert shown(book.destination_of("yahoo.co.id", YAHOO)) == ["10/min", "1500/day"]
    assert book.named("googlemail.com") == "gmail"
    assert not book.within("gmail.com")


def test_an_administrator_may_raise_what_is_shipped() -> None:
    book = Profiles(shipped(), [layer(gmail_com="300/min")])
    assert shown(book.destination_of("gmail.com", GMAIL)) == ["300/min"]


def test_another_domain_means_itself_inside_its_provider() -> None:
    book = Profiles(shipped(), [layer(kampus_ac_id="3/min")])
    destination = book.destination_of("kampus.ac.id", GMAIL)
    assert destination.key == "gmail"
    assert shown(destination) == ["20/min"]
    assert [str(rate) for rate in book.within("kampus.ac.id")[0].rates] == ["3/min"]


def test_another_domain_means_itself_at_a_site() -> None:
    book = Profiles(shipped(), [every("10/min", vendor_co_id="30/min")])
    assert shown(book.destination_of("vendor.co.id", ["mx.h.example"])) == ["30/min"]
    assert shown(book.destination_of("lain.co.id", ["mx.h.example"])) == ["10/min"]


def test_every_destination_by_itself_never_raises_a_profile() -> None:
    wide = Profiles(shipped(), [every({"rate": "500/min", "connections": 50})])
    gmail = wide.destination_of("gmail.com", GMAIL)
    assert gmail.profile.connections == 2
    assert "20/min" in shown(gmail)
    site = wide.destination_of("a.example", ["mx.a.example"])
    assert shown(site) == ["500/min"]
    assert site.profile.connections == 50
    narrow = Profiles(shipped(), [every({"rate": "1/min", "connections": 1})])
    assert "1/min" in shown(narrow.destination_of("gmail.com", GMAIL))
    assert narrow.destination_of("gmail.com", GMAIL).profile.connections == 1
    named = Profiles(shipped(), [every("1/min", gmail_com="20/min")])
    assert shown(named.destination_of("gmail.com", GMAIL)) == ["20/min"]


def test_every_destination_lowers_what_a_provider_s_own_key_does_not_say() -> None:
    every = {"rate": "10/min", "connections": 1, "messages_per_connection": 3}
    limits = {
        "*": LimitSettings.model_validate(every),
        "gmail.com": LimitSettings.model_validate({"rate": "20/min"}),
    }
    profile = Profiles(shipped(), [Layer(limits, {}, "relay.yaml")]).items()["gmail"]
    assert [str(rate) for rate in profile.rates] == ["20/min"]
    assert (profile.connections, profile.messages_per_connection) == (1, 3)


def test_the_longest_window_of_each_limit_as_it_is_counted() -> None:
    """What a reload compares: a longer one is filled from what was kept of the shorter."""
    route = "smtp://relay.example.net:25"
    keys = {route: ["5/min", "50/h"], "total": "9/h", "mx:mx.example.go.id": "2/day"}
    said = {key: LimitSettings.model_validate(limit(value)) for key, value in keys.items()}
    wanted = limits(gmail_com=["20/min", "1500/day"], vendor_co_id="3/h")
    found = Profiles(shipped(), [Layer(said | wanted, {}, "relay.yaml")]).windows()
    hour, day = timedelta(hours=1), timedelta(days=1)
    assert (found["gmail"], found["total"], found[route]) == (day, hour, hour)
    assert (found["@vendor.co.id"], found["mx:mx.example.go.id"]) == (hour, day)
    bare = Profiles(shipped(), [Layer({"gmail.com": None}, {}, "relay.yaml")]).windows()
    assert "total" not in bare
    assert found["*"] == bare["*"] == timedelta(minutes=1)


def test_the_last_layer_wins_field_by_field_and_null_unsets() -> None:
    first = layer(gmail_com={"rate": "5/min", "connections": 4}, vendor_co_id="3/min")
    second = Layer(limits(gmail_com={"connections": 1}, vendor_co_id=None), {}, "site.d/a.yaml")
    book = Profiles(shipped(), [first, second])
    gmail = book.destination_of("gmail.com", GMAIL)
    assert shown(gmail) == ["5/min"]
    assert gmail.profile.connections == 1
    assert gmail.profile.where == "site.d/a.yaml"
    assert not book.within("vendor.co.id")


def test_null_inside_a_limit_unsets_what_the_layers_below_said() -> None:
    first = layer(
        gmail_com={"rate": "1000/hour", "connections": 1, "hours": "06:00-22:00 WIB"},
        a_id={"rate": "3/min", "connections": 1},
    )
    nulls = {"rate": None, "connections": None}
    second = Layer(limits(gmail_com=nulls, a_id=nulls), {}, "site.d/a.yaml")
    book = Profiles(shipped(), [every({"connections": 7}), first, second])
    gmail = book.items()["gmail"]
    assert [str(rate) for rate in gmail.rates] == ["20/min"], "what is shipped stays"
    assert (gmail.connections, str(gmail.hours)) == (2, "06:00-22:00 WIB")
    site = book.destination_of("a.id", ["mx.a.id"])
    assert (shown(site), site.profile.connections) == (["10/min"], 7)
    assert book.idle == []


def test_null_inside_a_provider_lifts_what_is_shipped() -> None:
    nulls = dict.fromkeys(("rate", "connections", "messages_per_connection", "tls", "domains"))
    gmail = Profiles(shipped(), [provider("gmail", **nulls, warmup=None)]).items()["gmail"]
    assert (gmail.rates, gmail.connections, gmail.messages_per_connection) == ((), None, None)
    assert (gmail.tls, gmail.domains, gmail.warmup) == ("opportunistic", (), None)
    assert gmail.match == (".google.com", ".googlemail.com")
    again = Profiles(shipped(), [provider("gmail", **nulls), provider("gmail", rate="7/min")])
    assert [str(rate) for rate in again.items()["gmail"].rates] == ["7/min"]


def test_a_null_that_unsets_nothing_is_told() -> None:
    said = layer(gmail_com={"rate": None, "burst": None, "connections": 1}, a_id=None)
    found = [(one.key, one.message) for one in Profiles(shipped(), [said]).idle]
    assert found == [
        ("limits.gmail.com", "null unsets nothing: no layer below says rate of gmail.com"),
        ("limits.gmail.com", "null unsets nothing: no layer below says burst of gmail.com"),
        ("limits.a.id", "null unsets nothing: no layer below limits a.id"),
    ]


def test_two_names_of_one_provider_the_later_one_wins() -> None:
    book = Profiles(
        shipped(), [layer(googlemail_com="5/min"), layer("site.d/a.yaml", gmail_com="6/min")]
    )
    assert shown(book.destination_of("gmail.com", GMAIL)) == ["6/min"]
    back = Profiles(
        shipped(), [layer(gmail_com="6/min"), layer("site.d/a.yaml", googlemail_com="5/min")]
    )
    assert shown(back.destination_of("gmail.com", GMAIL)) == ["5/min"]


def test_a_route_is_unlimited_unless_named() -> None:
    url = "smtp://127.0.0.1:2526"
    book = Profiles(shipped(), [every("1/min")])
    assert shown(book.route_destination(url)) == []
    named = Profiles(shipped(), [Layer({url: LimitSettings.model_validate(limit("5/min"))}, {})])
    assert shown(named.route_destination(url)) == ["5/min"]
    assert named.route_destination(url).key == url


def test_a_route_alone_may_be_limited_in_recipients_a_transaction() -> None:
    url, said = "smtp://127.0.0.1:2526", LimitSettings(recipients_per_transaction=50)
    named = Profiles(shipped(), [Layer({url: said}, {})])
    assert named.route_destination(url).profile.recipients_per_transaction == 50
    for key in ("gmail.com", "*", "mx:mx.example.go.id", "vendor.co.id"):
        with pytest.raises(SourceError, match="is no next hop: recipients_per_transaction means"):
            Profiles(shipped(), [Layer({key: said}, {})])


def test_a_profile_is_changed_made_and_removed() -> None:
    said = {
        "gmail": ProviderSettings(connections=5),
        "lokal": ProviderSettings(match=(".mail.go.id",), domains=("mail.go.id",)),
        "gmx": None,
    }
    book = Profiles(shipped(), [Layer({}, said, "relay.yaml")])
    assert book.destination_of("gmail.com", GMAIL).profile.connections == 5
    assert book.destination_of("mail.go.id", ["mx.mail.go.id"]).provider == "lokal"
    assert book.destination_of("gmx.net", ["mx00.gmx.net"]).provider is None
    assert "lokal" in book.names
    assert "gmx" not in book.items()


def provider(name: str, **said: Any) -> Layer:
    return Layer({}, {name: ProviderSettings.model_validate(said)}, "relay.yaml")


def test_a_burst_up_to_the_rate_is_one() -> None:
    book = Profiles(shipped(), [layer(gmail_com={"burst": 20}, a_id={"burst": 9})])
    assert book.items()["gmail"].burst == 20  # a.id has a burst for a rate of `*`, if there is one


@pytest.mark.parametrize("match", [[""], ["."], ["*.x.id"], ["x y"], []])
def test_what_no_mx_host_ends_in(match: list[str]) -> None:
    with pytest.raises(ValidationError, match="no MX host"):
        ProviderSettings.model_validate({"match": match})


@pytest.mark.parametrize(
    ("made", "key", "says"),
    [
        (Layer(limits(panitia="1/min"), {}, "r"), "limits.panitia", "no domain"),
        (Layer({"a@b.example": LimitSettings()}, {}, "r"), "limits.a@b.example", "an address"),
        (Layer({"*.go.id": LimitSettings()}, {}, "r"), "limits.*.go.id", "no domain"),
        (layer(gmail_com=["10/min", "5/min"]), "limits.gmail.com", "two limits"),
        (Layer({}, {"gmial": ProviderSettings()}, "r"), "providers.gmial", "needs `match`"),
        (
            Layer({}, {"gmail": ProviderSettings.model_validate({"rate": ["1/h", "2/h"]})}, "r"),
            "providers.gmail.rate",
            "two limits",
        ),
        (layer(a_id={"rate": "3/min", "burst": 4}), "limits.a.id", "never adds to 3/min"),
        (layer(gmail_com={"burst": 50}), "limits.gmail.com", "never adds to 20/min"),
        (layer(total={"burst": 4}), "limits.total", "no rate that it is of"),
        (provider("gmail", burst=50), "providers.gmail", "never adds to 20/min"),
        (provider("gmail", match=None), "providers.gmail.match", "no MX host belongs to gmail"),
        (layer(total={"rate": None, "burst": 2}), "limits.total", "no rate that it is of"),
        (provider("x", match=[".l.google.com"]), "providers.x", "all belong to gmail before it"),
        (provider("gmail", match=[".qq.com"]), "providers.gmail", "qq never matches"),
    ],
)
def test_what_cannot_be_is_told(made: Layer, key: str, says: str) -> None:
    with pytest.raises(SourceError) as caught:
        Profiles(shipped(), [made])
    (problem,) = caught.value.problems
    assert problem.key == key
    assert says in problem.message
    assert problem.suggestion


@pytest.mark.parametrize("text", ["name: x\nrate: fast\n", "match: [.x]\n", "name: x\nwrong: 1\n"])
def test_a_broken_profile_names_its_file(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse(text, "providers/x.yaml")
    assert caught.value.problems[0].file == "providers/x.yaml"


def test_the_shipped_start_values() -> None:
    book = Profiles(shipped())
    gmail = book.items()["gmail"]
    assert (gmail.connections, gmail.messages_per_connection, gmail.tls) == (2, 20, "required")
    assert shown(book.destination_of("a.example", ["mx.a.example"])) == ["10/min"]
    assert book.items()["yahoo"].recipients_per_transaction == 1


@pytest.mark.parametrize(
    "text", ["10/s", "5/90s", "20/min", "300/5m", "1/hour", "100/2h", "1500/day", "9000/7d"]
)
def test_a_rate_is_shown_as_it_may_be_written(text: str) -> None:
    assert str(rate(text)) == text


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("9/32d", "a window is at most 31d long"),
        ("9/99999999999d", "a window is at most 31d long"),
        ("9/0h", "a window needs a length"),
        ("10000001/s", "is more than 10000000"),
        ([], "an empty list is no rate"),
    ],
)
def test_what_is_no_rate(said: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        LimitSettings.model_validate({"rate": said})


def test_a_host_belongs_to_its_provider_on_label_boundaries() -> None:
    book = Profiles(shipped())
    hosts = ("aspmx.l.google.com", "mx.notgoogle.com", "mta5.am0.yahoodns.net", "mx.kampus.ac.id")
    assert [book.owner_of(host) for host in hosts] == ["gmail", None, "yahoo", None]
