"""Deadline and package: what a letter's words say of its last moment and of its tender.

"sampai 05-10-2011 14:00 WIB" is a deadline; so are its other common forms ("paling lambat hari
Rabu, 5 Oktober 2011 pukul 14.00", "s.d. 2011-10-05"). A date alone means its last minute. A moment
that has passed, or lies over a year ahead, is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import re2

from relay.filters.rules import options
from relay.mail.instant import DAY, Instant, millis

HORIZON: Final = 366 * DAY
ZONES: Final = {"wib": 7, "wita": 8, "wit": 9}  # hours east of UTC
_MONTHS: Final = (
    ("jan",),
    ("feb", "peb"),
    ("mar",),
    ("apr",),
    ("mei", "may"),
    ("jun",),
    ("jul",),
    ("agu", "agt", "aug"),
    ("sep",),
    ("okt", "oct"),
    ("nov", "nop"),
    ("des", "dec"),
)
_MONTH_OF: Final = {name: n for n, names in enumerate(_MONTHS, 1) for name in names}
_WORDS: Final = "|".join(f"{name}[a-z]*" for name in _MONTH_OF)
_MAX_MATCHES: Final = 20


def _pattern(text: str) -> Any:
    return re2.compile(text.encode(), options())


_DEADLINE: Final = _pattern(
    r"(?:\b(?:sampai|hingga|paling lambat|selambat-lambatnya|batas (?:akhir|waktu)|berakhir|"
    r"deadline|until|menjadi)\b|\bs\.?\s?[d/]\.?(?:\s|\b))"
    r"(?:[^0-9]{0,60}?)"
    rf"(?:([0-9]{{1,2}})\s?[-/. ]\s?([0-9]{{1,2}}|{_WORDS})\s?[-/. ]\s?([0-9]{{4}})"
    r"|([0-9]{4})-([0-9]{2})-([0-9]{2}))"
    r"(?:[\s,T]*(?:pukul|jam|pkl\.?)?[\s:]*([0-9]{1,2})[:.]([0-9]{2})(?:[:.][0-9]{2})?)?"
    r"(?:\s*(wib|wita|wit)\b)?"
)
_PACKAGE: Final = _pattern(
    r"\b(?:id|kode|no(?:mor)?\.?)\s+(?:lelang|tender|paket|seleksi|pengadaan|rup)\b"
    r"[^0-9]{0,120}?\b([0-9]{4,20})\b"
)


def package(text: str) -> str | None:
    """The number after ID Lelang, Kode Tender, Kode Paket and their like."""
    match = _PACKAGE.search(text.encode("utf-8", "replace"))
    return match[1].decode("ascii") if match else None


def deadline(text: str, now: Instant, zone: str = "wib") -> Instant | None:
    """The last deadline after `now` in the text; `zone` counts where it names none."""
    return last_of(moments(text, zone), now)


def last_of(found: Sequence[Instant], now: Instant) -> Instant | None:
    """The last of these moments that is a deadline at `now`.

    A letter that moves a date names the old one too, and a schedule many: a letter must not expire
    before the last of them.
    """
    return max([moment for moment in found if now <= moment <= now + HORIZON], default=None)


def moments(text: str, zone: str = "wib") -> list[Instant]:
    """What is written as a deadline in the text, in its order."""
    read: list[Instant] = []
    found = _DEADLINE.finditer(text.encode("utf-8", "replace"))
    for _, match in zip(range(_MAX_MATCHES), found, strict=False):
        day, month, year, iso_year, iso_month, iso_day, hour, minute, named = (
            group.decode("ascii").lower() if group is not None else "" for group in match.groups()
        )
        hours = ZONES.get(named) or ZONES[zone.lower()]
        moment = _moment(iso_day or day, iso_month or month, iso_year or year, hour, minute, hours)
        if moment is not None:
            read.append(moment)
    return read


def _moment(
    day: str, month: str, year: str, hour: str, minute: str, hours_east: int
) -> Instant | None:
    number = int(month) if month.isdigit() else _MONTH_OF[month[:3]]
    zone = timezone(timedelta(hours=hours_east))
    is_midnight = hour == "24" and minute == "00"
    try:
        at = datetime(
            int(year),
            number,
            int(day),
            23 if is_midnight or not hour else int(hour),
            59 if is_midnight or not hour else int(minute),
            tzinfo=zone,
        )
    except ValueError:
        return None
    return millis(at - datetime(1970, 1, 1, tzinfo=UTC))
