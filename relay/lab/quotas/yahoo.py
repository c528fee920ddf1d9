"""Yahoo: two windows by IP, said at MAIL; short connections; unknown users after the dot only.

Over a quota MAIL answers 421 [TSS04] for a drawn time that nothing renews; the third such penalty
in a day is 553 [TSS09]. Too many dead addresses among the last 500 halve the quota for a day.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar, Final

from relay.lab.quotas.base import Answer, Kind, Quota, Try
from relay.lab.quotas.drawn import COUNT, FACTOR, SHARE, SPAN, Draw, Drawn, scaled
from relay.lab.quotas.ranges import Keys
from relay.lab.quotas.windows import Lately, Tally
from relay.mail.delivery import FailureKind
from relay.mail.instant import DAY, HOUR, MINUTE, Instant

DEFERRED: Final = (
    "421 4.7.0 [TSS04] Messages from {ip} temporarily deferred due to unexpected volume or "
    "user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes"
)
DEFERRED_FOR_GOOD: Final = (
    "553 5.7.2 [TSS09] All messages from {ip} will be permanently deferred; Retrying will NOT "
    "succeed. See https://postmaster.yahooinc.com/error-codes"
)
NO_ACCOUNT: Final = (
    "554 delivery error: dd This user doesn't have a yahoo.com account ({recipient}) [0] - "
    "mta1226.mail.ne1.yahoo.com"
)
OVER_QUOTA: Final = (
    "554 delivery error: dd Sorry, your message to {recipient} cannot be delivered. This account "
    "is over quota. - mta1173.mail.bf1.yahoo.com"
)

_MX: Final = ("mta5.am0.yahoodns.net", "mta6.am0.yahoodns.net", "mta7.am0.yahoodns.net")
HOSTS: Final = {
    "yahoo.com": _MX,
    "yahoo.co.id": ("mx-apac.mail.gm0.yahoodns.net",),
    "ymail.com": _MX,
    "aol.com": ("mx-aol.mail.gm0.yahoodns.net",),
}


@dataclass(slots=True)
class _Record:
    """What is remembered of one IP."""

    until: Instant = 0
    kind: Kind = Kind.THROTTLED
    starts: deque[Instant] = field(default_factory=deque)
    lately: Lately = field(default_factory=lambda: Lately(1))
    halved_until: Instant = 0


class Yahoo(Drawn):
    """Yahoo and AOL."""

    name = "yahoo"
    keys: ClassVar[Keys] = {
        "five_minutes": COUNT,
        "hour": COUNT,
        "penalty": SPAN,
        "strikes": COUNT,
        "deferred_for_good": SPAN,
        "per_connection": COUNT,
        "dead_among": COUNT,
        "dead_share": SHARE,
        "dead_factor": FACTOR,
        "dead_for": SPAN,
    }

    def __init__(self, draw: Draw) -> None:
        super().__init__(draw, HOSTS)
        spans = (("five_minutes", 5 * MINUTE), ("hour", HOUR))
        self._quotas = tuple(Quota(draw.count(key), span) for key, span in spans)
        self._windows = tuple((Tally(quota.span), quota.count) for quota in self._quotas)
        self._strikes = draw.count("strikes")
        self._for_good = draw.count("deferred_for_good")
        self._per_connection = draw.count("per_connection")
        self._dead_among = draw.count("dead_among")
        self._dead_share = draw.number("dead_share")
        self._dead_factor = draw.number("dead_factor")
        self._dead_for = draw.count("dead_for")
        self._records: dict[str, _Record] = {}

    def quotas(self, domain: str, now: Instant) -> tuple[Quota, ...]:
        """Both windows, halved where dead addresses have halved them for an IP."""
        factor = self.factor(now)
        if any(now < record.halved_until for record in self._records.values()):
            factor *= self._dead_factor
        return tuple(scaled(quota, factor) for quota in self._quotas)

    def mail(self, tried: Try, now: Instant) -> Answer:
        """The rate is judged here; a connection that has carried enough is closed."""
        if tried.carried >= self._per_connection:
            self.book.note(now, Kind.DOWN, tried)
            return FailureKind.LOST
        record = self._record(tried.ip)
        if now < record.until:
            return self._refuse(record, tried, now)
        factor = self.factor(now)
        if now < record.halved_until:
            factor *= self._dead_factor
        for window, quota in self._windows:
            if window.count(tried.ip, now) + 1 > quota * factor:
                self._begin(record, tried.ip, now)
                return self._refuse(record, tried, now)
        return None

    def rcpt(self, tried: Try, now: Instant) -> Answer:
        """Counts, and takes whoever is named."""
        for window, _ in self._windows:
            window.add(tried.ip, now)
        return None

    def end(self, tried: Try, now: Instant) -> Answer:
        """Dead and full addresses are said here, without an enhanced code."""
        fate = self._fate(tried, now)
        record = self._record(tried.ip)
        # An hour in which the directory lies is the provider's own fault, and costs nothing.
        share = record.lately.add(fate is Kind.DEAD)
        if share > self._dead_share and now >= record.halved_until:
            record.halved_until = now + self._dead_for
        if fate is None:
            return self._accept(tried, now)
        text = OVER_QUOTA if fate is Kind.FULL else NO_ACCOUNT
        return text.format(recipient=tried.recipient)

    def _record(self, ip: str) -> _Record:
        record = self._records.get(ip)
        if record is None:
            record = self._records[ip] = _Record(lately=Lately(self._dead_among))
        return record

    def _begin(self, record: _Record, ip: str, now: Instant) -> None:
        """A new penalty."""
        record.starts.append(now)
        while record.starts[0] <= now - DAY:
            record.starts.popleft()
        if len(record.starts) >= self._strikes:
            record.kind, length = Kind.BLOCKED, self._for_good
        else:
            record.kind, length = Kind.THROTTLED, self.draw.count("penalty", ip, now)
        record.until = now + length

    def _refuse(self, record: _Record, tried: Try, now: Instant) -> str:
        self.book.note(now, record.kind, tried)
        text = DEFERRED if record.kind is Kind.THROTTLED else DEFERRED_FOR_GOOD
        return text.format(ip=tried.ip)
