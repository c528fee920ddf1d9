"""What a provider of a rehearsal is: it answers at each stage, and keeps the books that score us.

Pure: `now` is handed in, chance comes from the seed that a provider was drawn with. A provider
knows nothing of the relay, and the relay sees nothing of it but answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from relay.mail.delivery import FailureKind
from relay.mail.instant import Instant
from relay.mail.reply import Stage

Answer = str | FailureKind | None  # a reply's lines; what happens instead of one; None: go on


@dataclass(frozen=True, slots=True)
class Try:
    """One recipient's try, as far as the provider has seen it."""

    ip: str
    host: str  # the MX that was dialled
    session: int  # a number of its own for each connection
    carried: int  # letters that this connection has carried before
    sender: str
    recipient: str
    signed_by: str = ""  # DKIM's d=
    message_id: str = ""
    is_encrypted: bool = True

    @property
    def domain(self) -> str:
        """The recipient's."""
        return self.recipient.rpartition("@")[2]


class Kind(StrEnum):
    """What a provider wrote into its books of one try."""

    ACCEPTED = "accepted"
    DEAD = "dead"  # no such user, and that is the truth
    FALSE_DEAD = "false_dead"  # said so, and it is not
    FULL = "full"
    RECIPIENT = "recipient"  # too many for that one address
    GREYLISTED = "greylisted"
    WARNED = "warned"  # a sign that the quota is near
    THROTTLED = "throttled"  # over the quota, said as temporary
    BLOCKED = "blocked"  # over the quota, said as permanent
    ADMINISTRATIVE = "administrative"  # a block list: ends only by hand
    INSIDE = "inside"  # tried inside a penalty whose length the provider publishes
    CONTENT = "content"
    DOWN = "down"  # refused or lost connections
    LOST = "lost"  # after the dot: perhaps taken


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the books; a try may leave several (BLOCKED and INSIDE)."""

    at: Instant
    kind: Kind
    recipient: str
    message_id: str
    is_taken: bool = False  # the letter is with its recipient now


@dataclass(slots=True)
class Book:
    """A provider's own record; it is what scores, never the relay's events."""

    entries: list[Entry] = field(default_factory=list)

    def note(self, now: Instant, kind: Kind, tried: Try, is_taken: bool = False) -> None:
        """Write a line."""
        self.entries.append(Entry(now, kind, tried.recipient, tried.message_id, is_taken))

    def count(self, *kinds: Kind) -> int:
        """How many lines of these kinds."""
        return sum(entry.kind in kinds for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `count` RCPTs in any `span` milliseconds."""

    count: int
    span: int


class Provider(Protocol):
    """A drawn provider, or a crowd of hosts that a row of the benchmark calls one."""

    name: str
    book: Book

    @property
    def domains(self) -> Sequence[str]:
        """Where its recipients live."""
        ...

    def hosts(self, domain: str, now: Instant) -> tuple[str, ...] | FailureKind:
        """The domain's MX hosts, best first; or what DNS says instead."""
        ...

    def connect(self, host: str, ip: str, session: int, now: Instant) -> Answer:
        """A connection is asked for: None greets it, else the banner's refusal or a failure."""
        ...

    def closed(self, host: str, ip: str, session: int, now: Instant) -> None:
        """A greeted connection is gone."""
        ...

    def mail(self, tried: Try, now: Instant) -> Answer:
        """After MAIL FROM (and before any recipient is counted)."""
        ...

    def rcpt(self, tried: Try, now: Instant) -> Answer:
        """After RCPT TO: here a unit is counted."""
        ...

    def end(self, tried: Try, now: Instant) -> Answer:
        """After the final dot: None accepts."""
        ...

    def seconds(self, stage: Stage, host: str, now: Instant) -> float:
        """How long the answer at that stage takes this time."""
        ...

    def quotas(self, domain: str, now: Instant) -> tuple[Quota, ...]:
        """The truth at that moment for that domain's host: for oracles and scorers only."""
        ...
