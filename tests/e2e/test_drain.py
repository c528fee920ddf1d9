"""The end by TERM: what is open may finish, what hangs is told or settled, nothing is lost."""

from __future__ import annotations

import asyncio
import signal
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.site import FAST, LETTER, SENDER, Site, site
from tests.peers.ports import free_port

SHORT = FAST + "ingress: {drain_sessions: 1s, drain_replies: 1s}\n"
IN_TIME = 25.0  # seconds: below the 30 that sessions are given by default


async def stopped(world: Site) -> int:
    """TERM, and the exit code; a drain that hangs is the test's failure."""
    async with asyncio.timeout(IN_TIME):
        return await world.relay.stop(signal.SIGTERM)


async def test_a_session_that_does_not_finish_is_told_451(tmp_path: Path) -> None:
    async with site(tmp_path, extra=SHORT) as world:
        client = await asyncio.to_thread(smtplib.SMTP, *world.door, timeout=30)
        client.ehlo()
        client.mail(SENDER)
        stopping = asyncio.create_task(stopped(world))
        code, text = await asyncio.to_thread(client.getreply)
        assert (code, text[:3]) == (451, b"4.3")
        client.close()
        assert await stopping == 0


async def test_nobody_new_comes_in_while_it_drains(tmp_path: Path) -> None:
    # Where no other relay of this machine is: it would be let in there instead.
    async with site(tmp_path, extra=SHORT, smtp=f"127.0.0.1:{free_port()}") as world:
        client = await asyncio.to_thread(smtplib.SMTP, *world.door, timeout=30)
        stopping = asyncio.create_task(stopped(world))

        async def refused() -> bool:
            try:
                _, writer = await asyncio.open_connection(*world.door)
            except ConnectionRefusedError:
                return True
            writer.close()
            return False

        async with asyncio.timeout(IN_TIME):
            while not await refused():
                await asyncio.sleep(0.02)
        client.close()
        assert await stopping == 0


class Mute:
    """A server that takes a letter and never says so."""

    def __init__(self) -> None:
        self.letters = 0
        self.got_one = asyncio.Event()

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers everything but the dot."""
        writer.write(b"220 mute.example.net\r\n")
        is_data = False
        while line := await reader.readline():
            if is_data:
                if line == b".\r\n":
                    self.letters += 1
                    self.got_one.set()
                continue
            is_data = line.upper().startswith(b"DATA")
            writer.write(b"354 go on\r\n" if is_data else b"250 fine\r\n")
        writer.close()


@asynccontextmanager
async def mute() -> AsyncIterator[tuple[Mute, int]]:
    """A mute server and its port."""
    server = Mute()
    listening = await asyncio.start_server(server.session, "127.0.0.1", 0)
    try:
        yield server, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


@pytest.mark.parametrize("count", [1, 3])
async def test_a_reply_that_does_not_come_is_settled_as_doubtful(
    tmp_path: Path, count: int
) -> None:
    async with mute() as (server, port):
        extra = SHORT + f'routes: {{"*": "smtp://127.0.0.1:{port}"}}\n'
        async with site(tmp_path, extra=extra) as world:
            await world.send(*(f"v{n}@gmail.com" for n in range(count)), content=LETTER)
            async with asyncio.timeout(IN_TIME):
                await server.got_one.wait()
            assert await stopped(world) == 0
            doubtful = [e for e in world.events("attempted") if e["failure"] == "ambiguous"]
            assert doubtful
            await world.until(lambda: server.letters == len(doubtful), "it reads what was written")
            await world.restart()
            queue = await world.queue()
            assert queue["total"] == count  # none is lost, none counts as delivered
            assert not world.events("delivered")
            await world.relay.call(
                "queue.change", change="remove", selector={"domain": "gmail.com"}, reason="done"
            )
