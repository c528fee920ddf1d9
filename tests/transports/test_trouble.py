"""What comes of a letter where the server is lost, late, talks junk, or we are stopped."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from relay.mail.delivery import FailureKind
from relay.mail.reply import Stage
from relay.transports.transaction import Transaction
from tests.transports.house import BODY, HEAD, House, brief, job, to
from tests.transports.peer import (
    GOODBYE,
    Content,
    Cut,
    Dribble,
    Hang,
    Hear,
    Peer,
    Script,
    envelope,
    hello,
)
from tests.transports.peer import letter as transaction

# Lost, late, junk

HEARD: Script = [Hear("MAIL"), Hear("RCPT"), Hear("DATA")]
BEFORE_THE_DOT = [
    (["220 hi", Hear("EHLO"), "250-mx\n250 PIPELINING", *HEARD, "250 ok"], Stage.RCPT),
    (["220 hi", Hear("EHLO"), "250-mx\n250 PIPELINING", *HEARD, "250 ok", "250 ok"], Stage.DATA),
    (["220 hi", Hear("EHLO"), "250-mx\n250 PIPELINING", *HEARD], Stage.MAIL),
    (["220 hi", Hear("EHLO"), "250 mx", Hear("MAIL")], Stage.MAIL),
    (["220 hi", Hear("EHLO"), "250 mx", Hear("MAIL"), "250 ok", Hear("RCPT")], Stage.RCPT),
    (["220 hi"], Stage.HELO),
    ([], Stage.CONNECT),
]


@pytest.mark.parametrize(("script", "stage"), BEFORE_THE_DOT)
@pytest.mark.parametrize("is_reset", [False, True])
async def test_lost_before_the_dot(script: Script, stage: Stage, is_reset: bool) -> None:
    async with Peer([*script, Cut(is_reset)]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.LOST, stage)
    assert attempt.reply is None and attempt.sent_head is None
    await house.all_gone()


WAITS = {
    Stage.CONNECT: "greeting",
    Stage.HELO: "helo",
    Stage.MAIL: "mail",
    Stage.RCPT: "rcpt",
    Stage.DATA: "data",
}


@pytest.mark.parametrize(("script", "stage"), BEFORE_THE_DOT)
async def test_late_before_the_dot(script: Script, stage: Stage) -> None:
    async with Peer([*script, Hang()]) as peer:
        house = House(brief(**{WAITS[stage]: 0.02}))  # the others may take a busy machine's time
        attempt = await house.attempt(job(to(peer)))
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.TIMEOUT, stage)
    await house.all_gone()


@pytest.mark.parametrize(("script", "stage"), BEFORE_THE_DOT)
@pytest.mark.parametrize("junk", [b"HTTP/1.0 400 no\r\n", b"\xff\xfe\r\n", b"x" * 2_000_000])
async def test_junk_before_the_dot(script: Script, stage: Stage, junk: bytes) -> None:
    async with Peer([*script, junk, Hang()]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.PROTOCOL, stage)
    await house.all_gone()


@pytest.mark.parametrize("said", [b"", b"250 2.0.0 que", b"HTTP/1.0\r\n", b"354 again\r\n"])
@pytest.mark.parametrize("end", [Cut(), Cut(True), Hang()])
async def test_no_clear_answer_after_the_dot_is_ambiguous(said: bytes, end: Cut | Hang) -> None:
    async with Peer([*hello(), *envelope(), Content(), said, end]) as peer:
        house = House(brief(dot=0.05) if end == Hang() else None)
        attempt = await house.attempt(job(to(peer)))
        await peer.until(lambda: peer.heard[0].contents == [HEAD + b"\r\n" + BODY])
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.AMBIGUOUS, Stage.EOD)
    assert not attempt.is_accepted
    assert attempt.sent_sha256 is not None
    await house.all_gone()


async def test_the_deadline_is_on_the_whole_reply() -> None:
    endless = Dribble(b"250-again\r\n" * 100_000)
    async with Peer([*hello(), *envelope(), Content(), endless, Hang()]) as peer:
        house = House(brief(dot=0.1))
        attempt = await house.attempt(job(to(peer)))
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.AMBIGUOUS


async def test_a_huge_reply_is_cut_and_counts() -> None:
    huge = b"".join(b"250-%05d %b\r\n" % (n, b"x" * 400) for n in range(500)) + b"250 end\r\n"
    async with Peer([*hello(), *envelope(), Content(), huge, *GOODBYE]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        await house.close()
    assert attempt.is_accepted and attempt.reply is not None
    assert len(attempt.reply.text) <= 8 * 1024


@pytest.mark.parametrize("code", [250, 354])
async def test_a_positive_reply_where_none_may_be_is_no_acceptance(code: int) -> None:
    # The answer to DATA comes with one more behind it, as if the letter had been sent already.
    said = f"250 ok\n250 ok\n354 go on\n{code} 2.0.0 queued"
    async with Peer([*hello(), *HEARD, said, Hang()]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.PROTOCOL, Stage.DATA)
    assert attempt.sent_head is None


@pytest.mark.parametrize(
    "said",
    [
        "250 ok\n250 once more\n550 5.1.1 nobody\n250 ok\n354 go on",  # MAIL answered twice
        "250 ok\n550 5.1.1 nobody\n354 go on",  # one RCPT not answered
    ],
)
async def test_out_of_step_a_refusal_is_nobodys(said: str) -> None:
    heard: Script = [Hear("MAIL"), Hear("RCPT"), Hear("RCPT"), Hear("DATA")]
    async with Peer([*hello(), *heard, said, Hang()]) as peer:
        house = House()
        attempts = await house.attempts(job(to(peer), "a@example.co.id", "b@example.co.id"))
    kinds = [attempt.failure.kind for attempt in attempts if attempt.failure is not None]
    assert kinds == [FailureKind.PROTOCOL] * 2


async def test_a_refusal_in_the_middle_of_a_long_letter_counts() -> None:
    said = [*hello(), *HEARD, "250 ok\n250 ok\n354 go on", "552 5.3.4 too big"]
    async with Peer([*said, Hang()]) as peer:
        house = House()
        house.bodies[7] = b"x" * 70 + b"\r\n"
        house.bodies[7] *= 100_000
        attempt = await house.attempt(job(to(peer)))
    assert (attempt.stage, attempt.said()) == (Stage.DATA, "552 5.3.4 too big")
    assert attempt.sent_head is None


async def test_a_server_that_takes_no_octets_is_late() -> None:
    stop = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250-mx\r\n250 PIPELINING\r\n")
        for _ in range(3):
            await reader.readline()
        writer.write(b"250 ok\r\n250 ok\r\n354 go on\r\n")
        await stop.wait()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    peer = Peer([])
    peer.port = server.sockets[0].getsockname()[1]
    house = House(brief(block=0.05))
    house.bodies[7] = (b"x" * 70 + b"\r\n") * 400_000
    attempt = await house.attempt(job(to(peer)))
    stop.set()
    server.close()
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.TIMEOUT, Stage.DATA)


async def test_a_long_letter_arrives_whole() -> None:
    async with Peer([*hello(), *transaction(), *GOODBYE]) as peer:
        house = House()
        body = b"".join(b".%070d\r\n" % n for n in range(50_000))
        house.bodies[7] = body
        attempt = await house.attempt(job(to(peer)))
        await house.close()
        assert peer.heard[0].contents == [HEAD + b"\r\n" + body]
    assert attempt.sent_sha256 == hashlib.sha256(HEAD + b"\r\n" + body).digest()


# Stopping


async def test_cancelled_before_the_dot_it_raises_and_the_connection_is_cut() -> None:
    async with Peer([*hello(), *HEARD, Hang()]) as peer:
        house = House()
        task = asyncio.create_task(house.attempt(job(to(peer))))
        await peer.until(lambda: "DATA" in peer.commands)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await house.all_gone()


async def test_cancelled_after_the_dot_it_returns_that_nobody_knows() -> None:
    async with Peer([*hello(), *envelope(), Content(), Hear("nothing more")]) as peer:
        house = House()
        task = asyncio.create_task(house.attempt(job(to(peer))))
        await peer.until(lambda: bool(peer.heard and peer.heard[0].contents))
        task.cancel()
        attempt = await task
        assert not task.cancelled() and task.cancelling() == 0
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.AMBIGUOUS, Stage.EOD)
    assert attempt.sent_sha256 is not None
    await house.all_gone()


@pytest.mark.parametrize("is_sent", [False, True])
async def test_a_fault_within_the_relay_loses_and_repeats_nothing(
    is_sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bool:
        raise RuntimeError("out of order")

    method = "_last_reply" if is_sent else "_rcpt"
    monkeypatch.setattr(Transaction, method, broken)
    async with Peer([*hello(), *envelope(), Hang()]) as peer:
        house = House()
        attempt = await house.attempt(job(to(peer)))
        await house.all_gone()
    kind = FailureKind.AMBIGUOUS if is_sent else FailureKind.PROTOCOL
    assert attempt.failure is not None and attempt.failure.kind is kind
    assert "RuntimeError" in attempt.failure.text
