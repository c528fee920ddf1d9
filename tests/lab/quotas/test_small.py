"""The rules of small firms' shared hosts, one by one."""

from __future__ import annotations

from relay.lab.quotas.base import Kind
from relay.lab.quotas.drawn import Drawn
from relay.lab.quotas.small import Small
from relay.mail.instant import HOUR
from tests.lab.quotas.house import LENGTH, START, Sender, provider, starts

T = START


def small(seed: int = 1, **values: float) -> Small:
    found: Drawn = provider("small", {"listed_at": 0.5, **values}, seed=seed)
    assert isinstance(found, Small)
    return found


def test_three_hundred_domains_live_on_eight_sites() -> None:
    model = small()
    sites = {model.hosts(domain, T) for domain in model.domains}
    assert (len(model.domains), len(sites), len(model.sites)) == (300, 8, 8)
    assert len({site.quota for site in model.sites.values()}) > 1
    assert all(30 <= site.quota <= 200 for site in model.sites.values())


def test_a_site_s_hour_is_shared_by_its_domains_and_refuses_without_punishing() -> None:
    sender = Sender(small(hour=3))
    same = [f"a@{d}" for d in sender.provider.domains[::8]]
    answers = [starts(sender.letter(T, to)) for to in same[:4]]
    assert answers == ["", "", "", "451-The"]
    assert sender.letter(T, f"a@{sender.provider.domains[1]}") is None
    assert starts(sender.letter(T + HOUR - 1, same[4])) == "451-The"
    assert sender.letter(T + HOUR, same[5]) is None


def test_for_six_hours_half_of_the_sites_refuse_in_the_banner() -> None:
    model = small()
    listed = START + LENGTH // 2

    def refusing(now: int) -> set[str]:
        return {host for host in model.sites if model.connect(host, "192.0.2.1", now, now)}

    assert (model.listed_from, model.listed_until) == (listed, listed + 6 * HOUR)
    assert refusing(listed - 1) == set()
    assert len(refusing(listed)) == 4
    assert refusing(listed) == refusing(listed + 6 * HOUR - 1)
    assert refusing(listed + 6 * HOUR) == set()
    assert model.book.count(Kind.ADMINISTRATIVE) == 12


def test_two_others_say_blocked_without_a_code_in_those_hours() -> None:
    sender = Sender(small())
    model = sender.provider
    during = {d: str(sender.letter(START + LENGTH // 2, f"a@{d}")) for d in model.domains[:8]}
    assert sorted(text.split("\r\n")[0] for text in during.values()) == [
        "550 192.0.2.1 blocked",
        "550 192.0.2.1 blocked",
        *["554-5.7.1 Service unavailable; Client host [192.0.2.1] blocked using"] * 4,
        "None",
        "None",
    ]
    after = [sender.letter(START + LENGTH // 2 + 6 * HOUR, f"a@{d}") for d in model.domains[:8]]
    assert after == [None] * 8


def test_what_hosts_offer() -> None:
    model = small()
    assert sum(not model.is_pipelining(host) for host in model.sites) == 3
    assert sum(model.is_tls_broken(host) for host in model.sites) == 1
