"""Stamps: with and without a year, zones, New Year both ways, what is no stamp."""

import pytest

from relay.mail.instant import HOUR, from_iso, iso
from relay.reports.entries import LineError
from relay.reports.stamps import Stamps

LATEST = from_iso("2026-01-05T12:00:00Z")


def shorts(*stamps: str, latest: int = LATEST, year: int | None = None, zone: int = 0) -> list[str]:
    made = Stamps(zone, latest, year)
    return [iso(made.read_short(stamp.encode()))[:19] for stamp in stamps]


@pytest.mark.parametrize(
    ("stamps", "told"),
    [
        (["Jan  5 11:00:00"], ["2026-01-05T11:00:00"]),
        (["Dec 31 23:59:59", "Jan  1 00:00:01"], ["2025-12-31T23:59:59", "2026-01-01T00:00:01"]),
        # written late: after New Year a line of the old one
        (
            ["Dec 31 23:59:58", "Jan  1 00:00:01", "Dec 31 23:59:59", "Jan  1 00:00:02"],
            [
                "2025-12-31T23:59:58",
                "2026-01-01T00:00:01",
                "2025-12-31T23:59:59",
                "2026-01-01T00:00:02",
            ],
        ),
        (["Feb 29 10:00:00", "Mar  1 10:00:00"], ["2024-02-29T10:00:00", "2024-03-01T10:00:00"]),
        (["Jan  6 00:00:00"], ["2026-01-06T00:00:00"]),  # clocks differ by less than a day
        (["Jan  7 00:00:00"], ["2025-01-07T00:00:00"]),
        (["Jan  5 11:59:60"], ["2026-01-05T12:00:00"]),
    ],
)
def test_the_year_is_inferred(stamps: list[str], told: list[str]) -> None:
    assert shorts(*stamps) == told


def test_a_given_year_counts_for_the_first_line() -> None:
    assert shorts("Dec 31 23:00:00", "Jan  1 01:00:00", year=2019) == [
        "2019-12-31T23:00:00",
        "2020-01-01T01:00:00",
    ]


def test_the_zone_is_the_logs() -> None:
    assert shorts("Jan  1 03:00:00", zone=7 * HOUR) == ["2025-12-31T20:00:00"]


def test_a_log_over_several_years_does_not_repeat_the_first() -> None:
    months = ["Mar  1 00:00:00", "Sep  1 00:00:00", "Mar  1 00:00:00", "Sep  1 00:00:00"]
    assert [told[:4] for told in shorts(*months, year=2020)] == ["2020", "2020", "2021", "2021"]


@pytest.mark.parametrize(
    ("text", "told", "end"),
    [
        ("2026-11-29T18:37:25+07:00 x", "2026-11-29T11:37:25", 25),
        ("2026-11-29T18:37:25.123456+07:00 x", "2026-11-29T11:37:25", 32),
        ("2026-11-29T18:37:25Z x", "2026-11-29T18:37:25", 20),
        ("2026-11-29 18:37:25 x", "2026-11-29T18:37:25", 19),
        ("2026-11-29 18:37:25.123 x", "2026-11-29T18:37:25", 23),
        ("2026-11-29 18:37:25 +0700 x", "2026-11-29T11:37:25", 25),
        ("2026-11-29 18:37:25.123 -0330 x", "2026-11-29T22:07:25", 29),
    ],
)
def test_stamps_with_a_year(text: str, told: str, end: int) -> None:
    at, ended = Stamps(0, LATEST).read_long(text.encode())
    assert (iso(at)[:19], ended) == (told, end)


@pytest.mark.parametrize(
    ("stamp", "told"),
    [
        ("Foo  5 11:00:00", "no time stamp"),
        ("Jan 32 11:00:00", "no day 32 in month 1"),
        ("Feb 30 11:00:00", "no day 30 in month 2"),
        ("Jan  5 25:00:00", "no time 25:00:00"),
        ("Jan  5 11-00-00", "no time stamp"),
        ("Jan  x 11:00:00", "no time stamp"),
        ("Jan  5 11:00", "no time stamp"),
    ],
)
def test_no_stamp(stamp: str, told: str) -> None:
    with pytest.raises(LineError, match=told):
        shorts(stamp)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-13-29 18:37:25", "no day 2026-13-29"),
        ("2026-11-29 18:77:25", "no time"),
        ("2026-11-29T18:37:25+99:00", "18 hours"),
        ("2026.11.29 18:37:25", "no time stamp"),
    ],
)
def test_no_stamp_with_a_year(text: str, told: str) -> None:
    with pytest.raises(LineError, match=told):
        Stamps(0, LATEST).read_long(text.encode())
