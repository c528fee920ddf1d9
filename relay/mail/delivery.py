"""Delivery: one recipient's job; its states with their table, its attempts, its outcomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
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

    ``recipient`` is what RCPT TO will say; ``as_given`` what the client said.
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

    @property
    def ref(self) -> str:
        """``ID.n``."""
        return ids.show(self.message_id, self.n)

    def moved(self, state: State, **changes: object) -> Delivery:
        """The delivery in another state: the one door. Raises TransitionError."""
        if state not in TRANSITIONS[self.state]:
            raise TransitionError(f"{self.ref}: {self.state.word} → {state.word} is no step")
        return replace(self, state=state, **changes)  # type: ignore[arg-type]


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
    UNSUPPORTED = "unsupported"  # 8BITMIME or SMTPUTF8 needed, not offered
    ADDRESS = "address"  # the recipient is no mailbox at all
    SIGNING = "signing"  # a filter or the signer failed at departure: our own fault


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
    (a provider's block is not this letter's failure)."""

    until: Instant
    why: str
    category: Category | None = None
    counts: bool = True


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


Outcome = Delivered | Deferred | Held | Bounced | Expired
