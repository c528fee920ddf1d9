"""The rules of governments' own hosts, one by one."""

from __future__ import annotations

from relay.lab.quotas.base import Kind
from relay.lab.quotas.drawn import Drawn
from relay.lab.quotas.government import Government
from relay.mail.delivery import FailureKind
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant
from relay.mail.reply import Stage
from tests.lab.quotas.house import LENGTH, START, Sender, provider, starts

T = START
TO = "kepala@dinas00.example.go.id"


def government(**values: float) -> Government:
    found: Drawn = provider("go.id", values)
    assert isinstance(found, Government)
    return found


def upright(**values: float) -> Sender:
    """A sender at hosts that are never down."""
    calm = {"down": 1.0, "down_throughout": 0.0, "nxdomain": 0.0, "slow_hosts": 0.0}
    return Sender(government(**{**calm, **values}))


def test_greylisting_waits_its_time_on_each_triplet() -> None:
    sender = upright()
    assert starts(sender.letter(T, TO)) == "450"
    assert starts(sender.letter(T + 300 * SECOND - 1, TO)) == "450"
    assert sender.letter(T + 300 * SECOND, TO) is None
    later = T + 301 * SECOND
    assert sender.letter(later, TO) is None  # known
    assert starts(sender.letter(later, TO, sender="other@lpse.example.go.id")) == "450"
    assert starts(sender.letter(later, "b@dinas00.example.go.id")) == "450"
    sender.ip = "192.0.2.2"
    assert starts(sender.letter(later, TO)) == "450"


def test_greylisting_expires_where_nobody_comes_back_in_time() -> None:
    sender = upright()
    assert starts(sender.letter(T, TO)) == "450"
    assert starts(sender.letter(T + 4 * HOUR, TO)) == "450"
    assert starts(sender.letter(T + 4 * HOUR + MINUTE, TO)) == "450"
    assert sender.letter(T + 4 * HOUR + 5 * MINUTE, TO) is None


def test_a_known_triplet_stays_known() -> None:
    sender = upright()
    sender.letter(T, TO)
    assert sender.letter(T + 5 * MINUTE, TO) is None
    assert sender.letter(T + 30 * HOUR, TO) is None


def test_three_in_ten_hosts_wait_longer() -> None:
    model = government()
    waits = [host.greylisting for host in model.drawn_hosts.values()]
    assert len(waits) == 40
    assert waits.count(900 * SECOND) == 12
    assert waits.count(300 * SECOND) == 28


def test_the_third_connection_to_a_host_is_refused() -> None:
    sender = upright()
    one, other = sender.host(), "mail.dinas01.example.go.id"
    sessions = [sender.dial(T, one) for _ in range(3)]
    assert [starts(answer) for _, answer in sessions] == ["", "", "421"]
    assert sender.dial(T, other)[1] is None
    sender.hang_up(sessions[0][0], T, one)
    assert sender.dial(T, one)[1] is None
    assert sender.kinds() == [Kind.THROTTLED]


def test_each_host_has_its_own_end_of_data() -> None:
    model = government()
    took = {model.seconds(Stage.EOD, host, T) for host in model.drawn_hosts}
    assert len(took) == 40
    assert 5 <= min(took) < 15
    assert 50 < max(took) <= 60


def outages(model: Government) -> dict[str, list[Instant]]:
    """For each host the minutes in which it does not greet."""
    minutes = range(START, START + LENGTH, MINUTE)
    return {
        host: [
            at
            for n, at in enumerate(minutes)
            if isinstance(model.connect(host, f"192.0.2.{n % 250}", n, at), FailureKind)
        ]
        for host in model.drawn_hosts
    }


def test_each_host_is_down_once_and_one_in_twenty_throughout() -> None:
    downs = outages(government(connections=100))
    minutes = sorted(len(down) for down in downs.values())
    assert minutes[-2:] == [LENGTH // MINUTE] * 2
    assert all(29 <= n <= 721 for n in minutes[:-2])
    assert minutes[-3] - minutes[0] > 300
    for down in downs.values():
        assert down[-1] - down[0] == (len(down) - 1) * MINUTE  # in one piece


def test_some_are_silent_and_some_refuse() -> None:
    failures = {host.failure for host in government().drawn_hosts.values()}
    assert failures == {FailureKind.TIMEOUT, FailureKind.REFUSED}


def test_one_in_twenty_is_no_domain_for_two_hours_and_never_one_that_is_down_throughout() -> None:
    model = government()
    minutes = range(START, START + LENGTH, MINUTE)
    absent = {
        domain: sum(model.hosts(domain, at) is FailureKind.NXDOMAIN for at in minutes)
        for domain in model.domains
    }
    lame = [domain for domain, n in absent.items() if n]
    assert len(lame) == 2
    for domain in lame:
        assert 119 <= absent[domain] <= 121
        host = model.drawn_hosts[f"mail.{domain}"]
        assert host.down_until - host.down_from < LENGTH
