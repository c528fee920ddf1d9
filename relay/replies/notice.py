"""Notice: which of the three kinds of the LPSE's notice to vendors a rejection is.

The notice tells a vendor why letters did not arrive: not registered at the provider (*tidak
terdaftar*), no longer active (*tidak aktif*), or taken for spam. The first two share one log
line, so only the address' history tells them apart: who once took our mail was registered.
"""

from __future__ import annotations

from enum import StrEnum

from relay.mail.classification import Category
from relay.mail.instant import Instant


class Wording(StrEnum):
    """What the vendor is told."""

    UNREGISTERED = "tidak terdaftar"
    INACTIVE = "tidak aktif"
    SPAM = "dianggap sebagai spam"


def wording(category: Category, last_success_at: Instant | None) -> Wording | None:
    """The notice's wording; None where it has none. ``last_success_at``: the address' history."""
    if category is Category.UNKNOWN_USER:
        return Wording.INACTIVE if last_success_at is not None else Wording.UNREGISTERED
    if category is Category.INACTIVE_USER:
        return Wording.INACTIVE
    if category in (Category.SENDER_BLOCKED, Category.RATE_LIMITED, Category.SPAM_CONTENT):
        return Wording.SPAM
    return None
