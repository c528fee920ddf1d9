"""Limits by site: one for all domains whose MX hosts are these, between provider and domain."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from relay.mail.instant import HOUR, MINUTE, SECOND, from_iso
from relay.mail.urgency import Urgency
from relay.shaping.base import SHORT, Reason
from relay.shaping.destination import Destination, site_key
from relay.shaping.profiles import Layer, Profiles
from relay.shaping.settings import LimitSettings, PauseSettings, limit
from relay.shaping.shaper import Shaper
from relay.strict_yaml import SourceError
from tests.shaping.test_profiles import GMAIL, shipped, shown

NOW = 1_700_000_000_000
ONE = ["mx1.go.example"]
TWO = ["MX2.go.example.", "mx1.go.example"]
TENANT = ["dinas-go-id.mail.protection.outlook.com"]


def layer(said: dict[str, Any], where: str = "relay.yaml") -> Layer:
    limits = {
        key: None if value is None else LimitSettings.model_validate(limit(value))
        for key, value in said.items()
    }
    lines = {f"limits.{key}": n for n, key in enumerate(said, 2)}
    return Layer(limits, {}, where, lines)


def book(*said: dict[str, Any]) -> Profiles:
    files = ("relay.yaml", "site.d/a.yaml", "site.d/b.yaml")
    return Profiles(shipped(), [layer(one, file) for one, file in zip(said, files, strict=False)])


def shaper_of(profiles: Profiles) -> Shaper:
    return Shaper(
        PauseSettings(), profiles.within, profiles.names, profiles.sums(), is_ramping=False
    )


def admitted(shaper: Shaper, to: Destination, domain: str, now: int) -> bool:
    said = shaper.admit(to, domain, 1, now)
    if said is SHORT:
        shaper.set_aside(shaper.setting_aside(now), now)
        said = shaper.admit(to, domain, 1, now)
    return said is None


@pytest.mark.parametrize(
    ("key", "hosts", "rates"),
    [
        ("mx:mx1.go.example", ONE, ["5/min"]),
        ("mx:mx1.go.example", TWO, ["9/min"]),  # another site: it has a second host
        ("mx:mx1.go.example+mx2.go.example", TWO, ["5/min"]),
        ("MX:mx2.go.example. + MX1.go.example", TWO, ["5/min"]),
        ("mx:mx1.go.example+mx2.go.example", ONE, ["9/min"]),
        ("mx:mx1.go.example", ["mx1.go.example.evil.example"], ["9/min"]),
    ],
)
def test_a_site_is_named_by_all_its_hosts(key: str, hosts: list[str], rates: list[str]) -> None:
    profiles = book({"*": "9/min", key: "5/min"})
    for domain in ("a.example", "b.example"):
        assert shown(profiles.destination_of(domain, hosts)) == rates


def test_a_site_of_many_hosts_is_named_as_explain_names_it() -> None:
    hosts = [f"mx{n}.hosting.example.co.id" for n in range(40)]
    profiles = book({f"mx:{site_key(hosts)}": "5/min"})
    assert shown(profiles.destination_of("a.example", hosts)) == ["5/min"]


def test_the_layers_lie_over_one_another_field_by_field_and_null_unsets() -> None:
    site = "mx:mx1.go.example"
    first = {"*": {"rate": "9/min", "connections": 3}, site: {"rate": "5/min"}}
    profile = book(first).destination_of("a.example", ONE).profile
    assert (str(profile.rates[0]), profile.connections) == ("5/min", 3)
    assert profile.where == "relay.yaml:3"
    later = book(first, {site: {"connections": 1}}).destination_of("a.example", ONE).profile
    assert (str(later.rates[0]), later.connections) == ("5/min", 1)
    assert later.where == "site.d/a.yaml:2"
    gone = book(first, {site: {"connections": 1}}, {site: None})
    assert gone.destination_of("a.example", ONE).profile.connections == 3


def test_a_domain_lies_inside_its_site_and_both_hold() -> None:
    profiles = book({"mx:mx1.go.example": "6/min", "slow.example": "2/min"})
    shaper, sent = shaper_of(profiles), {"slow.example": 0, "a.example": 0}
    for now in range(NOW, NOW + 10 * MINUTE, SECOND):
        for domain in sent:
            to = profiles.destination_of(domain, ONE)
            assert to.key == "mx1.go.example"
            sent[domain] += admitted(shaper, to, domain, now)
    assert 19 <= sent["slow.example"] <= 22
    assert 55 <= sum(sent.values()) <= 66


def test_a_site_of_one_s_own_name_obeys_its_domain_last() -> None:
    profiles = book(
        {"mx:kecil.example": {"rate": "6/min", "connections": 1}, "kecil.example": "2/min"}
    )
    to = profiles.destination_of("kecil.example", [])
    assert (to.key, shown(to), to.profile.connections) == ("kecil.example", ["2/min"], 1)


def test_a_site_at_a_provider_is_counted_inside_it_for_all_its_domains() -> None:
    """A tenant of a provider: its own window, and the provider's pause and connections."""
    profiles = book({f"mx:{TENANT[0]}": {"rate": "3/min", "burst": 3}})
    a, b = (profiles.destination_of(name, TENANT) for name in ("a.go.id", "b.go.id"))
    other = profiles.destination_of("other.co.id", ["other-co-id.mail.protection.outlook.com"])
    assert a == b == other
    assert a.key == "m365"
    shaper = shaper_of(profiles)
    tried = [
        (domain, admitted(shaper, a, domain, NOW + n * 9_000))
        for n, domain in enumerate(["a.go.id", "b.go.id", "a.go.id", "b.go.id", "other.co.id"])
    ]
    assert [said for _, said in tried] == [True, True, True, False, True]
    wait = shaper.peek(a, "a.go.id", 1, NOW + 40_000)
    assert wait is not None
    assert wait.why == f"the limit of mx:{TENANT[0]}: 3/min"
    assert wait.domain == "a.go.id"  # the provider takes the others' letters meanwhile
    found = shaper.explain(a, "a.go.id", NOW + 40_000, Urgency.TRANSAKSI)
    assert [(bound.name, bound.where) for bound in found.bounds if bound.name != "m365"] == [
        (f"mx:{TENANT[0]}", "relay.yaml:2")
    ]


