"""From connecting to a ready session: HELO, STARTTLS good, broken and injected, AUTH."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from ipaddress import IPv4Network

import pytest

from relay.mail.delivery import FailureKind
from relay.mail.reply import Stage
from relay.replies.failures import classify as classify_failure
from relay.transports.base import Host
from relay.transports.forbidden import Frontier
from relay.transports.tls import Contexts
from tests.peers.certificates import Certificate, self_signed
from tests.peers.ports import free_port
from tests.transports.house import SECRET, House, brief, job, route, to
from tests.transports.peer import (
    GOODBYE,
    Cut,
    Hang,
    Hear,
    Peer,
    Script,
    Step,
    Tls,
    hello,
    letter,
    slow_letter,
)

STARTTLS: list[Step] = [*hello("PIPELINING", "STARTTLS"), Hear("STARTTLS"), "220 go on", Tls()]
AGAIN: list[Step] = [Hear("EHLO"), "250-mx\n250-PIPELINING\n250 AUTH LOGIN PLAIN"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"), "mx0.example.net")


@pytest.fixture(scope="module")
def server_side(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    return context


# HELO


@pytest.mark.parametrize("code", [500, 502, 550])
async def test_helo_where_ehlo_is_not_understood(code: int) -> None:
    script: Script = ["220 old", Hear("EHLO"), f"{code} what?", Hear("HELO relay."), "250 old"]
    async with Peer([*script, *slow_letter(), *GOODBYE]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        await house.close()
        assert peer.commands[2] == "MAIL FROM:<lpse@lpse.example.go.id>"
    assert attempt.is_accepted


@pytest.mark.parametrize("greeting", [b"250-\r\n", b"250- \r\n", b"250-mx\r\n"])
async def test_the_first_keyword_is_heard_whatever_the_greeting_says(greeting: bytes) -> None:
    said = greeting + b"250-PIPELINING\r\n250 SIZE\r\n"
    async with Peer(["220 hi", Hear("EHLO"), said, *letter(), *GOODBYE]) as peer:
        house = House(brief(mail=1, rcpt=1))
        attempt = await house.attempt(job(to(peer)))
        await house.close()
        assert attempt.is_accepted


async def test_helo_on_a_new_connection_where_ehlo_is_hung_up_on_and_remembered() -> None:
    old: Script = ["220 old", Hear("HELO"), "250 old", *slow_letter(), *GOODBYE]
    async with Peer(["220 old", Hear("EHLO"), Cut()], old) as peer:
        house = House(per_connection=1)
        house.permits.limit = 1
        assert (await house.attempt(job(to(peer)))).is_accepted
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
        assert len(peer.heard) == 3


async def test_after_a_hung_up_ehlo_what_is_not_offered_is_not_known() -> None:
    """The letter needs SMTPUTF8; the next EHLO may offer it: it waits, and does not bounce."""
    old: Script = ["220 old", Hear("HELO"), "250 old", *GOODBYE]
    async with Peer(["220 old", Hear("EHLO"), Cut()], old) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer), needs_utf8=True))
        await house.close()
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.NO_EHLO
    assert classify_failure(attempt.failure).keeps_the_mail


async def test_ehlo_and_helo_refused_is_a_reply_at_helo() -> None:
    script: Script = ["220 hi", Hear("EHLO"), "554 5.7.1 not you", Hear("HELO"), "554 no", Hang()]
    async with Peer(script) as peer:
        attempt = await House().attempt(job(to(peer)))
    assert (attempt.stage, attempt.said()) == (Stage.HELO, "554 no")


async def test_hung_up_after_a_refused_ehlo_the_refusal_is_told() -> None:
    async with Peer(["220 hi", Hear("EHLO"), "554 5.7.1 not you", Cut()]) as peer:
        attempt = await House().attempt(job(to(peer)))
    assert (attempt.stage, attempt.said()) == (Stage.HELO, "554 5.7.1 not you")


async def test_ehlo_put_off() -> None:
    async with Peer(["220 hi", Hear("EHLO"), "451 later", Hang()]) as peer:
        attempt = await House().attempt(job(to(peer)))
    assert (attempt.stage, attempt.said()) == (Stage.HELO, "451 later")


@pytest.mark.parametrize("banner", ["554 5.7.1 go away", "421 4.3.2 busy", "450 4.7.1 greylisted"])
async def test_a_banner_that_refuses_is_a_reply_at_connect(banner: str) -> None:
    async with Peer([banner, Hang()]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        await house.all_gone()
    assert (attempt.stage, attempt.said()) == (Stage.CONNECT, banner)
    assert attempt.ip == "127.0.0.1" and attempt.mx == "mx0.example.net"
    assert house.permits.admitted == 0


async def test_a_banner_that_is_none() -> None:
    async with Peer(["250 hi", Hang()]) as peer:
        attempt = await House().attempt(job(to(peer)))
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.PROTOCOL


# STARTTLS


@pytest.mark.parametrize("policy", ["opportunistic", "required"])
async def test_a_letter_goes_encrypted_whoever_signed_the_certificate(
    policy: str, server_side: ssl.SSLContext
) -> None:
    async with Peer([*STARTTLS, *AGAIN, *letter(), *letter(), *GOODBYE], tls=server_side) as peer:
        house = House(is_lab=True, contexts=Contexts())
        attempt = await house.attempt(job(to(peer, tls=policy)))  # type: ignore[arg-type]
        again = await house.attempt(job(to(peer, tls=policy)))  # type: ignore[arg-type]
        await house.close()
        assert peer.heard[0].is_encrypted
    assert attempt.is_accepted and again.is_accepted
    assert attempt.tls is not None and attempt.tls.startswith("TLSv1.3 TLS_")


async def test_what_was_offered_before_tls_is_forgotten(server_side: ssl.SSLContext) -> None:
    again: Script = [Hear("EHLO"), "250 mx"]
    async with Peer([*STARTTLS, *again, *slow_letter(), *GOODBYE], tls=server_side) as peer:
        house = House()
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()


async def test_required_and_not_offered_nothing_is_sent() -> None:
    async with Peer([*hello(), Hang()]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer, tls="required")))
        assert peer.commands == ["EHLO relay.lpse.example.go.id"]
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.TLS, Stage.STARTTLS)


BROKEN: dict[str, Script] = {
    "refused": [*hello("STARTTLS"), Hear("STARTTLS"), "454 4.7.0 no certificate", Hang()],
    "hung up on": [*hello("STARTTLS"), Hear("STARTTLS"), Cut()],
    "answered with junk": [*hello("STARTTLS"), Hear("STARTTLS"), "TLS? 220", Hang()],
    "no TLS": [*hello("STARTTLS"), Hear("STARTTLS"), "220 go on", b"nonsense " * 100, Hang()],
    "cut": [*hello("STARTTLS"), Hear("STARTTLS"), "220 go on", Cut()],
    "injected": [*hello("STARTTLS"), Hear("STARTTLS"), "220 go on\n250 injected", Hang()],
    "half injected": [*hello("STARTTLS"), Hear("STARTTLS"), b"220 go on\r\n250 in", Hang()],
}


@pytest.mark.parametrize("case", BROKEN)
async def test_required_and_broken_never_falls_back(case: str) -> None:
    async with Peer(BROKEN[case]) as peer:
        attempt = await House().attempt(job(to(peer, tls="required")))
        assert len(peer.heard) == 1
        assert not any(line.startswith("MAIL") for line in peer.commands)
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.TLS, Stage.STARTTLS)


@pytest.mark.parametrize("case", BROKEN)
async def test_opportunistic_and_broken_goes_plain_on_a_new_connection_only(case: str) -> None:
    plain: Script = [*hello("PIPELINING", "STARTTLS"), *letter(), *GOODBYE]
    async with Peer(BROKEN[case], plain) as peer:
        house = House(per_connection=1)
        attempt = await house.attempt(job(to(peer)))
        assert attempt.is_accepted and attempt.tls is None
        assert len(peer.heard) == 2
        assert not any(line.startswith("MAIL") for line in peer.heard[0].lines)
        assert (await house.attempt(job(to(peer)))).is_accepted  # remembered
        assert len(peer.heard) == 3
        await house.close()


async def test_too_busy_for_tls_is_no_reason_to_come_back_in_the_clear() -> None:
    busy: Script = [*hello("STARTTLS"), Hear("STARTTLS"), "421 4.7.0 too many connections", Hang()]
    async with Peer(busy) as peer:
        attempt = await House().attempt(job(to(peer)))
        assert (attempt.stage, attempt.said()) == (Stage.STARTTLS, "421 4.7.0 too many connections")
        assert len(peer.heard) == 1


async def test_who_takes_nothing_in_the_clear_is_asked_for_tls_again() -> None:
    offered = hello("PIPELINING", "STARTTLS")
    cut: Script = [*offered, Hear("STARTTLS"), "220 go on", Cut()]
    said = "530 5.7.0 Must issue a STARTTLS command first"
    refusing: Script = [*offered, *[Hear("MAIL"), Hear("RCPT"), Hear("DATA")], said, said, said]
    async with Peer(cut, [*refusing, *GOODBYE], cut, [*refusing, *GOODBYE]) as peer:
        house = House()
        for _ in range(2):
            attempt = await house.attempt(job(to(peer)))
            assert attempt.said() == said
        assert ["STARTTLS" in heard.lines for heard in peer.heard] == [True, False, True, False]
        await house.close()


async def test_an_mx_whose_name_no_certificate_can_hold_goes_plain(
    server_side: ssl.SSLContext,
) -> None:
    name = "\\200" * 20 + ".example.net"  # as DNS writes twenty octets above 127
    broken: Script = [*hello("STARTTLS"), Hear("STARTTLS"), "220 go on", Tls(), Hang()]
    plain: Script = [*hello("PIPELINING", "STARTTLS"), *letter(), *GOODBYE]
    async with Peer(broken, plain, tls=server_side) as peer:
        house = House()
        attempt = await house.attempt(job(route(Host(name, peer.port, 0), tls="opportunistic")))
        assert attempt.is_accepted and attempt.tls is None
        required = job(route(Host(name, peer.port, 0), tls="required"))
        peer.scripts = (broken,)
        attempt = await house.attempt(required)
        assert attempt.failure is not None and attempt.failure.kind is FailureKind.TLS
        await house.close()


async def test_none_asks_for_no_tls() -> None:
    async with Peer([*hello("PIPELINING", "STARTTLS"), *letter(), *GOODBYE]) as peer:
        house = House()
        assert (await house.attempt(job(to(peer, tls="none")))).is_accepted
        await house.close()


# Verified, implicit, AUTH


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_password_goes_to_a_verified_host_only(
    is_known: bool, certificate: Certificate, server_side: ssl.SSLContext
) -> None:
    token = base64.b64encode(b"\0user\0rahasia").decode()
    rest: list[Step] = [*AGAIN, Hear(f"AUTH PLAIN {token}"), "235 ok", *letter(), *GOODBYE]
    script = [*STARTTLS, *rest] if is_known else STARTTLS
    async with Peer(script, tls=server_side) as peer:
        ca_file = str(certificate.certificate_file) if is_known else None
        house = House(contexts=Contexts(ca_file=ca_file))
        where = to(peer, tls="required", credentials=SECRET, is_verified=True)
        attempt = await house.attempt(job(where))
        await house.close()
        assert attempt.is_accepted is is_known
        if not is_known:
            assert attempt.failure is not None and attempt.failure.kind is FailureKind.TLS
            assert "does not verify" in attempt.failure.text
            assert len(peer.heard) == 1


async def test_the_name_must_be_the_hosts(
    certificate: Certificate, server_side: ssl.SSLContext
) -> None:
    async with Peer(STARTTLS, tls=server_side) as peer:
        house = House(contexts=Contexts(ca_file=str(certificate.certificate_file)))
        where = route(Host("other.example.net", peer.port), tls="required", is_verified=True)
        attempt = await house.attempt(job(where))
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.TLS


async def test_implicit_tls_and_login(server_side: ssl.SSLContext) -> None:
    login: list[Step] = [
        "220 hi",
        Hear("EHLO"),
        "250-mx\n250-PIPELINING\n250 AUTH=LOGIN",
        Hear("AUTH LOGIN"),
        "334 VXNlcm5hbWU6",
        Hear("dXNlcg=="),
        "334 UGFzc3dvcmQ6",
        Hear("cmFoYXNpYQ=="),
        "235 ok",
    ]
    script: Script = [*login, *letter(), *GOODBYE]
    async with Peer(script, tls=server_side, is_implicit=True) as peer:
        house = House()  # a lab: self-signed is good enough
        where = to(peer, tls="implicit", credentials=SECRET, is_verified=True)
        attempt = await house.attempt(job(where))
        await house.close()
    assert attempt.is_accepted and attempt.tls is not None


async def test_implicit_tls_with_a_plain_server() -> None:
    async with Peer(["220 hi", Hang()]) as peer:
        attempt = await House().attempt(job(to(peer, tls="implicit", is_verified=True)))
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.TLS


@pytest.mark.parametrize(
    ("reply", "kind"), [("535 5.7.8 no", FailureKind.CREDENTIALS), ("454 4.7.0 later", None)]
)
async def test_a_refused_password_is_our_own_fault(
    reply: str, kind: FailureKind | None, server_side: ssl.SSLContext
) -> None:
    script: Script = [*STARTTLS, *AGAIN, Hear("AUTH PLAIN"), reply, Hang()]
    async with Peer(script, tls=server_side) as peer, Peer([Hang()]) as other:
        where = to(peer, other, tls="required", credentials=SECRET, is_verified=True)
        attempt = await House(may_fall_over=lambda reply, mx: False).attempt(job(where))
        assert not other.heard
    assert attempt.stage is Stage.AUTH
    if kind is None:
        assert attempt.said() == reply
    else:
        assert attempt.failure is not None and attempt.failure.kind is kind
        assert "rahasia" not in attempt.said()


async def test_no_auth_offered_is_our_own_fault(server_side: ssl.SSLContext) -> None:
    script: Script = [*STARTTLS, Hear("EHLO"), "250-mx\n250 AUTH CRAM-MD5", Hang()]
    async with Peer(script, tls=server_side) as peer:
        where = to(peer, tls="required", credentials=SECRET, is_verified=True)
        attempt = await House().attempt(job(where))
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.CREDENTIALS


@pytest.mark.parametrize("policy", ["none", "opportunistic"])
async def test_a_password_is_never_said_in_the_clear(policy: str) -> None:
    async with Peer([*hello("AUTH PLAIN"), Hang()]) as peer:
        where = to(peer, tls=policy, credentials=SECRET)  # type: ignore[arg-type]
        attempt = await House().attempt(job(where))
        assert peer.commands == ["EHLO relay.lpse.example.go.id"]
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.CREDENTIALS


# Connecting


async def test_refused() -> None:
    house = House()
    attempt = await house.attempt(job(route(Host("mx.example.net", free_port()))))
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.REFUSED, Stage.CONNECT)
    assert house.permits.asked == ["connect", "disconnected"]


async def test_a_connection_that_does_not_come_about_is_late() -> None:
    # A listener whose queue is full answers no SYN.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.socket() as first, socket.socket() as second:
            for waiting in (first, second):
                waiting.setblocking(False)
                waiting.connect_ex(address)
            house = House(brief(connect=0.05))
            attempt = await house.attempt(job(route(Host("mx.example.net", address[1]))))
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.TIMEOUT, Stage.CONNECT)
    assert house.permits.asked == ["connect", "disconnected"]


async def test_unreachable() -> None:
    # 255.255.255.255 over TCP is refused by the kernel itself; allowed here to get that far.
    house = House(frontier=Frontier((IPv4Network("255.255.255.255/32"),)))
    house.addresses["mx.example.net"] = ("255.255.255.255",)
    attempt = await house.attempt(job(route(Host("mx.example.net", 25))))
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.UNREACHABLE


async def test_cancelled_while_dialling_gives_the_permit_back() -> None:
    async with Peer([Hang()]) as peer:
        house = House()
        task = asyncio.create_task(house.attempt(job(to(peer))))
        while not peer.heard:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await house.all_gone()


def test_a_password_shows_nowhere() -> None:
    assert "rahasia" not in repr(SECRET)
