"""One job on one session: what is said, what comes of it, what the attempts say."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from relay.mail.delivery import FailureKind
from relay.mail.envelope import Options
from relay.mail.reply import Stage
from relay.transports.base import NotYet
from tests.transports.house import BODY, HEAD, PROFILE, House, job, letter, to
from tests.transports.peer import (
    GOODBYE,
    Content,
    Cut,
    Dribble,
    Hang,
    Hear,
    Peer,
    Script,
    hello,
    slow_letter,
)
from tests.transports.peer import letter as transaction


async def test_a_letter_arrives_whole_and_the_attempt_says_how() -> None:
    async with Peer([*hello(), *transaction(), *GOODBYE]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        await house.close()
        assert peer.heard[0].contents == [HEAD + b"\r\n" + BODY]
        size = len(HEAD + b"\r\n" + BODY)
        assert peer.commands == [
            "EHLO relay.lpse.example.go.id",
            f"MAIL FROM:<lpse@lpse.example.go.id> SIZE={size}",
            "RCPT TO:<vendor@example.co.id>",
            "DATA",
            "QUIT",
        ]
    assert attempt.is_accepted
    assert attempt.reply is not None and str(attempt.reply) == "250 2.0.0 queued"
    assert (attempt.mx, attempt.ip, attempt.source_ip) == (
        "mx0.example.net",
        "127.0.0.1",
        "127.0.0.1",
    )
    assert attempt.tls is None
    assert attempt.number == 1
    assert attempt.route_key == "example"
    assert attempt.started_at > 10**12 and 0 < attempt.took_us < 10**7
    assert attempt.sent_head == HEAD
    assert attempt.sent_sha256 == hashlib.sha256(HEAD + b"\r\n" + BODY).digest()
    assert house.permits.asked == ["connect", "connected", "admit", "disconnected"]


async def test_without_pipelining_each_step_waits() -> None:
    async with Peer([*hello("SIZE"), *slow_letter(), *GOODBYE]) as peer:
        house = House()
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()


async def test_pipelining_may_be_off_for_a_provider() -> None:
    async with Peer([*hello(), *slow_letter(), *GOODBYE]) as peer:
        house = House()
        profile = replace(PROFILE, is_pipelining=False)
        where = to(peer, destination=replace(to(peer).destination, profile=profile))
        assert (await house.attempt(job(where))).is_accepted
        await house.close()


async def test_replies_an_octet_at_a_time() -> None:
    script: Script = [
        Dribble(b"220-one\r\n220 two\r\n"),
        Hear("EHLO"),
        Dribble(b"250-mx\r\n250 PIPELINING\r\n"),
        Hear("MAIL"),
        Hear("RCPT"),
        Hear("DATA"),
        Dribble(b"250 a\r\n250-b\r\n250 c\r\n354 d\r\n"),
        Content(),
        Dribble(b"250-2.0.0 e\r\n250 2.0.0 f\r\n"),
        *GOODBYE,
    ]
    async with Peer(script) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        await house.close()
    assert attempt.reply is not None and attempt.reply.text == "e\nf"


ALL = ("a@example.co.id", "b@example.co.id", "c@example.co.id")


async def test_some_recipients_refused() -> None:
    script: Script = [
        *hello(),
        *[Hear("MAIL"), Hear("RCPT"), Hear("RCPT"), Hear("RCPT"), Hear("DATA")],
        "250 ok",
        "250 ok",
        "550 5.1.1 nobody",
        "250 ok",
        "354 go on",
        Content(),
        "250 2.0.0 queued",
        *GOODBYE,
    ]
    async with Peer(script) as peer:
        house = House()
        first, second, third = await house.attempts(job(to(peer), *ALL))
        await house.close()
    assert first.is_accepted and third.is_accepted
    assert second.stage is Stage.RCPT and second.reply is not None
    assert str(second.reply) == "550 5.1.1 nobody"
    assert second.sent_head is None and first.sent_head is not None
    assert house.permits.admitted == 3


@pytest.mark.parametrize("is_pipelined", [True, False])
async def test_all_recipients_refused_then_the_session_carries_another(is_pipelined: bool) -> None:
    refused: Script = (
        [Hear("MAIL"), Hear("RCPT"), Hear("DATA"), "250 ok", "550 5.1.1 nobody", "554 no"]
        if is_pipelined
        else [Hear("MAIL"), "250 ok", Hear("RCPT"), "550 5.1.1 nobody"]
    )
    good = transaction() if is_pipelined else slow_letter()
    offered = ("PIPELINING",) if is_pipelined else ("SIZE",)
    script = [*hello(*offered), *refused, Hear("RSET"), "250 ok", *good, *GOODBYE]
    async with Peer(script) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        assert attempt.stage is Stage.RCPT and attempt.said() == "550 5.1.1 nobody"
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
        assert len(peer.heard) == 1


@pytest.mark.parametrize("answer", ["554 5.5.1 no recipients", "250 taken", "421 bye", "junk"])
async def test_an_unwanted_354_gets_a_lone_dot_never_the_letter(answer: str) -> None:
    refused: Script = [
        *hello(),
        *[Hear("MAIL"), Hear("RCPT"), Hear("DATA")],
        "250 ok",
        "550 5.1.1 nobody",
        "354 go on",
        Content(),
        answer,
    ]
    async with Peer([*refused, Hang()], [*hello(), *transaction(), *GOODBYE]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        assert attempt.said() == "550 5.1.1 nobody"
        assert attempt.sent_head is None
        assert peer.heard[0].contents == [b""]
        assert (await house.attempt(job(to(peer)))).is_accepted
        assert len(peer.heard) == 2
        await house.close()


@pytest.mark.parametrize("data", ["503 5.5.1 no", "354 go on"])
async def test_mail_refused_is_the_result_of_all(data: str) -> None:
    is_wanted = not data.startswith("354")
    end: Script = [*transaction(), *GOODBYE] if is_wanted else [Content(), "554 no", Hang()]
    script: Script = [
        *hello(),
        *[Hear("MAIL"), Hear("RCPT"), Hear("RCPT"), Hear("RCPT"), Hear("DATA")],
        "550 5.7.1 blocked",
        *["503 5.5.1 MAIL first"] * 3,
        data,
        *end,
    ]
    async with Peer(script, [*hello(), *transaction(), *GOODBYE]) as peer:
        house = House()
        attempts = await house.attempts(job(to(peer), *ALL))
        assert {(a.stage, a.said()) for a in attempts} == {(Stage.MAIL, "550 5.7.1 blocked")}
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()


async def test_data_refused() -> None:
    script: Script = [
        *hello(),
        *[Hear("MAIL"), Hear("RCPT"), Hear("DATA")],
        "250 ok\n250 ok\n451 4.3.0 later",
        Hear("RSET"),
        "250 ok",
        *transaction(),
        *GOODBYE,
    ]
    async with Peer(script) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        assert (attempt.stage, attempt.said()) == (Stage.DATA, "451 4.3.0 later")
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()


@pytest.mark.parametrize("reply", ["550 5.7.1 spam", "451 4.7.1 greylisted"])
async def test_refused_after_the_dot_the_session_goes_on(reply: str) -> None:
    async with Peer([*hello(), *transaction(reply=reply), *transaction(), *GOODBYE]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        assert (attempt.stage, attempt.said()) == (Stage.EOD, reply)
        assert attempt.sent_sha256 is not None
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
        assert len(peer.heard) == 1


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        (["421 4.7.0 slow"], Stage.MAIL),
        (["250 ok", "421 4.7.0 slow"], Stage.RCPT),
        (["250 ok", "250 ok", "421 4.7.0 slow"], Stage.RCPT),
        (["250 ok", "250 ok", "250 ok", "250 ok", "421 4.7.0 slow"], Stage.DATA),
    ],
)
async def test_421_closes_the_session_and_is_everybodys(said: list[str], stage: Stage) -> None:
    heard: Script = [Hear("MAIL"), *[Hear("RCPT")] * 3, Hear("DATA")]
    async with Peer([*hello(), *heard, *said, Hang()]) as peer:
        house = House()
        attempts = await house.attempts(job(to(peer), *ALL))
        assert {(a.stage, a.said()) for a in attempts} == {(stage, "421 4.7.0 slow")}
        await house.all_gone()


async def test_421_after_the_dot_is_the_reply_and_ends_the_session() -> None:
    async with Peer([*hello(), *transaction(reply="421 4.7.28 rate"), Hang()]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        assert (attempt.stage, attempt.said()) == (Stage.EOD, "421 4.7.28 rate")
        assert attempt.failure is None
        await house.close()


# Permits


async def test_without_a_connection_permit_nothing_is_dialled() -> None:
    async with Peer([Hang()]) as peer:
        house = House()
        house.permits.limit = 0
        made = await house.transport.deliver(job(to(peer)), house.permits)
        assert made == NotYet(1, "connections")
        assert not peer.heard


@pytest.mark.parametrize(
    ("said", "spent"),
    [
        ([Hear("MAIL"), "550 5.7.1 blocked"], 0),
        ([Hear("MAIL"), Cut()], 0),
        ([Hear("MAIL"), "250 ok", Hear("RCPT"), "421 4.7.0 slow"], 1),
        ([Hear("MAIL"), "250 ok", Hear("RCPT"), "550 5.1.1 nobody", Hear("RCPT"), Cut()], 2),
    ],
)
async def test_units_whose_rcpt_was_never_written_are_given_back(said: Script, spent: int) -> None:
    async with Peer([*hello("SIZE"), *said, Hang()]) as peer:
        house = House()
        await house.attempts(job(to(peer), *ALL))
    assert house.permits.admitted == spent


async def test_without_admission_nothing_is_written_and_the_session_waits() -> None:
    async with Peer([*hello(), *transaction(), *GOODBYE]) as peer:
        house = House()
        house.permits.refuse_admission = 1
        made = await house.transport.deliver(job(to(peer)), house.permits)
        assert made == NotYet(2, "rate")
        assert house.transport.sessions("example") == (1, 0)
        assert len(peer.heard[0].lines) == 1
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
    assert house.permits.admitted == 1


# What MAIL and RCPT say


async def test_dsn_is_passed_on_where_it_is_offered() -> None:
    async with Peer([*hello(), *transaction(), *GOODBYE]) as peer:
        house = House()
        what = job(to(peer), options=Options(ret="hdrs", envid="a+2Bb"))
        one = replace(
            what.deliveries[0],
            notify=frozenset({"DELAY", "FAILURE"}),
            orcpt="rfc822;vendor@example.co.id",
        )
        await house.attempt(replace(what, deliveries=(one,)))
        await house.close()
        mail, rcpt = peer.commands[1:3]
    assert mail.endswith(" RET=HDRS ENVID=a+2Bb")
    assert rcpt.endswith("> NOTIFY=FAILURE,DELAY ORCPT=rfc822;vendor@example.co.id")


@pytest.mark.parametrize(
    ("changes", "offered", "words"),
    [
        ({"is_8bit": True}, "8BITMIME", " BODY=8BITMIME"),
        ({"needs_utf8": True}, "SMTPUTF8", " SMTPUTF8"),
        ({"sender": "pengadaán@lpse.example.go.id"}, "SMTPUTF8", " SMTPUTF8"),
    ],
)
async def test_what_a_letter_needs_is_said_or_it_is_not_sent(
    changes: dict[str, object], offered: str, words: str
) -> None:
    good = [*hello("PIPELINING", offered), *transaction(), *GOODBYE]
    bad = [*hello("PIPELINING"), *GOODBYE]
    async with Peer(good) as able, Peer(bad) as unable:
        house = House()
        assert (await house.attempt(job(to(able), **changes))).is_accepted
        attempt = await house.attempt(job(to(unable), **changes))
        await house.close()
        assert able.commands[1].endswith(words)
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.UNSUPPORTED
    assert house.permits.admitted == 1


async def test_the_empty_sender_and_no_size_where_none_is_offered() -> None:
    async with Peer([*hello("PIPELINING"), *transaction(), *GOODBYE]) as peer:
        house = House()
        await house.attempt(job(to(peer), sender=""))
        await house.close()
        assert peer.commands[1] == "MAIL FROM:<>"


async def test_a_control_character_never_reaches_the_wire() -> None:
    async with Peer([*hello(), *GOODBYE]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer), "a\r\nDATA@example.co.id"))
        await house.close()
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.ADDRESS
    assert house.permits.admitted == 0


async def test_what_one_address_lacks_is_not_the_others_fault() -> None:
    names = ("a\nb@example.co.id", "b@example.co.id", "pengadaán@example.co.id", "c@example.co.id")
    async with Peer([*hello("PIPELINING"), *transaction(2), *GOODBYE]) as peer:
        house = House()
        made = await house.attempts(job(to(peer), *names))
        await house.close()
    kinds = [attempt.failure.kind if attempt.failure else None for attempt in made]
    assert kinds == [FailureKind.ADDRESS, None, FailureKind.UNSUPPORTED, None]
    assert [attempt.is_accepted for attempt in made] == [False, True, False, True]
    assert house.permits.admitted == 2
    assert [attempt.sent_head is not None for attempt in made] == [False, True, False, True]


async def test_a_fault_in_our_own_sender_is_ours() -> None:
    async with Peer([*hello(), *GOODBYE]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer), sender="a\r\nRSET"))
        await house.close()
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.SIGNING


def test_a_letter_fixture_is_sane() -> None:
    assert letter().size == len(HEAD) + 2 + len(BODY)
