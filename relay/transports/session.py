"""Session: a greeted connection that carries letters one after another, RFC 5321's client side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from relay.mail.reply import Stage
from relay.transports.commands import Parcel
from relay.transports.deadlines import Deadlines
from relay.transports.transaction import Carried, Ended, Transaction, read
from relay.transports.wire import Wire

QUIT: Final = b"QUIT\r\n"
RESET: Final = b"RSET\r\n"


class Session:
    """A ready session: EHLO, TLS and AUTH are behind it.

    ``mx`` is the host's name, ``ip`` its address, ``source_ip`` ours; ``offered`` are EHLO's
    keywords in upper case with their parameters; ``carried`` counts letters begun.
    """

    def __init__(
        self, wire: Wire, mx: str, offered: Mapping[str, str], deadlines: Deadlines
    ) -> None:
        self.wire = wire
        self.mx = mx
        self.offered = offered
        self.source_ip, self.ip = wire.peer
        self.tls = wire.tls
        self.carried = 0
        self.is_helo_only = False  # it hung up on EHLO: what it offers is not known
        self.is_last = False  # hang up after the letter that it carries now
        self._deadlines = deadlines
        self._needs_reset = False
        self._is_spent = False

    @property
    def is_usable(self) -> bool:
        """True while it may carry another letter, as far as we know."""
        return not self._is_spent and self.wire.is_quiet

    @property
    def still_stands(self) -> bool:
        """True while it may carry another letter, as far as the kernel knows too."""
        return not self._is_spent and self.wire.still_stands

    @property
    def has_pipelining(self) -> bool:
        """True where the server offers PIPELINING."""
        return "PIPELINING" in self.offered

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Call back once when the connection has ended; at once if it already has."""
        if self.wire.is_gone:
            callback()
        else:
            self.wire.on_gone = callback

    async def make_ready(self) -> bool:
        """RSET where the last letter left a transaction open. False: it is of no more use."""
        if not self._needs_reset:
            return self.is_usable
        self.wire.write(RESET)
        try:
            spoken = await read(self.wire, Stage.RSET, self._deadlines.mail)
        except Ended:
            return False
        self._needs_reset = False
        return spoken.code // 100 == 2 and self.is_usable

    async def carry(self, parcel: Parcel, is_pipelined: bool) -> Carried:
        """One transaction, begun at once: MAIL is written before anything is waited for.

        Raises CancelledError before the final dot only; see Transaction.
        """
        self.carried += 1
        is_pipelined = is_pipelined and self.has_pipelining
        transaction = Transaction(self.wire, parcel, self.offered, self._deadlines, is_pipelined)
        self._is_spent = True  # until it is known to have ended well
        carried = await transaction.run()
        self._needs_reset = transaction.needs_reset
        self._is_spent = transaction.is_spent
        return carried

    async def quit(self) -> None:
        """Say goodbye and close, with RSET first if a transaction is open; never fails."""
        if not self.is_usable:
            self.wire.abort()
            return
        if self._needs_reset:
            self.wire.write(RESET + QUIT if self.has_pipelining else RESET)
        else:
            self.wire.write(QUIT)
        try:
            if self._needs_reset:
                await read(self.wire, Stage.RSET, self._deadlines.quit)
                if not self.has_pipelining:
                    self.wire.write(QUIT)
            await read(self.wire, Stage.QUIT, self._deadlines.quit)
        except Ended:
            self.wire.abort()
        else:
            self.wire.close()

    async def gone(self) -> None:
        """Wait until the connection has ended, after `quit` or `abort`."""
        await self.wire.gone()

    def abort(self) -> None:
        """Close at once."""
        self._is_spent = True
        self.wire.abort()
