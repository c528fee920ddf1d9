"""Life: until when a letter is tried, by its class and the deadline that it names; pure."""

from __future__ import annotations

from relay.mail.instant import Instant, millis
from relay.mail.urgency import Urgency
from relay.shaping.settings import LifeSettings


def expires_at(
    urgency: Urgency, deadline_at: Instant | None, now: Instant, life: LifeSettings
) -> Instant:
    """mendesak and massal: the letter's deadline, but not before `at_least` from now; without a
    deadline, and for the other classes, the table's time."""
    if deadline_at is not None and urgency in (Urgency.MENDESAK, Urgency.MASSAL):
        return max(deadline_at, now + millis(life.at_least))
    return now + millis(getattr(life, urgency.word))
