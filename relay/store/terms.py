"""Terms: the values that a store is handed and answers with; `base` says what is promised."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from relay.mail.classification import Category
from relay.mail.delivery import Attempt, Delivery, Outcome, State
from relay.mail.envelope import Message, sending_domain
from relay.mail.instant import Instant
from relay.mail.strike import Doubt, Strike
from relay.mail.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Placement:
    """A delivery to be put. `mailbox_id` and `turn` are filled in by the store.

    Born final (state BOUNCED or SUPPRESSED) it gets an inbox row and its attempt, and no
    queue row. `mailbox_address` is the key (`Address.key`, or the text as given in lower case).
    `owes_report`: born final, its sender is told of it in the day's digest.
    """

    delivery: Delivery
    mailbox_address: str
    attempt: Attempt | None = None
    category: Category | None = None
    owes_report: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One message to be put, with its placements. DSNs are entries too, without inbox rows."""

    message: Message
    placements: tuple[Placement, ...]
    has_inbox: bool = True


@dataclass(frozen=True, slots=True)
class Settlement:
    """What came of a leased (or expiring) delivery. `dsn` rides in the same transaction, and so do
    what speaks against its address now, and the address that a success `healed`. `doubt` is met
    before the strike is noted. `owes_report`: an end that its sender is told of in the day's
    digest."""

    delivery: Delivery
    outcome: Outcome
    attempt: Attempt | None = None
    dsn: Entry | None = None
    strike: Strike | None = None
    healed: str = ""
    doubt: Doubt | None = None
    owes_report: bool = False


@dataclass(frozen=True, slots=True)
class Selector:
    """Which deliveries an operator means; all given conditions must hold.

    `subject` is a case-insensitive glob (`*Pengumuman*`), or a part of the subject where it has
    no `*`. `domains` is what a provider was resolved to. `why` is what the reason begins with.
    `header_id` is a Message-ID as the letter came with it.
    """

    message_id: int | None = None
    n: int | None = None
    subject: str | None = None
    urgency: Urgency | None = None
    domains: frozenset[str] | None = None
    recipient: str | None = None
    states: frozenset[State] | None = None
    why: str | None = None
    header_id: str | None = None

    @property
    def is_everything(self) -> bool:
        """True where no condition was given."""
        return self == Selector()


@dataclass(frozen=True, slots=True)
class Named:
    """Letters that carry one of these names of ours: the From domain, or MAIL FROM's, `instead`
    being what stands there in place of the letter's own (empty: nothing does)."""

    signers: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()
    instead: str = ""

    def means(self, sender: str, from_domain: str | None) -> bool:
        """True for a letter from that sender, with that From domain."""
        if from_domain in self.signers:
            return True
        return bool(self.senders) and sending_domain(sender, self.instead) in self.senders

    @property
    def text(self) -> str:
        """The same for equal ones."""
        return repr((sorted(self.signers), sorted(self.senders), self.instead))


@dataclass(frozen=True, slots=True)
class Unsent:
    """Which letters that did not arrive an operator means: held, bounced, expired or suppressed
    deliveries; all given conditions must hold. Our own reports are never meant, nor what was
    addressed to no mailbox.

    `subject` as in Selector; `sender` in lower case; `fingerprint`: what the body's hash begins
    with, in hex; `category` and `rule`: why it failed; `since`: it was held or ended then or later.
    """

    message_id: int | None = None
    n: int | None = None
    subject: str | None = None
    urgency: Urgency | None = None
    domains: frozenset[str] | None = None
    sender: str | None = None
    fingerprint: str | None = None
    category: Category | None = None
    rule: str | None = None
    since: Instant | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of them are alike. `route`: the destination that was asked last; `is_over`: their
    life is fixed and over, so that they can never go again."""

    domain: str
    route: str | None
    state: State
    category: Category | None
    is_over: bool
    count: int


Change = Literal["hold", "release", "retry", "remove"]


@dataclass(frozen=True, slots=True)
class Changed:
    """Result of an operator's change: how many moved; how many were in flight and could not."""

    moved: int
    in_flight: int
    domains: frozenset[str] = frozenset()  # where something became ready


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A delivery with what a listing shows of its message and its last attempt."""

    delivery: Delivery
    sender: str
    subject: str
    category: Category | None
    rule: str | None
    received_at: Instant
    from_domain: str = ""  # of the letter's From field; empty: not known


@dataclass(frozen=True, slots=True)
class Depth:
    """How many unfinished deliveries a domain has in a state; `oldest_at`: when the oldest came."""

    domain: str
    state: State
    count: int
    oldest_at: Instant


@dataclass(frozen=True, slots=True)
class Ready:
    """A domain that has ready mail, and the most urgent class among it.

    `is_dated`: letters that name a deadline were just put.
    """

    domain: str
    urgency: Urgency
    is_dated: bool = False


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many ready deliveries a domain has in a class that name the same deadline (cut to the
    minute), or none."""

    domain: str
    urgency: Urgency
    deadline_at: Instant | None
    count: int


ReadyListener = Callable[[Collection[Ready]], None]
