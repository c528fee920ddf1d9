"""Dates: moments as vendors read them, `4 Okt 2011 14:11 WIB`; pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Final, Literal

from relay.mail.instant import HOUR, MINUTE, Instant

Zone = Literal["WIB", "WITA", "WIT"]
Language = Literal["id", "en"]
OFFSETS: Final[dict[Zone, int]] = {"WIB": 7, "WITA": 8, "WIT": 9}  # hours; no summer time
MONTHS: Final[dict[Language, tuple[str, ...]]] = {
    "id": ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}


def shown(at: Instant, zone: Zone = "WIB", language: Language = "id") -> str:
    """`4 Okt 2011 14:11 WIB`."""
    return f"{day(at, zone, language)} {_local(at, zone):%H:%M} {zone}"


def day(at: Instant, zone: Zone = "WIB", language: Language = "id") -> str:
    """`4 Okt 2011`."""
    moment = _local(at, zone)
    return f"{moment.day} {MONTHS[language][moment.month - 1]} {moment.year}"


def iso(at: Instant, zone: Zone = "WIB") -> str:
    """The moment for `<time datetime>`, with the zone's offset."""
    return _local(at, zone).isoformat(timespec="minutes")


def left(until: Instant, now: Instant, language: Language = "id") -> str:
    """What is left: `3 hari`, `5 jam`, `12 menit`, rounded down; never below `0 menit`."""
    span = max(0, until - now)
    hours = span // HOUR
    number, unit = (hours // 24, 0) if hours >= 48 else (hours, 1) if hours else (span // MINUTE, 2)
    words = {"id": ("hari", "jam", "menit"), "en": ("days", "hours", "minutes")}[language]
    return f"{number} {words[unit]}"


def offset(zone: Zone) -> timezone:
    """The zone, for who reads dates too."""
    return timezone(timedelta(hours=OFFSETS[zone]), zone)


def _local(at: Instant, zone: Zone) -> datetime:
    return datetime.fromtimestamp(at // 1000, UTC).astimezone(offset(zone))
