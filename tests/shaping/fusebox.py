"""A fuse box in a test: its time, what it is told, what it says."""

from __future__ import annotations

import json
from dataclasses import replace

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.events import Alert
from relay.mail.instant import DAY, SECOND, Instant
from relay.shaping.fuse import WHOLE, Fuse, FuseBox

NOW: Instant = 1_764_000_000_000 // DAY * DAY
LETTER = b"\x01" * 32
UNKNOWN = Classification(Category.UNKNOWN_USER, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, "r")
INACTIVE = replace(UNKNOWN, category=Category.INACTIVE_USER)
SPAM = Classification(Category.SPAM_CONTENT, Scope.MESSAGE, Action.BOUNCE_MESSAGE, "r")
POLICY = replace(SPAM, category=Category.POLICY)
FULL = Classification(Category.MAILBOX_FULL, Scope.RECIPIENT, Action.RETRY_LATER, "r")
THROTTLE = Classification(Category.RATE_LIMITED, Scope.SENDER, Action.SLOW_DOWN_PROVIDER, "r")


class Box:
    """A box, its time, and what it said; each attempt comes `apart` after the last."""

    def __init__(self, apart: int = SECOND) -> None:
        self.box = FuseBox()
        self.now = NOW
        self.apart = apart
        self.alerts: list[Alert] = []
        self.believed = 0
        self.count = 0

    def note(
        self, read: Classification | None, times: int = 1, letter: bytes = LETTER, at: str = "gmail"
    ) -> Fuse:
        found = WHOLE
        for _ in range(times):
            self.now += self.apart
            found, alert = self.box.note(at, letter, read, self.now)
            if alert is not None:
                self.alerts.append(alert)
            if read is not None and not read.keeps_the_mail and not found.is_blown:
                self.believed += 1
                self.count += 1
                self.box.bounced(at, letter, read, (self.count, 1), self.now)
        return found

    def days(self, dead: int, days: int = 10, attempts: int = 100) -> None:
        """So many of so many a day were dead, and an hour is over since."""
        for _ in range(days):
            kept = {"addresses": {}, "days": [[self.now // DAY, attempts, dead]]}
            if "gmail" in self.box._watched:
                kept["days"] += self.box._watched["gmail"].days.dump()  # type: ignore[operator]
            self.box.restore({"fuse:gmail": json.dumps(kept)}, self.now)
            self.now += DAY

    def restarted(self) -> None:
        texts = self.box.dirty(self.now)
        self.box = FuseBox()
        self.box.restore(texts, self.now)
