"""Which host is dialled, in which order, and when the next one is tried."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address

import pytest

from relay.clock import SystemClock
from relay.mail.delivery import Failure, FailureKind
from relay.mail.reply import Reply, Stage
from relay.shaping.destination import Destination
from relay.transports.base import Host
from relay.transports.dialling import ENOUGH, MAX_ADDRESSES, Dialler, Unreached
from relay.transports.forbidden import Frontier
from relay.transports.opening import Plan
from relay.transports.ours import is_ours
from relay.transports.session import Session
from relay.transports.tls import Contexts
from tests.transports.house import PROFILE, House, brief, job, route, to
from tests.transports.peer import GOODBYE, Cut, Hang, Hear, Peer, Script, hello, letter

GOOD: Script = [*hello(), *letter(), *GOODBYE]


@pytest.mark.parametrize(
    "bad",
    [
        [Cut()],
        [Cut(True)],
        [Hang()],
        ["220 hi", Cut()],
        ["220 hi", Hear("EHLO"), Hang()],
        [b"HTTP/1.0 400 no\r\n", Hang()],
        ["554 5.7.1 this host is not for you", Hang()],
        ["421 4.3.2 busy", Hang()],
    ],
)
async def test_the_next_host_is_tried_where_one_cannot_be_talked_to(bad: Script) -> None:
    async with Peer(bad) as first, Peer(GOOD) as second:
        house = House(brief(greeting=0.03, helo=0.03))
        attempt = await house.attempt(job(to(first, second)))
        assert attempt.is_accepted and attempt.mx == "mx1.example.net"
        assert first.heard
        await house.close()
    assert house.permits.asked.count("connect") == 1


async def test_the_next_host_is_tried_where_one_has_no_tls() -> None:
    async with Peer([*hello(), Hang()]) as first, Peer([*hello(), Hang()]) as second:
        attempt = await House().attempt(job(to(first, second, tls="required")))
        assert first.heard and second.heard
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.TLS


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.HELO])
async def test_never_after_a_throttle_or_a_block(stage: Stage) -> None:
    said = "421 4.7.28 unusual rate"
    script: Script = [said, Hang()] if stage is Stage.CONNECT else ["220 a", Hear("EHLO"), said]
    asked: list[tuple[str, str]] = []

    def may_fall_over(reply: Reply, mx: str) -> bool:
        asked.append((str(reply), mx))
        return False

    async with Peer([*script, Hang()]) as first, Peer(GOOD) as second:
        attempt = await House(may_fall_over=may_fall_over).attempt(job(to(first, second)))
        assert not second.heard
    assert (attempt.stage, attempt.said()) == (stage, said)
    assert asked == [(said, "mx0.example.net")]


@pytest.mark.parametrize("has_another", [True, False])
async def test_of_a_mixed_set_no_host_of_a_paused_provider_is_dialled(has_another: bool) -> None:
    """A site that names Google's host beside its own is a site of its own; Google's pause holds."""

    def shut(host: str) -> str | None:
        return "gmail" if host == "mx0.example.net" else None

    async with Peer(GOOD) as first, Peer(GOOD) as second:
        peers = (first, second) if has_another else (first,)
        house = House(shut=shut)
        attempt = await house.attempt(job(to(*peers)))
        assert not first.heard
        if has_another:
            assert attempt.is_accepted and attempt.mx == "mx1.example.net"
        else:
            assert attempt.said() == "mx0.example.net is gmail's, whose mail is paused"
        await house.close()


@pytest.mark.parametrize("is_own", [True, False])
async def test_a_providers_own_mail_and_a_route_ask_nobody(is_own: bool) -> None:
    """What lets a letter through to a provider has looked at its pause already."""
    async with Peer(GOOD) as peer:
        house = House(shut=lambda host: "gmail")
        own = Destination("gmail", PROFILE, "gmail")
        where = to(peer, destination=own if is_own else to().destination, may_be_private=not is_own)
        assert (await house.attempt(job(where))).is_accepted
        await house.close()


async def test_never_once_mail_was_said() -> None:
    said: Script = [*hello(), Hear("MAIL"), Hear("RCPT"), Hear("DATA"), Cut()]
    async with Peer(said) as first, Peer(GOOD) as second:
        attempt = await House().attempt(job(to(first, second)))
        assert not second.heard
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.LOST


async def test_a_reply_tells_more_than_a_failure() -> None:
    async with Peer(["554 5.7.1 no", Hang()]) as first, Peer([Cut()]) as second:
        attempt = await House().attempt(job(to(first, second)))
    assert (attempt.mx, attempt.said()) == ("mx0.example.net", "554 5.7.1 no")


async def test_an_address_that_did_not_answer_is_tried_last_for_a_while() -> None:
    async with Peer([Cut()]) as first, Peer(GOOD) as second:
        house = House(per_connection=1)
        house.addresses = {"mx0.example.net": ("127.0.0.1",), "mx1.example.net": ("127.0.0.2",)}
        first.ip = "127.0.0.1"
        where = to(first, second)
        server = await _also(second, "127.0.0.2")
        assert (await house.attempt(job(where))).is_accepted
        assert (await house.attempt(job(where))).is_accepted
        assert len(first.heard) == 1
        await house.close()
        server.close()


async def _also(peer: Peer, ip: str) -> asyncio.Server:
    return await asyncio.start_server(peer._begin, ip, peer.port)


# Forbidden and missing addresses


async def test_a_forbidden_address_is_never_dialled() -> None:
    async with Peer([Hang()]) as peer:
        house = House(is_lab=False)
        attempt = await house.attempt(job(to(peer)))
        assert not peer.heard
    assert attempt.failure is not None
    assert attempt.failure.kind is FailureKind.FORBIDDEN_ADDRESS
    assert attempt.failure.text == "127.0.0.1 is never dialled (loopback)"
    assert (attempt.mx, attempt.ip) == ("mx0.example.net", "127.0.0.1")


async def test_a_route_may_be_private() -> None:
    async with Peer(GOOD) as peer:
        house = House(is_lab=False)
        assert (await house.attempt(job(to(peer, may_be_private=True)))).is_accepted
        await house.close()


async def test_an_address_that_this_machine_has_is_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.transports.dialling.is_ours", lambda ip: ip == "8.8.8.8")
    house = House(is_lab=False)
    house.addresses["mx.example.net"] = ("8.8.8.8",)
    attempt = await house.attempt(job(route(Host("mx.example.net", 25))))
    assert attempt.failure is not None
    assert attempt.failure.kind is FailureKind.FORBIDDEN_ADDRESS


@pytest.mark.parametrize(
    ("ip", "expected"),
    [("127.0.0.1", True), ("8.8.8.8", False), ("2607:f8b0::1", False)],
)
def test_the_kernel_knows_which_addresses_are_ours(ip: str, expected: bool) -> None:
    assert is_ours(ip) is expected


async def test_after_a_while_no_further_address_is_tried() -> None:
    class Late(SystemClock):
        seconds = 0.0

        def monotonic(self) -> float:
            self.seconds += ENOUGH / 2
            return self.seconds

    tried: list[str] = []
    addresses: dict[str, Sequence[str]] = {"a": [f"8.8.8.{n}" for n in range(6)]}
    late = dialler(tried, addresses)
    late._clock = Late()
    assert isinstance(await late.dial(route(Host("a", 25))), Unreached)
    assert len(tried) == 2


async def test_our_own_address_is_a_loop() -> None:
    house = House(is_lab=False, frontier=Frontier(own=[IPv4Address("8.8.8.8")]))
    house.addresses["mx.example.net"] = ("8.8.8.8",)
    attempt = await house.attempt(job(route(Host("mx.example.net", 25))))
    assert attempt.failure is not None
    assert attempt.failure.kind is FailureKind.FORBIDDEN_ADDRESS
    assert "our own" in attempt.failure.text


FORBIDDEN = Failure(FailureKind.FORBIDDEN_ADDRESS, "10.0.0.1 is never dialled (private)")
MISSING = Failure(FailureKind.NO_ADDRESS, "b has no address")
BROKEN = Failure(FailureKind.DNS, "A of b: the name servers failed")


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"a": ["10.0.0.1"], "b": MISSING}, FailureKind.FORBIDDEN_ADDRESS),
        ({"a": MISSING, "b": MISSING}, FailureKind.NO_ADDRESS),
        # Where one of them may still turn out well, the letter must wait, not bounce.
        ({"a": ["10.0.0.1"], "b": BROKEN}, FailureKind.DNS),
        ({"a": BROKEN, "b": MISSING}, FailureKind.DNS),
        ({"a": MISSING, "b": ["127.0.0.1"]}, FailureKind.REFUSED),
    ],
)
async def test_hopeless_only_if_all_are(
    answers: dict[str, Sequence[str] | Failure], kind: FailureKind
) -> None:
    house = House()
    house.addresses = dict(answers)
    attempt = await house.attempt(job(route(Host("a", 1, 0), Host("b", 1, 1))))
    assert attempt.failure is not None and attempt.failure.kind is kind


# Order


def dialler(
    tried: list[str], addresses: dict[str, Sequence[str]], source: str | None = None
) -> Dialler:
    class Noting(Dialler):
        async def _open(self, plan: Plan, ip: str) -> Session | Unreached:
            tried.append(f"{plan.name} {ip}")
            return Unreached(Failure(FailureKind.REFUSED, "refused"), plan.name, ip)

    async def find(host: str, is_route: bool) -> Sequence[str] | Failure:
        return addresses[host]

    return Noting(
        find,
        Frontier(),
        Contexts(),
        brief(),
        SystemClock(),
        "relay.example.go.id",
        lambda reply, mx: True,
        source,
    )


async def test_by_preference_and_shuffled_among_equals() -> None:
    hosts = [Host(name, 25, preference) for name, preference in (("c", 20), ("a", 10), ("b", 10))]
    addresses: dict[str, Sequence[str]] = {"a": ["8.8.8.1"], "b": ["8.8.8.2"], "c": ["8.8.8.3"]}
    seen = set()
    for _ in range(60):
        tried: list[str] = []
        await dialler(tried, addresses).dial(route(*hosts))
        assert tried[2] == "c 8.8.8.3"
        seen.add(tuple(tried))
    assert len(seen) == 2


async def test_a_hostile_mx_set_gets_so_many_tries_only() -> None:
    tried: list[str] = []
    addresses: dict[str, Sequence[str]] = {
        f"h{n}": [f"8.8.{n}.{k}" for k in range(50)] for n in range(20)
    }
    made = await dialler(tried, addresses).dial(route(*[Host(f"h{n}", 25) for n in range(20)]))
    assert isinstance(made, Unreached)
    assert len(tried) == MAX_ADDRESSES


async def test_the_source_address_is_the_one_configured() -> None:
    async with Peer(GOOD) as peer:
        house = House(source="127.0.0.9")
        attempt = await house.attempt(job(to(peer)))
        await house.close()
    assert attempt.source_ip == "127.0.0.9" and attempt.ip == "127.0.0.1"


async def test_a_source_address_that_is_not_ours_is_no_reply_of_theirs() -> None:
    async with Peer([Hang()]) as peer:
        house = House(source="8.8.8.8")
        attempt = await house.attempt(job(to(peer)))
        assert not peer.heard
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.UNREACHABLE
    assert attempt.source_ip == "8.8.8.8"


async def test_an_address_of_the_other_family_than_the_source_is_passed_over() -> None:
    tried: list[str] = []
    addresses: dict[str, Sequence[str]] = {"a": ["2607:f8b0::1", "8.8.8.8"]}
    await dialler(tried, addresses, source="202.46.129.18").dial(route(Host("a", 25)))
    assert tried == ["a 8.8.8.8"]
    only = dialler([], {"a": ["2607:f8b0::1"]}, source="202.46.129.18")
    made = await only.dial(route(Host("a", 25)))
    assert isinstance(made, Unreached) and isinstance(made.result, Failure)
    assert made.result.kind is FailureKind.UNREACHABLE
