"""No letter holds up the others: the loop's lag is measured while hostile and huge ones come in.

The promise is 50 ms, in the best of three tries: a busy machine spoils one now and then, a fault of
the door spoils them all. A machine that is slower than the one for which it was made has as much
more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.ingress.house import House, house

BOUND = 0.05  # seconds
REFERENCE = 0.010  # seconds that `work` takes where the promise was made
TRIES = 3
MIB = 1024 * 1024


def work() -> float:
    """Processor's seconds of something that only a quicker machine does quicker."""
    began, total = time.process_time(), 0
    for n in range(200_000):
        total += n & 7
    return time.process_time() - began


@pytest.fixture(scope="module")
def bound() -> float:
    """The promise, as this machine can keep it."""
    return BOUND * max(1.0, min(work() for _ in range(5)) / REFERENCE)


@asynccontextmanager
async def ticking() -> AsyncIterator[list[float]]:
    """Collects how late a tick of 5 ms comes, in time that this process itself used meanwhile:
    what others took of the machine is not the door's doing."""
    late: list[float] = []

    async def tick() -> None:
        while True:
            started, used = time.perf_counter(), time.process_time()
            await asyncio.sleep(0.005)
            passed, worked = time.perf_counter() - started, time.process_time() - used
            late.append(min(passed - 0.005, worked))

    ticker = asyncio.ensure_future(tick())
    await asyncio.sleep(0)
    try:
        yield late
        await asyncio.sleep(0.01)  # a tick that is late is still counted
    finally:
        ticker.cancel()


def nested(depth: int) -> bytes:
    opened = b"".join(
        b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1)
        for n in range(depth)
    )
    return b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n" + opened + b"\xe9\r\n"


def many_parts(count: int) -> bytes:
    parts = b"--b\r\nContent-Type: text/plain\r\n\r\n\xe9\r\n" * count
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts + b"--b--\r\n"


def to_many(count: int) -> bytes:
    names = b",\r\n ".join(b'"Rekanan %d" <v%d@example.co.id>' % (n, n) for n in range(count))
    return b"To: " + names + b"\r\n\r\nisi\r\n"


LETTERS = {
    "a megabyte of blanks": b"\r\n" + b" " * MIB + b"x\r\n",
    "a megabyte of empty lines": b"\r\n" + b"\r\n" * (MIB // 2) + b"x\r\n",
    "25 MiB of lines": b"\r\n" + (b"x" * 76 + b"\r\n") * (25 * MIB // 78 - 10),
    "25 MiB of 8-bit lines": b"\r\n" + (b"\xe9" * 50 + b"\r\n") * (12 * MIB // 52),
    "one line of 25 MiB": b"\r\n" + b"x" * (25 * MIB - 100) + b"\r\n",
    "25 MiB of bare newlines": b"\r\n" + b"x\n" * (12 * MIB // 2) + b"\r\n",
    "10,000 nested parts": nested(10_000),
    "10,000 parts": many_parts(10_000),
    "To of 4,000 names": to_many(4_000),
    "a header of a megabyte": b"".join(b"X-%d: a\r\n" % n for n in range(60_000)) + b"\r\nx\r\n",
    "From of brackets": b"From: " + b"<(" * 50_000 + b"\r\n\r\nisi\r\n",
    "From of 20,000 names": b"From: " + b"a@b.example,\r\n " * 20_000 + b"\r\n\r\nisi\r\n",
    "a subject of encoded words": b"Subject: " + b"=?utf-8?q?=41?= " * 20_000 + b"\r\n\r\n",
}


async def deliver(here: House, letter: bytes, recipients: int = 1) -> str:
    async with here.client() as client:
        await client.begin(to=recipients)
        for at in range(0, len(letter), 256 * 1024):
            await client.say(letter[at : at + 256 * 1024])
        await client.say(b".\r\n")
        return await client.hear()


async def shortest_stall(doing: Callable[[House], Awaitable[None]], bound: float) -> float:
    """How long the loop stood still at most, in the best of the tries."""
    stalls: list[float] = []
    while len(stalls) < TRIES and (not stalls or stalls[-1] >= bound):
        async with house() as here, ticking() as late:
            await doing(here)
        stalls.append(max(late))
    return min(stalls)


@pytest.mark.parametrize("name", LETTERS)
async def test_no_letter_stalls_the_loop(name: str, bound: float) -> None:
    async def send(here: House) -> None:
        heard = await deliver(here, LETTERS[name])
        assert heard.startswith("554 5.7.1" if name.startswith("From") else "250")

    stall = await shortest_stall(send, bound)
    assert stall < bound, f"the loop stood still for {stall:.3f} s"


async def test_ten_thousand_recipients_in_one_message(bound: float) -> None:
    stall = await shortest_stall(_to_ten_thousand, bound)
    assert stall < bound, f"the loop stood still for {stall:.3f} s"


async def _to_ten_thousand(here: House) -> None:
    async with here.client() as client:
        here.store.is_light = True
        await client.ask("EHLO x")
        await client.ask("MAIL FROM:<lpse@lpse.example.go.id>")
        batch = b"".join(b"RCPT TO:<vendor%d@example.co.id>\r\n" % n for n in range(10_000))
        saying = asyncio.ensure_future(client.say(batch + b"DATA\r\n"))
        for _ in range(10_000):
            assert (await client.hear()).startswith("250")
        assert (await client.hear()).startswith("354")
        await saying
        await client.say(b".\r\n")
        assert (await client.hear()).startswith("250")
        assert len(here.store.entries[0].placements) == 10_000
