"""Alerts: what an administrator should look at, said once an hour per name, not once a letter.

What others say as events (shaping of a provider, the scheduler of a letter) is heard here too, so
that one place knows what stands: a pause until it is resumed, all else for an hour, but that a
block is over for a day, so that who comes in the morning sees what was at night.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from relay.clock import Clock
from relay.mail.events import Alert, Emit, Event, Paused, Resumed
from relay.mail.instant import DAY, HOUR, Instant, iso
from relay.observe.meanings import meaning_of
from relay.observe.notice import ALL, notice_of
from relay.observe.severity import Severity, key_of

EVERY: Final = HOUR  # of one name; what comes between is counted
AFTERWARDS: Final = DAY  # that a `recovered` stands which ended something critical
MAX_ENDED: Final = 300  # characters of what is over, in the detail of its `recovered`
MAX_NAMES: Final = 256  # the longest-silent name goes first
# They stand until the destination is resumed.
_PAUSES: Final = ("pause", "unreachable", "out_of_reach")
_ENDED: Final = (
    *_PAUSES,
    "probe_refused",
    "blocked",
    "fix_config",
    "own_fault",
)  # by its being resumed


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
    severity: Severity | None = None  # None: the name's own
    lasts: Instant = EVERY  # that it stands after `last_at`; a duration

    @property
    def rank(self) -> int:
        """For comparing: the graver, the higher."""
        return (self.severity or meaning_of(self.name).severity).rank


class Alerts:
    """Fulfils `filters.base.Alerts`; called from the loop's thread."""

    def __init__(self, emit: Emit, clock: Clock) -> None:
        self._emit = emit
        self._clock = clock
        self._raised: OrderedDict[str, Raised] = OrderedDict()
        self._is_saying = False  # what is emitted now is our own

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
        self._forget()

    def _forget(self) -> None:
        while len(self._raised) > MAX_NAMES:
            self._raised.popitem(last=False)

    def _say(self, raised: Raised, now: Instant) -> None:
        detail = raised.detail
        if raised.unsaid:
            detail += f" ({raised.unsaid} times since {iso(raised.said_at)})"
        self._raised[raised.name] = replace(raised, said_at=now, unsaid=0)
        self._is_saying = True
        try:
            self._emit(Alert(now, raised.name, detail))
        finally:
            self._is_saying = False

    def heard(self, event: Event) -> bool:
        """Keep what an event says that was not said by `alert`. True where it ends what could not
        be reached, and had refused nothing."""
        if self._is_saying:
            return False
        if isinstance(event, Resumed):
            return self._resumed(event)
        notice = notice_of(event, masked=False) if isinstance(event, Alert | Paused) else None
        if notice is not None:
            if isinstance(event, Paused):
                self._raised.pop(f"recovered:{_key(event)}", None)
            known = self._raised.pop(notice.name, None)
            count = known.count + 1 if known else 1
            first = known.first_at if known else event.at
            self._raised[notice.name] = Raised(
                notice.name,
                notice.detail,
                first,
                event.at,
                event.at,
                count,
                severity=notice.severity,
            )
            self._forget()
        return False

    def _resumed(self, event: Resumed) -> bool:
        names = [f"{word}:{_key(event)}" for word in _ENDED]
        ended = [self._raised.pop(name) for name in names if name in self._raised]
        if any(one.name.startswith("unreachable:") for one in ended):
            return True  # a vendor's dead mail server is no administrator's news, nor is its return
        self._recovered(event, ended)
        return False

    def _recovered(self, event: Resumed, ended: Sequence[Raised]) -> None:
        """It stands in the place of what is over, and says since when that was."""
        notice = notice_of(event, masked=False)
        assert notice is not None  # noqa: S101 - of no Resumed
        detail, lasts = notice.detail, EVERY
        if ended:
            worst = max(ended, key=lambda one: (one.rank, -one.first_at))
            since = iso(min(one.first_at for one in ended))
            detail += f"; before, since {since}: {worst.name}: {worst.detail[:MAX_ENDED]}"
            if worst.rank >= Severity.CRITICAL.rank:
                lasts = AFTERWARDS
        self._raised.pop(notice.name, None)
        raised = Raised(notice.name, detail, event.at, event.at, event.at, lasts=lasts)
        self._raised[notice.name] = raised
        self._forget()

    def clear(self, name: str) -> None:
        """Its cause is gone; the next time it is said at once."""
        self._raised.pop(name, None)

    def current(self) -> list[Raised]:
        """What stands, the latest first: what was raised within the last hour and not cleared, what
        recovered, for a day after something critical, and of a destination that is paused whatever
        was said of it."""
        now = self._clock.now()
        return [
            r
            for r in reversed(self._raised.values())
            if now - r.last_at < r.lasts or self._is_paused(key_of(r.name))
        ]

    def _is_paused(self, key: str) -> bool:
        return bool(key) and any(f"{word}:{key}" in self._raised for word in _PAUSES)


def _key(event: Paused | Resumed) -> str:
    return ALL if event.destination == "*" else event.destination
