"""A moment: whole milliseconds since the Unix epoch, UTC, as a plain integer.

Integers compare, sort and store without conversion in both databases; nothing in the house
carries a zone until a page shows it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

Instant = int

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


def millis(duration: timedelta) -> int:
    """A duration in whole milliseconds, rounded down."""
    return duration // timedelta(milliseconds=1)


def iso(at: Instant) -> str:
    """The moment as ISO 8601 in UTC with milliseconds and ``Z``, as every JSON shape shows it."""
    return f"{_second(at // 1000)}.{at % 1000:03d}Z"


@lru_cache(maxsize=64)  # the events of one second share it
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def from_iso(text: str) -> Instant:
    """The moment that :func:`iso` wrote. Raises ValueError on anything without a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs a zone: {text!r}")
    return millis(moment - datetime(1970, 1, 1, tzinfo=UTC))
