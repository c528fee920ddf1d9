"""Governments' own hosts: greylisting, few connections, slow ends, outages, a lame zone.

Each domain has one host of its own. A letter of a new (IP, exact sender, recipient) waits; who
comes back after `greylisting` and before it expires is known from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from relay.lab.quotas.base import Answer, Kind, Try
from relay.lab.quotas.chance import ranked
from relay.lab.quotas.drawn import COUNT, SHARE, SPAN, Draw, Drawn
from relay.lab.quotas.ranges import Keys
from relay.mail.delivery import FailureKind
from relay.mail.instant import SECOND, Instant
from relay.mail.reply import Stage

GREYLISTED: Final = (
    "450 4.2.0 <{recipient}>: Recipient address rejected: Greylisted, see "
    "http://postgrey.schweikert.ch/help/{domain}.html"
)
CONNECTIONS: Final = "421 4.7.0 {host} Error: too many connections from {ip}"
UNKNOWN: Final = (
    "550 5.1.1 <{recipient}>: Recipient address rejected: User unknown in virtual mailbox table"
)
FULL: Final = "452 4.2.2 <{recipient}>: Over quota"


@dataclass(frozen=True, slots=True)
class Host:
    """One host, drawn. Spans in milliseconds."""

    greylisting: int
    end: int
    down_from: Instant
    down_until: Instant
    failure: FailureKind  # while it is down


class Government(Drawn):
    """Forty domains on their own hosts."""

    name = "go.id"
    keys: ClassVar[Keys] = {
        "domains": COUNT,
        "greylisting": SPAN,
        "slow_greylisting": SPAN,
        "slow_hosts": SHARE,
        "greylisting_expires": SPAN,
        "connections": COUNT,
        "end": SPAN,
        "down": SPAN,
        "down_throughout": SHARE,
        "nxdomain": SHARE,
        "nxdomain_for": SPAN,
    }

    def __init__(self, draw: Draw) -> None:
        names = [f"dinas{n:02d}.example.go.id" for n in range(draw.count("domains"))]
        super().__init__(draw, {name: (f"mail.{name}",) for name in names})
        self._connections = draw.count("connections")
        self._expires = draw.count("greylisting_expires")
        slow = set(self._chosen("slow_hosts"))
        order = ranked(names, draw.seed, self.name, "absent")
        down = set(order[: round(draw.number("down_throughout") * len(names))])
        absent = order[len(down) :][: round(draw.number("nxdomain") * len(names))]
        self.drawn_hosts = {
            f"mail.{name}": self._host(name, name in slow, name in down) for name in names
        }
        self._nxdomain = {name: self._nxdomain_from(name) for name in absent}
        self._nxdomain_for = draw.count("nxdomain_for")
        self._seen: dict[tuple[str, str, str], Instant] = {}
        self._known: set[tuple[str, str, str]] = set()

    def hosts(self, domain: str, now: Instant) -> tuple[str, ...] | FailureKind:
        """A few domains are not there for a while."""
        if domain in self._nxdomain and 0 <= now - self._nxdomain[domain] < self._nxdomain_for:
            return FailureKind.NXDOMAIN
        return super().hosts(domain, now)

    def connect(self, host: str, ip: str, session: int, now: Instant) -> Answer:
        """Each host is down for some time; two connections are borne."""
        drawn = self.drawn_hosts[host]
        if drawn.down_from <= now < drawn.down_until:
            self._refused(now, Kind.DOWN)
            return drawn.failure
        place = host + ip
        if self._company(place) >= self._connections:
            self._refused(now, Kind.THROTTLED)
            return CONNECTIONS.format(host=host, ip=ip)
        self._opened(place, session)
        return None

    def closed(self, host: str, ip: str, session: int, now: Instant) -> None:
        """A connection is gone."""
        self._gone(host + ip, session)

    def rcpt(self, tried: Try, now: Instant) -> Answer:
        """Greylisting first, as a policy service does; then who is unknown or full."""
        if self._is_greylisted(tried, now):
            self.book.note(now, Kind.GREYLISTED, tried)
            return GREYLISTED.format(recipient=tried.recipient, domain=tried.domain)
        fate = self._fate(tried, now)
        if fate is None:
            return None
        return (FULL if fate is Kind.FULL else UNKNOWN).format(recipient=tried.recipient)

    def seconds(self, stage: Stage, host: str, now: Instant) -> float:
        """The end of data takes each host its own time."""
        if stage is Stage.EOD:
            return self.drawn_hosts[host].end / SECOND
        return super().seconds(stage, host, now)

    def _is_greylisted(self, tried: Try, now: Instant) -> bool:
        triplet = (tried.ip, tried.sender, tried.recipient)
        if triplet in self._known:
            return False
        waited = now - self._seen.setdefault(triplet, now)
        if waited >= self._expires:
            self._seen[triplet] = now
            return True
        if waited < self.drawn_hosts[tried.host].greylisting:
            return True
        self._known.add(triplet)
        return False

    # --- drawing

    def _chosen(self, share: str) -> list[str]:
        names = list(self._domains)
        count = round(self.draw.number(share) * len(names))
        return ranked(names, self.draw.seed, self.name, share)[:count]

    def _host(self, name: str, is_slow: bool, is_down: bool) -> Host:
        draw = self.draw
        length = draw.length if is_down else draw.count("down", name)
        room = max(0, draw.length - length)
        begins = draw.start + int(room * draw.chance("down at", name))
        is_silent = draw.chance("down how", name) < 0.5
        return Host(
            greylisting=draw.count("slow_greylisting" if is_slow else "greylisting"),
            end=draw.count("end", name),
            down_from=begins,
            down_until=begins + length,
            failure=FailureKind.TIMEOUT if is_silent else FailureKind.REFUSED,
        )

    def _nxdomain_from(self, name: str) -> Instant:
        room = max(0, self.draw.length - self.draw.count("nxdomain_for"))
        return self.draw.start + int(room * self.draw.chance("nxdomain at", name))
