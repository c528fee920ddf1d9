"""Wire: one connection read in pieces and written in batches, over aiosmtpd's protocol class.

Of aiosmtpd's class run its constructor (once), what it does as a connection is made, and the fresh
session and envelope of that moment. What differs, and why
- Input is read in pieces of at most 64 KiB, never line by line, and a command ends with CRLF only.
- Replies are gathered while pipelined commands wait, and written at once, in order.
- A lost connection or an end of file does not cancel: what has been read is still answered, and a
  letter that is here to its final dot is still taken.
- One timer a session, not one a command.
- Once it has ended it is in no ring of references: it is freed at once, and with it what TLS holds,
  a quarter of a megabyte. So its parts are handed the session, and none of them keeps it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import cache
from typing import Any, Final, cast

from aiosmtpd.smtp import SMTP

from relay.ingress import answers
from relay.ingress.answers import Refused
from relay.mail.reply import Reply

PIECE: Final = 64 * 1024
MAX_LINE: Final = 12 * 1024 + 2  # AUTH's lines may be that long (RFC 4954 4)


class Over(Exception):
    """The client is gone, or is to go."""


@cache
def _template() -> SMTP:
    """What aiosmtpd's constructor makes, made once: it inspects some two hundred members, a tenth
    of a millisecond."""
    loop = asyncio.new_event_loop()
    try:
        return SMTP(None, hostname="localhost", ident="ESMTP lpse-relay", loop=loop)
    finally:
        loop.close()


class Wire(SMTP):
    """Octets in and out; what they mean is the session's."""

    line_length_limit = PIECE // 2  # asyncio stops reading at twice this
    _paused: bool  # asyncio's: the client does not read what it is told

    def __init__(
        self, handler: Any, hostname: str, idle: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        """`idle`: seconds that a client may be awaited."""
        self.__dict__.update(_template().__dict__)
        reader = asyncio.StreamReader(limit=self.line_length_limit, loop=loop)
        asyncio.StreamReaderProtocol.__init__(self, reader, loop=loop)
        self._reader = reader
        self.loop = loop
        self.event_handler = handler
        self.hostname = hostname
        self._timeout_duration = idle
        self.input = bytearray()
        self.unread = 0  # octets of replies that are gathered
        self.errors = 0  # replies that said no
        self.is_closing = False
        self.is_tls = False
        self._output: list[bytes] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._waiting_since: float | None = None
        self._is_reading = False  # it is input that is waited for
        self._is_gone = False
        self._is_done = False

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is here; its dialogue is begun."""
        super().connection_made(transport)
        way = cast(asyncio.WriteTransport, transport)
        self._writer = asyncio.StreamWriter(way, self, self._reader, self.loop)

    def connection_lost(self, error: Exception | None) -> None:
        """What is in the buffer is still read: only the writing has ended."""
        self._is_gone = True
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        # Told as an end of file: an exception would hide what was received before it.
        asyncio.StreamReaderProtocol.connection_lost(self, None)
        self.transport = None
        if self._is_done:
            self._let_go()

    def eof_received(self) -> bool | None:
        """The client has said all; it may still be listening."""
        self._reader.feed_eof()
        return not self.is_tls  # TLS has no half-closed state

    def _reset_timeout(self, duration: float | None = None) -> None:
        """One timer a session, not one a command: it looks how long the client has been awaited."""
        self._timeout_handle = self.loop.call_later(
            duration or self._timeout_duration, self._timeout_cb
        )

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, if the session has not ended by then."""
        self._timers.append(self.loop.call_later(seconds, call))

    def _timeout_cb(self) -> None:
        if self._is_done:
            self.cut()  # it never read our last words
        if self._is_gone:
            return
        since = self._waiting_since
        waited = 0.0 if since is None else self.loop.time() - since
        if waited < self._timeout_duration or self._has_more:
            self._reset_timeout(max(self._timeout_duration - waited, 0.01))
        else:
            self.hang_up(answers.IDLE)

    def hang_up(self, reply: Reply) -> None:
        """Say it and close, while the client is awaited."""
        transport = cast(asyncio.WriteTransport | None, self.transport)
        if transport is None:
            return
        if transport.get_write_buffer_size():  # it does not read either
            transport.abort()
        else:
            transport.write(b"".join(self._output) + reply.wire())
            self._output.clear()
            transport.close()

    def close(self) -> None:
        """All is said."""
        self._is_gone = self._is_done = True
        for timer in self._timers:
            timer.cancel()
        self._writer.close()
        if self.transport is None:
            self._let_go()

    def _let_go(self) -> None:
        """The dialogue and the connection are over: the writer, which knows us, is not needed."""
        del self._writer

    def cut(self) -> None:
        """Without another word."""
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).abort()

    @property
    def is_waiting(self) -> bool:
        """True while nothing but the client is waited for. False where it has just spoken: what
        it said is read next, and may be a letter's end."""
        return self._waiting_since is not None and not self._has_more

    @property
    def _has_more(self) -> bool:
        reader: Any = self._reader
        return self._is_reading and bool(reader._buffer)

    # --- reading and writing

    def say(self, reply: Reply) -> None:
        """Put a reply among those that are written next."""
        octets = reply.wire()
        self._output.append(octets)
        self.errors += reply.code >= 400
        self.unread += len(octets)

    async def flush(self) -> None:
        """Write what is gathered; wait while the client does not read."""
        if not self._output:
            return
        octets = b"".join(self._output)
        self._output.clear()
        self.unread = 0
        if self._is_gone:
            return
        try:
            self._writer.write(octets)
            if not (self._paused or self._writer.is_closing()):
                return  # drain() would wait for nothing
            self._waiting_since = self.loop.time()
            await self._writer.drain()
        except (ConnectionError, ssl.SSLError):
            self._is_gone = True
        finally:
            self._waiting_since = None

    async def more(self, since: float | None = None) -> bytes:
        """The next piece of input. Raises Over at its end."""
        if self.is_closing:
            self.say(answers.CLOSING)
            raise Over
        if self._output:
            await self.flush()
        self._waiting_since = self.loop.time() if since is None else since
        self._is_reading = True
        try:
            piece = await self._reader.read(PIECE)
        finally:
            self._waiting_since = None
            self._is_reading = False
        if not piece:
            raise Over
        return piece

    def discard(self) -> None:
        """What the client has sent and nobody has read was never said."""
        self.input.clear()
        reader: Any = self._reader
        reader._buffer.clear()
        reader._paused = False

    async def line(self, longest: int = MAX_LINE) -> bytes:
        """The next line without its CRLF. Raises Refused for one that is none or too long, once it
        is out of the way, and Over."""
        since = self.loop.time()
        while (end := self.input.find(b"\r\n")) < 0:
            if len(self.input) > MAX_LINE:
                await self._skip_line(since)
                raise Refused(answers.TOO_LONG, "syntax")
            if self.input.endswith(b"\n"):
                self.input.clear()
                raise Refused(answers.NO_LINE, "syntax")
            self.input += await self.more(since)
        line = bytes(self.input[:end])
        del self.input[: end + 2]
        if len(line) > longest:
            raise Refused(answers.TOO_LONG, "syntax")
        return line

    async def _skip_line(self, since: float) -> None:
        while (end := self.input.find(b"\r\n")) < 0:
            del self.input[:-1]
            self.input += await self.more(since)
        del self.input[: end + 2]
