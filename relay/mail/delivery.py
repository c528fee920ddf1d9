"""Delivery: one recipient's job; its states with their table, its attempts, its outcomes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum, StrEnum
from operator import attrgetter
from typing import Final

from relay.mail import ids
from relay.mail.classification import Category, Classification
from relay.mail.instant import Instant
from relay.mail.reply import Reply, Stage
from relay.mail.urgency import Urgency


class State(IntEnum):
    """Where a delivery stands; the numbers are the store's."""

    READY = 0
    WAITING = 1
    LEASED = 2
    HELD = 3
    DELIVERED = 4
    BOUNCED = 5
    EXPIRED = 6
    SUPPRESSED = 7
    REMOVED = 8

    @property
    def word(self) -> str:
        """The state in lower case, as JSON and events write it."""
        return self.name.lower()

    @property
    def is_final(self) -> bool:
        """True where nothing more will happen by itself."""
        return self >= State.DELIVERED


_FINAL: Final = frozenset(
    {State.DELIVERED, State.BOUNCED, State.EXPIRED, State.SUPPRESSED, State.REMOVED}
)
TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.READY: frozenset(
        {
            State.WAITING,
            State.LEASED,
            State.HELD,
            State.EXPIRED,
            State.SUPPRESSED,
            State.REMOVED,
            State.BOUNCED,
        }
    ),
    State.WAITING: frozenset(
        {State.READY, State.HELD, State.EXPIRED, State.SUPPRESSED, State.REMOVED}
    ),
    State.LEASED: frozenset({State.READY, State.WAITING, State.HELD, *_FINAL}),
    State.HELD: frozenset({State.READY, State.EXPIRED, State.REMOVED}),
    # A failed letter is kept and can be brought back by an operator; nothing else leaves the end.
    State.DELIVERED: frozenset(),
    State.BOUNCED: frozenset({State.READY}),
    State.EXPIRED: frozenset({State.READY}),
    State.SUPPRESSED: frozenset({State.READY}),
    State.REMOVED: frozenset({State.READY}),
}


class TransitionError(ValueError):
    """A step that the table does not have."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One recipient's job. It carries the domain, never the site: that mapping stands elsewhere.

    ``recipient`` is what RCPT TO will say; ``as_given`` what the client said. ``is_fixed``: it ends
    at ``expires_at`` come what may; else only time in which it was allowed to be tried counts.
    """

    message_id: int
    n: int
    recipient: str
    mailbox_id: int
    domain: str
    urgency: Urgency
    state: State
    due_at: Instant
    expires_at: Instant
    tries: int = 0
    turn: int = 0  # the fairness tag, written at put
    why: str = ""
    notify: frozenset[str] | None = None
    orcpt: str | None = None
    as_given: str = ""
    is_fixed: bool = False

    @property
    def ref(self) -> str:
        """``ID.n``."""
        return ids.show(self.message_id, self.n)

    def moved(self, state: State, **changes: object) -> Delivery:
        """The delivery in another state: the one door. Raises TransitionError."""
        if state not in TRANSITIONS[self.state]:
            raise TransitionError(f"{self.ref}: {self.state.word} → {state.word} is no step")
        return self.changed(state=state, **changes)

    def changed(self, **changes: object) -> Delivery:
        """The delivery with other values, as `dataclasses.replace` makes it, in a quarter of its
        time; a state is changed by :meth:`moved`."""
        values = list(_VALUES(self))
        for name, value in changes.items():
            values[_PLACES[name]] = value
        return Delivery(*values)


_NAMES: Final = tuple(one.name for one in fields(Delivery))
_PLACES: Final = {name: at for at, name in enumerate(_NAMES)}
_VALUES: Final = attrgetter(*_NAMES)


def has_fixed_life(urgency: Urgency, deadline_at: Instant | None) -> bool:
    """True for kritis, and for mendesak and massal with a deadline: later they are of no use."""
    is_by_deadline = urgency in (Urgency.MENDESAK, Urgency.MASSAL) and deadline_at is not None
    return urgency is Urgency.KRITIS or is_by_deadline


