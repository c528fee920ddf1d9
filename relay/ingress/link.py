"""Link: frames between a worker and the main process, over one socket that only those two hold.

A frame is a head (version, kind, length, number, count of parts), the parts' lengths, and the
parts. The first part is JSON, a list of a word and its arguments; the others are octets as they
are. Either end asks and is answered by the same number, in any order, or tells without an answer.

Bounds: a frame of another version, or over :data:`MAX_FRAME`, ends the link. A question's octets
are taken from `memory` before they are read and given back when it is answered: while there is no
room, the other end is not read. What an end has not yet read is `unsent` at the other.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from relay.ingress.memory import Memory, Share

VERSION: Final = 1
MAX_FRAME: Final = 1024 * 1024 * 1024  # octets; see `settings.MOST_HANDED_OVER`
READ: Final = 1024 * 1024  # octets that are read ahead
_HEAD: Final = struct.Struct("!BBIIH")
_TELL, _ASK, _ANSWER, _FAULT = range(4)

Parts = Sequence[bytes]
Said = tuple[list[Any], Parts]
Answer = Callable[[str, list[Any], Parts], Awaitable[Said]]
Hear = Callable[[str, list[Any]], None]


class LinkLost(ConnectionError):
    """The other end is gone; whether it did what it was asked is not known."""


class ProtocolError(ValueError):
    """What came is no frame of this version."""


class Fault(Exception):
    """The other end could not do it: `kind` is its exception's name."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Link:
    """One end. Called from the loop's thread."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Answer,
        hear: Hear,
        memory: Memory | None = None,
    ) -> None:
        """`answer` and `hear` are what is done with questions and with what is told."""
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._hear = hear
        self._memory = memory
        self._asked: dict[int, asyncio.Future[Said]] = {}
        self._last = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_lost = False

    @property
    def unsent(self) -> int:
        """Octets that wait to be read by the other end, as far as is known here."""
        return self._writer.transport.get_write_buffer_size()

    def tell(self, word: str, *arguments: Any) -> None:
        """Without an answer; lost where the other end is."""
        self._send(_TELL, 0, [word, *arguments], ())

    async def ask(self, word: str, *arguments: Any, parts: Parts = ()) -> Said:
        """Raises Fault, LinkLost."""
        if self.is_lost:
            raise LinkLost("the other end is gone")
        self._last = self._last % 0xFFFFFFFF + 1
        number = self._last
        answered: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self._asked[number] = answered
        try:
            self._send(_ASK, number, [word, *arguments], parts)
            return await answered
        finally:
            del self._asked[number]

    async def run(self) -> None:
        """Read until the other end is gone. Raises ProtocolError."""
        try:
            while True:
                await self._frame()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.close()

    def close(self) -> None:
        """Whoever waits for an answer hears LinkLost."""
        self.is_lost = True
        self._writer.close()
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(LinkLost("the other end is gone"))

    async def settle(self) -> None:
        """Wait until what was asked here is done, though nobody may hear of it."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- frames

    def _send(self, kind: int, number: int, said: list[Any], parts: Parts) -> None:
        if self.is_lost:
            return
        octets = [json.dumps(said, separators=(",", ":")).encode(), *parts]
        lengths = struct.pack(f"!{len(octets)}I", *map(len, octets))
        length = len(lengths) + sum(map(len, octets))
        if length > MAX_FRAME:
            raise ValueError(f"{said[0]} has {length} octets: at most {MAX_FRAME} are handed over")
        head = _HEAD.pack(VERSION, kind, length, number, len(octets))
        self._writer.writelines([head, lengths, *octets])

    async def _frame(self) -> None:
        head = await self._reader.readexactly(_HEAD.size)
        version, kind, length, number, count = _HEAD.unpack(head)
        if version != VERSION or kind > _FAULT or length > MAX_FRAME or not 0 < 4 * count <= length:
            raise ProtocolError(f"no frame of version {VERSION}: {head.hex()}")
        if kind != _ASK:
            said, parts = _parted(await self._reader.readexactly(length), count)
            self._heard(kind, number, said, parts)
            return
        share = None
        if self._memory is not None:
            share = self._memory.share()
            await share.take(length)
        try:
            said, parts = _parted(await self._reader.readexactly(length), count)
        except BaseException:
            _give_back(share)
            raise
        task = asyncio.create_task(self._answered(number, said, parts, share))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _heard(self, kind: int, number: int, said: list[Any], parts: Parts) -> None:
        if kind == _TELL:
            self._hear(said[0], said[1:])
            return
        waiting = self._asked.get(number)
        if waiting is None or waiting.done():
            return  # who asked has gone
        if kind == _ANSWER:
            waiting.set_result((said, parts))
        else:
            waiting.set_exception(Fault(*said))

    async def _answered(
        self, number: int, said: list[Any], parts: Parts, share: Share | None
    ) -> None:
        try:
            found, octets = await self._answer(said[0], said[1:], parts)
            self._send(_ANSWER, number, found, octets)
        except Exception as error:
            self._send(_FAULT, number, [type(error).__name__, str(error)], ())
        finally:
            _give_back(share)


def _give_back(share: Share | None) -> None:
    if share is not None:
        with share:
            pass


def _parted(body: bytes, count: int) -> tuple[list[Any], list[bytes]]:
    """Raises ProtocolError."""
    lengths = struct.unpack_from(f"!{count}I", body)
    if sum(lengths) != len(body) - 4 * count:
        raise ProtocolError("a frame's parts are not as long as it is")
    parts, at = [], 4 * count
    for length in lengths:
        parts.append(body[at : at + length])
        at += length
    try:
        said = json.loads(parts[0])
    except ValueError as error:
        raise ProtocolError(f"a frame begins with JSON: {error}") from None
    if not isinstance(said, list) or not said:
        raise ProtocolError("a frame begins with a list")
    return said, parts[1:]
