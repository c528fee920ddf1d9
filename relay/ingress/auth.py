"""AUTH: names and passwords against argon2id hashes, off the loop, slower with each failure.

A name that is not known costs the same time as one that is. What was said is never logged.
One password of a client is looked at after the other, and a failure counts before the next: many
sessions at once guess no faster than one. A client is an IPv4 address, or an IPv6 network of /64.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv6Address, ip_address
from typing import Final, Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from relay.store.base import Accounts

FORGOTTEN_AFTER: Final = 900.0  # seconds without a failure
LONGEST: Final = 30.0  # seconds of delay
MAX_CLIENTS: Final = 10_000
MAX_QUEUED: Final = 250  # verifications of one client: an application with as many sessions
MAX_QUEUED_AFTER_FAILURE: Final = 5
TURN: Final = 30.0  # seconds that a verification waits for those before it
MAX_TEXT: Final = 1_024  # octets of a name or a password


class TooManyAtOnceError(Exception):
    """A client has so many verifications in the queue that this one is not taken."""


class Verifies(Protocol):
    """What a session asks: here of the accounts, in a worker of the main process."""

    async def verify(self, client: str, name: bytes, password: bytes) -> str | None:
        """See Authenticator.verify. Raises TooManyAtOnceError."""
        ...


@dataclass(slots=True)
class _Queue:
    """The verifications of one client; `count` with the one that is under way."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    count: int = 0

    async def turn(self) -> None:
        """Wait until the lock is had. Raises TooManyAtOnceError."""
        try:
            async with asyncio.timeout(TURN):
                await self.lock.acquire()
        except TimeoutError:
            raise TooManyAtOnceError from None


class Authenticator:
    """Asks the accounts; remembers failures by client address."""

    def __init__(
        self,
        accounts: Accounts,
        executor: Executor,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`executor` verifies, and does nothing else, so that guesses hold up no letter: its
        threads bound how many hashes are computed at once."""
        self._accounts = accounts
        self._executor = executor
        self._monotonic = monotonic
        self._sleep = sleep
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._queues: dict[str, _Queue] = {}

    async def verify(self, client: str, name: bytes, password: bytes) -> str | None:
        """The user's name if the password is right, after the delay that the client has earned.

        Raises TooManyAtOnceError where too many of the same client wait, or wait too long.
        """
        client = _network(client)
        queue = self._queues.setdefault(client, _Queue())
        if queue.count >= (MAX_QUEUED_AFTER_FAILURE if self.delay(client) else MAX_QUEUED):
            raise TooManyAtOnceError
        queue.count += 1
        try:
            await queue.turn()
            try:
                return await self._verified(client, name, password)
            finally:
                queue.lock.release()
        finally:
            queue.count -= 1
            if not queue.count:
                del self._queues[client]

    async def _verified(self, client: str, name: bytes, password: bytes) -> str | None:
        delay = self.delay(client)
        if delay:
            await self._sleep(delay)
        user = _text(name)
        secret = None
        if user is not None and len(password) <= MAX_TEXT:
            account = await self._accounts.account(user)
            secret = account.secret if account else None
        loop = asyncio.get_running_loop()
        if await loop.run_in_executor(self._executor, _is_right, secret, password):
            self._failures.pop(client, None)
            return user
        self._failed(client)
        return None

    def delay(self, client: str) -> float:
        """Seconds before this client's next answer: 0, 1, 2, 4 … 30."""
        count, at = self._failures.get(_network(client), (0, 0.0))
        if not count or self._monotonic() - at > FORGOTTEN_AFTER:
            return 0.0
        return min(2.0 ** (min(count, 10) - 1), LONGEST)

    def _failed(self, client: str) -> None:
        count, at = self._failures.pop(client, (0, 0.0))
        now = self._monotonic()
        if now - at > FORGOTTEN_AFTER:
            count = 0
        self._failures[client] = (count + 1, now)
        while len(self._failures) > MAX_CLIENTS:
            self._failures.popitem(last=False)


def _network(client: str) -> str:
    """What counts as one client: whoever has an IPv6 address has 2^64 of them."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if not isinstance(address, IPv6Address):
        return client
    return str(IPv6Address(int(address) >> 64 << 64))


def _text(octets: bytes) -> str | None:
    if not 0 < len(octets) <= MAX_TEXT or b"\0" in octets:
        return None
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return None


@cache
def _nobody() -> str:
    """A hash that no password is right for, to spend the same time on."""
    return PasswordHasher().hash(b"nobody")


def _is_right(secret: str | None, password: bytes) -> bool:
    try:
        PasswordHasher().verify(secret if secret is not None else _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return secret is not None
