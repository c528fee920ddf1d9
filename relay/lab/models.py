"""Models: how each fake provider judges a letter — quotas, penalties, dead addresses; pure.

A model sees what a provider sees: the client's address, sender, recipient, the signing domain.
It answers with a reply's lines, or None to go on. Its texts are those that the providers publish
or that the notice shows; the numbers are the laboratory's own.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol

from relay.mail.instant import MINUTE, SECOND, Instant

BLOCKED: Final = (
    "550-5.7.1 [{ip} 1] Our system has detected an unusual rate of\r\n"
    "550-5.7.1 unsolicited mail originating from your IP address. To protect our\r\n"
    "550-5.7.1 users from spam, mail sent from your IP address has been\r\n"
    "550-5.7.1 blocked. Please visit http://www.google.com/mail/help/bulk_mail.html\r\n"
    "550 5.7.1 to review our Bulk Email Senders Guidelines. z29si8738067yhn.91 - gsmtp"
)
NO_SUCH_USER: Final = (
    "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n"
    "550-5.1.1 double-checking the recipient's email address for typos or unnecessary spaces.\r\n"
    "550 5.1.1 https://support.google.com/mail/?p=NoSuchUser - gsmtp"
)
NO_YAHOO_ACCOUNT: Final = (
    "554 delivery error: dd This user doesn't have a yahoo.com account ({recipient}) [0] - "
    "mta1226.mail.ne1.yahoo.com"
)
OUTLOOK_UNKNOWN: Final = (
    "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). "
    "[AM7EUR06FT021.eop-eur06.prod.protection.outlook.com]"
)
OUTLOOK_BUSY: Final = (
    "451 4.7.650 The mail server [{ip}] has been temporarily rate limited due to IP reputation. "
    "For e-mail delivery information, see https://postmaster.live.com (S775)"
)
GREYLISTED: Final = (
    "450 4.2.0 <{recipient}>: Recipient address rejected: Greylisted, see "
    "http://postgrey.schweikert.ch/help/{domain}.html"
)
OVER_QUOTA: Final = "452 4.2.2 <{recipient}>: Over quota"


@dataclass(frozen=True, slots=True)
class Try:
    """One recipient's try, as far as the provider has seen it."""

    ip: str
    sender: str
    recipient: str
    is_encrypted: bool = True
    signed_by: str | None = None


class Model(Protocol):
    """A provider's rules. Each method gets the time, and answers lines or None."""

    def rcpt(self, tried: Try, now: Instant) -> str | None:
        """After RCPT TO."""
        ...

    def end(self, tried: Try, now: Instant) -> str | None:
        """After the final dot; None accepts."""
        ...


@dataclass(slots=True)
class Window:
    """A sliding count: at most `quota` in any `span` milliseconds."""

    quota: int
    span: int
    _at: deque[Instant] = field(default_factory=deque)

    def is_full(self, now: Instant) -> bool:
        """True where one more would be over."""
        while self._at and self._at[0] <= now - self.span:
            self._at.popleft()
        return len(self._at) >= self.quota

    def count(self, now: Instant) -> None:
        """Count one."""
        self._at.append(now)


@dataclass(slots=True)
class Gmail:
    """Blocks an address whose rate is unusual, with the notice's 550, for `penalty`; every letter
    during the penalty starts it again. Wants TLS."""

    window: Window = field(default_factory=lambda: Window(60, MINUTE))
    penalty: int = 10 * MINUTE
    dead: frozenset[str] = frozenset()
    blocked_until: Instant = 0
    blocks: int = 0

    def rcpt(self, tried: Try, now: Instant) -> str | None:
        """Unknown users are said here."""
        return NO_SUCH_USER if tried.recipient in self.dead else None

    def end(self, tried: Try, now: Instant) -> str | None:
        """The rate is judged here."""
        if not tried.is_encrypted:
            return (
                "550 5.7.29 This message was blocked because it wasn't sent over a TLS connection."
            )
        if now < self.blocked_until or self.window.is_full(now):
            self.blocks += now >= self.blocked_until
            self.blocked_until = now + self.penalty
            return BLOCKED.format(ip=tried.ip)
        self.window.count(now)
        return None


@dataclass(slots=True)
class Yahoo:
    """Says that a user is unknown only after the dot, without an enhanced code."""

    dead: frozenset[str] = frozenset()

    def rcpt(self, tried: Try, now: Instant) -> str | None:
        """Nothing is said here."""
        return None

    def end(self, tried: Try, now: Instant) -> str | None:
        """Dead addresses are said here, in the notice's words."""
        if tried.recipient in self.dead:
            return NO_YAHOO_ACCOUNT.format(recipient=tried.recipient)
        return None


@dataclass(slots=True)
class Outlook:
    """Temporary refusals over its rate; unknown users at RCPT; S3150 never in here."""

    window: Window = field(default_factory=lambda: Window(30, MINUTE))
    dead: frozenset[str] = frozenset()

    def rcpt(self, tried: Try, now: Instant) -> str | None:
        """Unknown users and the rate are said here."""
        if tried.recipient in self.dead:
            return OUTLOOK_UNKNOWN
        if self.window.is_full(now):
            return OUTLOOK_BUSY.format(ip=tried.ip)
        return None

    def end(self, tried: Try, now: Instant) -> str | None:
        """Counts what it takes."""
        self.window.count(now)
        return None


@dataclass(slots=True)
class Greylisting:
    """A government's own server: a first try of (address, sender, recipient) waits `delay`."""

    delay: int = 300 * SECOND
    full: frozenset[str] = frozenset()
    seen: dict[tuple[str, str, str], Instant] = field(default_factory=dict)

    def rcpt(self, tried: Try, now: Instant) -> str | None:
        """Greylisting and quota are said here."""
        first = self.seen.setdefault((tried.ip, tried.sender, tried.recipient), now)
        if now - first < self.delay:
            domain = tried.recipient.rpartition("@")[2]
            return GREYLISTED.format(recipient=tried.recipient, domain=domain)
        if tried.recipient in self.full:
            return OVER_QUOTA.format(recipient=tried.recipient)
        return None

    def end(self, tried: Try, now: Instant) -> str | None:
        """Takes it."""
        return None
