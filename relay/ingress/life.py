"""Life: until when a letter is tried, by its class and the deadline that it names; pure.

What is fixed ends then. Of all other letters only time in which they may be tried counts, so that
their end moves (`relay.mail.delivery.is_over`).
"""

from __future__ import annotations

from typing import Final

from relay.mail.instant import Instant, millis
from relay.mail.urgency import Urgency
from relay.shaping.settings import LifeSettings

_BY_DEADLINE: Final = (Urgency.MENDESAK, Urgency.MASSAL)


def is_fixed(urgency: Urgency, deadline_at: Instant | None) -> bool:
    """True for kritis, and for mendesak and massal with a deadline: later they are of no use."""
    return urgency is Urgency.KRITIS or (deadline_at is not None and urgency in _BY_DEADLINE)


def expires_at(
    urgency: Urgency, deadline_at: Instant | None, now: Instant, life: LifeSettings
) -> Instant:
    """mendesak and massal: the letter's deadline, but not before `at_least` from now; without a
    deadline, and for the other classes, the table's time."""
    if deadline_at is not None and urgency in _BY_DEADLINE:
        return max(deadline_at, now + millis(life.at_least))
    return now + millis(getattr(life, urgency.word))
