"""Events: the closed list of what happens to a letter or a provider, each a frozen value.

`observe` turns them into JSON lines and counters. A field that holds foreign text (a reply, a
subject, an address) is data: whoever shows it escapes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from relay.mail.classification import Category, Classification
from relay.mail.delivery import Attempt
from relay.mail.envelope import Source
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Received:
    """A letter is safe: its 250 may be said."""

    at: Instant
    id: int
    source: Source
    sender: str
    recipients: int
    size: int
    urgency: Urgency
    subject: str
    package: str | None
    sha256: bytes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The door said no; `reason` is the metric's label."""

    at: Instant
    source: Source
    stage: str
    code: int
    reason: str
    detail: str = ""
    sender: str = ""
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class Attempted:
    """One try of one delivery, whatever came of it."""

    at: Instant
    id: int
    n: int
    recipient: str
    provider: str  # the destination's label
    attempt: Attempt
    classification: Classification | None
    original: Classification | None = None  # what the shipped rules say, where the site's overrule


@dataclass(frozen=True, slots=True)
class Delivered:
    """Accepted by the remote server, `age_ms` after it was accepted by us."""

    at: Instant
    id: int
    n: int
    recipient: str
    provider: str
    mx: str
    reply: str
    age_ms: int


@dataclass(frozen=True, slots=True)
class Deferred:
    """Stays in the queue until `until`."""

    at: Instant
    id: int
    n: int
    recipient: str
    provider: str
    until: Instant
    why: str
    category: Category | None


@dataclass(frozen=True, slots=True)
class Bounced:
    """Given up because of a reply or failure."""

    at: Instant
    id: int
    n: int
    recipient: str
    provider: str
    why: str
    category: Category


@dataclass(frozen=True, slots=True)
class Expired:
    """Given up because its time was over."""

    at: Instant
    id: int
    n: int
    recipient: str
    provider: str
    why: str
    category: Category | None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Not tried: the address is on the list."""

    at: Instant
    id: int
    n: int
    recipient: str
    rule: str
    provider: str = "other"
    since: Instant | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Returned:
    """Something came back by the return path; `outcome` is the metric's label: a report's kind,
    `repeated`, `auto_reply`, `kept`, or why it was refused. `id` and `n` None: no delivery's."""

    at: Instant
    id: int | None
    n: int | None
    outcome: str
    client: str
    sender: str
    recipient: str  # the delivery's; of what was refused, as RCPT gave it
    category: Category | None = None
    rule: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """Waits for an administrator; n None: the whole letter, or many (`count`)."""

    at: Instant
    id: int | None
    n: int | None
    why: str
    who: str = "relay"
    count: int = 1


@dataclass(frozen=True, slots=True)
class Released:
    """An operator let held letters go, or asked for a retry now."""

    at: Instant
    id: int | None
    n: int | None
    who: str
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Removed:
    """An operator cancelled deliveries."""

    at: Instant
    id: int | None
    n: int | None
    who: str
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Paused:
    """A destination pauses until `until` (None: until `resume`)."""

    at: Instant
    provider: str
    destination: str
    until: Instant | None
    why: str
    who: str = "relay"


@dataclass(frozen=True, slots=True)
class Resumed:
    """A destination is asked again, or goes on."""

    at: Instant
    provider: str
    destination: str
    why: str
    who: str = "relay"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something an administrator should look at; `name` is stable, `detail` is words."""

    at: Instant
    name: str
    detail: str


Event = (
    Received
    | Refused
    | Attempted
    | Delivered
    | Deferred
    | Bounced
    | Expired
    | Suppressed
    | Returned
    | Held
    | Released
    | Removed
    | Paused
    | Resumed
    | Alert
)
Emit = Callable[[Event], None]


def by_the_wall(event: Event, step: int) -> Event:
    """An event that was made by a steady clock, as the wall clock says it, which was set forward by
    `step` milliseconds meanwhile."""
    if not step:
        return event
    if isinstance(event, Paused) and event.until is not None:
        return replace(event, at=event.at + step, until=event.until + step)
    return replace(event, at=event.at + step)
