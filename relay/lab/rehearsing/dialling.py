"""Dialling without sockets: a provider's hosts in the order of their MX, until one greets us.

To the next host only where one could not be talked to (refused, lost, late, no TLS), or refused us
in its banner with words that the rules know nothing of: never after a throttle or a block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from relay.clock import Clock
from relay.lab.quotas.base import Provider
from relay.mail import reply as replies
from relay.mail.delivery import Failure, FailureKind
from relay.mail.instant import HOUR, Instant
from relay.mail.reply import Reply, Stage
from relay.transports.base import Route, TlsPolicy

OUR_IP: Final = "192.0.2.1"
CONNECT: Final = 30.0  # seconds that a host which says nothing is waited for
GREETING: Final = (Stage.CONNECT, Stage.HELO)  # each a round trip
ENCRYPTING: Final = (Stage.STARTTLS, Stage.HELO)
BROKEN_TLS: Final = HOUR  # so long a host whose STARTTLS failed is spoken to in the clear

MayFallOver = Callable[[Reply, str], bool]  # after what the host of that name said
Result = Reply | Failure


@runtime_checkable
class Offering(Protocol):
    """A provider that says what its hosts offer in EHLO; one that does not offers everything."""

    def is_pipelining(self, host: str) -> bool:
        """True where EHLO offers PIPELINING."""
        ...

    def is_tls_broken(self, host: str) -> bool:
        """True where STARTTLS is offered and the handshake fails."""
        ...


@dataclass(eq=False, slots=True)
class Session:
    """A greeted connection. `number` is its own; `carried` counts letters begun."""

    provider: Provider
    host: str
    number: int
    is_encrypted: bool
    is_pipelining: bool = True
    carried: int = 0
    is_last: bool = False  # hang up after the letter that it carries now
    needs_reset: bool = False


@dataclass(frozen=True, slots=True)
class Unreached:
    """No host could be talked to, or one refused us: the result, and whose it is."""

    result: Result
    host: str = ""


class Dialler:
    """Opens sessions; remembers which hosts have a broken STARTTLS."""

    def __init__(
        self, providers: Mapping[str, Provider], clock: Clock, may_fall_over: MayFallOver
    ) -> None:
        """`providers`: by their recipients' domains."""
        self._providers = providers
        found = providers.values()
        self._offering = {id(one): one for one in found if isinstance(one, Offering)}
        self._clock = clock
        self._may_fall_over = may_fall_over
        self._number = 0
        self._clear: dict[str, Instant] = {}

    async def dial(self, route: Route, domain: str) -> Session | Unreached:
        """A ready session with the best host that answers, or why there is none."""
        provider = self._providers[domain]
        worst = Unreached(Failure(FailureKind.NO_ADDRESS, "the route names no host"))
        for host in route.hosts:
            opened = await self._try(provider, host.name, route.tls)
            if isinstance(opened, Session):
                return opened
            if not (isinstance(worst.result, Reply) and isinstance(opened.result, Failure)):
                worst = opened  # a reply tells more than a failure
            said = opened.result
            if isinstance(said, Reply) and not self._may_fall_over(said, host.name):
                return opened
        return worst

    async def _try(self, provider: Provider, host: str, tls: TlsPolicy) -> Session | Unreached:
        """One host; a second time in the clear where its STARTTLS is broken and need not be."""
        is_clear = tls == "none" or self._clock.now() < self._clear.get(host, 0)
        opened = await self._open(provider, host, is_clear and tls != "required")
        is_broken = isinstance(opened, Unreached) and (
            isinstance(opened.result, Failure) and opened.result.kind is FailureKind.TLS
        )
        if is_broken and tls == "opportunistic":
            self._clear[host] = self._clock.now() + BROKEN_TLS
            opened = await self._open(provider, host, is_clear=True)
        return opened

    async def _open(self, provider: Provider, host: str, is_clear: bool) -> Session | Unreached:
        self._number = number = self._number + 1
        answer = provider.connect(host, OUR_IP, number, self._clock.now())
        if answer is FailureKind.TIMEOUT:
            await asyncio.sleep(CONNECT)
            return Unreached(Failure(answer, f"{host} did not answer", Stage.CONNECT), host)
        try:
            await self._wait(provider, host, GREETING if answer is None else GREETING[:1])
            if isinstance(answer, FailureKind):
                return Unreached(Failure(answer, f"{host}: {answer}", Stage.CONNECT), host)
            if answer is not None:
                return Unreached(replies.parse(answer, Stage.CONNECT), host)
            offering = self._offering.get(id(provider))
            if not is_clear:
                await self._wait(provider, host, ENCRYPTING)
                if offering is not None and offering.is_tls_broken(host):
                    provider.closed(host, OUR_IP, number, self._clock.now())
                    text = f"{host}: the TLS handshake failed"
                    return Unreached(Failure(FailureKind.TLS, text, Stage.STARTTLS), host)
        except asyncio.CancelledError:
            provider.closed(host, OUR_IP, number, self._clock.now())
            raise
        is_pipelining = offering is None or offering.is_pipelining(host)
        return Session(provider, host, number, not is_clear, is_pipelining)

    async def _wait(self, provider: Provider, host: str, stages: tuple[Stage, ...]) -> None:
        now = self._clock.now()
        await asyncio.sleep(sum([provider.seconds(stage, host, now) for stage in stages]))
