"""Lines: the rows of the two reports, an address to correct and a count of deliveries.

The same from the store and from an old server's log; where one of them cannot tell something it
says None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relay.mail import misspelt
from relay.mail.classification import Category
from relay.mail.instant import Instant, iso
from relay.replies import notice

# What an address is to be corrected for: nothing of these is a block, a throttle or our fault.
TO_CORRECT: Final = (
    Category.UNKNOWN_USER,
    Category.INACTIVE_USER,
    Category.MAILBOX_FULL,
    Category.BAD_DOMAIN,
)
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class AddressLine:
    """An address that letters fail at; ``missed``: letters that were given up. ``category``: why
    the last one was. ``said``: the last refusal, foreign text."""

    address: str
    category: Category
    first_at: Instant
    last_at: Instant
    missed: int
    accepted_at: Instant | None
    provider: str = OTHER
    rule: str = ""
    said: str = ""
    given: str = ""  # as the application wrote it, where a log's server rewrote it

    @property
    def wording(self) -> str:
        """The notice's words for it; empty where it has none."""
        return notice.wording(self.category, self.accepted_at) or ""

    @property
    def hint(self) -> str:
        """The address that may have been meant, where this one does not exist; else empty. For
        whoever asks the vendor, never a correction."""
        is_missing = self.category in (Category.UNKNOWN_USER, Category.BAD_DOMAIN)
        return next(iter(misspelt.meant(self.address)), "") if is_missing else ""

    @property
    def is_healed(self) -> bool:
        """True where a letter was taken after the last failure."""
        return self.accepted_at is not None and self.accepted_at > self.last_at


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """What became of the letters of one group, a letter counted once a recipient; what is None is
    not told apart, or not known. ``p50``, ``p95``: seconds from acceptance to delivery."""

    day: str | None
    provider: str | None
    urgency: str | None
    category: str | None
    sent: int
    delivered: int
    failed: int
    p50: float | None
    p95: float | None

    @property
    def waiting(self) -> int:
        """Neither delivered nor given up yet."""
        return self.sent - self.delivered - self.failed

    def shape(self) -> dict[str, object]:
        """As JSON and CSV have it."""
        return {
            "day": self.day,
            "provider": self.provider,
            "class": self.urgency,
            "category": self.category,
            "sent": self.sent,
            "delivered": self.delivered,
            "failed": self.failed,
            "waiting": self.waiting,
            "p50_s": _rounded(self.p50),
            "p95_s": _rounded(self.p95),
        }


def address_shape(line: AddressLine) -> dict[str, object]:
    """As JSON and CSV have it."""
    return {
        "address": line.address,
        "category": line.category.value,
        "wording": line.wording,
        "hint": line.hint,
        "first_failure_at": iso(line.first_at),
        "last_failure_at": iso(line.last_at),
        "missed": line.missed,
        "last_success_at": None if line.accepted_at is None else iso(line.accepted_at),
        "provider": line.provider,
        "rule": line.rule,
        "said": line.said,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2 if seconds < 10 else 0)
