"""Desk: what one way is told, and when — by name not more often than `every`, a burst as one; pure.

Contract: nothing that is taken is forgotten. What may not be told yet waits as a row of its name
with a count; what is due goes as one message; what a way failed to carry comes back. The number of
rows is bounded: past it, alerts are only counted (`unlisted`) and owned up to in the next message.
Moments are milliseconds of a clock that never goes back.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from fnmatch import fnmatchcase
from typing import Final

from relay.mail.instant import MINUTE, SECOND, Instant
from relay.observe.notice import Message, Notice
from relay.observe.severity import Severity, word_of

MAX_ROWS: Final = 100
MAX_TOLD: Final = 1_000  # names whose last telling is remembered; the oldest goes first
GATHER: Final = 2 * SECOND  # what comes within it is one message
BURST: Final = 5  # messages …
SPAN: Final = 10 * MINUTE  # … in so much time; then they are gathered until the first is that old
AGAIN: Final = (MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE)  # after failures in a row


def wants(only: tuple[str, ...], name: str) -> bool:
    """Does a list of names and globs want this name? `pause` wants `pause:gmail` too; what begins
    with `!` is left out, whatever else wants it."""
    wanted = [glob for glob in only if not glob.startswith("!")] or ["*"]
    unwanted = [glob[1:] for glob in only if glob.startswith("!")]
    return _matches(wanted, name) and not _matches(unwanted, name)


def _matches(globs: list[str], name: str) -> bool:
    word = word_of(name)
    return any(fnmatchcase(name, glob) or fnmatchcase(word, glob) for glob in globs)


class Desk:
    """One way's rows. All calls from one thread."""

    def __init__(self, every: int) -> None:
        """`every`: milliseconds between two tellings of one name."""
        self.every = every
        self._rows: OrderedDict[str, tuple[Notice, Instant]] = OrderedDict()  # with when it is due
        self._told: OrderedDict[str, Instant] = OrderedDict()
        self._sent: deque[Instant] = deque(maxlen=BURST)
        self._failures = 0
        self._again_at: Instant = 0
        self.unlisted = 0

    @property
    def waiting(self) -> int:
        """Alerts that lie here, without those of a message that was taken up."""
        return sum(row.count for row, _ in self._rows.values()) + self.unlisted

    @property
    def names(self) -> list[str]:
        """Whose rows wait, in the order in which they came."""
        return list(self._rows)

    def take(self, notice: Notice, now: Instant) -> str:
        """Lay it down. Returns what became of it: empty, `suppressed` where its name was told
        lately (it is summed up), or `unlisted`."""
        told = self._told.get(notice.name)
        is_lately = told is not None and now - told < self.every
        earlier = self._rows.get(notice.name)
        if earlier is not None:
            self._rows[notice.name] = (earlier[0].merged(notice), earlier[1])
            self._rows.move_to_end(notice.name)
            return "suppressed"
        if len(self._rows) >= MAX_ROWS and not self._makes_room(notice.severity):
            self.unlisted += notice.count
            return "unlisted"
        due = now + GATHER if told is None else max(now + GATHER, told + self.every)
        self._rows[notice.name] = (notice, due)
        return "suppressed" if is_lately else ""

    def _makes_room(self, severity: Severity) -> bool:
        """For a graver one the oldest of the least grave rows is only counted."""
        name = min(self._rows, key=lambda one: self._rows[one][0].severity.rank)
        if self._rows[name][0].severity.rank >= severity.rank:
            return False
        self.unlisted += self._rows.pop(name)[0].count
        return True

    def next_at(self) -> Instant | None:
        """When there will be something to tell; None: nothing waits."""
        if not self._rows:
            return None  # what is unlisted has rows before it
        due = min(due for _, due in self._rows.values())
        free = self._sent[0] + SPAN if len(self._sent) == BURST else 0
        return max(due, free, self._again_at)

    def due(self, now: Instant, at: Instant, hostname: str) -> Message | None:
        """Take up all that is due as one message, made `at` (wall clock); None: nothing is."""
        ready = self.next_at()
        if ready is None or now < ready:
            return None
        names = [name for name, (_, due) in self._rows.items() if due <= now]
        return self._taken_up(names, now, at, hostname)

    def everything(self, now: Instant, at: Instant, hostname: str) -> Message | None:
        """Take up all, due or not: there will be no later."""
        return self._taken_up(list(self._rows), now, at, hostname) if self._rows else None

    def _taken_up(self, names: list[str], now: Instant, at: Instant, hostname: str) -> Message:
        rows = tuple(self._rows.pop(name)[0] for name in names)
        unlisted, self.unlisted = self.unlisted, 0
        for name in names:
            self._told.pop(name, None)
            self._told[name] = now
        while len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        self._sent.append(now)
        return Message(at, hostname, rows, unlisted)

    def carried(self) -> None:
        """The message arrived."""
        self._failures, self._again_at = 0, 0

    def failed(self, message: Message, now: Instant) -> None:
        """It did not: it comes back, and all waits for a longer time with each failure."""
        self._again_at = now + AGAIN[min(self._failures, len(AGAIN) - 1)]
        self._failures += 1
        self.back(message, now)

    def back(self, message: Message, now: Instant) -> None:
        """Lay its rows down again, before what came meanwhile."""
        self.unlisted += message.unlisted
        later = self._rows
        self._rows = OrderedDict((row.name, (row, now)) for row in message.rows)
        for row in message.rows:
            self._told.pop(row.name, None)
        for name, (row, due) in later.items():
            earlier = self._rows.pop(name, None)
            if earlier is not None:
                self._rows[name] = (earlier[0].merged(row), now)
            elif len(self._rows) < MAX_ROWS:
                self._rows[name] = (row, due)
            else:
                self.unlisted += row.count
