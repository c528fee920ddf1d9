"""Transport, Router and Permits: how the scheduler speaks with the outside, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from relay.mail.delivery import Attempt, Delivery, Failure
from relay.mail.instant import Instant
from relay.mail.letter import Letter
from relay.shaping.destination import Destination

TlsPolicy = Literal["required", "opportunistic", "none", "implicit"]


@dataclass(frozen=True, slots=True)
class Host:
    """One MX host or route host; its addresses are looked up when it is dialled."""

    name: str
    port: int
    preference: int = 0


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and password of a route; never logged."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.user!r}, …)"


@dataclass(frozen=True, slots=True)
class Route:
    """Where a domain's mail goes: the destination that shaping knows, and its hosts in order."""

    destination: Destination
    hosts: tuple[Host, ...]
    credentials: Credentials | None = None
    is_verified: bool = False  # the certificate must verify (smtps:// or a password)
    tls: TlsPolicy = "opportunistic"
    may_be_private: bool = False  # from `routes:`: loopback and private addresses may be dialled


class Router(Protocol):
    """domain → Route, by DNS or by `routes:`; cached by TTL."""

    def known(self, domain: str) -> Route | None:
        """The cached route, if it is still fresh; never waits."""
        ...

    def last(self, domain: str) -> Route | None:
        """Where its mail went when that was last asked, fresh or not: to tell of a letter that
        waits for longer than a route is kept, never to send it."""
        ...

    async def route(self, domain: str) -> Route | Failure:
        """Look the domain up. A Failure says DNS, NXDOMAIN, NULL_MX, FORBIDDEN_ADDRESS …"""
        ...


@dataclass(frozen=True, slots=True)
class NotYet:
    """Shaping says: not before `until`; nothing was written for these deliveries."""

    until: Instant
    why: str


class Permits(Protocol):
    """Shaping's two permits and what must be told back, bound to one destination."""

    async def connect(self) -> NotYet | None:
        """Ask before dialling; None: one more connection is open now, until `disconnected`. It may
        wait for a commit, as `admit`. Raises StoreDead."""
        ...

    def connected(self) -> None:
        """The dialled connection greeted us."""
        ...

    def disconnected(self) -> None:
        """The connection is gone (also when dialling failed)."""
        ...

    async def admit(self, units: int, domain: str) -> NotYet | None:
        """Ask immediately before MAIL is written; None: `units` RCPTs are spent. It may wait for a
        commit, since units are made durable before they are spent. Raises StoreDead."""
        ...

    def refund(self, units: int, domain: str) -> None:
        """Give back units whose RCPT was never written."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """Deliveries of one letter to one destination that go in one transaction."""

    letter: Letter
    deliveries: tuple[Delivery, ...]
    route: Route


class Bodies(Protocol):
    """Where a transport gets a letter's body from."""

    async def body(self, message_id: int) -> bytes:
        """The body's octets; see Queue.body."""
        ...


class Transport(Protocol):
    """Carries jobs. One attempt a delivery, always: it never raises for what a peer does."""

    async def deliver(self, job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
        """One attempt for each delivery of the job in its order, or NotYet and nothing written."""
        ...

    async def hang_up(self, *destinations: str) -> None:
        """A pause: RSET and QUIT the idle sessions of these now, all at once, and busy ones after
        the letter that they carry. A reload hangs up nothing: fewer letters fly at once where
        fewer may be open, and the sessions that are left over end by being idle."""
        ...

    async def close(self) -> None:
        """Hang up everywhere."""
        ...
