"""Classification: what a rejection is about, how long it lasts, and what is right to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """What a reply says, in the words of the reports and of the vendor's pages."""

    UNKNOWN_USER = "unknown_user"
    INACTIVE_USER = "inactive_user"
    MAILBOX_FULL = "mailbox_full"
    BAD_DOMAIN = "bad_domain"
    SENDER_BLOCKED = "sender_blocked"
    RATE_LIMITED = "rate_limited"
    SPAM_CONTENT = "spam_content"
    AUTH_FAILED = "auth_failed"
    POLICY = "policy"
    MESSAGE_TOO_BIG = "message_too_big"
    GREYLISTED = "greylisted"
    NETWORK = "network"
    PROTOCOL = "protocol"
    SERVER_ERROR = "server_error"
    OTHER = "other"


class Scope(StrEnum):
    """Whom a reply concerns; the hinge of everything that follows from it.

    RECIPIENT and MESSAGE touch the delivery only. DESTINATION and SENDER (our IP, DKIM domain,
    envelope domain) feed the shaper and keep the mail. OURSELVES (DNS, key, TLS, credentials)
    holds and alarms, and never bounces.
    """

    RECIPIENT = "recipient"
    MESSAGE = "message"
    DESTINATION = "destination"
    SENDER = "sender"
    OURSELVES = "ourselves"


class Action(StrEnum):
    """What is right to do with the letter."""

    BOUNCE_ADDRESS = "bounce_address"
    BOUNCE_MESSAGE = "bounce_message"
    RETRY_LATER = "retry_later"
    SLOW_DOWN_PROVIDER = "slow_down_provider"
    FIX_CONFIG = "fix_config"


@dataclass(frozen=True, slots=True)
class Classification:
    """The reading of one reply; ``rule`` names what decided, ``confidence`` is 0–1."""

    category: Category
    scope: Scope
    action: Action
    rule: str
    confidence: float = 1.0

    @property
    def keeps_the_mail(self) -> bool:
        """True where the letter stays in the queue."""
        return self.action not in (Action.BOUNCE_ADDRESS, Action.BOUNCE_MESSAGE)
