"""Settings of the store: what disk it leaves free, how long it keeps what failed."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pydantic import Field

from relay.settings import Duration, Settings, Size

LEAST: Final = timedelta(days=30)


class DiskSettings(Settings):
    """Below the greater of both the door answers 452; at twice it alerts."""

    reserve: Size = 500 * 1000 * 1000
    reserve_percent: float = Field(default=5.0, ge=0.0, le=50.0)


class FailedSettings(Settings):
    """How long a failed letter is kept whole and can be brought back; the inbox may keep it on."""

    keep: Duration = Field(default=LEAST, ge=LEAST)
