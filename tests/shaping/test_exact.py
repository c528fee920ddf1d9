"""The law of limits, as a whole: over any schedule, crash, change of MX and units given back, never
more than was allowed is written in any window, of a domain, a site or all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail.instant import MINUTE, SECOND, Instant
from relay.mail.spent import Spent
from relay.shaping.base import SHORT
from relay.shaping.destination import Destination
from relay.shaping.shaper import Shaper
from tests.shaping.test_profiles import GMAIL
from tests.shaping.test_sites import NOW, ONE, TENANT, book, shaper_of

SITE = f"mx:{TENANT[0]}"
LIMITS = {  # bursts: the windows bind, not the spacing
    "a.go.id": {"rate": "3/min", "burst": 3},
    SITE: {"rate": "2/min", "burst": 2},
    "total": {"rate": "5/min", "burst": 5},
    "*": "1000/min",
    "gmail.com": "1000/min",
}
WAYS = (ONE, TENANT, GMAIL)
STEP = st.tuples(
    st.sampled_from(["send", "send", "send", "give back", "crash", "keep"]),
    st.sampled_from([1, 100, SECOND, 7 * SECOND, 20 * SECOND]),
    st.sampled_from(["a.go.id", "b.go.id"]),
    st.sampled_from(range(len(WAYS))),
)


@dataclass
class Road:
    """A relay whose store lasts, and what it wrote: when, to whom, by which way."""

    now: Instant = NOW
    disk: dict[tuple[str, Instant], int] = field(default_factory=dict)
    written: list[tuple[Instant, str, Sequence[str]]] = field(default_factory=list)
    last: tuple[Destination, str, Instant] | None = None

    def __post_init__(self) -> None:
        """Starts, as after a crash: what was set aside counts."""
        self.book = book(LIMITS)
        self.shaper: Shaper = shaper_of(self.book)
        rows = [Spent(*row, units) for row, units in sorted(self.disk.items()) if units]
        self.shaper.restore({}, self.now, rows)
        self.last = None

    def send(self, domain: str, hosts: Sequence[str]) -> None:
        """One letter, if it may go."""
        to = self.book.destination_of(domain, hosts)
        while (said := self.shaper.admit(to, domain, 1, self.now)) is SHORT:
            rows = self.shaper.setting_aside(self.now)
            self.disk.update({(row.key, row.at): row.units for row in rows})
            self.shaper.set_aside(rows, self.now)
        if said is not None:
            return
        self.written.append((self.now, domain, hosts))
        self.last = (to, domain, self.now)

    def give_back(self, hosts: Sequence[str]) -> None:
        """The last letter was never written; DNS may say otherwise of its domain by now."""
        if self.last is None:
            return
        to, domain, at = self.last
        self.book.destination_of(domain, hosts)
        self.shaper.refund(to, domain, 1, self.now, at)
        self.written.pop()
        self.last = None

    def keep(self) -> None:
        """What is corrected at leisure."""
        rows = self.shaper.corrections(self.now)
        self.disk.update({(row.key, row.at): row.units for row in rows})


def most(times: Sequence[Instant]) -> int:
    """In any minute."""
    return max((sum(at <= one < at + MINUTE for one in times) for at in times), default=0)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, min_size=5, max_size=60))
def test_never_more_than_was_allowed_in_any_window(steps: list[tuple[str, int, str, int]]) -> None:
    road = Road()
    for what, later, domain, way in steps:
        road.now += later
        if what == "send":
            road.send(domain, WAYS[way])
        elif what == "give back":
            road.give_back(WAYS[way])
        elif what == "crash":
            road.__post_init__()
        else:
            road.keep()
    assert most([at for at, domain, _ in road.written if domain == "a.go.id"]) <= 3
    assert most([at for at, _, hosts in road.written if hosts is TENANT]) <= 2
    assert most([at for at, _, _ in road.written]) <= 5
