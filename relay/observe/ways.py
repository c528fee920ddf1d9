"""Ways: how a message leaves the house — a webhook, a command, a letter — each a blocking try.

Contract: `carry` is called in a thread of its own, which ends with the process; it returns when the
message arrived, and raises Undelivered when it did not. Nothing here touches the relay's queue, its
connections or its loop. A try has a time limit; a thread that outlives it is let go, and no second
one is begun beside it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from relay.observe.notice import Message

TRY: Final = 30.0  # seconds that one try may take, all in all
T = TypeVar("T")


class Undelivered(Exception):
    """The message did not arrive; `is_lasting` where the same try again would not help."""

    def __init__(self, why: str, is_lasting: bool = False) -> None:
        super().__init__(why)
        self.is_lasting = is_lasting


class Way(Protocol):
    """One configured way."""

    @property
    def to(self) -> str:
        """Where it leads, for people; never a secret."""
        ...

    def carry(self, message: Message) -> str:
        """One try; returns what the other side said, for the log. Raises Undelivered."""
        ...


class Carrier:
    """Calls a way from the loop: one try at a time, each in a thread, each within its limit."""

    def __init__(self, way: Way, limit: float = TRY) -> None:
        """`limit` in seconds."""
        self.way = way
        self._limit = limit
        self._turn = asyncio.Lock()
        self._is_out = False  # a thread is at it, waited for or not

    async def carry(self, message: Message) -> str:
        """One try. Raises Undelivered."""
        async with self._turn:
            if self._is_out:
                raise Undelivered(f"the try before has not ended after {self._limit:g} s")
            outcome = self._begin(lambda: self.way.carry(message))
            try:
                async with asyncio.timeout(self._limit):
                    return await outcome
            except TimeoutError:
                raise Undelivered(f"it took longer than {self._limit:g} s") from None

    def _begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def ended(give: Callable[[], None]) -> None:
            self._is_out = False
            if not outcome.done():
                give()

        def end(give: Callable[[], None]) -> None:
            try:
                loop.call_soon_threadsafe(ended, give)
            except RuntimeError:
                return  # the loop has ended: nobody waits for it any more

        def run() -> None:
            try:
                result = work()
            except Undelivered as error:
                refused = error
                end(lambda: outcome.set_exception(refused))
            except Exception as error:  # whatever a library raises: said, and tried again
                wrapped = Undelivered(f"{type(error).__name__}: {error}")
                end(lambda: outcome.set_exception(wrapped))
            else:
                end(lambda: outcome.set_result(result))

        try:
            threading.Thread(target=run, name="alert", daemon=True).start()
        except RuntimeError as error:
            raise Undelivered(str(error)) from None  # no room for one more thread
        self._is_out = True  # `ended` runs in the loop, so not before this
        return outcome
