"""Mailing: a message as a letter by a route of its own — straight to a host, by smtplib.

Never through this relay's queue and never by a provider's connections: when Gmail pauses, what says
so must not wait for Gmail. A password goes over TLS whose certificate is believed, or not at
all; without a password STARTTLS is taken where it is offered.
"""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from relay.observe.notice import Message, subject, text
from relay.observe.ways import Undelivered

STEP: Final = 10.0  # seconds for each step of the dialogue
_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Host:
    """Who takes the letter. `is_implicit`: TLS from the first octet; a password needs a user."""

    name: str
    port: int
    is_implicit: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def __str__(self) -> str:
        host = f"[{self.name}]" if ":" in self.name else self.name
        return f"{'smtps' if self.is_implicit else 'smtp'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Mailing:
    """One recipient by one host."""

    recipient: str
    sender: str
    host: Host

    @property
    def to(self) -> str:
        """Whom, and by what."""
        return f"{self.recipient} by {self.host}"

    def carry(self, message: Message) -> str:
        """See Way.carry. A 5yz and a certificate's fault are lasting."""
        try:
            with contextlib.ExitStack() as stack:
                session = self._greeted(message.hostname)
                stack.callback(session.close)
                session.send_message(self.letter(message), self.sender, [self.recipient])
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    session.quit()  # the letter is theirs already
        except ssl.SSLCertVerificationError as error:
            why = f"{self.host}: its certificate is not believed: {error.verify_message}"
            raise Undelivered(why, is_lasting=True) from None
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise _refused(self.host, code, said) from None
        except smtplib.SMTPResponseException as error:
            raise _refused(self.host, error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPNotSupportedError as error:
            raise Undelivered(f"{self.host}: {error}", is_lasting=True) from None
        except (smtplib.SMTPException, OSError) as error:
            raise Undelivered(f"{self.host}: {error or type(error).__name__}") from None
        return f"accepted by {self.host}"

    def _greeted(self, hostname: str) -> smtplib.SMTP:
        host = self.host
        if host.is_implicit:
            session: smtplib.SMTP = smtplib.SMTP_SSL(
                host.name, host.port, hostname, timeout=STEP, context=self._context()
            )
        else:
            session = smtplib.SMTP(host.name, host.port, hostname, timeout=STEP)
        try:
            session.ehlo_or_helo_if_needed()
            if not host.is_implicit and (host.user is not None or session.has_extn("starttls")):
                session.starttls(context=self._context())
                session.ehlo()
            if host.user is not None:
                session.login(host.user, host.password or "")
        except BaseException:
            session.close()
            raise
        return session

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.host.ca_file is not None:
            context.load_verify_locations(self.host.ca_file)
        if self.host.user is None and not self.host.is_implicit:
            # Between mail servers a certificate proves nothing; encrypted is better than not.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def letter(self, message: Message) -> EmailMessage:
        """What is sent; it asks for no automatic answer (RFC 3834)."""
        letter = EmailMessage(policy=SMTP)
        letter["From"] = self.sender
        letter["To"] = self.recipient
        letter["Subject"] = subject(message)
        letter["Date"] = format_datetime(datetime.fromtimestamp(message.at / 1000, UTC))
        letter["Message-ID"] = f"<alert.{message.at}.{_mark(message)}@{message.hostname}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter["X-LPSE-Alert"] = f"{message.severity.value}; count={message.count}"
        letter.set_content(text(message), charset="utf-8", cte="quoted-printable")
        return letter


def _mark(message: Message) -> str:
    """Two messages of one millisecond are two, and a second try is the same."""
    told = "\n".join(f"{row.name} {row.first_at} {row.count}" for row in message.rows)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _refused(host: Host, code: int, said: bytes | str) -> Undelivered:
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return Undelivered(f"{host}: {code} {words[:_SHOWN]}", is_lasting=code >= 500)
