"""Hours of the day in which a destination is sent to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.instant import DAY, HOUR, MINUTE, from_iso
from relay.mail.urgency import Urgency
from relay.shaping import hours
from relay.shaping.destination import Destination, Profile
from tests.shaping.house import NOW, admit, shaper


@pytest.mark.parametrize(
    ("written", "now", "opens"),
    [
        ("06:00-22:00 Asia/Jakarta", "2026-01-05T00:00:00Z", "2026-01-05T00:00:00Z"),
        ("06:00-22:00 WIB", "2026-01-05T14:59:59Z", "2026-01-05T14:59:59Z"),
        ("06:00-22:00 WIB", "2026-01-05T15:00:00Z", "2026-01-05T23:00:00Z"),
        ("06:00-22:00 WITA", "2026-01-05T14:00:00.250Z", "2026-01-05T22:00:00Z"),
        ("22:00-06:00 UTC", "2026-01-05T23:30:00Z", "2026-01-05T23:30:00Z"),
        ("22:00-06:00 UTC", "2026-01-05T05:59:00Z", "2026-01-05T05:59:00Z"),
        ("22:00-06:00 UTC", "2026-01-05T06:00:30Z", "2026-01-05T22:00:00Z"),
        ("00:00-24:00 WIT", "2026-01-05T03:00:00Z", "2026-01-05T03:00:00Z"),
        ("24:00-06:00 UTC", "2026-01-05T03:00:00Z", "2026-01-05T03:00:00Z"),
        ("24:00-06:00 UTC", "2026-01-05T12:00:00Z", "2026-01-06T00:00:00Z"),
    ],
)
def test_when_it_opens(written: str, now: str, opens: str) -> None:
    assert hours.parse(written).open_at(from_iso(now)) == from_iso(opens)
    assert str(hours.parse(f" {written} ")) == written


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(NOW, NOW + 400 * DAY))
def test_it_opens_within_a_day_and_is_open_then(first: int, last: int, now: int) -> None:
    if first == last:
        return
    text = f"{first // 60:02}:{first % 60:02}-{last // 60:02}:{last % 60:02} WIB"
    at = hours.parse(text).open_at(now)
    assert now <= at < now + DAY
    assert hours.parse(text).open_at(at) == at


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("06:00", "no hours: '06:00'"),
        ("06:00-06:00 WIB", "never opens"),
        ("24:00-00:00 WIB", "never opens"),
        ("24:00-24:00 WIB", "never opens"),
        ("25:00-26:00 WIB", "25:00 in"),
        ("06:61-07:00 WIB", "06:61 in"),
        ("06:00-22:00 Asia/Jakrata", "no time zone 'Asia/Jakrata'"),
        ("06:00-22:00 ../etc", "no time zone"),
    ],
)
def test_what_cannot_be(written: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        hours.parse(written)


def test_kritis_is_never_held_by_them() -> None:
    made = shaper()
    night = Destination("gmail", Profile("gmail", hours=hours.parse("06:00-22:00 WIB")), "gmail")
    now = from_iso("2026-01-05T18:00:00Z")
    assert not admit(made, now, night)
    assert not admit(made, now, night, urgency=Urgency.MENDESAK)
    assert admit(made, now, night, urgency=Urgency.KRITIS)
    wait = made.peek(night, "gmail.com", 1, now)
    assert wait is not None
    assert "06:00-22:00 WIB" in wait.why
    assert wait.until == now + 5 * HOUR
    assert admit(made, wait.until + MINUTE, night)
