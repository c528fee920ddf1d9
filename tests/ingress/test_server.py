"""The door as a whole: many clients, a full house, memory, reload, failures, drain."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from dataclasses import replace
from datetime import timedelta

import pytest

from relay.clock import SystemClock
from relay.ingress import server
from relay.ingress.server import Door
from relay.ingress.settings import IngressSettings, ListenSettings
from relay.mail.ids import Ids
from tests.ingress import tls
from tests.ingress.house import HOST, SENDER, House, Log, Store, house, letter, pipeline, policy


async def test_two_hundred_clients_at_once() -> None:
    async with house() as here:

        async def one(n: int) -> str:
            async with here.client() as client:
                await client.begin()
                await client.say(letter(n) + b".\r\n")
                heard = await client.hear()
                await client.ask("QUIT")
                return heard

        heard = await asyncio.gather(*(one(n) for n in range(200)))
        assert all(reply.startswith("250 2.0.0 queued as ") for reply in heard)
        assert len(set(heard)) == len(here.store.letters) == 200
        await here.until(lambda: here.door.sessions_open == 0)


async def test_a_client_that_vanishes_behind_its_final_dot_loses_nothing() -> None:
    async with house() as here:
        async with here.client() as client:
            await client.begin()
            await client.say(letter() + b".\r\n")
            sock = client.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.writer.transport.abort()
        await here.until(lambda: here.door.sessions_open == 0)
        # Half a letter is none.
        async with here.client() as client:
            await client.begin()
            await client.say(letter())
        await here.until(lambda: here.door.sessions_open == 0)
        assert len(here.store.letters) <= 1
        assert not here.log.alerts


async def test_a_letter_whose_client_hung_up_at_once_is_taken() -> None:
    async with house() as here:
        here.store.gate = asyncio.Event()
        async with here.client() as client:
            await client.begin()
            await client.say(letter() + b".\r\nQUIT\r\n")
            await here.until(lambda: not next(iter(here.door._sessions)).is_waiting)
            client.writer.transport.abort()
        here.store.gate.set()
        await here.until(lambda: here.door.sessions_open == 0)
        assert len(here.store.letters) == 1 and not here.log.alerts


async def test_a_full_house_lets_the_others_wait() -> None:
    async with (
        house(max_sessions=2) as here,
        here.client() as first,
        here.client(),
        here.client(greeted=False) as third,
    ):
        waiting = asyncio.ensure_future(third.hear())
        assert (await first.ask("NOOP")).startswith("250")
        assert not waiting.done() and here.door.sessions_open == 2
        await first.ask("QUIT")
        assert (await waiting).startswith("220")


async def test_only_after_accept_wait_they_are_greeted_with_421() -> None:
    wait = timedelta(milliseconds=30)
    async with house(max_sessions=1, accept_wait=wait) as here:
        async with here.client() as first:
            async with here.client(greeted=False) as second, here.client(greeted=False) as third:
                assert (await second.hear()).startswith("421 4.3.2")
                assert (await third.hear()).startswith("421 4.3.2")
                assert await second.is_closed()
            assert (await first.ask("QUIT")).startswith("221")
        async with here.client() as fourth:
            assert (await fourth.ask("NOOP")).startswith("250")
        assert "door_full" in here.log.names()


async def test_a_client_that_went_while_it_waited_does_not_silence_the_door() -> None:
    wait = timedelta(milliseconds=30)
    async with house(max_sessions=1, accept_wait=wait) as here, here.client() as first:
        gone = socket.create_connection(("127.0.0.1", here.port))
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()  # a reset, with its connection still in the backlog
        for _ in range(2):  # also those that come after a turn
            async with here.client(greeted=False) as other:
                assert (await other.hear()).startswith("421 4.3.2")
        assert (await first.ask("QUIT")).startswith("221")
        async with here.client() as last:
            assert (await last.ask("NOOP")).startswith("250")


async def test_a_fault_while_turning_away_is_not_the_last_turn() -> None:
    wait = timedelta(milliseconds=20)
    async with house(max_sessions=1, accept_wait=wait) as here, here.client():
        door = here.door
        async with here.client(greeted=False) as other:
            await here.until(lambda: door._patience is not None)
            kept, door._listeners = door._listeners, [None]  # type: ignore[list-item]
            with pytest.raises(AttributeError):
                door._turn_away()
            door._listeners = kept
            assert (await other.hear()).startswith("421 4.3.2")


async def test_memory_is_bounded_and_one_session_always_finishes() -> None:
    size = 300_000
    async with house(memory=200_000) as here:
        peak = [0]

        async def one() -> str:
            async with here.client() as client:
                await client.begin()
                body = (b"x" * 76 + b"\r\n") * (size // 78)
                await client.say(b"\r\n" + body + b".\r\n")
                return await client.hear()

        async def watch() -> None:
            while True:
                peak[0] = max(peak[0], here.door.memory.used)
                await asyncio.sleep(0)

        watching = asyncio.ensure_future(watch())
        heard = await asyncio.gather(*(one() for _ in range(8)))
        watching.cancel()
        assert all(reply.startswith("250") for reply in heard)
        assert here.door.memory.used == 0
        # The bound, and the one letter that may go over it.
        assert 200_000 < peak[0] <= 200_000 + size + 70_000


async def test_a_stalled_session_gives_its_memory_back() -> None:
    idle = timedelta(milliseconds=100)
    async with house(memory=100_000, idle_timeout=idle) as here, here.client() as stalled:
        # In one breath: between two a busy machine could be idle for as long.
        commands = f"EHLO x\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<v@example.co.id>\r\nDATA\r\n"
        await stalled.say(commands.encode() + b"x" * 150_000)
        assert [(await stalled.hear())[:3] for _ in range(4)] == ["250", "250", "250", "354"]
        await here.until(lambda: here.door.memory.used > 100_000)
        assert (await stalled.hear()).startswith("421")
        await here.until(lambda: here.door.memory.used == 0)


async def test_what_is_thrown_away_takes_no_memory() -> None:
    async with house(size_limit=100_000) as here, here.client() as client:
        await client.begin()
        await client.say(b"x" * 90_000)
        await here.until(lambda: here.door.memory.used >= 90_000)
        await client.say(b"x" * 20_000)
        await here.until(lambda: here.door.memory.used == 0)
        await client.say(b"x" * 500_000 + b"\r\n.\r\n")
        assert (await client.hear()).startswith("552")


async def test_a_reload_counts_from_the_next_message_on() -> None:
    async with house() as here, here.client() as client:
        await client.ask("EHLO x")
        assert (await client.ask(f"MAIL FROM:<{SENDER}>")).startswith("250")
        small = policy(here.log, size_limit=100)
        here.door.swap(small)
        await client.ask("RCPT TO:<v@example.co.id>")
        await client.ask("DATA")
        await client.say(b"x" * 200 + b"\r\n.\r\n")
        assert (await client.hear()).startswith("250")
        assert (await client.ask(f"MAIL FROM:<{SENDER}> SIZE=200")).startswith("552")
        nobody = replace(small, trusted_networks=(), pipeline=pipeline(here.log))
        here.door.swap(nobody)
        await client.ask(f"MAIL FROM:<{SENDER}>")
        assert (await client.ask("RCPT TO:<v@example.co.id>")).startswith("554 5.7.1")


async def test_drain_lets_open_sessions_finish() -> None:
    async with house() as here, here.client() as client:
        await client.begin()
        draining = asyncio.ensure_future(here.door.drain())
        await asyncio.sleep(0)
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", here.port)
        await client.say(letter() + b".\r\n")
        assert (await client.hear()).startswith("250")
        assert (await client.ask("QUIT")).startswith("221")
        await draining
        assert len(here.store.letters) == 1


async def test_a_letter_that_is_just_here_is_not_told_that_nothing_was_taken() -> None:
    async with house() as here, here.client() as client:
        await client.begin()
        [session] = here.door._sessions
        await here.until(lambda: session.is_waiting)
        # In one turn of the loop the last octets come, and the idle time or the drain ends.
        session.data_received(letter() + b".\r\n")
        assert not session.is_waiting
        session._waiting_since = -1e9
        session._timeout_cb()
        assert (await client.hear()).startswith("250 2.0.0 queued")
        assert len(here.store.letters) == 1


async def test_drain_says_451_to_what_is_still_open() -> None:
    async with house(drain_sessions=timedelta(milliseconds=50)) as here:
        async with here.client() as idle, here.client() as busy:
            await idle.ask("EHLO x")
            await busy.begin()
            here.store.gate = asyncio.Event()
            await busy.say(letter() + b".\r\n")
            await here.until(lambda: any(not s.is_waiting for s in here.door._sessions))
            draining = asyncio.ensure_future(here.door.drain())
            assert (await idle.hear()).startswith("451 4.3.2")
            assert await idle.is_closed()
            # What is being put is put, and answered.
            here.store.gate.set()
            assert (await busy.hear()).startswith("250")
            assert (await busy.hear()).startswith("451 4.3.2")
            assert await busy.is_closed()
            await draining
        assert len(here.store.letters) == 1 and not here.log.alerts


async def test_sockets_of_systemd_by_their_name() -> None:
    log, store = Log(), Store()
    handed = socket.socket()
    handed.bind(("127.0.0.1", 0))
    listen = [ListenSettings(address="systemd:smtp")]
    door = Door(policy(log), listen, store, SystemClock(), Ids(), log.emit, log, {"smtp": [handed]})
    await door.start()
    here = House(door, store, log)
    async with here.client() as client:
        assert (await client.ask("NOOP")).startswith("250")
        await client.ask("QUIT")
    await door.drain()


async def test_what_cannot_be_listened_on_is_named() -> None:
    log = Log()
    for address, words in (
        ("systemd:nothing", "systemd:nothing: no socket"),
        ("192.0.2.1:2525", "cannot listen on 192.0.2.1:2525"),
    ):
        listen = [ListenSettings(address="127.0.0.1:0"), ListenSettings(address=address)]
        door = Door(policy(log), listen, Store(), SystemClock(), Ids(), log.emit, log)
        with pytest.raises(OSError, match=words):
            await door.start()
        assert door.addresses == []
        await door.drain()


async def test_ipv6() -> None:
    log, store = Log(), Store()
    listen = [ListenSettings(address="[::1]:0")]
    door = Door(policy(log), listen, store, SystemClock(), Ids(), log.emit, log)
    await door.start()
    async with House(door, store, log).client("::1") as client:
        await client.ask("EHLO x")
        await client.ask(f"MAIL FROM:<{SENDER}>")
        assert (await client.ask("RCPT TO:<v@example.co.id>")).startswith("554")
        await client.ask("QUIT")
    await door.drain()


def test_defaults_are_those_of_the_design() -> None:
    settings = IngressSettings()
    assert (settings.backlog, settings.max_sessions) == (1024, 500)
    assert settings.accept_wait == settings.drain_sessions == timedelta(seconds=30)
    assert settings.idle_timeout == timedelta(minutes=5)
    assert HOST


async def test_a_stranger_who_asks_on_and_on_is_shown_out() -> None:
    async with house(trusted_networks=()) as here, here.client() as client:
        await client.ask("EHLO x")
        await client.ask(f"MAIL FROM:<{SENDER}>")
        await client.say(b"RCPT TO:<v@example.co.id>\r\n" * 300)
        heard = [await client.hear() for _ in range(200)]
        assert all(reply.startswith("554 5.7.1") for reply in heard)
        assert (await client.hear()).startswith("421 4.7.0")
        assert await client.is_closed()


async def test_a_client_that_does_not_read_is_cut() -> None:
    async with house(idle_timeout=timedelta(milliseconds=200)) as here:
        # Small buffers on both sides: soon full.
        here.door._listeners[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        async with here.client() as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            sock = client.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.writer.write(b"EHLO x\r\n" * 200_000)
            await here.until(lambda: here.door.sessions_open == 0)


async def test_a_swap_cannot_take_the_certificate_from_a_listener() -> None:
    async with house(tls="starttls", context=tls.server()) as here:
        with pytest.raises(ValueError, match="no certificate"):
            here.door.swap(policy(here.log))
        assert here.door.policy.tls is not None


async def test_a_handshake_that_hangs_does_not_hang_the_drain() -> None:
    changes = {"drain_sessions": timedelta(milliseconds=10)}
    async with house(tls="implicit", context=tls.server(), **changes) as here:
        server.LAST_WORD, before = 0.05, server.LAST_WORD  # type: ignore[misc]
        try:
            async with here.client(greeted=False):
                await here.until(lambda: here.door.sessions_open == 1)
                await here.door.drain()
                await here.until(lambda: here.door.sessions_open == 0)
        finally:
            server.LAST_WORD = before  # type: ignore[misc]
        assert here.log.names() == {"door_drain"}


async def test_two_hundred_clients_across_a_restart() -> None:
    """As systemd does it: the parent holds the socket, one relay after the other gets it."""
    with socket.socket() as parent:
        parent.bind(("127.0.0.1", 0))
        parent.listen(1024)
        log, store = Log(), Store()
        listen = [ListenSettings(address="systemd:smtp")]

        async def opened(node: int) -> House:
            handed = {"smtp": [parent.dup()]}
            clock = SystemClock()
            names = Ids(node)
            door = Door(policy(log), listen, store, clock, names, log.emit, log, handed)
            await door.start()
            return House(door, store, log)

        here = await opened(1)
        restarting = asyncio.Event()

        async def one(n: int) -> str:
            if n >= 100:
                await restarting.wait()
            async with here.client() as client:
                await client.begin()
                await client.say(letter(n) + b".\r\nQUIT\r\n")
                return await client.hear()

        sending = [asyncio.ensure_future(one(n)) for n in range(200)]
        await here.until(lambda: len(store.letters) > 50)
        draining = asyncio.ensure_future(here.door.drain())
        await asyncio.sleep(0)
        restarting.set()
        await draining
        taken = len(store.letters)
        second = await opened(2)
        heard = await asyncio.gather(*sending)
        assert all(reply.startswith("250 2.0.0 queued") for reply in heard)
        assert 50 < taken < len(store.letters) == len(set(heard)) == 200
        await second.door.drain()


async def test_an_endless_command_line_is_skipped_in_pieces() -> None:
    async with house() as here, here.client() as client:
        for _ in range(30):
            await client.say(b"x" * 5_000)
            await asyncio.sleep(0)
        await client.say(b"\r\nNOOP\r\n")
        assert await client.hear() == "500 5.5.2 Command line too long"
        assert await client.hear() == "250 2.0.0 Ok"


async def test_without_descriptors_clients_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house() as here:
        monkeypatch.setattr(server, "PAUSE", 0.01)
        listener = here.door._listeners[0]
        here.door._stop_accepting()

        class Exhausted:
            """The socket of a process that has no descriptor left, once."""

            def accept(self) -> None:
                raise OSError(errno.EMFILE, "Too many open files")

        here.door._is_accepting = True
        here.door._accept(replace(listener, socket=Exhausted()))  # type: ignore[arg-type]
        assert here.log.names() == {"cannot_accept"}
        async with here.client() as client:
            assert (await client.ask("NOOP")).startswith("250")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
async def test_a_socket_that_is_not_tcp_is_named(kind: socket.SocketKind) -> None:
    family = socket.AF_INET if kind is socket.SOCK_DGRAM else socket.AF_UNIX
    log = Log()
    with socket.socket(family, kind) as handed:
        listen = [ListenSettings(address="systemd:smtp")]
        sockets = {"smtp": [handed]}
        door = Door(policy(log), listen, Store(), SystemClock(), Ids(), log.emit, log, sockets)
        with pytest.raises(OSError, match="systemd:smtp: what was handed in is no TCP socket"):
            await door.start()
        await door.drain()