def is_over(delivery: Delivery, now: Instant) -> bool:
    """True where its time is over: it is never tried again.

    Of a life that is not fixed, time after ``due_at`` does not count: what was due before its end
    waits for a limit, a pause or ourselves, and is still tried. What is held never ends so.
    """
    if now < delivery.expires_at:
        return False
    if delivery.is_fixed:
        return True
    return delivery.state is not State.HELD and delivery.due_at >= delivery.expires_at


def expires_at(delivery: Delivery, tried_at: Instant) -> Instant:
    """The end of its life once it is tried at ``tried_at``: a life that is not fixed is longer by
    what it stood ready and was not served."""
    if delivery.is_fixed:
        return delivery.expires_at
    return delivery.expires_at + max(0, tried_at - delivery.due_at)


def released_until(delivery: Delivery, held_at: Instant, now: Instant) -> Instant:
    """The end of its life once it is released: time in which it was held does not count, nor what
    it stood ready before."""
    return expires_at(replace(delivery, due_at=min(delivery.due_at, held_at)), now)


class FailureKind(StrEnum):
    """Why there is no reply."""

    DNS = "dns"  # temporary
    NXDOMAIN = "nxdomain"
    NULL_MX = "null_mx"
    NO_ADDRESS = "no_address"
    FORBIDDEN_ADDRESS = "forbidden_address"  # loopback, private … : never dialled
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    LOST = "lost"  # closed without a reply
    TLS = "tls"
    AMBIGUOUS = "ambiguous"  # lost after the final dot: perhaps delivered
    PROTOCOL = "protocol"  # what was said is no SMTP
    CREDENTIALS = "credentials"  # our own password or key is missing or refused
    NO_EHLO = "no_ehlo"  # the same, of a host that hung up on EHLO: it may offer it the next time
    UNSUPPORTED = "unsupported"  # 8BITMIME or SMTPUTF8 needed, not offered
    ADDRESS = "address"  # the recipient is no mailbox at all
    SIGNING = "signing"  # a filter or the signer failed at departure: our own fault


# What DNS says today and may not tomorrow: a domain is believed missing only after some look-ups.
MISSING: Final = frozenset(
    {FailureKind.NXDOMAIN, FailureKind.NO_ADDRESS, FailureKind.FORBIDDEN_ADDRESS}
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What happened where no reply was had; ``text`` for the log, ``stage`` where it stood."""

    kind: FailureKind
    text: str
    stage: Stage = Stage.CONNECT


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one delivery: append-only, the one source for DSNs, pages and proof."""

    message_id: int
    n: int
    number: int  # 1, 2, …
    started_at: Instant
    took_us: int
    source_ip: str
    mx: str
    ip: str
    tls: str | None
    stage: Stage
    reply: Reply | None
    failure: Failure | None
    classification: Classification | None = None  # None: accepted
    sent_head: bytes | None = None  # the header block as sent, signature included
    sent_sha256: bytes | None = None
    route_key: str = ""  # the destination (provider or site) that answered

    @property
    def is_accepted(self) -> bool:
        """True where the other side said 2yz after the final dot."""
        return self.reply is not None and self.stage is Stage.EOD and self.reply.code // 100 == 2

    def said(self) -> str:
        """The reply or failure on one line, for `why` and DSNs; foreign text, escape it to show."""
        return str(self.reply) if self.reply else (self.failure.text if self.failure else "")


@dataclass(frozen=True, slots=True)
class Delivered:
    """Accepted by the remote server."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Stays in the queue until ``until``; ``counts`` False: the letter's own backoff stands still
    (a provider's block is not this letter's failure). ``expires_at``: its life ends then instead
    of when it would have; None: as it was."""

    until: Instant
    why: str
    category: Category | None = None
    counts: bool = True
    expires_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Waits for an administrator."""

    why: str
    category: Category | None = None


@dataclass(frozen=True, slots=True)
class Bounced:
    """Given up because of a reply or failure."""

    why: str
    category: Category


@dataclass(frozen=True, slots=True)
class Expired:
    """Given up because its time was over."""

    why: str
    category: Category | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Not tried: its address is on the list since ``since``, by ``rule``."""

    why: str
    rule: str
    since: Instant
    category: Category | None = None


Outcome = Delivered | Deferred | Held | Bounced | Expired | Suppressed
