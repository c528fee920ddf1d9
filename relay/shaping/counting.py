"""Counting: which limits a letter meets on its way, each with its meter and what is set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from relay.mail.instant import DAY, Instant, millis
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.shaping.aside import LONGEST, Aside
from relay.shaping.destination import Destination, Profile, Rate, Sum
from relay.shaping.limit_keys import is_route
from relay.shaping.settings import WIDEST
from relay.shaping.windows import BACK, Meter

DIALLED: Final = "connections:"  # and the destination: what a limit of new ones is kept under
KEPT: Final = DAY  # how long what was sent of a limit is known at least, for a longer one to come
LOOKED_AT: Final = 500  # meters in one round that are looked at for emptiness
AHEAD: Final = (
    LONGEST + BACK
)  # a row further ahead than this was written before the clock went back

Within = Callable[[str], Sequence[Sum]]  # the limits of a domain, wherever it is sent to


@dataclass(slots=True)
class Counted:
    """One limit that a letter meets."""

    name: str  # what the limit is called: gmail, @dinas.example.go.id, mx:HOST, total
    meter: Meter
    aside: Aside
    said_by: Profile | Sum

    def where(self, rate: Rate) -> str:
        """The file and line that one of its rates is of."""
        by = self.said_by
        return by.where if isinstance(by, Sum) else by.place("rates", rate)


class Counting:
    """The meters of all limits; made when they are first met, given up when they count nothing."""

    def __init__(self, within: Within, sums: Sequence[Sum] = ()) -> None:
        """Both are replaced by :meth:`use`."""
        self._counted: dict[str, Counted] = {}
        self._kept: dict[str, list[Spent]] = {}  # of limits not met yet since the start
        self._moved: list[Spent] = []  # to be written
        self._moving: list[Spent] = []  # on their way to the store
        self._short: dict[str, Counted] = {}
        self._round: list[str] = []
        self.use(within, sums)

    def use(self, within: Within, sums: Sequence[Sum] = ()) -> None:
        """New limits; what was counted stays."""
        self._within = within
        self._sums = tuple(sums)

    def asked(self, destination: Destination, domain: str, source: str = "") -> list[Counted]:
        """The limits that a letter to that domain meets at its destination. One that is a
        destination of its own is counted twice: as that, and under the limit's own key, which
        stays where its MX lead elsewhere."""
        profile, key = destination.profile, destination.key
        asked = []
        if profile.rates:
            asked.append(self._of(key, profile.rates, profile.burst, profile, destination))
        for limit in self._within(domain):
            if limit.rates:
                asked.append(self._of(limit.key, limit.rates, limit.burst, limit))
        for limit in self._sums:
            if limit.key == "total" or limit.key == f"source:{source}":
                asked.append(self._of(limit.key, limit.rates, limit.burst, limit))
        return asked

    def _of(
        self,
        key: str,
        rates: tuple[Rate, ...],
        burst: int,
        said_by: Profile | Sum,
        destination: Destination | None = None,
    ) -> Counted:
        """`destination`: whose own limit it is; None: it was written for this key alone."""
        found = self._counted.get(key)
        if found is None or found.meter.rates != rates or found.meter.burst != burst:
            rows = self._kept.pop(key, []) if found is None else found.aside.rows()
            meter = Meter(rates, burst)
            meter.load((row.at, row.units) for row in rows)
            kept = KEPT if destination is None else _kept(destination)
            aside = Aside(key, rates, rows, kept)
            found = self._counted[key] = Counted(key, meter, aside, said_by)
        found.said_by = said_by
        return found

    def of(self, domain: str) -> Sequence[Sum]:
        """What is said of that domain or of its site, wherever it is sent to."""
        return self._within(domain)

    def inside(self, destination: Destination, domain: str) -> Sequence[Sum]:
        """What is said of that domain or of its site, where the destination is not just that."""
        within = self._within(domain)
        if not within:
            return within
        return [limit for limit in within if is_inside(limit, destination)]

    def dialled(self, destination: Destination) -> list[Counted]:
        """The limit of new connections to it, if there is one."""
        profile = destination.profile
        rates = profile.connection_rates
        if not rates:
            return []
        return [self._of(f"{DIALLED}{destination.key}", rates, 1, profile, destination)]

    def shown(
        self, destination: Destination, domain: str, source: str, now: Instant
    ) -> list[Counted]:
        """The same, each limit once: under its own key only where more is counted there."""
        key = destination.key
        asked = self.asked(destination, domain, source)
        twins = [one for one in asked if one.name in (f"@{key}", f"mx:{key}")]
        mine = [one for one in asked if one.name == key]
        told = [twin for twin in twins for own in mine if _tells_no_more(twin, own, now)]
        return [one for one in asked if one not in told]

    # --- setting aside

    def are_short(self, asked: Iterable[Counted], units: int, now: Instant) -> bool:
        """True where too little is durable for one of them; it is wanted from now on."""
        is_short = False
        for one in asked:
            at = one.meter.forward(now)
            if not one.aside.has(units, at):
                one.aside.want(units)
                self._short[one.name] = one
                is_short = True
        return is_short

    def spend(self, asked: Iterable[Counted], units: int, now: Instant, urgency: Urgency) -> None:
        """All said yes, and all is durable."""
        for one in asked:
            one.meter.add(units, now, urgency)
            one.aside.spend(units)

    def take_back(self, asked: Iterable[Counted], units: int, at: Instant | None) -> None:
        """Units whose RCPT was never written."""
        for one in asked:
            one.meter.take_back(units, at)
            one.aside.take_back(units, at)

    def setting_aside(self, now: Instant) -> list[Spent]:
        """See Shaping.setting_aside. Rows that move with the clock go along: beside a new one in
        the store an old one would pass for the later, and the new one be forgotten."""
        rows: list[Spent] = []
        for one in self._short.values():
            meter = one.meter
            row = one.aside.ask(meter.rates, meter.forward(now), meter.burst)
            if row is not None:
                rows.append(row)
        self._short = {}
        if rows and self._moved:
            rows, self._moving, self._moved = self._moved + rows, self._moved, []
        return rows

    def set_aside(self, rows: Iterable[Spent], now: Instant) -> None:
        """See Shaping.set_aside."""
        self._moving = []
        for row in rows:
            one = self._counted.get(row.key)
            if one is not None:
                one.aside.kept(row, one.meter.forward(now))

    def not_set_aside(self, rows: Iterable[Spent]) -> None:
        """See Shaping.not_set_aside."""
        self._moved, self._moving = self._moving + self._moved, []
        for row in rows:
            one = self._counted.get(row.key)
            if one is not None:
                one.aside.failed(row)

    def corrections(self, now: Instant) -> list[Spent]:
        """See Shaping.corrections; some meters in turn."""
        rows, self._moved = self._moved, []
        if not self._round:
            self._round = list(self._counted)
        some, self._round = self._round[:LOOKED_AT], self._round[LOOKED_AT:]
        for key in some:
            one = self._counted[key]
            rows += one.aside.corrections(one.meter.forward(now))
            if one.aside.is_empty() and one.meter.is_empty(now):
                del self._counted[key]
        return rows + self._outdated(now)

    def _outdated(self, now: Instant) -> list[Spent]:
        """Rows of limits that nobody has met since the start, once they can count no more."""
        rows = []
        for key, kept in list(self._kept.items()):
            if kept[-1].at < now - millis(WIDEST):
                rows += [Spent(key, row.at, 0) for row in self._kept.pop(key)]
        return rows

    def restore(self, spent: Iterable[Spent], now: Instant, step: int = 0) -> None:
        """What the store kept, by a clock that was set forward by `step` milliseconds after it was
        written. Rows far ahead of the clock were written before it was set back: they move with
        it, so that nothing is granted and nothing is stopped for ever."""
        for row in spent:
            self._kept.setdefault(row.key, []).append(row)
        for key, rows in self._kept.items():
            ahead = rows[-1].at + step - now
            by = step - ahead if ahead > AHEAD else step
            if by:
                moved = [Spent(key, row.at + by, row.units) for row in rows]
                self._moved += [Spent(key, row.at, 0) for row in rows] + moved
                self._kept[key] = moved


def is_inside(limit: Sum, destination: Destination) -> bool:
    """False where the destination is just the domain or the site that the limit was written for."""
    return limit.key not in (f"@{destination.key}", f"mx:{destination.key}")


def _kept(destination: Destination) -> int:
    """Ten thousand sites that nobody wrote a limit for are not worth a day's rows."""
    is_written = destination.provider is not None or is_route(destination.key)
    return KEPT if is_written else 0


def _tells_no_more(twin: Counted, own: Counted, now: Instant) -> bool:
    pairs = zip(twin.meter.windows, own.meter.windows, strict=False)
    is_same = twin.meter.rates == own.meter.rates
    return is_same and all(one.used(now) <= other.used(now) for one, other in pairs)
