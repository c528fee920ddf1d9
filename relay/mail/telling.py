"""Telling: when a sender hears of a failed delivery."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal

from relay.mail.urgency import Urgency

URGENT: Final = frozenset({Urgency.KRITIS, Urgency.MENDESAK})
Mode = Literal["digest", "single", "off"]


class Telling(Enum):
    """When a sender hears of a failed delivery."""

    NEVER = "never"
    NOW = "now"  # a report of its own
    DAILY = "daily"  # in the day's digest


def telling(
    sender: str, notify: frozenset[str] | None, urgency: Urgency, mode: Mode = "digest"
) -> Telling:
    """Never `<>`, and never where NOTIFY leaves FAILURE out; at once where NOTIFY asks for it,
    whatever the mode (RFC 3461 4.1 leaves no choice), and for urgent letters; else by the mode."""
    if not sender:
        return Telling.NEVER
    if notify is not None:
        return Telling.NOW if "FAILURE" in notify else Telling.NEVER
    if mode == "off":
        return Telling.NEVER
    return Telling.NOW if mode == "single" or urgency in URGENT else Telling.DAILY
