"""Room: how many letters may be under way, leased and claimed at once, and who waits for a place.

An announcement to thousands of sites fills all places, and where hosts do not answer it fills them
for minutes. So a few more are there for urgent letters alone, and lanes that have such letters are
served before the others, however long those have waited.
"""

from __future__ import annotations

from typing import Final

from relay.mail.urgency import Urgency
from relay.shaping.base import URGENT

ALL_ROWS: Final = 5_000
ALL_FLIGHTS: Final = 1_000  # letters under way at once, to all destinations together
ALL_CLAIMS: Final = 64
URGENT_ROWS: Final = 500  # and so many more for urgent ones alone
URGENT_FLIGHTS: Final = 50
URGENT_CLAIMS: Final = 8


class Queue:
    """Lanes' keys, in order, those with urgent letters first."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._urgent: dict[str, None] = {}
        self._others: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def add(self, key: str, urgency: Urgency) -> None:
        """It waits from now on, unless it does already."""
        if urgency in URGENT:
            self._others.pop(key, None)
            self._urgent[key] = None
        elif key not in self._urgent:
            self._others[key] = None

    def next(self, is_for_others: bool) -> str | None:
        """The first, which waits no longer; None: nobody waits who may have it."""
        for keys, may in ((self._urgent, True), (self._others, is_for_others)):
            if may and keys:
                del keys[key := next(iter(keys))]
                return key
        return None


class Room:
    """Counts of one scheduler; whoever takes a place gives it back."""

    def __init__(self) -> None:
        """All of it is free."""
        self.rows = 0  # leased deliveries that wait in memory
        self.flights = 0
        self.claims = 0
        self.grounded = Queue()  # lanes that found no place to fly
        self.hungry = Queue()  # and none to lease more

    def may_fly(self, urgency: Urgency) -> bool:
        """One more letter may be under way."""
        return self.flights < ALL_FLIGHTS + (URGENT_FLIGHTS if urgency in URGENT else 0)

    def rows_left(self, urgency: Urgency) -> int:
        """How many more may be leased."""
        return ALL_ROWS + (URGENT_ROWS if urgency in URGENT else 0) - self.rows

    def may_claim(self, urgency: Urgency) -> bool:
        """One more claim may run."""
        most = ALL_CLAIMS + (URGENT_CLAIMS if urgency in URGENT else 0)
        return self.claims < most and self.rows_left(urgency) > 0

    @property
    def is_scarce(self) -> bool:
        """Each lane had better lease only what it can start."""
        return self.rows >= ALL_ROWS // 2

    def next_to_fly(self) -> str | None:
        """The lane whose turn it is; None: there is no place, or nobody who may have it."""
        if not self.may_fly(Urgency.KRITIS):
            return None
        return self.grounded.next(self.may_fly(Urgency.MASSAL))

    def next_to_claim(self) -> str | None:
        """The same for those that would lease more; what cannot fly need not be leased."""
        if not (self.may_claim(Urgency.KRITIS) and self.may_fly(Urgency.KRITIS)):
            return None
        return self.hungry.next(self.may_claim(Urgency.MASSAL) and self.may_fly(Urgency.MASSAL))
