"""Sessions kept, reused, hung up, found dead: never two letters on one, never a permit too many."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from relay.mail.delivery import FailureKind
from relay.mail.reply import Stage
from relay.transports.base import NotYet
from relay.transports.wire import Wire
from tests.transports.house import PROFILE, House, brief, job, to
from tests.transports.peer import (
    GOODBYE,
    Content,
    Cut,
    Hang,
    Hear,
    Peer,
    Script,
    envelope,
    hello,
    letter,
    slow_letter,
)

ONE: Script = [*hello(), *letter(), *GOODBYE]
TWO: Script = [*hello(), *letter(), *letter(), *GOODBYE]


async def test_a_session_carries_so_many_letters_and_no_more() -> None:
    async with Peer(TWO, TWO, ONE) as peer:
        house = House(per_connection=2)
        for _ in range(5):
            assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
        assert len(peer.heard) == 3
        said = [line.split(":")[0] for line in peer.heard[0].lines]
        assert said == [
            "EHLO relay.lpse.example.go.id",
            *["MAIL FROM", "RCPT TO", "DATA"] * 2,
            "QUIT",
        ]


async def test_letters_at_once_take_a_session_each() -> None:
    async with Peer(ONE) as peer:
        house = House()
        made = await asyncio.gather(*[house.attempt(job(to(peer))) for _ in range(4)])
        assert all(attempt.is_accepted for attempt in made)
        assert len(peer.heard) == 4
        assert house.transport.sessions("example") == (4, 0)
        await house.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"tls": "none"},
        {"destination": replace(to().destination, key="other")},
        {"is_verified": True},
    ],
)
async def test_a_session_serves_its_own_footing_only(changes: dict[str, object]) -> None:
    async with Peer(ONE) as peer:
        house = House()
        await house.attempt(job(to(peer)))
        await house.attempt(job(replace(to(peer), **changes)))  # type: ignore[arg-type]
        await house.close()
        assert len(peer.heard) == 2


async def test_a_limit_that_was_lowered_ends_the_idle_session() -> None:
    async with Peer(TWO, ONE) as peer:
        house = House(per_connection=None)
        for _ in range(2):
            assert (await house.attempt(job(to(peer)))).is_accepted
        house.transport._per_connection = lambda destination: 1
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
        assert len(peer.heard) == 2


@pytest.mark.parametrize("end", [["502 5.5.1 what?"], [Cut()], ["250 ok\n250 once more"]])
async def test_a_session_that_cannot_be_reset_is_left(end: Script) -> None:
    refused: Script = [Hear("MAIL"), Hear("RCPT"), Hear("DATA"), "250 a\n550 b\n554 c"]
    async with Peer([*hello(), *refused, Hear("RSET"), *end, Hang()], ONE) as peer:
        house = House()
        house.permits.limit = 1
        await house.attempt(job(to(peer)))
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
        assert len(peer.heard) == 2


async def test_cancelled_while_a_session_is_reset_it_is_cut() -> None:
    refused: Script = [Hear("MAIL"), Hear("RCPT"), Hear("DATA"), "250 a\n550 b\n554 c"]
    async with Peer([*hello(), *refused, Hear("RSET"), Hang()]) as peer:
        house = House()
        await house.attempt(job(to(peer)))
        task = asyncio.create_task(house.attempt(job(to(peer))))
        await peer.until(lambda: "RSET" in peer.commands)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await house.all_gone()


@pytest.mark.parametrize("offered", [("PIPELINING",), ("SIZE",)])
async def test_a_goodbye_with_an_open_transaction_keeps_step(offered: tuple[str, ...]) -> None:
    refused: Script = [Hear("MAIL"), "250 a", Hear("RCPT"), "550 b"]
    if offered == ("PIPELINING",):
        refused = [*refused, Hear("DATA"), "554 c"]
    goodbye: Script = [Hear("RSET"), "250 ok", Hear("QUIT"), "221 bye"]
    async with Peer([*hello(*offered), *refused, *goodbye]) as peer:
        house = House(per_connection=1)
        await house.attempt(job(to(peer)))
        await house.close()
        assert peer.commands[-2:] == ["RSET", "QUIT"]


async def test_an_idle_session_is_hung_up_after_a_while() -> None:
    async with Peer(ONE) as peer:
        house = House(brief(idle=0.02))
        await house.attempt(job(to(peer)))
        await peer.until(lambda: "QUIT" in peer.commands)
        await house.close()
        assert house.transport.sessions("example") == (0, 0)


async def test_sessions_that_fall_idle_later_are_hung_up_later() -> None:
    async with Peer(ONE) as peer, Peer(TWO) as other:
        house = House(brief(idle=0.02))
        elsewhere = to(other, destination=replace(to().destination, key="other"))
        for route in (to(peer), elsewhere, elsewhere):
            assert (await house.attempt(job(route))).is_accepted
        await peer.until(lambda: "QUIT" in peer.commands)
        await other.until(lambda: "QUIT" in other.commands)
        assert len(other.heard) == 1
        assert house.transport._pool._timer is None
        await house.close()


async def test_of_too_many_idle_sessions_the_one_idle_for_the_longest_goes() -> None:
    async with Peer(ONE) as first, Peer(TWO) as second, Peer(ONE) as third:
        house = House(most_idle=2)
        routes = [
            to(peer, destination=replace(to().destination, key=str(n)))
            for n, peer in enumerate((first, second, third))
        ]
        for route in routes:
            assert (await house.attempt(job(route))).is_accepted
        await first.until(lambda: "QUIT" in first.commands)
        assert [house.transport.sessions(str(n)) for n in range(3)] == [(0, 0), (1, 0), (1, 0)]
        assert house.permits.open <= 3
        assert (await house.attempt(job(routes[1]))).is_accepted  # kept, and used again
        await house.close()
        assert [len(peer.heard) for peer in (first, second, third)] == [1, 1, 1]
    assert house.permits.open == 0


async def test_hang_up_ends_the_idle_sessions_of_a_destination() -> None:
    async with Peer(ONE) as peer, Peer(TWO) as other:
        house = House()
        elsewhere = to(other, destination=replace(to().destination, key="other"))
        await house.attempt(job(to(peer)))
        await house.attempt(job(elsewhere))
        await house.transport.hang_up("example")
        assert "QUIT" in peer.commands and "QUIT" not in other.commands
        assert house.transport.sessions("example") == (0, 0)
        assert house.permits.open == 1
        await house.attempt(job(elsewhere))
        await house.close()


async def test_hang_up_says_rset_first_where_a_transaction_is_open() -> None:
    refused: Script = [Hear("MAIL"), Hear("RCPT"), Hear("DATA"), "250 a\n550 b\n554 c"]
    async with Peer([*hello(), *refused, Hear("RSET"), Hear("QUIT"), "250 ok\n221 bye"]) as peer:
        house = House()
        await house.attempt(job(to(peer)))
        await house.transport.hang_up("example")
        await house.close()
        assert peer.commands[-2:] == ["RSET", "QUIT"]


async def test_a_busy_session_ends_after_its_letter() -> None:
    gate = asyncio.Event()

    class Slow(House):
        async def body(self, message_id: int) -> bytes:
            await gate.wait()
            return await super().body(message_id)

    async with Peer(ONE) as peer:
        house = Slow()
        task = asyncio.create_task(house.attempt(job(to(peer))))
        while house.transport.sessions("example") != (0, 1):
            await asyncio.sleep(0)
        await house.transport.hang_up("example")
        gate.set()
        assert (await task).is_accepted
        await peer.until(lambda: "QUIT" in peer.commands)
        await house.close()


async def test_a_server_that_ignores_quit_is_left() -> None:
    async with Peer([*hello(), *letter(), Hear("QUIT"), Hang()]) as peer:
        house = House(brief(quit=0.02))
        await house.attempt(job(to(peer)))
        await house.close()
        await peer.until(lambda: "QUIT" in peer.commands)


# Dead while idle


@pytest.mark.parametrize("end", [[Cut()], [Cut(True)], ["421 4.4.2 idle too long", Cut()]])
async def test_a_session_that_ended_while_idle_is_dropped_without_a_word(end: Script) -> None:
    async with Peer([*hello(), *letter(), *end], ONE) as peer:
        house = House()
        assert (await house.attempt(job(to(peer)))).is_accepted
        while house.permits.open:
            await asyncio.sleep(0)
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
        assert len(peer.heard) == 2
    assert house.permits.admitted == 2


async def test_the_kernel_is_asked_whether_a_session_still_stands() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        loop = asyncio.get_running_loop()
        wire = Wire()
        await loop.create_connection(lambda: wire, *listener.getsockname())
        accepted, _ = listener.accept()
        stands = [wire.still_stands]
        accepted.close()  # the loop has no turn to see it
        assert not wire.is_broken
        assert [*stands, wire.still_stands] == [True, False]
        await wire.gone()


async def test_dead_as_mail_is_written_it_goes_once_more_on_a_new_connection() -> None:
    cut: Script = [Hear("MAIL"), Hear("RCPT"), Hear("DATA"), Cut()]
    async with Peer([*hello(), *letter(), *cut], ONE) as peer:
        house = House()
        house.permits.limit = 1
        assert (await house.attempt(job(to(peer)))).is_accepted
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
        assert len(peer.heard) == 2
    assert house.permits.admitted == 3  # RCPT was written twice: both count


async def test_dead_twice_it_is_an_attempt() -> None:
    cut: Script = [Hear("MAIL"), Hear("RCPT"), Hear("DATA"), Cut()]
    async with Peer([*hello(), *letter(), *cut], [*hello(), *cut]) as peer:
        house = House()
        await house.attempt(job(to(peer)))
        attempt = await house.attempt(job(to(peer)))
        assert len(peer.heard) == 2
        await house.close()
    assert attempt.failure is not None
    assert (attempt.failure.kind, attempt.stage) == (FailureKind.LOST, Stage.MAIL)


async def test_lost_after_an_answer_it_is_no_second_try() -> None:
    cut: Script = [Hear("MAIL"), Hear("RCPT"), Hear("DATA"), "250 ok", Cut()]
    async with Peer([*hello(), *letter(), *cut], ONE) as peer:
        house = House()
        await house.attempt(job(to(peer)))
        attempt = await house.attempt(job(to(peer)))
        assert len(peer.heard) == 1
        await house.close()
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.LOST


async def test_lost_after_the_dot_it_is_no_second_try() -> None:
    async with Peer([*hello(), *letter(), *envelope(), Content(), Cut()], ONE) as peer:
        house = House()
        await house.attempt(job(to(peer)))
        attempt = await house.attempt(job(to(peer)))
        assert len(peer.heard) == 1
        await house.close()
    assert attempt.failure is not None and attempt.failure.kind is FailureKind.AMBIGUOUS


# Permits


async def test_the_limit_of_connections_holds_over_goodbyes() -> None:
    async with Peer(ONE) as peer:
        house = House(per_connection=1)
        house.permits.limit = 1
        for _ in range(4):
            assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()
        assert len(peer.heard) == 4
    assert house.permits.most == 1


async def test_an_idle_session_of_another_footing_makes_room() -> None:
    async with Peer(ONE) as peer:
        house = House()
        house.permits.limit = 1
        assert (await house.attempt(job(to(peer)))).is_accepted
        assert (await house.attempt(job(to(peer, tls="none")))).is_accepted
        await house.close()
        assert len(peer.heard) == 2
    assert house.permits.most == 1


async def test_a_busy_session_makes_no_room() -> None:
    async with Peer([*hello(), Hear("MAIL"), Hang()]) as peer:
        house = House()
        house.permits.limit = 1
        task = asyncio.create_task(house.attempt(job(to(peer))))
        while house.transport.sessions("example") != (0, 1):
            await asyncio.sleep(0)
        made = await house.transport.deliver(job(to(peer)), house.permits)
        assert isinstance(made, NotYet)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await house.close()


# Pipelining by itself


async def test_after_two_drops_it_goes_step_by_step() -> None:
    drop: Script = [*hello(), Hear("MAIL"), Hear("RCPT"), Hear("DATA"), "250 ok", Cut()]
    async with Peer(drop, drop, [*hello(), *slow_letter(), *GOODBYE]) as peer:
        house = House()
        for _ in range(2):
            assert (await house.attempt(job(to(peer)))).failure is not None
        assert (await house.attempt(job(to(peer)))).is_accepted
        await house.close()


async def test_a_drop_and_a_success_are_no_two_drops() -> None:
    drop: Script = [*hello(), Hear("MAIL"), Hear("RCPT"), Hear("DATA"), "250 ok", Cut()]
    async with Peer(drop, ONE, drop, ONE) as peer:
        house = House(per_connection=1)
        made = [await house.attempt(job(to(peer))) for _ in range(4)]
        assert [attempt.is_accepted for attempt in made] == [False, True, False, True]
        await house.close()


def test_a_profile_without_limits_is_what_tests_use() -> None:
    assert PROFILE.messages_per_connection is None
