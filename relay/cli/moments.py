"""Moments: instants as a person here reads them, `2011-10-04 14:11:09 WIB`; JSON stays UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from relay.config.places import word
from relay.web.dates import OFFSETS

Shown = Callable[[object], object]


def local(file: Path) -> Shown:
    """Shows the ISO instants of an answer in the site's zone, `inbox.zone`; all else unchanged."""
    given = word(file, "inbox", "zone")
    name, hours = next(((n, h) for n, h in OFFSETS.items() if n == given), ("WIB", OFFSETS["WIB"]))
    return _in(timezone(timedelta(hours=hours), name))


def instants(east: int) -> Shown:
    """The same in a zone so many milliseconds east of UTC."""
    offset = timedelta(milliseconds=east)
    names = {timedelta(hours=hours): name for name, hours in OFFSETS.items()}
    return _in(timezone(offset, names[offset]) if offset in names else timezone(offset))


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
