from __future__ import annotations

import pytest

from relay.mail.instant import DAY, HOUR, MINUTE
from relay.web.dates import MONTHS, Language, Zone, day, iso, left, shown
from tests.web.shelf import NOW


@pytest.mark.parametrize(
    ("at", "zone", "language", "text"),
    [
        (NOW, "WIB", "id", "4 Okt 2011 14:11 WIB"),
        (NOW, "WITA", "id", "4 Okt 2011 15:11 WITA"),
        (NOW, "WIT", "id", "4 Okt 2011 16:11 WIT"),
        (NOW, "WIB", "en", "4 Oct 2011 14:11 WIB"),
        (NOW + 59_999, "WIB", "id", "4 Okt 2011 14:11 WIB"),
        (1_767_200_400_000, "WIB", "id", "1 Jan 2026 00:00 WIB"),
        (1_767_200_399_999, "WIB", "id", "31 Des 2025 23:59 WIB"),
        (1_709_139_600_000, "WIB", "id", "29 Feb 2024 00:00 WIB"),
        (0, "WIB", "id", "1 Jan 1970 07:00 WIB"),
    ],
)
def test_shown(at: int, zone: Zone, language: Language, text: str) -> None:
    assert shown(at, zone, language) == text


def test_each_month_has_its_word() -> None:
    year = 1_767_225_600_000 + 10 * DAY  # 11 Jan 2026
    words = [day(year + n * 30 * DAY).split()[1] for n in range(12)]
    assert words == list(MONTHS["id"])


def test_iso_carries_the_offset() -> None:
    assert iso(NOW) == "2011-10-04T14:11+07:00"
    assert iso(NOW, "WIT") == "2011-10-04T16:11+09:00"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (5 * DAY + HOUR, "5 hari"),
        (48 * HOUR, "2 hari"),
        (48 * HOUR - 1, "47 jam"),
        (HOUR, "1 jam"),
        (HOUR - 1, "59 menit"),
        (MINUTE - 1, "0 menit"),
        (-5, "0 menit"),
    ],
)
def test_left(span: int, text: str) -> None:
    assert left(NOW + span, NOW) == text
