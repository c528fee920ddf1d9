"""Settings of the store: where it lies, what disk it leaves free."""

from __future__ import annotations

from pydantic import Field

from relay.settings import Settings, Size


class DiskSettings(Settings):
    """Below the greater of both the door answers 452; at twice it alerts."""

    reserve: Size = 500 * 1000 * 1000
    reserve_percent: float = Field(default=5.0, ge=0.0, le=50.0)
