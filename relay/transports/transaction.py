"""Transaction: one letter's MAIL, RCPT, DATA and dot on a ready session; a result a recipient.

What is promised
- A recipient counts as accepted only by a 2yz after the final dot; nothing else says so.
- Once the final dot is handed over, everything but a clear 2yz, 4yz or 5yz is AMBIGUOUS: lost,
  late, junk, or our own task cancelled. Before that dot nothing can have been delivered.
- The letter is never sent to nobody: where no RCPT was accepted and DATA is answered with 354
  all the same, a lone dot goes out, and the session is given up (RFC 2920 3.1).
- The dialogue never gets out of step: whoever cannot say which reply answers what, is `is_spent`;
  refusals that were read before that shows are nobody's, since they may be another recipient's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from relay.mail.delivery import Failure, FailureKind
from relay.mail.reply import Reply, Stage
from relay.transports import commands
from relay.transports.commands import Parcel
from relay.transports.deadlines import Deadlines
from relay.transports.reading import NotSmtp, Spoken
from relay.transports.stuffing import Outgoing
from relay.transports.wire import Lost, Wire

LOG: Final = logging.getLogger(__name__)
Result = Reply | Failure
CLOSING: Final = 421  # RFC 5321 3.8: the server hangs up after it
_TURN: Final = 8  # blocks between two looks at the rest of the loop's work


class Ended(Exception):
    """The dialogue cannot go on; ``result`` says why."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.text)
        self.result = result


