"""Small firms on shared hosting: each site counts an hour's RCPTs; for some hours we are listed.

While our IP is on a block list some sites refuse in the banner, and two others say `blocked`
to each recipient, without an enhanced code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from relay.lab.quotas.base import Answer, Kind, Quota, Try
from relay.lab.quotas.chance import ranked
from relay.lab.quotas.drawn import COUNT, FACTOR, SHARE, SPAN, Draw, Drawn, scaled
from relay.lab.quotas.ranges import Keys
from relay.lab.quotas.windows import Tally
from relay.mail.instant import HOUR, Instant

LIMITED: Final = (
    "451-The host [{ip}] has exceeded the number of messages it may send an hour.\r\n"
    "451 Rate limit: {quota} / 1h, try again later."
)
LISTED: Final = (
    "554-5.7.1 Service unavailable; Client host [{ip}] blocked using\r\n"
    "554 5.7.1 zen.spamhaus.org; https://www.spamhaus.org/query/ip/{ip}"
)
BLOCKED: Final = "550 {ip} blocked"
UNKNOWN: Final = "550 No such user here"
FULL: Final = "452 4.2.2 <{recipient}>: Over quota"


@dataclass(frozen=True, slots=True)
class Site:
    """One shared host, drawn."""

    quota: int
    hour: Tally
    is_listing: bool
    is_blocking: bool
    is_pipelining: bool
    is_tls_broken: bool


class Small(Drawn):
    """Three hundred domains on eight sites."""

    name = "small"
    keys: ClassVar[Keys] = {
        "domains": COUNT,
        "sites": COUNT,
        "hour": COUNT,
        "listed_at": FACTOR,
        "listed_for": SPAN,
        "listing_sites": SHARE,
        "blocking_sites": COUNT,
        "without_pipelining": SHARE,
        "broken_tls": SHARE,
    }

    def __init__(self, draw: Draw) -> None:
        names = [f"server{n + 1}.hosting.example.net" for n in range(draw.count("sites"))]
        domains = {
            f"toko{n:03d}.example.co.id": (names[n % len(names)],)
            for n in range(draw.count("domains"))
        }
        super().__init__(draw, domains)
        order = ranked(names, draw.seed, self.name, "listing")
        listing = round(draw.number("listing_sites") * len(names))
        blocking = set(order[listing:][: draw.count("blocking_sites")])
        serial = self._chosen(names, "without_pipelining")
        broken = self._chosen(names, "broken_tls")
        self.sites = {
            name: Site(
                quota=draw.count("hour", name),
                hour=Tally(HOUR),
                is_listing=name in order[:listing],
                is_blocking=name in blocking,
                is_pipelining=name not in serial,
                is_tls_broken=name in broken,
            )
            for name in names
        }
        self.listed_from = draw.start + int(draw.length * draw.number("listed_at"))
        self.listed_until = self.listed_from + draw.count("listed_for")

    def quotas(self, domain: str, now: Instant) -> tuple[Quota, ...]:
        """The hour of the domain's site."""
        (host,) = self._hosts[domain]
        return (scaled(Quota(self.sites[host].quota, HOUR), self.factor(now)),)

    def connect(self, host: str, ip: str, session: int, now: Instant) -> Answer:
        """Refuses in the banner while we are listed."""
        if self.sites[host].is_listing and self.is_listed(now):
            self._refused(now, Kind.ADMINISTRATIVE)
            return LISTED.format(ip=ip)
        self._opened(ip, session)
        return None

    def rcpt(self, tried: Try, now: Instant) -> Answer:
        """Counts; the list, the hour, and who is unknown or full."""
        site = self.sites[tried.host]
        count = site.hour.add(tried.ip, now)
        if site.is_blocking and self.is_listed(now):
            self.book.note(now, Kind.ADMINISTRATIVE, tried)
            return BLOCKED.format(ip=tried.ip)
        if count > site.quota * self.factor(now):
            self.book.note(now, Kind.THROTTLED, tried)
            return LIMITED.format(ip=tried.ip, quota=site.quota)
        fate = self._fate(tried, now)
        if fate is None:
            return None
        return FULL.format(recipient=tried.recipient) if fate is Kind.FULL else UNKNOWN

    def is_pipelining(self, host: str) -> bool:
        """A third of the sites has none."""
        return self.sites[host].is_pipelining

    def is_tls_broken(self, host: str) -> bool:
        """One in ten."""
        return self.sites[host].is_tls_broken

    def is_listed(self, now: Instant) -> bool:
        """True while our IP is on the block list."""
        return self.listed_from <= now < self.listed_until

    def _chosen(self, names: list[str], share: str) -> frozenset[str]:
        count = round(self.draw.number(share) * len(names))
        return frozenset(ranked(names, self.draw.seed, self.name, share)[:count])
