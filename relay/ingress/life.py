"""Life: until when a letter is tried, by its class and the deadline that it names; pure.

A fixed life (`relay.mail.delivery.has_fixed_life`) ends then. Of all other letters only time in
which they may be tried counts, so that their end moves (`relay.mail.delivery.is_over`).
"""

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
