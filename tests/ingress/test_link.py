"""The link between a worker and the main process: frames, bounds, ends."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from relay.ingress import link as links
from relay.ingress.link import Fault, Link, LinkLost, Parts, ProtocolError, Said
from relay.ingress.memory import Memory


class End:
    """Answers with what it is asked; remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[Any]]] = []
        self.gate: asyncio.Event | None = None
        self.asked = 0

    async def answer(self, word: str, said: list[Any], parts: Parts) -> Said:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if word == "fail":
            raise ValueError("it cannot be")
        if word == "slow":
            await asyncio.sleep(0.05)
        return [word, *said], parts

    def hear(self, word: str, said: list[Any]) -> None:
        self.told.append((word, said))


async def opened(end: End, sock: socket.socket, memory: Memory | None = None) -> Link:
    reader, writer = await asyncio.open_unix_connection(sock=sock, limit=links.READ)
    return Link(reader, writer, end.answer, end.hear, memory)


@asynccontextmanager
async def pair(memory: Memory | None = None) -> AsyncIterator[tuple[Link, Link, End]]:
    """Two ends; the second one's questions are bounded by `memory`, and its End is the third."""
    ours, theirs = socket.socketpair()
    far = End()
    left, right = await opened(End(), ours), await opened(far, theirs, memory)
    running = [asyncio.create_task(one.run()) for one in (left, right)]
    try:
        yield left, right, far
    finally:
        left.close()
        right.close()
        await asyncio.gather(*running)


async def test_questions_are_answered_by_number_in_any_order() -> None:
    async with pair() as (left, right, far):
        slow = asyncio.create_task(left.ask("slow", 1))
        said, parts = await left.ask("quick", "ü\udcff", parts=[b"\0\xff", b""])
        assert not slow.done()
        assert (said, list(parts)) == (["quick", "ü\udcff"], [b"\0\xff", b""])
        assert (await slow)[0] == ["slow", 1]
        assert (await right.ask("back"))[0] == ["back"]  # either end asks
        left.tell("status", 3, True)
        await left.ask("afterwards")
        assert far.told == [("status", [3, True])]


async def test_a_fault_names_its_kind() -> None:
    async with pair() as (left, _, _):
        with pytest.raises(Fault, match="it cannot be") as raised:
            await left.ask("fail")
        assert raised.value.kind == "ValueError"


async def test_who_waits_for_an_end_that_goes_hears_of_it() -> None:
    async with pair() as (left, right, far):
        far.gate = asyncio.Event()
        asked = asyncio.create_task(left.ask("take", parts=[b"x"]))
        while not far.asked:
            await asyncio.sleep(0.001)
        right.close()
        with pytest.raises(LinkLost):
            await asked
        with pytest.raises(LinkLost):
            await left.ask("more")
        left.tell("nobody hears it")
        # What was asked is done all the same.
        far.gate.set()
        await right.settle()


async def test_one_that_no_longer_waits_disturbs_nobody() -> None:
    async with pair() as (left, _, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await left.ask("slow")
        assert (await left.ask("quick"))[0] == ["quick"]


async def test_what_is_over_the_memory_waits_unread() -> None:
    memory = Memory(1_000_000)
    async with pair(memory) as (left, right, far):
        far.gate = asyncio.Event()
        big = b"x" * 900_000
        asked = [asyncio.create_task(left.ask("take", n, parts=[big])) for n in range(9)]
        while memory.used < len(big):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        seen = (far.asked, memory.used, left.unsent)
        far.gate.set()
        assert [(await one)[0][1] for one in asked] == list(range(9))
        # One within the bound, and one that may always go on; some more was read ahead.
        assert seen[0] <= 2 and seen[1] < 2.5 * len(big) and seen[2] > 2 * len(big)
        await right.settle()
        assert memory.used == 0


HEAD = struct.Struct("!BBIIH")


@pytest.mark.parametrize(
    "octets",
    [
        HEAD.pack(2, 0, 6, 0, 1) + b"\0\0\0\2[]",  # another version
        HEAD.pack(1, 9, 6, 0, 1) + b"\0\0\0\2[]",  # no kind
        HEAD.pack(1, 0, links.MAX_FRAME + 1, 0, 1),
        HEAD.pack(1, 0, 6, 0, 0) + b"\0\0\0\2[]",  # no parts
        HEAD.pack(1, 0, 6, 0, 2) + b"\0\0\0\2[]",  # more parts than octets
        HEAD.pack(1, 0, 6, 0, 1) + b"\0\0\0\3[]",  # a part longer than the frame
        HEAD.pack(1, 0, 6, 0, 1) + b"\0\0\0\2[]",  # no word
        HEAD.pack(1, 0, 6, 0, 1) + b"\0\0\0\2{}",
        HEAD.pack(1, 0, 6, 0, 1) + b"\0\0\0\2[,",
        b"EHLO localhost\r\n",
    ],
)
async def test_what_is_no_frame_ends_the_link(octets: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        link = await opened(End(), theirs)
        ours.sendall(octets)
        with pytest.raises(ProtocolError):
            await link.run()
        assert link.is_lost


async def test_half_a_frame_is_an_end() -> None:
    memory = Memory(1000)
    ours, theirs = socket.socketpair()
    with ours:
        link = await opened(End(), theirs, memory)
        ours.sendall(HEAD.pack(1, 1, 100, 1, 1) + b"\0\0\0")
        ours.shutdown(socket.SHUT_WR)
        await link.run()
        assert link.is_lost and memory.used == 0


async def test_a_frame_over_the_bound_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pair() as (left, _, _):
        monkeypatch.setattr(links, "MAX_FRAME", 1000)
        with pytest.raises(ValueError, match="take has 2016 octets"):
            await left.ask("take", parts=[b"x" * 2000])
        assert (await left.ask("quick"))[0] == ["quick"]
