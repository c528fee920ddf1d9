"""Arrivals: what LPSE hands in during a rehearsal — an announcement to all vendors, then days of
ordinary work. Drawn by seed; the same for every side that is tried.

The announcement comes within five minutes, each letter a massal one to another vendor. Then come
so many an hour: a fifth kritis, a fifth mendesak, half transaksi, the rest massal, to vendors by
chance. And once an hour one busy vendor is invited a dozen times at once, which big providers
answer with that recipient's own throttle.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.mail.instant import HOUR, MINUTE, Instant
from relay.mail.urgency import Urgency

BURST: Final = 5 * MINUTE  # in which the announcement is handed in
INVITED: Final = 12  # letters at once to the busy vendor of an hour
MIX: Final = (  # of the letters that follow
    (Urgency.KRITIS, 0.2),
    (Urgency.MENDESAK, 0.2),
    (Urgency.TRANSAKSI, 0.5),
    (Urgency.MASSAL, 0.1),
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One letter to one recipient, handed in at that moment."""

    at: Instant
    recipient: str
    urgency: Urgency
    is_announcement: bool = False


def arrivals(
    vendors: Sequence[str],
    letters: int,
    hourly: int,
    start: Instant,
    length: int,
    seed: int,
    most_invited: int = INVITED,
) -> list[Arrival]:
    """All letters of a run in the order in which they come; `vendors` are addresses."""
    rng = random.Random(f"arrivals {seed}")  # noqa: S311 - no secret
    made = [
        Arrival(start + n * BURST // letters, vendors[n % len(vendors)], Urgency.MASSAL, True)
        for n in range(letters)
    ]
    classes, weights = [one for one, _ in MIX], [weight for _, weight in MIX]
    for hour in range(length // HOUR):
        begins = start + hour * HOUR + (BURST if hour == 0 else 0)
        room = start + (hour + 1) * HOUR - begins
        invited = min(most_invited, hourly)
        at, busy = begins + rng.randrange(room), rng.choice(vendors)
        made += [Arrival(at, busy, Urgency.MENDESAK) for _ in range(invited)]
        for urgency in rng.choices(classes, weights, k=hourly - invited):
            made.append(Arrival(begins + rng.randrange(room), rng.choice(vendors), urgency))
    return sorted(made, key=lambda one: one.at)