def test_a_domain_that_moves_leaves_its_site_s_limit() -> None:
    profiles = book({f"mx:{TENANT[0]}": "3/min", "a.go.id": "7/min"})
    for hosts, names in (
        (TENANT, ["@a.go.id", f"mx:{TENANT[0]}"]),
        (GMAIL, ["@a.go.id"]),
        (TENANT, ["@a.go.id", f"mx:{TENANT[0]}"]),
        (ONE, ["@a.go.id"]),
    ):
        profiles.destination_of("a.go.id", hosts)
        assert [limit.key for limit in profiles.within("a.go.id")] == names


def test_without_a_rate_a_site_at_a_provider_is_not_counted() -> None:
    profiles = book({f"mx:{TENANT[0]}": {"connections": 1}})
    to = profiles.destination_of("a.go.id", TENANT)
    shaper = shaper_of(profiles)
    assert admitted(shaper, to, "a.go.id", NOW)
    assert set(shaper._counting._counted) == {"m365"}


def test_what_is_said_of_a_way_that_is_a_provider_s_is_told_to_be_idle() -> None:
    said = {
        "a.go.id": {
            "connections": 1,
            "connection_rate": "1/min",
            "messages_per_connection": 1,
            "warmup": {"start": "5/day", "end": "9/day"},
        },
        f"mx:{TENANT[0]}": {"rate": "9/min", "connections": 1},
    }
    profiles = book(said)
    shaper = shaper_of(profiles)
    to = profiles.destination_of("a.go.id", TENANT)
    assert shaper.explain(to, "a.go.id", NOW, Urgency.TRANSAKSI).idle == (
        "not in force: connections, connection_rate, messages_per_connection of a.go.id "
        "(relay.yaml:2), for its mail goes to m365: write it for m365",
        f"not in force: connections of mx:{TENANT[0]} (relay.yaml:3), for its mail goes to m365: "
        "write it for m365",
    )
    own = profiles.destination_of("a.go.id", ONE)
    assert own.profile.connections == 1
    assert shaper.explain(own, "a.go.id", NOW, Urgency.TRANSAKSI).idle == ()


def test_the_hours_of_a_domain_hold_inside_its_provider_and_never_hold_kritis() -> None:
    now = from_iso("2026-11-30T13:00:00Z")  # 20:00 WIB
    profiles = book(
        {
            "a.go.id": {"hours": "07:00-15:00 WIB"},
            f"mx:{TENANT[0]}": {"hours": "06:00-22:00 WIB"},
        }
    )
    to = profiles.destination_of("a.go.id", TENANT)
    shaper = shaper_of(profiles)
    wait = shaper.peek(to, "a.go.id", 1, now, urgency=Urgency.MENDESAK)
    assert wait is not None
    assert (wait.why, wait.domain) == ("a.go.id is sent to only at 07:00-15:00 WIB", "a.go.id")
    assert (wait.reason, wait.until) == (Reason.HOURS, now + 11 * HOUR)
    assert wait.looked_at(now) == now + 5 * SECOND  # a kritis letter may have come
    assert shaper.peek(to, "a.go.id", 1, now, urgency=Urgency.KRITIS) is None
    assert shaper.peek(to, "b.go.id", 1, now) is None
    assert shaper.peek(to, "a.go.id", 1, now + 11 * HOUR) is None


def test_every_destination_by_itself_lowers_bursts_and_new_connections_of_providers() -> None:
    lowered = book({"*": {"burst": 3, "connection_rate": "9/min"}, "yahoo.com": {"burst": 7}})
    assert lowered.items()["gmail"].burst == 1, "it never raises"
    assert [str(rate) for rate in lowered.items()["gmail"].connection_rates] == ["9/min"]
    assert lowered.items()["yahoo"].burst == 7


