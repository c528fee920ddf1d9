"""Microsoft 365: a day's quota by IP for all tenants, growing with each day of clean mail.

Over it MAIL answers 451 4.7.500 for a time that nothing renews. Some tenants refuse each letter
by a rule of their own. Twice a day everything is slow for a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from relay.lab.quotas.base import Answer, Kind, Quota, Try
from relay.lab.quotas.chance import ranked
from relay.lab.quotas.drawn import COUNT, FACTOR, SHARE, SPAN, Draw, Drawn, scaled
from relay.lab.quotas.ranges import Keys
from relay.lab.quotas.windows import Tally
from relay.mail.instant import DAY, Instant
from relay.mail.reply import Stage

BUSY: Final = "451 4.7.500 Server busy. Please try again later from [{ip}]. (AS77712344)"
CONTENT: Final = (
    "550-5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization\r\n"
    "550 5.7.1 policy [DB8EUR05FT064.eop-eur05.prod.protection.outlook.com]"
)
UNKNOWN: Final = (
    "550 5.4.1 Recipient address rejected: Access denied. "
    "[DB8EUR05FT064.eop-eur05.prod.protection.outlook.com]"
)
FULL: Final = (
    "452 4.2.2 The recipient's mailbox is full and cannot accept messages now. "
    "[DB8EUR05FT064.eop-eur05.prod.protection.outlook.com]"
)


@dataclass(slots=True)
class _Record:
    """What is remembered of one IP."""

    quota: int
    day: int = 0  # since the run began
    has_mail: bool = False  # on that day
    has_refusals: bool = False
    until: Instant = 0


class M365(Drawn):
    """Microsoft 365: firms' own domains."""

    name = "m365"
    keys: ClassVar[Keys] = {
        "tenants": COUNT,
        "day": COUNT,
        "growth": FACTOR,
        "penalty": SPAN,
        "refusing_tenants": SHARE,
        "slow_factor": FACTOR,
        "slow_for": SPAN,
        "slow_times": COUNT,
    }

    def __init__(self, draw: Draw) -> None:
        names = [f"usaha{n:02d}" for n in range(draw.count("tenants"))]
        mx = "{}-example-co-id.mail.protection.outlook.com"
        super().__init__(draw, {f"{n}.example.co.id": (mx.format(n),) for n in names})
        domains = ranked(list(self._domains), draw.seed, self.name, "refuses")
        refusing = round(draw.number("refusing_tenants") * len(domains))
        self.refusing = frozenset(domains[:refusing])
        self._first = draw.count("day")
        self._growth = draw.number("growth")
        self._penalty = draw.count("penalty")
        self._slow_factor = draw.number("slow_factor")
        self._slow_for = draw.count("slow_for")
        self._slow_times = draw.count("slow_times")
        self._slow: dict[int, tuple[Instant, ...]] = {}
        self._day = Tally(DAY)
        self._records: dict[str, _Record] = {}

    def quotas(self, domain: str, now: Instant) -> tuple[Quota, ...]:
        """The day's quota of the IP that may least; the first day's before any came."""
        counts = [self._record(ip, now).quota for ip in list(self._records)]
        return (scaled(Quota(min(counts, default=self._first), DAY), self.factor(now)),)

    def mail(self, tried: Try, now: Instant) -> Answer:
        """The rate is judged here."""
        record = self._record(tried.ip, now)
        if now >= record.until:
            if self._day.count(tried.ip, now) + 1 <= record.quota * self.factor(now):
                return None
            record.until = now + self._penalty
        record.has_refusals = True
        self.book.note(now, Kind.THROTTLED, tried)
        return BUSY.format(ip=tried.ip)

    def rcpt(self, tried: Try, now: Instant) -> Answer:
        """Counts; says who is unknown or full."""
        self._day.add(tried.ip, now)
        fate = self._fate(tried, now)
        if fate is None:
            return None
        return FULL if fate is Kind.FULL else UNKNOWN

    def end(self, tried: Try, now: Instant) -> Answer:
        """Some tenants refuse the content."""
        if tried.domain in self.refusing:
            self.book.note(now, Kind.CONTENT, tried)
            return CONTENT
        self._record(tried.ip, now).has_mail = True
        return self._accept(tried, now)

    def seconds(self, stage: Stage, host: str, now: Instant) -> float:
        """Longer while everything is slow."""
        usual = super().seconds(stage, host, now)
        return usual * self._slow_factor if self.is_slow(now) else usual

    def is_slow(self, now: Instant) -> bool:
        """True while everything takes longer."""
        day = (now - self.draw.start) // DAY
        begins = self._slow.get(day)
        if begins is None:
            begins = self._slow[day] = self._slow_hours(day)
        return any(0 <= now - at < self._slow_for for at in begins)

    def _slow_hours(self, day: int) -> tuple[Instant, ...]:
        """When it is slow on that day: once in each equal part of it."""
        part = DAY // self._slow_times
        first = self.draw.start + day * DAY
        room = part - self._slow_for
        return tuple(
            first + n * part + int(room * self.draw.chance("slow", day, n))
            for n in range(self._slow_times)
        )

    def _record(self, ip: str, now: Instant) -> _Record:
        """What is remembered of the IP, with the days that have passed."""
        record = self._records.get(ip)
        if record is None:
            record = self._records[ip] = _Record(self._first)
        day = (now - self.draw.start) // DAY
        if day > record.day:
            if record.has_mail and not record.has_refusals:
                record.quota = int(record.quota * self._growth)
            record.day, record.has_mail, record.has_refusals = day, False, False
        return record
