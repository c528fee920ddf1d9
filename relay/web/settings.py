"""Settings of the inbox page."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from relay.settings import Duration, Settings


class WebSettings(Settings):
    """A bind beyond loopback needs an https `base_url`."""

    listen: str = "127.0.0.1:8025"
    base_url: str | None = None
    link_life: Duration = timedelta(minutes=15)
    session_life: Duration = timedelta(hours=8)


class InboxSettings(Settings):
    """How the inbox speaks."""

    keep: Duration = timedelta(days=5 * 365)  # retention comes later: nothing is removed yet
    zone: Literal["WIB", "WITA", "WIT"] = "WIB"
    contact: str | None = None
