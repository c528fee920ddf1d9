"""Alerts: what an administrator should look at, said once an hour per name, not once a letter."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from relay.clock import Clock
from relay.mail.events import Alert, Emit
from relay.mail.instant import HOUR, Instant, iso

EVERY: Final = HOUR  # of one name; what comes between is counted
MAX_NAMES: Final = 256  # the longest-silent name goes first


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert as it stands: `count` times since `first_at`; `unsaid` since it was last emitted."""

    name: str
    detail: str
    first_at: Instant
    last_at: Instant
    said_at: Instant
    count: int = 1
    unsaid: int = 0


class Alerts:
    """Fulfils `filters.base.Alerts`; called from the loop's thread."""

    def __init__(self, emit: Emit, clock: Clock) -> None:
        self._emit = emit
        self._clock = clock
        self._raised: OrderedDict[str, Raised] = OrderedDict()

    def alert(self, name: str, detail: str) -> None:
        """Raise or renew the alert of that name; an event the first time, then once an hour."""
        now = self._clock.now()
        known = self._raised.pop(name, None)
        if known is None:
            raised = Raised(name, detail, now, now, now)
        elif now - known.last_at >= EVERY:
            raised = Raised(name, detail, now, now, known.said_at, 1, known.unsaid)
        else:
            raised = replace(
                known, detail=detail, last_at=now, count=known.count + 1, unsaid=known.unsaid + 1
            )
        self._raised[name] = raised
        if raised.count == 1 or now - raised.said_at >= EVERY:
            self._say(raised, now)
        while len(self._raised) > MAX_NAMES:
            self._raised.popitem(last=False)

    def _say(self, raised: Raised, now: Instant) -> None:
        detail = raised.detail
        if raised.unsaid:
            detail += f" ({raised.unsaid} times since {iso(raised.said_at)})"
        self._raised[raised.name] = replace(raised, said_at=now, unsaid=0)
        self._emit(Alert(now, raised.name, detail))

    def clear(self, name: str) -> None:
        """Its cause is gone; the next time it is said at once."""
        self._raised.pop(name, None)

    def current(self) -> list[Raised]:
        """What was raised within the last hour and not cleared, the latest first."""
        now = self._clock.now()
        return [r for r in reversed(self._raised.values()) if now - r.last_at < EVERY]
