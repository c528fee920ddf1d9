"""Moments: instants as a person here reads them, `2011-10-04 14:11:09 WIB`; JSON stays UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from relay.config.places import word
from relay.web.dates import OFFSETS, offset

Shown = Callable[[object], object]


def zone_of(file: Path) -> timezone:
    """The site's zone, `inbox.zone`; WIB where the file names none."""
    given = word(file, "inbox", "zone")
    return offset(next((zone for zone in OFFSETS if zone == given), "WIB"))


def local(file: Path) -> Shown:
    """Shows the ISO instants of an answer in the site's zone; all else unchanged."""
    return _in(zone_of(file))


def instants(east: int) -> Shown:
    """The same in a zone so many milliseconds east of UTC."""
    ahead = timedelta(milliseconds=east)
    named = {timedelta(hours=hours): offset(name) for name, hours in OFFSETS.items()}
    return _in(named.get(ahead, timezone(ahead)))


def _in(zone: timezone) -> Shown:
    def shown(value: object) -> object:
        if not isinstance(value, str) or "T" not in value:  # a day is no instant
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"

    return shown
