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
    zone = timezone(timedelta(hours=hours), name)

    def shown(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S} {name}"

    return shown
