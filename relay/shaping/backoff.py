"""Backoff: when a letter is tried again by itself; the jitter is drawn from its own name."""

from __future__ import annotations

import re
import zlib
from typing import Final

from relay.mail.delivery import Delivery
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant, millis
from relay.shaping.settings import RetrySettings

_HINT: Final = re.compile(r"\b([0-9]{1,5}) ?(s|sec|secs|seconds?|m|min|mins|minutes?)\b")
MAX_TEXT: Final = 1024  # characters of a reply in which a time is looked for


def due_at(delivery: Delivery, now: Instant, retry: RetrySettings) -> Instant:
    """After `delivery.tries` earlier tries: the schedule's step (the last repeats), ± jitter.

    The same letter, recipient and try always give the same time, so nothing here is random.
    """
    step = millis(retry.schedule[min(delivery.tries, len(retry.schedule) - 1)])
    drawn = zlib.crc32(f"{delivery.message_id}.{delivery.n}.{delivery.tries}".encode()) / 2**32
    return now + max(1, int(step * (1 + retry.jitter * (2 * drawn - 1))))


def hinted(text: str, now: Instant) -> Instant | None:
    """The time that a greylisting reply names (`try again in 300 seconds`), a little later.

    Below a minute and over an hour it is not believed.
    """
    match = _HINT.search(text[:MAX_TEXT].lower())
    if match is None:
        return None
    wait = int(match[1]) * (MINUTE if match[2].startswith("m") else SECOND)
    return now + wait + 5 * SECOND if MINUTE <= wait <= HOUR else None