@pytest.mark.parametrize("key", ["a.go.id", f"mx:{TENANT[0]}"])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_is_limited_has_one_count_wherever_dns_says_that_it_is(
    key: str, is_restarted: bool
) -> None:
    """Its MX are its own, then a provider's, then its own again: two a day are two a day."""
    said = {key: "2/day", "*": "1000/min", "outlook.com": "1000/min"}
    at_home, at_provider = book(said), book(said)
    if key.startswith("mx:"):  # the site is no provider's, until a new profile has it
        at_home = Profiles(
            [one for one in shipped() if one.name not in ("m365", "outlook")], [layer(said)]
        )
    ways = ((at_home, TENANT if key.startswith("mx:") else ONE), (at_provider, TENANT))
    shaper, sent = shaper_of(at_home), 0
    for n in range(8):
        profiles, hosts = ways[n % 2]
        shaper.use(PauseSettings(), profiles.within, profiles.names, profiles.sums())
        to = profiles.destination_of("a.go.id", hosts)
        sent += admitted(shaper, to, "a.go.id", NOW + n * 10 * MINUTE)
        if is_restarted:
            rows = [row for one in shaper._counting._counted.values() for row in one.aside.rows()]
            shaper = shaper_of(profiles)
            shaper.restore({}, NOW + n * 10 * MINUTE, rows)
    assert sent == 2


def test_it_is_told_once_and_where_more_was_sent() -> None:
    profiles = book({"a.go.id": "2/day", "*": "1000/min", "outlook.com": "1000/min"})
    shaper = shaper_of(profiles)

    def told(hosts: list[str], n: int) -> list[tuple[str, int]]:
        to = profiles.destination_of("a.go.id", hosts)
        assert admitted(shaper, to, "a.go.id", NOW + n * 10 * MINUTE)
        found = shaper.explain(to, "a.go.id", NOW + n * 10 * MINUTE, Urgency.TRANSAKSI)
        return [(one.name, one.used) for one in found.bounds if str(one.rate) == "2/day"]

    assert told(ONE, 0) == [("a.go.id", 1)]
    assert told(TENANT, 1) == [("@a.go.id", 2)]
    to = profiles.destination_of("a.go.id", ONE)
    wait = shaper.peek(to, "a.go.id", 1, NOW + HOUR)
    assert wait is not None and (wait.why, wait.domain) == (
        "the limit of a.go.id: 2/day",
        "a.go.id",
    )
    found = shaper.explain(to, "a.go.id", NOW + HOUR, Urgency.TRANSAKSI)
    assert [(one.name, one.used) for one in found.bounds] == [("a.go.id", 1), ("@a.go.id", 2)]


def test_a_host_that_is_called_as_a_limited_domain_is_under_its_limit() -> None:
    profiles = book({"host.go.id": {"rate": "2/day", "connections": 1}})
    for domain in ("b.example", "host.go.id"):
        to = profiles.destination_of(domain, ["host.go.id"])
        assert (to.key, shown(to), to.profile.connections) == ("host.go.id", ["2/day"], 1)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("mx:", "'' is no MX host"),
        ("mx:mail", "'mail' is no MX host"),
        ("mx:a@b.example", "'a@b.example' is no MX host"),
        ("mx:mx1.a.example+", "'' is no MX host"),
        ("mx:mx1.a.example,mx2.a.example", "is no MX host"),
        ("mx:mx1.a.example+39#xyz", None),
    ],
)
def test_what_names_no_site_is_told_with_what_to_write(key: str, says: str | None) -> None:
    if says is None:
        book({key: "1/min"})
        return
    with pytest.raises(SourceError) as caught:
        book({key: "1/min"})
    (problem,) = caught.value.problems
    assert says in problem.message
    assert problem.key == f"limits.{key}"
    assert problem.suggestion == 'write "mx:mx1.example.go.id+mx2.example.go.id"'


def test_a_new_line_of_a_limit_is_told_after_a_reload() -> None:
    old, new = book({"a.go.id": "3/min"}), book({"*": "9/min", "a.go.id": "3/min"})
    shaper = shaper_of(old)
    for profiles in (old, new):
        shaper.use(PauseSettings(), profiles.within)
        to = profiles.destination_of("a.go.id", GMAIL)
        found = shaper.explain(to, "a.go.id", NOW, Urgency.TRANSAKSI)
        wanted = "relay.yaml:2" if profiles is old else "relay.yaml:3"
        assert [b.where for b in found.bounds if b.name == "@a.go.id"] == [wanted]
    assert timedelta(milliseconds=MINUTE) == found.bounds[-1].rate.window


def test_sites_under_the_same_limits_share_one_profile() -> None:
    profiles = book({"*": "1/min", "a.example": "2/min"})
    one, other, own = (
        profiles.destination_of(f"{name}.example", [f"mx.{name}.example"]) for name in "bca"
    )
    assert one.profile is other.profile
    assert one.key != other.key
    assert own.profile.rates != one.profile.rates
