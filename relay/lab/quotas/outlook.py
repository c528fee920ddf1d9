"""Outlook.com: a bucket by IP that refuses without any penalty, and a block list behind it.

Who is refused too often within an hour is put on the list (S3150), and comes off it only by
delisting, some hours later. Too many connections are refused in the banner, too many letters to
one address at RCPT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final

from relay.lab.quotas.base import Answer, Kind, Quota, Try
from relay.lab.quotas.drawn import COUNT, SPAN, Draw, Drawn
from relay.lab.quotas.ranges import Keys
from relay.lab.quotas.windows import Bucket, Tally
from relay.mail.instant import HOUR, MINUTE, Instant

LIMITED: Final = (
    "451 4.7.650 The mail server [{ip}] has been temporarily rate limited due to IP reputation. "
    "For e-mail delivery information, see https://postmaster.live.com (S775)"
)
LIMITED_AGAIN: Final = (
    "451 4.7.652 The mail server [{ip}] has been temporarily rate limited: it has exceeded the "
    "rate limit allowed on this connection. For e-mail delivery information, see "
    "https://postmaster.live.com"
)
LISTED: Final = (
    "550 5.7.1 Unfortunately, messages from [{ip}] weren't sent. Please contact your Internet "
    "service provider since part of their network is on our block list (S3150). You can also "
    "refer your provider to http://mail.live.com/mail/troubleshooting.aspx#errors."
)
CONNECTIONS: Final = (
    "421 RP-003 The mail server IP connecting to Outlook.com server has exceeded the connection "
    "limit allowed. Reason for limitation is related to IP/domain reputation."
)
RECIPIENT_LIMIT: Final = (
    "554 5.2.121 The sender has exceeded the limit for the number of messages they can send to "
    "this recipient per hour."
)
NO_MAILBOX: Final = (
    "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). "
    "[AM7EUR06FT021.eop-eur06.prod.protection.outlook.com]"
)
FULL: Final = (
    "452 4.2.2 Requested mail action not taken: mailbox full. "
    "[AM7EUR06FT021.eop-eur06.prod.protection.outlook.com]"
)

HOSTS: Final = {
    "outlook.com": ("outlook-com.olc.protection.outlook.com",),
    "hotmail.com": ("hotmail-com.olc.protection.outlook.com",),
    "live.com": ("live-com.olc.protection.outlook.com",),
    "outlook.co.id": ("outlook-co-id.olc.protection.outlook.com",),
}


@dataclass(slots=True)
class _Record:
    """What is remembered of one IP."""

    bucket: Bucket
    listed_until: Instant = 0


class Outlook(Drawn):
    """Outlook.com, Hotmail, Live."""

    name = "outlook"
    keys: ClassVar[Keys] = {
        "per_minute": COUNT,
        "depth": COUNT,
        "refusals": COUNT,
        "delisted_after": SPAN,
        "connections": COUNT,
        "recipient_hour": COUNT,
    }

    def __init__(self, draw: Draw) -> None:
        super().__init__(draw, HOSTS)
        self._rate = draw.count("per_minute")
        self._depth = draw.count("depth")
        self._refusal_limit = draw.count("refusals")
        self._connections = draw.count("connections")
        self._recipient_quota = draw.count("recipient_hour")
        self._refusals = Tally(HOUR)
        self._recipients = Tally(HOUR)
        self._records: dict[str, _Record] = {}

    def quotas(self, domain: str, now: Instant) -> tuple[Quota, ...]:
        """A window that the bucket bears for ever, in bursts too."""
        rate = self._rate * self.factor(now)
        count = max(1, int(min(rate, self._depth)))
        return (Quota(count, math.ceil(count / rate * MINUTE)),)

    def connect(self, host: str, ip: str, session: int, now: Instant) -> Answer:
        """Refuses one connection too many."""
        if self._company(ip) >= self._connections:
            self._refused(now, Kind.THROTTLED)
            return CONNECTIONS
        self._opened(ip, session)
        return None

    def mail(self, tried: Try, now: Instant) -> Answer:
        """The bucket and the list are asked here."""
        ip = tried.ip
        record = self._records.get(ip)
        if record is None:
            record = self._records[ip] = _Record(Bucket(self._rate, self._depth))
        if now < record.listed_until:
            self.book.note(now, Kind.ADMINISTRATIVE, tried)
            return LISTED.format(ip=ip)
        if record.bucket.level(now, self._rate * self.factor(now)) >= 1:
            return None
        refusals = self._refusals.add(ip, now)
        if refusals > self._refusal_limit:
            record.listed_until = now + self.draw.count("delisted_after", ip, now)
            self.book.note(now, Kind.ADMINISTRATIVE, tried)
            return LISTED.format(ip=ip)
        self.book.note(now, Kind.THROTTLED, tried)
        return (LIMITED if refusals % 2 else LIMITED_AGAIN).format(ip=ip)

    def rcpt(self, tried: Try, now: Instant) -> Answer:
        """Takes from the bucket; says who is unknown, full, or gets too much."""
        record = self._records.get(tried.ip)
        if record is not None:
            record.bucket.level(now)
            record.bucket.take()
        fate = self._fate(tried, now)
        if fate is not None:
            return FULL if fate is Kind.FULL else NO_MAILBOX
        if self._recipients.add(tried.recipient, now) > self._recipient_quota:
            self.book.note(now, Kind.RECIPIENT, tried)
            return RECIPIENT_LIMIT
        return None
