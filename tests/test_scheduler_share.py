"""Share: the turns of the classes that wait behind others, by count."""

from __future__ import annotations

from datetime import timedelta

import pytest

from relay.mail.delivery import Delivery, State
from relay.mail.instant import MINUTE, SECOND
from relay.mail.urgency import Urgency
from relay.scheduler.share import LOOK, TURN, Share, is_fresh
from relay.shaping.destination import Profile, Rate

KRITIS, MENDESAK, TRANSAKSI, MASSAL = Urgency
NOW = 1_700_000_000_000


def test_a_class_has_its_turn_after_nine_more_urgent_ones() -> None:
    share = Share()
    for n in range(TURN):
        assert share.turn_of(MENDESAK, NOW) is None, n
        share.flew(MENDESAK, 1)
    assert share.turn_of(MASSAL, NOW) is None  # nothing waits behind it
    assert share.turn_of(MENDESAK, NOW) is TRANSAKSI
    share.flew(TRANSAKSI, 1)
    share.took()
    assert share.turn_of(MENDESAK, NOW) is None  # never two in a row
    share.flew(MENDESAK, 1)
    assert share.turn_of(MENDESAK, NOW) is MASSAL
    share.flew(MASSAL, 1)
    share.took()
    share.flew(MENDESAK, TURN - 1)
    assert share.turn_of(MENDESAK, NOW) is TRANSAKSI


def test_a_turn_has_as_many_units_as_a_tenth() -> None:
    share = Share()
    share.flew(KRITIS, 5 * TURN + 3)
    assert share.units(MASSAL) == 5
    assert Share().units(MASSAL) == 1


def test_a_class_that_is_not_there_is_looked_for_later_and_hides_no_other() -> None:
    share = Share()
    share.flew(KRITIS, TURN)
    assert share.turn_of(KRITIS, NOW) is MENDESAK
    share.found_none(MENDESAK, NOW)
    assert share.turn_of(KRITIS, NOW) is TRANSAKSI
    share.flew(KRITIS, TURN)
    share.found_none(TRANSAKSI, NOW)
    share.found_none(MASSAL, NOW)
    share.flew(KRITIS, TURN)
    assert share.turn_of(KRITIS, NOW + LOOK - 1) is None
    assert share.turn_of(KRITIS, NOW + LOOK) is MENDESAK


@pytest.mark.parametrize(
    ("urgency", "tries", "age", "count", "expected"),
    [
        (KRITIS, 0, 5 * SECOND, 600, True),
        (KRITIS, 0, 5 * SECOND + 1, 600, False),
        (KRITIS, 0, 30 * SECOND, 2, True),
        (KRITIS, 0, 30 * SECOND + 1, 2, False),
        (KRITIS, 1, 0, 2, False),
        (MENDESAK, 0, 0, 2, False),
    ],
)
def test_a_fresh_kritis_letter_is_promised_soon(
    urgency: Urgency, tries: int, age: int, count: int, expected: bool
) -> None:
    delivery = Delivery(
        1, 0, "a@b.id", 0, "b.id", urgency, State.LEASED, NOW, NOW + 60 * MINUTE, tries
    )
    profile = Profile("gmail", rates=(Rate(count, timedelta(minutes=1)),))
    assert is_fresh(delivery, profile, NOW + age) is expected
    assert is_fresh(delivery, Profile("none"), NOW) is (urgency is KRITIS and not tries)
