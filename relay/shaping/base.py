"""What the scheduler asks of shaping, as a protocol: two permits, feedback, what to show and keep.

Pure: every method gets `now`. One instance a process, called from one thread, so limits are exact
for free. Units are set aside durably before they are spent: where too few are, `admit` says SHORT,
and `setting_aside` names what the store must keep before `set_aside` makes it spendable. Other
state that must survive a restart leaves by `dirty()`; both come back by `restore()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final, Literal, Protocol

from relay.mail.classification import Classification
from relay.mail.events import Event
from relay.mail.instant import SECOND, Instant
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.shaping.destination import Destination, Rate
from relay.shaping.hours import Hours, Open
from relay.shaping.warmup import Ahead

SOON: Final = 5 * SECOND


class Reason(StrEnum):
    """What a letter waits for, in one word: a closed list, for who counts."""

    LIMIT = "limit"  # a rate of the configuration
    PACE = "pace"  # what was learned of the destination
    PAUSE = "pause"
    PROBING = "probing"  # one letter asks whether it takes mail again
    HOURS = "hours"
    WARM_UP = "warm-up"
    CONNECTIONS = "connections"


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before `until`, and why, in one sentence and in one word.

    `domain`: only that domain waits; its destination would take another's letter. `name`: only
    letters that carry that name of ours wait, as it stands in :attr:`Identity.names`.
    """

    until: Instant
    why: str
    domain: str | None = None
    reason: Reason = Reason.LIMIT
    name: str | None = None

    def looked_at(self, now: Instant) -> Instant:
        """When a domain that waits is asked for again: its hours hold no kritis, its warm-up
        nothing urgent, and such may come meanwhile."""
        is_some = self.reason in (Reason.HOURS, Reason.WARM_UP)
        return min(self.until, now + SOON) if is_some else self.until


class Short(Enum):
    """Fewer units are set aside durably than are asked for."""

    SHORT = "short"


SHORT: Final = Short.SHORT


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom of us a provider may mean: the address we dial from, DKIM's domain, MAIL FROM's domain.

    Empty: not known. What a reply names is punished alone; what it leaves unnamed, all at once.
    """

    ip: str = ""
    dkim: str = ""
    envelope: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Of these, the ones that a reply may name: `dkim=…`, `envelope=…`."""
        named = (("dkim", self.dkim), ("envelope", self.envelope))
        return tuple(f"{kind}={name}" for kind, name in named if name)


