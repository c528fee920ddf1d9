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


def told_as(category: Category, was_accepted: bool) -> Category:
    """What a vendor is told of a rejection: an address that once took our mail was no typing error,
    so `unknown_user` there means that it is gone. ``was_accepted``: whether it ever did."""
    if category is Category.UNKNOWN_USER and was_accepted:
        return Category.INACTIVE_USER
    return category


def wording(category: Category, last_success_at: Instant | None) -> Wording | None:
    """The notice's wording; None where it has none. ``last_success_at``: the address' history."""
    category = told_as(category, last_success_at is not None)
    if category is Category.UNKNOWN_USER:
        return Wording.UNREGISTERED
    if category is Category.INACTIVE_USER:
        return Wording.INACTIVE
    if category in (Category.SENDER_BLOCKED, Category.RATE_LIMITED, Category.SPAM_CONTENT):
        return Wording.SPAM
    return None
