"""Strike: what speaks against an address — a refusal for good, a late bounce, a complaint.

An address' history is all that is known of it: its strikes, what a person wrote down by hand, when
it last took a letter. `suppression` makes of it whether the address is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from relay.mail.classification import Category
from relay.mail.instant import Instant


class Cause(StrEnum):
    """What is wrong with an address. Nothing else ever speaks against one: no block, no throttle,
    no failed authentication, no policy, no content."""

    UNKNOWN = "unknown_user"
    INACTIVE = "inactive_user"
    FULL = "mailbox_full"
    COMPLAINT = "complaint"

    @property
    def category(self) -> Category | None:
        """What pages and reports call it; None for a complaint, which is no reply's."""
        return None if self is Cause.COMPLAINT else Category(self.value)


CAUSE_OF: Final[dict[Category, Cause]] = {
    one.category: one for one in Cause if one.category is not None
}
Heard = Literal["reply", "late", "complaint"]  # in the dialog, in a bounce later, in a report
Ref = tuple[int, int]  # a delivery: message_id, n


@dataclass(frozen=True, slots=True)
class Strike:
    """One piece of evidence. `address` is an `Address.key`; `is_documented`: the provider publishes
    that this reply means just that, so that one is enough.

    `key`: the destination that said it. `pending`: the name of a fuse that was blown; the strike is
    not in force until an operator decides.
    """

    address: str
    at: Instant
    cause: Cause
    rule: str
    message_id: int
    n: int
    is_documented: bool
    source: Heard = "reply"
    key: str = ""
    pending: str = ""

    @property
    def ref(self) -> Ref:
        """Whose delivery it was."""
        return self.message_id, self.n


@dataclass(frozen=True, slots=True)
class Listed:
    """An address that a person put on the list, until a moment or for ever; `cause` None: he names
    none of those that the relay knows."""

    address: str
    cause: Cause | None
    reason: str
    who: str
    at: Instant
    until_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What is known of an address: strikes that nothing healed (oldest first, the newest
    `MOST_STRIKES`), its row on the list, its last acceptance, the letters that were asked for
    again by its owner."""

    address: str
    strikes: tuple[Strike, ...] = ()
    listed: Listed | None = None
    accepted_at: Instant | None = None
    resent: frozenset[Ref] = frozenset()

    @property
    def is_clean(self) -> bool:
        """True where nothing speaks against it."""
        return not self.strikes and self.listed is None


@dataclass(frozen=True, slots=True)
class Doubt:
    """A fuse blew: what the destination `key` said from `since` on is not in force for now."""

    fuse: str
    key: str
    since: Instant


MOST_STRIKES: Final = 200  # of one address; more say nothing that these do not
Resent = Literal["again", "too_often", "over"]


def key_of(recipient: str) -> str:
    """The key of a delivery's recipient, which is an address already, or never was one."""
    return recipient.lower()
