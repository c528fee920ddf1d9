"""Recipients: addresses that take no more for now, so that no other letter to them costs a unit.

A provider that says *this user is receiving too quickly* means the one address: the letter that it
was said of waits by its own backoff, and until then the other letters to that address wait, too.
Urgent classes ask for themselves. Held in memory alone: after a restart one letter asks anew.
"""

from __future__ import annotations

from typing import Final

from relay.mail.classification import Category, Classification, Scope
from relay.mail.delivery import Attempt, Deferred, Delivery, Outcome
from relay.mail.instant import DAY, Instant
from relay.mail.strike import key_of
from relay.mail.urgency import Urgency

MOST: Final = 5_000  # addresses; above it the oldest is forgotten, and asked once more
LONGEST: Final = DAY  # no wait is longer, whatever was done to the clock meanwhile
URGENT: Final = (Urgency.KRITIS, Urgency.MENDESAK)
LIMITED: Final = "another letter to this address was told to wait"


class Recipients:
    """One a process; times are the wall clock's, as a delivery's `due_at` is."""

    def __init__(self) -> None:
        """Nobody is limited."""
        self._limited: dict[str, tuple[Instant, str]] = {}

    def note(
        self, delivery: Delivery, attempt: Attempt, read: Classification | None, outcome: Outcome
    ) -> None:
        """What an attempt came to: where the address is limited, the others wait as long as it."""
        is_limit = (
            read is not None
            and (read.category, read.scope) == (Category.RATE_LIMITED, Scope.RECIPIENT)
            and attempt.reply is not None
        )
        if not is_limit or not isinstance(outcome, Deferred):
            return
        key = key_of(delivery.recipient)
        self._limited.pop(key, None)
        self._limited[key] = (outcome.until, f"{LIMITED}; {attempt.said()}")
        if len(self._limited) > MOST:
            del self._limited[next(iter(self._limited))]

    def wait(self, delivery: Delivery, now: Instant) -> tuple[Instant, str] | None:
        """Until when a letter that could fly waits for its address, and why; None: it may fly."""
        if not self._limited or delivery.urgency in URGENT:
            return None
        key = key_of(delivery.recipient)
        found = self._limited.get(key)
        if found is None:
            return None
        if not now < found[0] <= now + LONGEST:
            del self._limited[key]
            return None
        return found
