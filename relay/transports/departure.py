"""Departures: the last edits of a letter's header, then its signature; nothing changes after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Final

from relay.clock import Clock
from relay.filters.base import Departure
from relay.mail.address import AddressError, parse_domain
from relay.mail.dkim import Key, SigningError, sign
from relay.mail.headers import Headers
from relay.mail.report_reading import RETURN_FIELD
from relay.transports.base import Job
from relay.transports.turn import LoopTurn

SIGNED_AT_ONCE: Final = 4  # to a turn of the loop: 1.5 ms, and 7 on a slow machine
Depart = Callable[[Departure], Awaitable[Headers]]
Signed = Callable[[float], None]
SiblingsOf = Callable[[Job], Awaitable[int]]
SenderOf = Callable[[Job], str]


class DepartureError(Exception):
    """A filter or the signer failed: our own fault, so the letter waits and is never bounced."""


class Departures:
    """Makes the header block that leaves.

    ``keys`` may be replaced at any time by another mapping From domain → key; a domain without
    one goes unsigned. ``executor`` None signs on the loop, which holds it for 0.3 ms a letter;
    two threads cost a tenth to a third more CPU and send up to a quarter more letters a second,
    where a core is free for them (tests/bench/client.py). In virtual time it must be None.
    """

    def __init__(
        self,
        depart: Depart,
        keys: Mapping[str, Key],
        clock: Clock,
        executor: Executor | None = None,
        on_signed: Signed | None = None,
        siblings_of: SiblingsOf | None = None,
        sender_of: SenderOf | None = None,
    ) -> None:
        """``on_signed`` is told the seconds a signature took; ``siblings_of`` how many deliveries
        of the job's letter go to the same provider (None: as many as the letter has, an upper
        bound); ``sender_of`` gives a job of one delivery its own envelope sender."""
        self.depart = depart
        self.keys = keys
        self._clock = clock
        self._executor = executor
        self._signing = LoopTurn(SIGNED_AT_ONCE)
        self._on_signed = on_signed
        self._siblings_of = siblings_of or _upper_bound
        self._sender_of = sender_of

    def sender(self, job: Job) -> str:
        """The envelope sender that the job leaves with: the letter's own, or one by which a late
        report finds this delivery again. `<>` stays `<>`: a report on a report is never asked for.
        """
        own = job.letter.sender
        return self._sender_of(job) if own and self._sender_of is not None else own

    async def head(self, job: Job) -> bytes:
        """The header block of the job's transaction, its signature on top, no blank line.

        Several deliveries in one transaction share it; the filters see the first of them.
        Raises DepartureError.
        """
        try:
            siblings = await self._siblings_of(job)
        except Exception as error:
            raise DepartureError(f"{type(error).__name__}: {error}") from error
        departure = Departure(
            letter=job.letter,
            delivery=job.deliveries[0],
            headers=Headers.parse(job.letter.head),
            provider=job.route.destination.provider,
            now=self._clock.now(),
            siblings_at_provider=siblings,
        )
        try:
            headers = await self.depart(departure)
            if (sender := self.sender(job)) != job.letter.sender:
                headers = headers.add(RETURN_FIELD, sender)
            return await self._signed(headers, departure)
        except (SigningError, ValueError) as error:
            raise DepartureError(str(error)) from error
        except Exception as error:
            raise DepartureError(f"{type(error).__name__}: {error}") from error

    async def _signed(self, headers: Headers, departure: Departure) -> bytes:
        letter = departure.letter
        headers = headers.mended()
        key = self._key(letter.particulars.from_domain)
        if key is None:
            return headers.to_bytes()
        signing = partial(sign, headers.fields, letter.body_hash, key, departure.now)
        started = self._clock.monotonic()
        if self._executor is None:
            await self._signing.take()
            started = self._clock.monotonic()
            signature = signing()
        else:
            loop = asyncio.get_running_loop()
            signature = await loop.run_in_executor(self._executor, signing)
        if self._on_signed is not None:
            self._on_signed(self._clock.monotonic() - started)
        return signature + headers.to_bytes()

    def _key(self, domain: str | None) -> Key | None:
        if domain is None:
            return None
        key = self.keys.get(domain)
        if key is not None:
            return key
        try:
            return self.keys.get(parse_domain(domain).name)
        except AddressError:
            return None


async def _upper_bound(job: Job) -> int:
    return job.letter.recipients
