"""Hours of the day in which a destination is sent to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail.instant import DAY, HOUR, MINUTE, from_iso
from relay.mail.urgency import Urgency
from relay.shaping import hours
from relay.shaping.destination import Destination, Profile, Rate
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
        ("06:00", "no hours: '06:00' .write 06:00-22:00 Asia/Jakarta"),
        ("22.00-06.00", r"no hours: '22.00-06.00' .did you mean 22:00-06:00 WIB\?"),
        ("6-22 Asia/Makassar", r"did you mean 06:00-22:00 Asia/Makassar\?"),
        ("06:00 s/d 22:00 WITA", r"did you mean 06:00-22:00 WITA\?"),
        ("6.00-22.00 Jakarta", "write 06:00-22:00 Asia/Jakarta"),
        ("22.00-22.00", "write 06:00-22:00 Asia/Jakarta"),
        ("06:00-06:00 WIB", "never opens"),
        ("24:00-00:00 WIB", "never opens"),
        ("24:00-24:00 WIB", "never opens"),
        ("25:00-26:00 WIB", "25:00 in"),
        ("06:61-07:00 WIB", "06:61 in"),
        (
            "06:00-22:00 Asia/Jakrata",
            r"zone 'Asia/Jakrata' is known here .did you mean Asia/Jakarta\?",
        ),
        ("06:00-22:00 WIBB", r"did you mean WIB\?"),
        ("06:00-22:00 ../etc", "no time zone '../etc' is known here .write WIB, WITA, WIT, UTC or"),
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


@pytest.mark.parametrize(
    ("written", "now", "closes"),
    [
        ("06:00-22:00 WIB", "2026-01-05T14:59:30Z", "2026-01-05T15:00:00Z"),
        ("06:00-22:00 WIB", "2026-01-05T23:00:00Z", "2026-01-06T15:00:00Z"),
        ("22:00-06:00 UTC", "2026-01-05T23:30:00Z", "2026-01-06T06:00:00Z"),
        ("18:00-24:00 UTC", "2026-01-05T18:00:00Z", "2026-01-06T00:00:00Z"),
        ("00:00-24:00 UTC", "2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z"),
    ],
)
def test_when_it_closes(written: str, now: str, closes: str) -> None:
    assert hours.parse(written).closes_at(from_iso(now)) == from_iso(closes)


@given(
    st.sampled_from(["06:00-22:00 WIB", "22:00-06:00 WIB", "00:00-24:00 UTC", "10:00-10:01 WIT"]),
    st.integers(NOW, NOW + 400 * DAY),
    st.integers(0, HOUR) | st.integers(0, 3 * DAY),
)
@settings(max_examples=50, deadline=None)
def test_so_much_will_have_been_open(written: str, now: int, length: int) -> None:
    made = hours.parse(written)
    at = made.after(now, length)
    assert sum(made.within(now, at)) == length
    assert made.after(now, length + 1) > at or not length


def test_how_long_it_is_open() -> None:
    made = hours.parse("06:00-05:30 UTC")
    at = from_iso("2026-01-05T05:00:00Z")
    assert made.within(at, at + HOUR) == [30 * MINUTE]
    assert made.within(at + 15 * MINUTE, at + 75 * MINUTE) == [15 * MINUTE, 15 * MINUTE]
    assert made.within(at + 30 * MINUTE, at + HOUR) == []


def test_the_coming_hour_knows_the_hours_and_kritis_does_not_ask() -> None:
    rates = (Rate(20, timedelta(minutes=1)), Rate(1500, timedelta(days=1)))
    limit = Profile("dinas", hours=hours.parse("06:00-22:00 WIB"), rates=rates)
    made, to = shaper(), Destination("dinas", limit)
    evening = from_iso("2026-01-05T14:55:00Z")
    for urgency, at, most in (
        (Urgency.TRANSAKSI, evening, 100),
        (Urgency.MASSAL, evening, 90),
        (Urgency.KRITIS, evening, 1200),
        (Urgency.MASSAL, evening + 5 * MINUTE, 0),
    ):
        shown = made.explain(to, "dinas.go.id", at, urgency)
        assert (shown.an_hour, shown.pace) == (most, 1080 if urgency is Urgency.MASSAL else 1200)
        assert (shown.hours is None) == (urgency is Urgency.KRITIS)
    free = Destination("free", Profile("free", hours=hours.parse("06:00-22:00 WIB")))
    assert made.explain(free, "free.id", evening, Urgency.MASSAL).an_hour is None
    assert made.explain(free, "free.id", evening + HOUR, Urgency.MASSAL).an_hour == 0


def test_what_does_not_fit_until_it_closes_comes_when_it_opens() -> None:
    made, evening = hours.parse("06:00-22:00 WIB"), from_iso("2026-01-05T14:00:00Z")
    assert made.after(evening, HOUR) == evening + HOUR
    assert made.after(evening, HOUR + 1) == evening + 9 * HOUR + 1
    assert made.after(evening, 33 * HOUR) == evening + 2 * DAY + HOUR
    assert made.after(evening + HOUR, 0) == evening + 9 * HOUR
