"""Late: what is said of a delivery after a server took it — a bounce, a delay, a complaint."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from relay.mail.classification import Category
from relay.mail.delivery import Attempt, Delivery
from relay.mail.instant import Instant
from relay.mail.reply import Reply, Stage


class Kind(StrEnum):
    """What came back. Only FAILED and COMPLAINT say something against an address."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    DELIVERED = "delivered"
    COMPLAINT = "complaint"
    FEEDBACK = "feedback"  # ARF of another type: not-spam, virus, fraud, auth-failure …
    AUTO_REPLY = "auto_reply"
    OTHER = "other"  # a letter by a person, or a report that nobody can read


# What a delivery's record holds, in the order of a page: the gravest first.
TOLD: Final = (
    Kind.FAILED,
    Kind.COMPLAINT,
    Kind.DELAYED,
    Kind.EXPANDED,
    Kind.RELAYED,
    Kind.DELIVERED,
    Kind.FEEDBACK,
)


@dataclass(frozen=True, slots=True)
class Late:
    """One late report on one delivery; of each kind the first counts, so one may come twice.

    `text`: the words of it; `named`: whom it names where that is not the delivery's own address;
    `reporter`: who said it (its MTA, else the client). All three are foreign.
    """

    message_id: int
    n: int
    kind: Kind
    at: Instant
    category: Category | None = None
    rule: str = ""
    text: str = ""
    named: str = ""
    reporter: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that came to the return path's door and that no program could read: a person's, or
    a report in unknown words. It waits for an administrator. `why` is ours, the rest is foreign."""

    id: int
    at: Instant
    client: str
    sender: str
    recipient: str
    subject: str
    why: str
    size: int


def attempt_of(late: Late, delivery: Delivery, reply: Reply) -> Attempt:
    """What was said later, as a report to the sender quotes the last answer."""
    return Attempt(
        delivery.message_id,
        delivery.n,
        delivery.tries + 1,
        late.at,
        0,
        "",
        late.reporter,
        "",
        None,
        Stage.EOD,
        reply,
        None,
    )
