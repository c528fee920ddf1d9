"""Settings of the store: what disk it leaves free, how long it keeps what failed, and when what
waits for a digest is told."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from relay.mail.telling import Mode
from relay.settings import Duration, Settings, Size

LEAST: Final = timedelta(days=30)
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def clock(value: object) -> object:
    """``07:00`` → a time of day, to the minute. Raises ValueError."""
    if isinstance(value, time):
        return value
    match = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"not a time of day: {value!r} (write 07:00)")
    return time(int(match[1]), int(match[2]))


Clock = Annotated[time, BeforeValidator(clock)]


class DiskSettings(Settings):
    """Below the greater of both the door answers 452; at twice it alerts."""

    reserve: Size = 500 * 1000 * 1000
    reserve_percent: float = Field(default=5.0, ge=0.0, le=50.0)


class FailedSettings(Settings):
    """How long a failed letter is kept whole and can be brought back; the inbox may keep it on."""

    keep: Duration = Field(default=LEAST, ge=LEAST)


class RefusedSettings(Settings):
    """How long, and how many octets, deflated, of letters that a trusted client was refused after
    DATA are kept; the oldest go first."""

    keep: Duration = timedelta(days=7)
    most: Size = 100 * 1000 * 1000


class DsnSettings(Settings):
    """How senders hear of failures. Urgent letters (kritis, mendesak), and those whose NOTIFY asks
    for it, always have a report of their own."""

    mode: Mode = "digest"
    digest_at: Clock = time(7, 0)
