"""Dialling: the hosts of a route in their order, each address in turn, until one greets us.

Fall-over to the next host only where a host could not be talked to (refused, lost, late, no TLS,
no SMTP), or refused us in its banner with words that may be this host's alone. Never after a
throttle or a block: trying the next door then is what makes a block last.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import groupby
from typing import Final, TypeVar

from relay.clock import Clock
from relay.mail.delivery import Failure, FailureKind
from relay.mail.reply import Reply, Stage
from relay.transports.base import Host, Route, TlsPolicy
from relay.transports.deadlines import Deadlines
from relay.transports.forbidden import Frontier
from relay.transports.memo import Memo
from relay.transports.opening import Opening, Plan
from relay.transports.ours import is_ours
from relay.transports.session import Session
from relay.transports.tls import Contexts
from relay.transports.transaction import Ended, Result

MAX_ADDRESSES: Final = 8  # tried for one letter; a hostile MX set names thousands
ENOUGH: Final = 600.0  # seconds of dialling after which no further address is tried
BROKEN_TLS: Final = 3600.0  # seconds that a host whose STARTTLS failed is spoken to in the clear
NO_EHLO: Final = 600.0  # seconds that a host which hung up on EHLO is greeted with HELO
SHUNNED: Final = 300.0  # seconds that an address which did not answer is tried last
_HOPELESS: Final = frozenset({FailureKind.FORBIDDEN_ADDRESS, FailureKind.NO_ADDRESS})

Addresses = Callable[[str, bool], Awaitable[Sequence[str] | Failure]]
MayFallOver = Callable[[Reply, str], bool]  # after what the host of that name said
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unreached:
    """No host could be talked to, or one refused us: the result, and whose it is."""

    result: Result
    mx: str = ""
    ip: str = ""


class Dialler:
    """Opens sessions for routes; remembers which hosts need special care."""

    def __init__(
        self,
        addresses: Addresses,
        frontier: Frontier,
        contexts: Contexts,
        deadlines: Deadlines,
        clock: Clock,
        helo: str,
        may_fall_over: MayFallOver,
        source: str | None = None,
        rng: random.Random | None = None,
        shut: Callable[[str], str | None] = lambda host: None,
    ) -> None:
        """``addresses(host, is_route)`` looks a host up; ``helo`` is our name; ``may_fall_over``
        is asked about what a host refused us with before MAIL, and which host it was; ``shut``
        names the paused provider that a host belongs to: it is asked of those in a mixed set."""
        self._addresses = addresses
        self._frontier = frontier
        self._contexts = contexts
        self._deadlines = deadlines
        self._clock = clock
        self._helo = helo
        self._may_fall_over = may_fall_over
        self._source = source
        self._shut = shut
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._clear = Memo(clock, BROKEN_TLS)
        self._plain_helo = Memo(clock, NO_EHLO)
        self._shunned = Memo(clock, SHUNNED)

    async def dial(self, route: Route) -> Session | Unreached:
        """A ready session with the best host that answers, or why there is none."""
        until = self._clock.monotonic() + ENOUGH
        worst: Unreached | None = None
        hopeless: Unreached | None = None
        async for host, ip, failure in self._places(route):
            if failure is not None:
                found = Unreached(failure, host.name, ip)
                if failure.kind in _HOPELESS:
                    hopeless = hopeless or found
                else:
                    worst = _better(worst, found)
                continue
            opened = await self._try(route, host, ip)
            if isinstance(opened, Session):
                return opened
            worst = _better(worst, opened)
            said = opened.result
            if isinstance(said, Reply) and not self._may_fall_over(said, host.name):
                return opened
            if not isinstance(opened.result, Reply) and _is_final(opened.result):
                return opened
            if self._clock.monotonic() >= until:
                break
        nobody = Failure(FailureKind.NO_ADDRESS, "the route names no host")
        return worst or hopeless or Unreached(nobody)

    def wants_tls(self, host: str) -> None:
        """It takes nothing in the clear: a handshake that failed once is tried again."""
        self._clear.discard(host)

    async def _places(self, route: Route) -> AsyncIterator[tuple[Host, str, Failure | None]]:
        """Each host's addresses in the order to be tried; or a host with what is wrong with it."""
        later: list[tuple[Host, str]] = []
        count = 0
        is_mixed = route.destination.provider is None and not route.may_be_private
        for host in self._in_order(route.hosts):
            if is_mixed and (owner := self._shut(host.name)) is not None:
                text = f"{host.name} is {owner}'s, whose mail is paused"
                yield host, "", Failure(FailureKind.UNREACHABLE, text)
                continue
            found = await self._addresses(host.name, route.may_be_private)
            if isinstance(found, Failure):
                yield host, "", found
                continue
            for ip in self._shuffled(found):
                failure = self._forbidden(route, ip)
                if failure is None and ip in self._shunned:
                    later.append((host, ip))
                    continue
                if failure is None:
                    count += 1
                yield host, ip, failure
                if count == MAX_ADDRESSES:
                    return
        for host, ip in later[: MAX_ADDRESSES - count]:
            yield host, ip, None

    def _forbidden(self, route: Route, ip: str) -> Failure | None:
        is_own = not route.may_be_private and is_ours(ip)  # it costs four calls of the kernel
        why = self._frontier.why_forbidden(ip, route.may_be_private, is_own)
        if why is not None:
            text = f"{ip} is never dialled ({why})"
            return Failure(FailureKind.FORBIDDEN_ADDRESS, text)
        if self._source and ip_address(self._source).version != ip_address(ip).version:
            return Failure(FailureKind.UNREACHABLE, f"{ip} cannot be reached from {self._source}")
        return None

    async def _try(self, route: Route, host: Host, ip: str) -> Session | Unreached:
        """One address; a second time, on a new connection, without what it cannot do."""
        tls: TlsPolicy = route.tls
        if tls == "opportunistic" and host.name in self._clear:
            tls = "none"
        plan = Plan(
            host.name,
            host.port,
            self._helo,
            tls,
            route.is_verified,
            route.credentials,
            self._source,
            tls in ("opportunistic", "none") and ip in self._plain_helo,
        )
        opened = await self._open(plan, ip)
        if isinstance(opened, Session):
            return opened
        if _is_tls(opened) and tls == "opportunistic":
            self._clear.add(host.name)
            opened = await self._open(replace(plan, tls="none"), ip)
        elif (
            _hung_up_on_ehlo(opened) and not plan.is_helo_only and tls in ("opportunistic", "none")
        ):
            second = await self._open(replace(plan, is_helo_only=True, tls="none"), ip)
            if isinstance(second, Session):
                self._plain_helo.add(ip)
                return second
        if isinstance(opened, Unreached) and isinstance(opened.result, Failure):
            self._shunned.add(ip)
        return opened

    async def _open(self, plan: Plan, ip: str) -> Session | Unreached:
        try:
            return await Opening(plan, self._contexts, self._deadlines).open(ip)
        except Ended as end:
            return Unreached(end.result, plan.name, ip)

    def _in_order(self, hosts: Sequence[Host]) -> list[Host]:
        """By preference, shuffled among equals (RFC 5321 5.1)."""
        ordered = sorted(hosts, key=lambda host: host.preference)
        return [
            host
            for _, equals in groupby(ordered, key=lambda host: host.preference)
            for host in self._shuffled(list(equals))
        ]

    def _shuffled(self, items: Sequence[T]) -> list[T]:
        return self._rng.sample(items, len(items)) if len(items) > 1 else list(items)


def _better(earlier: Unreached | None, later: Unreached) -> Unreached:
    """A reply tells more than a failure; the last failure more than the first."""
    if earlier is not None and isinstance(earlier.result, Reply):
        return earlier
    return later


def _is_tls(opened: Unreached) -> bool:
    return isinstance(opened.result, Failure) and opened.result.kind is FailureKind.TLS


def _is_final(failure: Failure) -> bool:
    """Our own password is refused: another host would refuse it too, and may lock us out."""
    return failure.kind is FailureKind.CREDENTIALS


def _hung_up_on_ehlo(opened: Unreached) -> bool:
    failure = opened.result
    return (
        isinstance(failure, Failure)
        and failure.kind is FailureKind.LOST
        and failure.stage is Stage.HELO
    )
