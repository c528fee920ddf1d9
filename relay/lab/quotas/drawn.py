"""Drawn: what all drawn providers share — books, connections, dead and full addresses, losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from relay.lab.quotas.base import Answer, Book, Entry, Kind, Quota, Try
from relay.lab.quotas.chance import Latency, chance
from relay.lab.quotas.ranges import COUNT, FACTOR, SHARE, SPAN, Keys, Ranges
from relay.lab.quotas.variants import FALSE_DEAD, Variant
from relay.mail.delivery import FailureKind
from relay.mail.instant import SECOND, Instant
from relay.mail.reply import Stage

COMMON: Final = "common"
COMMON_KEYS: Final[Keys] = {
    "dead": SHARE,
    "full": SHARE,
    "lost_after_dot": SHARE,
    "lost_but_taken": SHARE,
    "latency": SPAN,
    "latency_end": SPAN,
    "latency_p99": SPAN,
    "limits": FACTOR,
    "fall_at": FACTOR,
    "fall_to": FACTOR,
    "diurnal": FACTOR,
    "diurnal_from": SPAN,
    "diurnal_until": SPAN,
    "false_dead_at": FACTOR,
    "false_dead_for": SPAN,
}
__all__ = ["COMMON", "COMMON_KEYS", "COUNT", "FACTOR", "SHARE", "SPAN", "Draw", "Drawn"]


@dataclass(frozen=True, slots=True)
class Draw:
    """From what a provider is drawn: `start` is the run's first moment, `length` milliseconds."""

    seed: int
    start: Instant
    length: int
    ranges: Ranges
    common: Ranges
    variant: Variant

    def count(self, key: str, *names: object) -> int:
        """A count, or a span in milliseconds, of the model's file."""
        return self.ranges.count(key, self.seed, *names)

    def number(self, key: str, *names: object) -> float:
        """A share or a factor of the model's file."""
        return self.ranges.number(key, self.seed, *names)

    def chance(self, *names: object) -> float:
        """A number in [0, 1) of the model's own."""
        return chance(self.seed, self.ranges.model, *names)


class Drawn:
    """A provider without any quota; each model says more.

    Beside :class:`~relay.lab.quotas.base.Provider` it says what a host offers, for a client that
    wants to know what EHLO would say.
    """

    name: str = ""
    keys: ClassVar[Keys] = {}

    def __init__(self, draw: Draw, hosts: Mapping[str, tuple[str, ...]]) -> None:
        """`hosts`: each domain's MX hosts."""
        common, seed = draw.common, draw.seed
        self.book = Book()
        self.draw = draw
        self._hosts = hosts
        self._domains = tuple(hosts)
        self._open: dict[str, set[int]] = {}
        self._fates: dict[str, Kind | None] = {}
        self._doomed: set[int] = set()
        self._dead = common.number("dead", seed)
        self._full = common.number("full", seed)
        self._lost = common.number("lost_after_dot", seed)
        self._taken = common.number("lost_but_taken", seed)
        p99 = common.number("latency_p99", seed) / SECOND
        trip = common.number("latency", seed) / SECOND
        end = common.number("latency_end", seed) / SECOND
        self._trip = Latency(trip, p99, seed, "trip")
        self._end = Latency(end, p99, seed, "end")
        self._lies = draw.variant.name == FALSE_DEAD
        self.factor = draw.variant.factor

    @property
    def domains(self) -> Sequence[str]:
        """Where its recipients live."""
        return self._domains

    def hosts(self, domain: str, now: Instant) -> tuple[str, ...] | FailureKind:
        """The domain's MX hosts, best first; NXDOMAIN for a domain that is not its."""
        return self._hosts.get(domain, FailureKind.NXDOMAIN)

    def connect(self, host: str, ip: str, session: int, now: Instant) -> Answer:
        """Greets everybody."""
        self._opened(ip, session)
        return None

    def closed(self, host: str, ip: str, session: int, now: Instant) -> None:
        """A connection is gone."""
        self._gone(ip, session)

    def mail(self, tried: Try, now: Instant) -> Answer:
        """Says nothing."""
        return None

    def rcpt(self, tried: Try, now: Instant) -> Answer:
        """Says nothing."""
        return None

    def end(self, tried: Try, now: Instant) -> Answer:
        """Takes it, or is lost."""
        return self._accept(tried, now)

    def seconds(self, stage: Stage, host: str, now: Instant) -> float:
        """How long the answer takes."""
        return self._end.draw() if stage is Stage.EOD else self._trip.draw()

    def quotas(self, domain: str, now: Instant) -> tuple[Quota, ...]:
        """None."""
        return ()

    def is_pipelining(self, host: str) -> bool:
        """True where EHLO offers PIPELINING."""
        return True

    def is_tls_broken(self, host: str) -> bool:
        """True where STARTTLS is offered and the handshake fails."""
        return False

    # --- for the models

    def _opened(self, place: str, session: int) -> int:
        """Note a connection; returns how many are open at that place now."""
        sessions = self._open.setdefault(place, set())
        sessions.add(session)
        if self.draw.chance("lost", session) < self._lost:
            self._doomed.add(session)
        return len(sessions)

    def _gone(self, place: str, session: int) -> None:
        self._open.get(place, set()).discard(session)
        self._doomed.discard(session)

    def _company(self, place: str) -> int:
        """How many connections are open at that place."""
        return len(self._open.get(place, ()))

    def _refused(self, now: Instant, kind: Kind) -> None:
        """Note a connection that was not greeted: no letter is known yet."""
        self.book.entries.append(Entry(now, kind, "", ""))

    def _fate(self, tried: Try, now: Instant) -> Kind | None:
        """What is wrong with the address, DEAD, FALSE_DEAD or FULL; noted."""
        address = tried.recipient
        try:
            fate = self._fates[address]
        except KeyError:
            fate = self._fates[address] = self._drawn_fate(address)
        if self._lies and fate is not Kind.DEAD and self.draw.variant.is_lying(now):
            fate = Kind.FALSE_DEAD
        if fate is not None:
            self.book.note(now, fate, tried)
        return fate

    def _drawn_fate(self, address: str) -> Kind | None:
        at = self.draw.chance("fate", address)
        if at < self._dead:
            return Kind.DEAD
        return Kind.FULL if at < self._dead + self._full else None

    def is_dead(self, address: str) -> bool:
        """True where nobody lives there, for scorers."""
        return self._drawn_fate(address) is Kind.DEAD

    def is_full(self, address: str) -> bool:
        """True where the mailbox is full throughout, for scorers."""
        return self._drawn_fate(address) is Kind.FULL

    def _accept(self, tried: Try, now: Instant) -> Answer:
        """Take the letter, unless this connection is drawn to be lost just now."""
        if self._doomed and tried.session in self._doomed:
            self._doomed.discard(tried.session)
            is_taken = self.draw.chance("taken", tried.session) < self._taken
            self.book.note(now, Kind.LOST, tried, is_taken)
            return FailureKind.AMBIGUOUS
        self.book.note(now, Kind.ACCEPTED, tried, is_taken=True)
        return None


def scaled(quota: Quota, factor: float) -> Quota:
    """The quota at a moment, rounded down; one at least."""
    return Quota(max(1, int(quota.count * factor)), quota.span)
