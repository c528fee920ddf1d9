"""Settings of what is seen from outside: log, metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from relay.settings import Settings


class LogSettings(Settings):
    """Events as JSON lines; `addresses: masked` shows `v…@example.co.id`."""

    to: Literal["stdout"] | Path = "stdout"
    addresses: Literal["masked", "full"] = "masked"
    queue: int = Field(default=10_000, ge=100)  # events that may wait for a slow disk or pipe


class MetricsSettings(Settings):
    """`/metrics`, `/healthz`, `/readyz`."""

    listen: str = "127.0.0.1:9325"
