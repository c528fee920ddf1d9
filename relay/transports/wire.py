"""Wire: one TCP connection to a server: octets out with back-pressure, replies in with deadlines.

An asyncio Protocol of its own, since a stream reader costs a task switch a line. One task at a
time may wait here. What was said before the connection broke is still given out.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

from relay.transports.reading import NotSmtp, ReplyReader, Spoken

HIGH_WATER: Final = 128 * 1024  # octets waiting to be sent; above it writing pauses


class Lost(Exception):
    """The connection is gone; the message says how."""


class Wire(asyncio.Protocol):
    """One connection. `on_gone` is called once, when it has ended."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._fault: Lost | NotSmtp | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._is_paused = False
        self._poll: select.poll | None = None
        self._is_gone = False
        self._gone = self._loop.create_future()
        self.on_gone: Callable[[], None] | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        # Not asyncio's own class where another loop (uvloop) made it.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        found = transport.get_extra_info("socket")
        if found is not None:  # none in a simulated network
            self._poll = select.poll()
            self._poll.register(found.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        try:
            self._reader.feed(data)
        except NotSmtp as error:
            self._end(error)
            return
        if self._reader.replies:
            self._wake()

    def eof_received(self) -> bool:
        """The server will say no more."""
        self._end(Lost("the server closed the connection"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end(Lost(str(exc) if exc else "the connection was closed"))
        if self._timer is not None:
            self._timer.cancel()
        if not self._is_gone:
            self._is_gone = True
            self._gone.set_result(None)
            if self.on_gone is not None:
                self.on_gone()

    def pause_writing(self) -> None:
        """Too much waits to be sent."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._is_paused = False
        self._wake()

    # What a session asks.

    @property
    def is_gone(self) -> bool:
        """True once the connection has ended."""
        return self._is_gone

    @property
    def is_broken(self) -> bool:
        """True once nothing more will come: closed, lost, or no SMTP."""
        return self._fault is not None

    @property
    def has_reply(self) -> bool:
        """True where a reply waits to be read."""
        return bool(self._reader.replies)

    @property
    def is_quiet(self) -> bool:
        """True for a connection that stands, on which nothing came that was not asked for."""
        if self._fault is not None or self._transport is None or self._transport.is_closing():
            return False
        return self._reader.is_clean

    @property
    def still_stands(self) -> bool:
        """The same, and the kernel is asked whether a close waits that the loop has not seen."""
        return self.is_quiet and not self._is_readable()

    @property
    def is_clean(self) -> bool:
        """True where no octet came beyond the replies that were read."""
        return self._reader.is_clean

    @property
    def peer(self) -> tuple[str, str]:
        """Our address and theirs."""
        own, their = self._extra("sockname"), self._extra("peername")
        return (str(own[0]) if own else ""), (str(their[0]) if their else "")

    @property
    def tls(self) -> str | None:
        """``TLSv1.3 TLS_AES_256_GCM_SHA384``; None in the clear."""
        found = self._extra("ssl_object")
        if found is None:
            return None
        cipher = found.cipher()
        return f"{found.version()} {cipher[0]}" if cipher else str(found.version())

    def write(self, data: bytes) -> None:
        """Send, now or as soon as there is room; a broken connection shows at the next reading."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self, seconds: float) -> None:
        """Wait until there is room, a reply came or the connection ended. Raises TimeoutError."""
        until = self._loop.time() + seconds
        while self._is_paused and self._fault is None and not self._reader.replies:
            await self._event(until)

    async def spoken(self, seconds: float) -> Spoken:
        """The next reply, complete within that time. Raises TimeoutError, Lost, NotSmtp."""
        replies = self._reader.replies
        if not replies:
            until = self._loop.time() + seconds
            while not replies:
                if (fault := self._fault) is not None:
                    # A copy: as it is raised it learns of us, and would keep what it has ended.
                    raise type(fault)(*fault.args)
                await self._event(until)
        return replies.popleft()

    async def start_tls(
        self, context: ssl.SSLContext, name: str, seconds: float, farewell: float
    ) -> None:
        """Encrypt within ``seconds``; at the end the goodbye of TLS may take ``farewell``.

        Raises OSError (ssl.SSLError among them); the connection is useless then."""
        assert self._transport is not None  # noqa: S101 - typing
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                context,
                server_hostname=name,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=farewell,
            )
        except OSError as error:
            error.__traceback__ = None  # asyncio's frames in it know us, and the error
            raise
        if transport is None or self._fault is not None:
            raise ConnectionResetError("the connection was lost during the TLS handshake")
        self._transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER)

    async def gone(self) -> None:
        """Wait until the connection has ended, after `close` or `abort`."""
        if self._transport is not None:
            await asyncio.shield(self._gone)

    def close(self) -> None:
        """Close once all is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what was not sent is dropped."""
        if self._transport is not None:
            self._transport.abort()

    # Within.

    def _extra(self, name: str) -> Any:
        return self._transport.get_extra_info(name) if self._transport is not None else None

    def _is_readable(self) -> bool:
        return self._poll is not None and bool(self._poll.poll(0))

    def _end(self, fault: Lost | NotSmtp) -> None:
        if self._fault is None:
            self._fault = fault
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _event(self, until: float) -> None:
        """Wait for anything to happen. Raises TimeoutError at that time of the loop's clock."""
        self._waiter = self._loop.create_future()
        self._arm(until)
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _arm(self, until: float) -> None:
        # One timer serves many waits: left to fire early and set anew, it costs a letter nothing.
        self._deadline = until
        if self._timer is not None:
            if self._timer_at <= until:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(until, self._tick)
        self._timer_at = until

    def _tick(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._timer_at < self._deadline:
            self._arm(self._deadline)
        else:
            self._waiter.set_exception(TimeoutError())