NOBODY: Final = Identity()
URGENT: Final = (Urgency.KRITIS, Urgency.MENDESAK)  # what no warm-up holds


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit as it stands: `used` of `rate`, and when one more fits (None: now)."""

    name: str  # gmail, @dinas.example.go.id, total, source 203.0.113.7
    rate: Rate
    where: str  # the file, and the line where it is known
    used: int
    free_at: Instant | None
    closed: int = 0  # of it: units that are kept for other classes
    is_inside: bool = False  # of a domain or a site inside the destination


@dataclass(frozen=True, slots=True)
class Start:
    """A provider without history begins at a `share` of its limit. Until it has the whole this
    takes `delay` milliseconds from it at most, if letters are there all the time."""

    share: float
    delay: int


@dataclass(frozen=True, slots=True)
class Inside:
    """What holds a domain's letters beside what holds all that go where it is sent to."""

    hours: Open | None  # its own and the destination's
    warmups: tuple[tuple[str, Ahead], ...]  # whose: @dinas.example.go.id, mx:…
    pace: float | None  # how many of the domain's leave an hour for hours on end
    next_there: Instant | None  # when another domain's letter may go there
    is_of_site: bool = False  # some of it holds all domains of its site
    where: str = ""  # the files and lines of its hours
    places: Mapping[str, str] = field(default_factory=dict)  # of its warm-ups, by whose they are


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a letter to a domain goes when it goes."""

    key: str
    provider: str | None
    state: Literal["ok", "slow", "paused", "probing"]
    why: str  # what binds now, in one sentence; empty: nothing does
    bounds: tuple[Bound, ...]
    learned: float | None  # RCPTs a minute that were learned; None: nothing lower than the limits
    ceiling: float | None  # RCPTs a minute that were borne before the last refusal
    next_at: Instant | None  # when the next letter of that class may go; None: not known
    an_hour: int | None  # how many may leave in the coming hour at most; None: no limit
    connections: int
    shut: tuple[
        Wait, ...
    ] = ()  # what letters wait for that carry a name of ours that is shut there
    pace: float | None = None  # how many leave an hour for hours on end; None: no such limit
    hours: Open | None = None  # when that class goes there; None: always
    warmup: Ahead | None = None  # what holds that class besides; None: nothing does
    start: Start | None = None  # None: it has begun long ago
    idle: tuple[str, ...] = ()  # what is written for the domain and does nothing there
    inside: Inside | None = None  # None: nothing is written for the domain, or it is its own


@dataclass(frozen=True, slots=True)
class Standing:
    """A destination as `providers` shows it. `rate_now` is RCPTs a minute at most, now."""

    key: str
    provider: str | None
    state: Literal["ok", "slow", "paused", "probing"]
    paused_until: Instant | None
    why: str
    limits: tuple[Rate, ...]
    rate_now: float | None
    connections: int
    connections_open: int
    last_reply: str
    last_reply_at: Instant | None
    hours: Hours | None = None
    warmup: Ahead | None = None  # None: there is none, or it is over
    rate_soon: float | None = None  # at the end of the coming hour, while it comes back; else None


class Shaping(Protocol):
    """The shaper."""

    def connect(
        self, destination: Destination, now: Instant, urgency: Urgency = Urgency.TRANSAKSI
    ) -> Wait | Short | None:
        """Permit one: None and one more connection counts as open; or not before; or SHORT, where
        there is a limit of new ones: set more aside, and ask again."""
        ...

    def disconnected(self, destination: Destination, now: Instant) -> None:
        """A counted connection is gone."""
        ...

    def peek(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        ahead: int = 0,
        urgency: Urgency = Urgency.TRANSAKSI,
        identity: Identity = NOBODY,
    ) -> Wait | None:
        """Would `admit` say yes now, after `ahead` units that are under way? Spends nothing."""
        ...

    def admit(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        urgency: Urgency = Urgency.TRANSAKSI,
        identity: Identity = NOBODY,
    ) -> Wait | Short | None:
        """Permit two, immediately before MAIL: None and `units` RCPTs are spent; or not before;
        or SHORT: set more aside, and ask again."""
        ...

    def setting_aside(self, now: Instant) -> Sequence[Spent]:
        """What is to be made durable for those that were told SHORT; each row once."""
        ...

    def set_aside(self, rows: Sequence[Spent], now: Instant) -> None:
        """These are on stable storage: they may be spent."""
        ...

    def not_set_aside(self, rows: Sequence[Spent]) -> None:
        """The store could not keep them, or nobody knows: they are asked for anew."""
        ...

    def corrections(self, now: Instant) -> Sequence[Spent]:
        """Rows that say more than was spent, or count no more (0 units); to be kept at leisure."""
        ...

    def connections(
        self, destination: Destination, now: Instant, urgency: Urgency = Urgency.TRANSAKSI
    ) -> int:
        """How many connections may be open now, and so how many letters may be under way."""
        ...

    def refund(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        admitted_at: Instant | None = None,
        identity: Identity = NOBODY,
    ) -> None:
        """Units admitted at `admitted_at` (None: last) whose RCPT was never written come back."""
        ...

    def feedback(
        self,
        destination: Destination,
        classification: Classification | None,
        reply: str,
        now: Instant,
        identity: Identity = NOBODY,
        domain: str = "",
        began_at: Instant | None = None,
    ) -> Sequence[Event]:
        """What a reply means for the destination (None: accepted). Returns Paused, Resumed …

        `began_at`: when the permit was given for what it answers (None: now). What had begun before
        the last refusal, or before the pause, ends no pause and answers no probe.
        """
        ...

    def is_full(self, destination: Destination, now: Instant) -> bool:
        """True where as many connections are open as may be."""
        ...

    def messages_per_connection(self, destination: Destination, now: Instant) -> int | None:
        """How many letters a session may carry."""
        ...

    def wants_new(self, destination: Destination, now: Instant) -> bool:
        """True where no letter that was refused may be the next to ask there."""
        ...

    def is_probing(self, destination: Destination, now: Instant) -> bool:
        """True where one letter is to ask whether it bears us again: best one that will be taken
        if it does."""
        ...

    def shut_names(self, destination: Destination, now: Instant) -> Mapping[str, Instant]:
        """The names of ours (:attr:`Identity.names`) that the destination refused, and until when
        no letter goes there that carries one; `now`, where one letter may ask for it. Letters of
        others go. Empty, nearly always."""
        ...

    def pause(self, destination: str, until: Instant | None, why: str, now: Instant) -> None:
        """By hand; `until` None: until `resume`. `*` is everything."""
        ...

    def resume(self, destination: str, why: str, now: Instant) -> bool:
        """By hand. False if it was not paused."""
        ...

    def is_paused(self, destination: str, now: Instant) -> bool:
        """True while nothing may be sent there."""
        ...

    def lapsed(self, now: Instant) -> Sequence[Event]:
        """What time alone has ended since the last call: Resumed, of a reaction's pause where
        nothing else closes its destination."""
        ...

    def closed_since(self, destination: str, now: Instant) -> Instant | None:
        """Since when nothing but a probe goes there, refused probes included, or a reaction has
        paused it; None: it is open."""
        ...

    def shown_keys(self) -> list[str]:
        """The keys of all destinations that have a state worth showing, and of the domains that a
        reaction paused (`@domain`); of ten thousand, `shown` is asked for some at a time."""
        ...

    def open_keys(self) -> list[str]:
        """The keys of the destinations with connections."""
        ...

    def shown(self, key: str, now: Instant) -> Standing:
        """How it stands with one of them; of what has no state: that it is open."""
        ...

    def explain(
        self, destination: Destination, domain: str, now: Instant, urgency: Urgency
    ) -> Explained:
        """What a letter of that class to that domain waits for. Spends nothing."""
        ...

    def dirty(self, now: Instant, is_last: bool = False) -> Mapping[str, str]:
        """State changed since the last call, as JSON text by key; to be kept by the store. Counts
        that are not exact limits come once a minute, or where it is the last call."""
        ...

    def restore(self, states: Mapping[str, str], now: Instant, spent: Sequence[Spent] = ()) -> None:
        """At start. What cannot be read is an error that names the key; the rest is taken."""
        ...
