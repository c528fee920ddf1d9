"""Wanted: domains to be looked up, the most urgent first, however many there are."""

from __future__ import annotations

from relay.mail.urgency import Urgency
from relay.scheduler.routing import Wanted

KRITIS, MENDESAK, TRANSAKSI, MASSAL = Urgency


def test_the_most_urgent_come_first_and_a_class_never_falls() -> None:
    wanted = Wanted()
    for domain, urgency in (("a", MASSAL), ("b", TRANSAKSI), ("c", MASSAL), ("d", MENDESAK)):
        wanted.add(domain, urgency)
    assert wanted.first(3) == ["d", "b", "a"]
    wanted.add("c", KRITIS)
    wanted.add("d", MASSAL)
    assert wanted.first(9) == ["c", "d", "b", "a"]
    assert wanted.take("d") is MENDESAK
    assert wanted.take("d") is MASSAL  # not wanted: as little urgent as can be
    assert wanted.first(9) == ["c", "b", "a"]