class OutOfStep(Ended):
    """An answer too many or too few: which RCPT the earlier ones answered is not known either."""

    def __init__(self, text: str, stage: Stage) -> None:
        super().__init__(Failure(FailureKind.PROTOCOL, text, stage))


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of a transaction, one result a recipient in the parcel's order.

    ``sha256`` is None where the content was not sent whole. ``is_answered`` False: the server
    said nothing at all, not even to MAIL.
    """

    results: tuple[Result, ...]
    sha256: bytes | None
    is_answered: bool
    unwritten: int  # addressees whose RCPT was never written
    was_stopped: bool = False  # our task was cancelled after the dot


async def read(wire: Wire, stage: Stage, seconds: float) -> Spoken:
    """The next reply. Raises Ended with the failure where there is none."""
    try:
        return await wire.spoken(seconds)
    except TimeoutError:
        text = f"no reply within {seconds:g} s"
        raise Ended(Failure(FailureKind.TIMEOUT, text, stage)) from None
    except Lost as error:
        raise Ended(Failure(FailureKind.LOST, str(error), stage)) from None
    except NotSmtp as error:
        text = f"what the server said is no SMTP: {error}"
        raise Ended(Failure(FailureKind.PROTOCOL, text, stage)) from None


class Transaction:
    """One transaction. `run` writes its first octets before it waits for anything."""

    def __init__(
        self,
        wire: Wire,
        parcel: Parcel,
        offered: Mapping[str, str],
        deadlines: Deadlines,
        is_pipelined: bool,
    ) -> None:
        self._wire = wire
        self._parcel = parcel
        self._offered = offered
        self._deadlines = deadlines
        self._is_pipelined = is_pipelined
        self._results: list[Result | None] = [None] * len(parcel.addressees)
        self._is_answered = False
        self._sha256: bytes | None = None
        self._written = 0
        self._was_stopped = False
        self.needs_reset = False  # the server still holds an open transaction
        self.is_spent = False  # the session can carry nothing more

    async def run(self) -> Carried:
        """Carry it. Never raises for what the server does; CancelledError only before the dot."""
        try:
            is_ready = await (self._in_one() if self._is_pipelined else self._step_by_step())
            if is_ready:
                await self._content()
        except Ended as end:
            self.is_spent = True
            if isinstance(end, OutOfStep):
                self._results = [None] * len(self._results)
            self._settle(end.result)
        except asyncio.CancelledError:
            self.is_spent = True
            raise
        except Exception as error:  # a fault of ours: no reason to lose or to repeat a letter
            LOG.exception("a transaction failed within the relay")
            self.is_spent = True
            text = f"a fault within the relay: {type(error).__name__}: {error}"
            is_sent = self._sha256 is not None
            own = Failure(FailureKind.PROTOCOL, text, Stage.DATA)
            self._settle(_ambiguous(text) if is_sent else own)
        gap = Failure(FailureKind.PROTOCOL, "the dialogue ended without a result", Stage.DATA)
        results = tuple(result or gap for result in self._results)
        unwritten = len(results) - self._written
        return Carried(results, self._sha256, self._is_answered, unwritten, self._was_stopped)

    # MAIL, RCPT, DATA

    async def _in_one(self) -> bool:
        lines = [commands.rcpt(to, self._offered) for to in self._parcel.addressees]
        first = commands.mail(self._parcel, self._offered)
        self._written = len(lines)
        self._wire.write(b"".join([first, *lines, b"DATA\r\n"]))
        is_open = self._mail(await self._read(Stage.MAIL, self._deadlines.mail))
        for n in range(len(lines)):
            spoken = await self._read(Stage.RCPT, self._deadlines.rcpt)
            if is_open:
                self._rcpt(n, spoken)
        spoken = await self._read(Stage.DATA, self._deadlines.data)
        return await self._data(spoken, is_open)

    async def _step_by_step(self) -> bool:
        self._wire.write(commands.mail(self._parcel, self._offered))
        if not self._mail(await self._only(Stage.MAIL, self._deadlines.mail)):
            return False
        for n, to in enumerate(self._parcel.addressees):
            self._written += 1
            self._wire.write(commands.rcpt(to, self._offered))
            self._rcpt(n, await self._only(Stage.RCPT, self._deadlines.rcpt))
        if all(self._results):
            self.needs_reset = True
            return False
        self._wire.write(b"DATA\r\n")
        return await self._data(await self._read(Stage.DATA, self._deadlines.data), True)

    def _mail(self, spoken: Spoken) -> bool:
        if spoken.code // 100 == 2:
            return True
        self._settle(self._refusal(spoken, Stage.MAIL))
        return False

    def _rcpt(self, n: int, spoken: Spoken) -> None:
        if spoken.code // 100 != 2:
            self._results[n] = self._refusal(spoken, Stage.RCPT)

    async def _data(self, spoken: Spoken, is_open: bool) -> bool:
        is_wanted = None in self._results
        if spoken.code // 100 == 3:
            if not is_wanted:
                await self._lone_dot()
            return is_wanted
        self._settle(self._refusal(spoken, Stage.DATA))
        self.needs_reset = is_open
        return False

    async def _lone_dot(self) -> None:
        # A server that takes a letter for nobody may mean anything by its next replies, too.
        self.is_spent = True
        self._wire.write(b".\r\n")
        await self._read(Stage.EOD, self._deadlines.data)

    # The content

    async def _content(self) -> None:
        outgoing = Outgoing(self._parcel.head, self._parcel.body)
        for n, block in enumerate(outgoing, 1):
            if self._wire.has_reply or self._wire.is_broken:
                raise self._too_early(await self._read(Stage.DATA, self._deadlines.data))
            self._wire.write(block)
            if not outgoing.is_ended:
                await self._pace(n)
        self._sha256 = outgoing.sha256
        await self._last_reply()

    async def _pace(self, n: int) -> None:
        try:
            await self._wire.drain(self._deadlines.block)
        except TimeoutError:
            text = f"no octet was taken for {self._deadlines.block:g} s"
            raise Ended(Failure(FailureKind.TIMEOUT, text, Stage.DATA)) from None
        if n % _TURN == 0:
            await asyncio.sleep(0)

    def _too_early(self, spoken: Spoken) -> Ended:
        if spoken.code >= 400:
            return Ended(spoken.reply(Stage.DATA))
        return OutOfStep(f"{spoken.code} was said before the letter's end", Stage.DATA)

    async def _last_reply(self) -> None:
        try:
            spoken = await self._read(Stage.EOD, self._deadlines.dot)
        except Ended as end:
            raise Ended(_ambiguous(end.result.text)) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            self._was_stopped = True
            if not self._wire.has_reply:
                raise Ended(_ambiguous("the relay stopped while it waited")) from None
            spoken = await self._read(Stage.EOD, 0)
        if spoken.code // 100 == 3:
            raise Ended(_ambiguous(f"{spoken.code} was said after the letter's end"))
        self.is_spent = spoken.code == CLOSING or self._was_stopped
        self._settle(spoken.reply(Stage.EOD))

    # Results

    async def _read(self, stage: Stage, seconds: float) -> Spoken:
        spoken = await read(self._wire, stage, seconds)
        self._is_answered = True
        return spoken

    async def _only(self, stage: Stage, seconds: float) -> Spoken:
        """The one reply to the one command. Raises Ended where there are more of them."""
        spoken = await self._read(stage, seconds)
        if self._wire.has_reply:
            raise OutOfStep(f"more than one answer to {stage.name}", stage)
        return spoken

    def _refusal(self, spoken: Spoken, stage: Stage) -> Reply:
        """A refusal's reply. Raises Ended where the dialogue ends with it."""
        if spoken.code < 400:
            raise OutOfStep(f"{spoken.code} is no answer to {stage.name}", stage)
        reply = spoken.reply(stage)
        if spoken.code == CLOSING:
            raise Ended(reply)
        return reply

    def _settle(self, result: Result) -> None:
        """Give the result to all who have none of their own."""
        self._results = [own or result for own in self._results]


def _ambiguous(text: str) -> Failure:
    return Failure(FailureKind.AMBIGUOUS, f"after the final dot: {text}", Stage.EOD)
