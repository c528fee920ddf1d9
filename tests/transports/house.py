"""House: a transport with all that it needs, small time-outs, and permits that keep books."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from relay.clock import SystemClock
from relay.filters.base import Departure
from relay.mail.delivery import Attempt, Delivery, Failure, State
from relay.mail.dkim import Key, hash_body
from relay.mail.envelope import Options, Particulars
from relay.mail.headers import Headers
from relay.mail.letter import Letter
from relay.mail.reply import Reply
from relay.mail.urgency import Urgency
from relay.shaping.destination import Destination, Profile
from relay.transports.base import Credentials, Host, Job, NotYet, Route, TlsPolicy
from relay.transports.deadlines import Deadlines
from relay.transports.departure import Departures
from relay.transports.dialling import Dialler
from relay.transports.forbidden import Frontier
from relay.transports.settings import TimeoutSettings
from relay.transports.smtp import SmtpTransport
from relay.transports.tls import Contexts
from tests.transports.peer import Peer

HEAD = b"From: LPSE <lpse@lpse.example.go.id>\r\nTo: vendor@example.co.id\r\nSubject: Undangan\r\n"
BODY = b"Yth. Bapak/Ibu\r\n.\r\n..dua\r\n"
PROFILE = Profile("example", connections=None, messages_per_connection=None)


def brief(**changes: float) -> Deadlines:
    """Time-outs for tests; `dot=0.05` shortens one."""
    whole = Deadlines.of(TimeoutSettings(idle=timedelta(seconds=5), quit=timedelta(seconds=1)))
    return replace(whole, **changes)


def letter(**changes: Any) -> Letter:
    """A letter of the application's."""
    made = Letter(
        id=7,
        sender="lpse@lpse.example.go.id",
        options=Options(),
        head=HEAD,
        body_hash=hash_body(BODY),
        size=len(HEAD) + 2 + len(BODY),
        sha256=bytes(32),
        is_8bit=False,
        needs_utf8=False,
        particulars=Particulars(from_domain="lpse.example.go.id"),
        recipients=1,
        received_at=0,
    )
    return replace(made, **changes)


def delivery(n: int = 0, recipient: str = "vendor@example.co.id", tries: int = 0) -> Delivery:
    """One recipient's job, leased."""
    domain = recipient.rpartition("@")[2]
    return Delivery(
        7, n, recipient, 1, domain, Urgency.TRANSAKSI, State.LEASED, 0, 10**15, tries=tries
    )


def route(*hosts: Host, profile: Profile = PROFILE, **changes: Any) -> Route:
    """A route to hosts."""
    made = Route(Destination("example", profile, None), tuple(hosts), tls=profile.tls)
    return replace(made, **changes)


def to(*peers: Peer, tls: TlsPolicy = "opportunistic", **changes: Any) -> Route:
    """A route to scripted peers, in that order of preference."""
    hosts = [Host(f"mx{n}.example.net", peer.port, n) for n, peer in enumerate(peers)]
    return route(*hosts, tls=tls, **changes)


def job(where: Route, *recipients: str, **changes: Any) -> Job:
    """A job with a delivery for each recipient."""
    names = recipients or ("vendor@example.co.id",)
    return Job(letter(**changes), tuple(delivery(n, name) for n, name in enumerate(names)), where)


@dataclass
class Books:
    """Permits that say yes, unless told otherwise, and count."""

    asked: list[str] = field(default_factory=list)
    open: int = 0
    most: int = 0
    limit: int | None = None
    admitted: int = 0
    refuse_admission: int = 0  # so many times

    async def connect(self) -> NotYet | None:
        self.asked.append("connect")
        if self.limit is not None and self.open >= self.limit:
            return NotYet(1, "connections")
        self.open += 1
        self.most = max(self.most, self.open)
        return None

    def connected(self) -> None:
        self.asked.append("connected")

    def disconnected(self) -> None:
        self.asked.append("disconnected")
        self.open -= 1
        assert self.open >= 0

    async def admit(self, units: int, domain: str) -> NotYet | None:
        self.asked.append("admit")
        if self.refuse_admission:
            self.refuse_admission -= 1
            return NotYet(2, "rate")
        self.admitted += units
        return None

    def refund(self, units: int, domain: str) -> None:
        self.admitted -= units


class House:
    """A transport whose names resolve to loopback; `addresses` may be changed."""

    def __init__(
        self,
        deadlines: Deadlines | None = None,
        contexts: Contexts | None = None,
        may_fall_over: Callable[[Reply, str], bool] = lambda reply, mx: True,
        is_lab: bool = True,
        per_connection: int | None = None,
        keys: dict[str, Key] | None = None,
        depart: Callable[[Departure], Awaitable[Headers]] | None = None,
        frontier: Frontier | None = None,
        helo: str = "relay.lpse.example.go.id",
        source: str | None = None,
        most_idle: int = 10,
        shut: Callable[[str], str | None] = lambda host: None,
    ) -> None:
        self.addresses: dict[str, Sequence[str] | Failure] = {}
        self.bodies = {7: BODY}
        self.permits = Books()
        deadlines = deadlines or brief()
        clock = SystemClock()
        self.dialler = Dialler(
            self._addresses,
            frontier or Frontier(is_lab=is_lab),
            contexts or Contexts(is_lab=is_lab),
            deadlines,
            clock,
            helo,
            may_fall_over,
            source,
            shut=shut,
        )
        self.departures = Departures(depart or _unchanged, keys or {}, clock)
        self.transport = SmtpTransport(
            self.dialler,
            self.departures,
            self,
            clock,
            deadlines.idle,
            source,
            per_connection=lambda destination: per_connection,
            most_idle=most_idle,
        )

    async def _addresses(self, host: str, is_route: bool) -> Sequence[str] | Failure:
        return self.addresses.get(host, ("127.0.0.1",))

    async def body(self, message_id: int) -> bytes:
        """See Bodies."""
        return self.bodies[message_id]

    async def attempts(self, what: Job) -> list[Attempt]:
        """Deliver; there must be attempts."""
        made = await self.transport.deliver(what, self.permits)
        assert not isinstance(made, NotYet)
        assert [(a.message_id, a.n) for a in made] == [(d.message_id, d.n) for d in what.deliveries]
        return list(made)

    async def attempt(self, what: Job) -> Attempt:
        """Deliver; there must be one attempt."""
        (made,) = await self.attempts(what)
        return made

    async def close(self) -> None:
        """Hang up; every connection that was permitted is gone then."""
        await self.transport.close()
        await self.all_gone()

    async def all_gone(self) -> None:
        """A connection that was cut is told as gone in the loop's next turn."""
        for _ in range(3):
            await asyncio.sleep(0)
        assert self.permits.open == 0


async def _unchanged(departure: Departure) -> Headers:
    return departure.headers


SECRET = Credentials("user", "rahasia")
