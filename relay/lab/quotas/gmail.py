"""Gmail: three windows by IP and one by d=; penalties that every attempt renews, then the block.

Over a quota the end of data answers 421 4.7.28 for `penalty`. After it one connection is borne
for as long; a second starts it again. A further penalty within a day, or going on trying inside
one, leads to the notice's 550-5.7.1 for `block_1`, then `block_2`, `block_3`; each clean day
forgets one level.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar, Final

from relay.lab.quotas.base import Answer, Kind, Quota, Try
from relay.lab.quotas.drawn import COUNT, FACTOR, SHARE, SPAN, Draw, Drawn, scaled
from relay.lab.quotas.ranges import Keys
from relay.lab.quotas.windows import Tally
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant

NO_SUCH_USER: Final = (
    "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n"
    "550-5.1.1 double-checking the recipient's email address for typos or\r\n"
    "550-5.1.1 unnecessary spaces. For more information, go to\r\n"
    "550 5.1.1  https://support.google.com/mail/?p=NoSuchUser 41be03b00d2f7-7c1a3 - gsmtp"
)
OUT_OF_STORAGE: Final = (
    "452-4.2.2 The recipient's inbox is out of storage space. Please direct the\r\n"
    "452-4.2.2 recipient to\r\n"
    "452 4.2.2  https://support.google.com/mail/?p=OverQuotaTemp 41be03b00d2f7-7c1a3 - gsmtp"
)
TOO_QUICKLY: Final = (
    "450-4.2.1 The user you are trying to contact is receiving email too quickly.\r\n"
    "450-4.2.1 Please resend your message at a later time. If the user is able to\r\n"
    "450-4.2.1 receive email at that time, your message will be delivered. For more\r\n"
    "450-4.2.1 information, go to\r\n"
    "450 4.2.1  https://support.google.com/mail/?p=ReceivingRate 41be03b00d2f7-7c1a3 - gsmtp"
)
LIMITED: Final = (
    "421-4.7.28 Gmail has detected an unusual rate of email. To protect our users\r\n"
    "421-4.7.28 from spam, email has been temporarily rate limited. To review our\r\n"
    "421-4.7.28 Bulk Email Senders Guidelines, go to\r\n"
    "421 4.7.28  https://support.google.com/mail/?p=UnsolicitedRateLimitError 41be03b0 - gsmtp"
)
IP_LIMITED: Final = (
    "421-4.7.28 Gmail has detected an unusual rate of email originating from your IP\r\n"
    "421-4.7.28 address {ip}. To protect our users from spam, email sent from\r\n"
    "421-4.7.28 your IP address has been temporarily rate limited. To review our Bulk\r\n"
    "421-4.7.28 Email Senders Guidelines, go to\r\n"
    "421 4.7.28  https://support.google.com/mail/?p=UnsolicitedRateLimitError 41be03b0 - gsmtp"
)
SIGNER_LIMITED: Final = (
    "421-4.7.28 Gmail has detected an unusual rate of unsolicited email originating\r\n"
    "421-4.7.28 from your DKIM domain {signed_by}. To protect our users from\r\n"
    "421-4.7.28 spam, email sent from your domain has been temporarily rate limited.\r\n"
    "421-4.7.28 To review our Bulk Email Senders Guidelines, go to\r\n"
    "421 4.7.28  https://support.google.com/mail/?p=UnsolicitedRateLimitError 41be03b0 - gsmtp"
)
BLOCKED: Final = (
    "550-5.7.1 [{ip} 1] Our system has detected an unusual rate of\r\n"
    "550-5.7.1 unsolicited mail originating from your IP address. To protect our\r\n"
    "550-5.7.1 users from spam, mail sent from your IP address has been\r\n"
    "550-5.7.1 blocked. Please visit http://www.google.com/mail/help/bulk_mail.html\r\n"
    "550 5.7.1 to review our Bulk Email Senders Guidelines. z29si8738067yhn.91 - gsmtp"
)
SAME_MESSAGE_ID: Final = (
    "421-4.7.28 Gmail has detected this sender exceeded the quota for sending\r\n"
    "421-4.7.28 messages that have the same Message-ID:. To protect our users from\r\n"
    "421-4.7.28 spam, email has been temporarily rate limited. For more information,\r\n"
    "421 4.7.28 go to https://support.google.com/mail/answer/81126 41be03b00d2f7 - gsmtp"
)
PLAIN_TEXT: Final = (
    "421-4.7.29 Your email has been rate limited because you're not using a TLS\r\n"
    "421-4.7.29 connection. For more information, go to\r\n"
    "421 4.7.29  https://support.google.com/mail/answer/81126 41be03b00d2f7 - gsmtp"
)
TRY_AGAIN: Final = (
    "421-4.7.0 Try again later, closing connection. (MAIL) For more information, go to\r\n"
    "421 4.7.0  https://support.google.com/a/answer/3221692 41be03b00d2f7 - gsmtp"
)

# A refusal is known to the other side only after its latency; what is written until then is in
# flight, and no trying inside a published penalty.
TELLING: Final = 30 * SECOND
_HIGHEST: Final = 3
_MX: Final = ("gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com")
_WORKSPACE: Final = ("aspmx.l.google.com", "alt1.aspmx.l.google.com")
HOSTS: Final = {
    "gmail.com": _MX,
    "karya.example.co.id": _WORKSPACE,
    "cipta.example.co.id": _WORKSPACE,
}


@dataclass(slots=True)
class _Penalty:
    """What one key of ours suffers; level 0 is the 421, higher ones are blocks."""

    level: int
    says: str
    length: int
    until: Instant
    told_at: Instant | None = None  # when its first refusal went out
    attempts: int = 0


@dataclass(slots=True)
class _Record:
    """What is remembered of one IP."""

    starts: deque[Instant] = field(default_factory=deque)
    level: int = 0
    clean_from: Instant = 0


class Gmail(Drawn):
    """Gmail and Google Workspace."""

    name = "gmail"
    keys: ClassVar[Keys] = {
        "minute": COUNT,
        "hour": COUNT,
        "day": COUNT,
        "signer_day": FACTOR,
        "penalty": SPAN,
        "names_no_key": SHARE,
        "names_signer": SHARE,
        "strikes": COUNT,
        "attempts": COUNT,
        "block_1": SPAN,
        "block_2": SPAN,
        "block_3": SPAN,
        "block_forgets": SPAN,
        "recipient_minute": COUNT,
        "message_id_hour": COUNT,
        "warns": SHARE,
        "warn_share": SHARE,
        "warn_from": SHARE,
    }

    def __init__(self, draw: Draw) -> None:
        super().__init__(draw, HOSTS)
        spans = (("minute", MINUTE), ("hour", HOUR), ("day", DAY))
        self._quotas = tuple(Quota(draw.count(key), span) for key, span in spans)
        self._windows = tuple((Tally(quota.span), quota.count) for quota in self._quotas)
        self._signer_quota = int(self._quotas[2].count * draw.number("signer_day"))
        self._signers = Tally(DAY)
        self._recipients = Tally(MINUTE)
        self._recipient_quota = draw.count("recipient_minute")
        self._message_ids = Tally(HOUR)
        self._message_id_quota = draw.count("message_id_hour")
        self._lengths = (draw.count("penalty"), *(draw.count(f"block_{n}") for n in (1, 2, 3)))
        self._forgets = draw.count("block_forgets")
        self._strikes = draw.count("strikes")
        self._attempts = draw.count("attempts")
        self._warns = draw.chance("warns") < draw.number("warns")
        self._warn_share = draw.number("warn_share")
        self._warn_from = draw.number("warn_from")
        self._penalties: dict[str, _Penalty] = {}
        self._records: dict[str, _Record] = {}
        self._written: dict[int, Instant] = {}  # session → its last RCPT
        self._over: dict[int, str] = {}  # session → the text of the key whose quota it broke

    def quotas(self, domain: str, now: Instant) -> tuple[Quota, ...]:
        """The three windows of an IP; the signer's is wider than the day's."""
        factor = self.factor(now)
        return tuple(scaled(quota, factor) for quota in self._quotas)

    def connect(self, host: str, ip: str, session: int, now: Instant) -> Answer:
        """Greets; after a penalty a second connection starts it again."""
        if self._opened(ip, session) > 1:
            self._starts_again(self._penalties.get(ip), now)
        return None

    def closed(self, host: str, ip: str, session: int, now: Instant) -> None:
        """A connection is gone."""
        self._gone(ip, session)
        self._written.pop(session, None)
        self._over.pop(session, None)

    def mail(self, tried: Try, now: Instant) -> Answer:
        """Wants TLS; warns, in half of the draws, near the quota."""
        self._over.pop(tried.session, None)
        if not tried.is_encrypted:
            self.book.note(now, Kind.ADMINISTRATIVE, tried)
            return PLAIN_TEXT
        if self._penalties:
            if self._company(tried.ip) > 1:
                for key in _keys(tried):
                    self._starts_again(self._penalties.get(key), now)
            if self._inside(tried, now) is not None:
                return None
        if self._warns and self._is_near(tried.ip, now):
            at = self.draw.chance("warn", tried.recipient, now)
            if at < self._warn_share:
                self.book.note(now, Kind.WARNED, tried)
                return TRY_AGAIN
        return None

    def rcpt(self, tried: Try, now: Instant) -> Answer:
        """Counts; says who is dead, full, or gets too much."""
        factor = self.factor(now)
        session = tried.session
        self._written[session] = now
        for window, quota in self._windows:
            if window.add(tried.ip, now) > quota * factor:
                self._over[session] = IP_LIMITED
        if tried.signed_by:
            count = self._signers.add(tried.signed_by, now)
            if count > self._signer_quota * factor:
                self._over[session] = SIGNER_LIMITED
        refusal = self._recipient(tried, now)
        if refusal is not None and self._penalties:
            penalty = self._inside(tried, now)
            if penalty is not None:
                self._attempted(penalty, tried, now)
        return refusal

    def end(self, tried: Try, now: Instant) -> Answer:
        """The rate is judged here."""
        over = self._over.pop(tried.session, None)
        if self._penalties:
            penalty = self._inside(tried, now)
            if penalty is not None:
                self._attempted(penalty, tried, now)
                return self._refuse(penalty, tried, now)
        if over is not None:
            return self._refuse(self._begin(over, tried, now), tried, now)
        name = tried.message_id
        if name and self._message_ids.add(name, now) > self._message_id_quota:
            self.book.note(now, Kind.CONTENT, tried)
            return SAME_MESSAGE_ID
        return self._accept(tried, now)

    def _recipient(self, tried: Try, now: Instant) -> str | None:
        fate = self._fate(tried, now)
        if fate is not None:
            return OUT_OF_STORAGE if fate is Kind.FULL else NO_SUCH_USER
        if self._recipients.add(tried.recipient, now) > self._recipient_quota:
            self.book.note(now, Kind.RECIPIENT, tried)
            return TOO_QUICKLY
        return None

    def _is_near(self, ip: str, now: Instant) -> bool:
        share = self._warn_from * self.factor(now)
        return any(window.count(ip, now) >= quota * share for window, quota in self._windows)

    # --- penalties

    def _inside(self, tried: Try, now: Instant) -> _Penalty | None:
        """The penalty that one of the try's keys suffers now."""
        for key in _keys(tried):
            penalty = self._penalties.get(key)
            if penalty is not None and now < penalty.until:
                return penalty
        return None

    def _begin(self, over: str, tried: Try, now: Instant) -> _Penalty:
        """A new penalty for the quota that was broken: on what it names, or on all keys."""
        record = self._record(tried.ip, now)
        record.starts.append(now)
        if len(record.starts) >= self._strikes:
            record.level = min(_HIGHEST, record.level + 1)
            level, says = record.level, BLOCKED
        else:
            level, says = 0, self._naming(over, tried, now)
        length = self._lengths[level]
        penalty = _Penalty(level, says, length, now + length)
        record.clean_from = penalty.until
        ip, signer, sender = _keys(tried)
        named = {IP_LIMITED: (ip,), SIGNER_LIMITED: (signer,), BLOCKED: (ip,)}
        for key in named.get(says, (ip, signer, sender)):
            self._penalties[key] = penalty
        return penalty

    def _record(self, ip: str, now: Instant) -> _Record:
        """What is remembered of the IP, with what time has forgotten."""
        record = self._records.setdefault(ip, _Record())
        while record.level and now - record.clean_from >= self._forgets:
            record.level -= 1
            record.clean_from += self._forgets
        while record.starts and record.starts[0] <= now - DAY:
            record.starts.popleft()
        return record

    def _naming(self, over: str, tried: Try, now: Instant) -> str:
        """Which key the reply names: mostly the one whose quota it was."""
        at = self.draw.chance("names", tried.ip, now)
        none, signer = self.draw.number("names_no_key"), self.draw.number("names_signer")
        if at < none:
            return LIMITED
        return SIGNER_LIMITED if at < none + signer and tried.signed_by else over

    def _attempted(self, penalty: _Penalty, tried: Try, now: Instant) -> None:
        """An attempt inside a penalty: it renews it, and too many of them are a block."""
        if penalty.level == 0 and penalty.told_at is not None:
            written = self._written.get(tried.session, now)
            if written >= penalty.told_at + TELLING:
                self.book.note(now, Kind.INSIDE, tried)
        record = self._record(tried.ip, now)
        penalty.attempts += 1
        if penalty.attempts > self._attempts:
            record.level = min(_HIGHEST, record.level + 1)
            penalty.level, penalty.says = record.level, BLOCKED
            penalty.length = self._lengths[record.level]
            penalty.attempts = 0
            self._penalties[tried.ip] = penalty
        penalty.until = record.clean_from = now + penalty.length

    def _starts_again(self, penalty: _Penalty | None, now: Instant) -> None:
        """A second connection in the time of one."""
        if penalty is None or penalty.level or not 0 <= now - penalty.until < penalty.length:
            return
        penalty.until = now + penalty.length
        penalty.told_at = None  # nobody was told yet

    def _refuse(self, penalty: _Penalty, tried: Try, now: Instant) -> str:
        if penalty.told_at is None:
            penalty.told_at = now
        kind = Kind.BLOCKED if penalty.level else Kind.THROTTLED
        self.book.note(now, kind, tried)
        return penalty.says.format(ip=tried.ip, signed_by=tried.signed_by)


def _keys(tried: Try) -> tuple[str, str, str]:
    """Our IP, d=, and MAIL FROM's domain, each in its own name space."""
    return (
        tried.ip,
        f"d={tried.signed_by}",
        f"from={tried.sender.rpartition('@')[2]}",
    )
