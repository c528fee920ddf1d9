"""DSN: the report to a sender that mail was not delivered (RFC 3464, 6522), made and read.

Made from deliveries and their attempts, in plain words (Indonesian, then English) and in fields
for machines. All foreign text is escaped: a remote reply cannot add a line, a field or a part.
What is read is bounded: octets, depth, parts and recipients.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from relay.mail import ids, mime
from relay.mail.classification import Category
from relay.mail.delivery import Attempt, Delivery, FailureKind
from relay.mail.folding import fold
from relay.mail.headers import Headers, split
from relay.mail.instant import Instant
from relay.mail.reply import EnhancedCode
from relay.mail.smtpdata import normalise_newlines

MAX_RETURNED: Final = 64 * 1024  # octets of the original header that ride along
MAX_SHOWN: Final = 700  # characters of a foreign text that are shown
MAX_READ: Final = 1024 * 1024  # octets of a report that are read
MAX_DEPTH: Final = 10
MAX_RECIPIENTS: Final = 1_000
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")
_STATUS: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
# What a category is called, and the status where the reply gave none of class 5.
_WORDS: Final[dict[Category, tuple[str, str, str]]] = {
    Category.UNKNOWN_USER: ("Email tidak terdaftar", "No such mailbox", "5.1.1"),
    Category.INACTIVE_USER: ("Email tidak aktif", "Mailbox inactive", "5.2.1"),
    Category.MAILBOX_FULL: ("Penyimpanan email penuh", "Mailbox full", "5.2.2"),
    Category.BAD_DOMAIN: ("Domain tidak ditemukan", "Domain takes no mail", "5.1.2"),
    Category.SENDER_BLOCKED: ("Server LPSE diblokir", "Our server is blocked", "5.7.1"),
    Category.RATE_LIMITED: ("Jumlah email dibatasi", "Rate limited", "5.7.1"),
    Category.SPAM_CONTENT: ("Dianggap SPAM", "Taken for spam", "5.7.1"),
    Category.AUTH_FAILED: ("Pengaturan server LPSE", "Our server's settings", "5.7.0"),
    Category.POLICY: ("Ditolak oleh aturan server tujuan", "Refused by policy", "5.7.1"),
    Category.MESSAGE_TOO_BIG: ("Ukuran email terlalu besar", "Message too big", "5.3.4"),
    Category.GREYLISTED: ("Tertunda oleh server tujuan", "Greylisted", "5.7.1"),
    Category.NETWORK: ("Server tujuan tidak terjangkau", "Server out of reach", "5.4.1"),
    Category.PROTOCOL: ("Kesalahan protokol", "Protocol error", "5.5.0"),
    Category.SERVER_ERROR: ("Gangguan server tujuan", "Remote server error", "5.3.0"),
    Category.OTHER: ("Alasan lain", "Other reason", "5.0.0"),
}
_EXPIRED: Final = ("Batas waktu pengiriman habis", "Delivery time expired", "4.4.7")
_BY_FAILURE: Final = {
    FailureKind.NXDOMAIN: "5.1.2",
    FailureKind.NULL_MX: "5.1.10",
    FailureKind.NO_ADDRESS: "5.4.4",
    FailureKind.ADDRESS: "5.1.3",
    FailureKind.UNSUPPORTED: "5.6.7",
}

SUBJECT: Final = "Email tidak terkirim (Undelivered mail)"


@dataclass(frozen=True, slots=True)
class Undelivered:
    """One recipient of a report: the delivery, its attempts in their order, and why it ended.

    ``is_expired``: its time was over; else it was given up for what was answered.
    """

    delivery: Delivery
    attempts: Sequence[Attempt]
    category: Category | None
    is_expired: bool = False


@dataclass(frozen=True, slots=True)
class Original:
    """The letter that a report is about."""

    head: bytes
    sender: str
    arrived_at: Instant
    envid: str | None = None  # as MAIL gave it, in xtext


def report(
    undelivered: Sequence[Undelivered],
    original: Original,
    hostname: str,
    report_id: int,
    now: Instant,
) -> tuple[bytes, bytes]:
    """Header block and body of one report on one or many recipients of one letter.

    To be sent from ``<>`` to ``original.sender``. 7-bit, no line over 998 octets. Raises
    ValueError without recipients, or for a sender ``<>``: a report on a report is never made.
    """
    if not undelivered:
        raise ValueError("a report needs a recipient")
    words, status = _words(undelivered, hostname), _status(undelivered, original, hostname)
    return assembled(SUBJECT, words, status, original, hostname, report_id, now)


def assembled(
    subject: str,
    words: bytes,
    status: bytes,
    original: Original,
    hostname: str,
    report_id: int,
    now: Instant,
) -> tuple[bytes, bytes]:
    """Header block and body of a report (RFC 6522) of these parts: `words` for people, in ASCII,
    `status` for machines. Raises ValueError for a sender ``<>``."""
    if not original.sender:
        raise ValueError("no report goes to <>")
    shown = ids.show(report_id)
    # Nobody who writes a header can foresee the digest of that header.
    boundary = "=_" + hashlib.sha256(shown.encode() + original.head).hexdigest()[:40]
    headers = Headers(())
    for name, value in (
        ("From", f"MAILER-DAEMON <MAILER-DAEMON@{hostname}>"),
        ("To", f"<{escaped(original.sender)}>"),
        ("Subject", subject),
        ("Date", _date(now)),
        ("Message-ID", f"<{shown}@{hostname}>"),
        ("Auto-Submitted", "auto-replied"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/report; report-type=delivery-status; boundary="{boundary}"'),
    ):
        headers = headers.add(name, value, at_end=True)
    parts = (
        b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + words,
        b"Content-Type: message/delivery-status\r\n\r\n" + status,
        _returned(original.head),
    )
    mark = f"--{boundary}".encode()
    body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"
    return headers.to_bytes(), body


def _words(undelivered: Sequence[Undelivered], hostname: str) -> bytes:
    lines = [
        f"Ini pemberitahuan otomatis dari server email {hostname}.",
        "Email Bapak/Ibu tidak terkirim ke alamat berikut:",
        "",
    ]
    for one in undelivered:
        lines += [f"<{escaped(one.delivery.recipient)}>", f"  {label_of(one)[0]}.", *_answer(one)]
    lines += [
        "",
        f"This is an automatic notice from the mail server {hostname}.",
        "Your mail could not be delivered to these addresses:",
        "",
    ]
    for one in undelivered:
        lines += [f"<{escaped(one.delivery.recipient)}>", f"  {label_of(one)[1]}."]
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def label_of(one: Undelivered) -> tuple[str, str, str]:
    """What it is called, in Indonesian and in English, and its status where no reply gave one."""
    return _EXPIRED if one.is_expired else _WORDS[one.category or Category.OTHER]


def _answer(one: Undelivered) -> list[str]:
    """The last server's words, if there was an attempt."""
    if not one.attempts:
        return [f"  {escaped(one.delivery.why)}"] if one.delivery.why else []
    last = one.attempts[-1]
    who = f"Jawaban server {escaped(last.mx)}" if last.mx and last.reply else "Sebab"
    return [f"  {who}:", f"  {escaped(last.said())}"]


def _status(undelivered: Sequence[Undelivered], original: Original, hostname: str) -> bytes:
    """The fields for machines, RFC 3464 2.2 and 2.3."""
    first = [("Reporting-MTA", f"dns; {hostname}"), ("Arrival-Date", _date(original.arrived_at))]
    if original.envid:
        first.insert(0, ("Original-Envelope-Id", escaped(_from_xtext(original.envid))))
    return grouped([first, *(fields_of(one) for one in undelivered)])


def grouped(groups: Iterable[Iterable[tuple[str, str]]]) -> bytes:
    """The groups of fields of a delivery-status, a blank line between two."""
    return b"\r\n".join(b"".join(fold(name, text) for name, text in group) for group in groups)


def fields_of(one: Undelivered, most: int = MAX_SHOWN) -> list[tuple[str, str]]:
    """The fields of one recipient (RFC 3464 2.3); of a server's words `most` characters."""
    fields = [
        ("Final-Recipient", _typed(one.delivery.recipient)),
        ("Action", "failed"),
        ("Status", status_of(one)),
    ]
    if one.delivery.orcpt:
        kind, _, address = one.delivery.orcpt.partition(";")
        value = f"{escaped(kind.strip())};{escaped(_from_xtext(address.strip()))}"
        fields.insert(0, ("Original-Recipient", value))
    return fields + _of_attempt(one.attempts[-1], most) if one.attempts else fields


def _of_attempt(last: Attempt, most: int) -> list[tuple[str, str]]:
    fields = []
    if last.mx:
        fields.append(("Remote-MTA", f"dns; {escaped(last.mx)}"))
    kind = "smtp" if last.reply else "x-lpse-relay"
    fields.append(("Diagnostic-Code", f"{kind}; {escaped(last.said(), most)}"))
    fields.append(("Last-Attempt-Date", _date(last.started_at + last.took_us // 1000)))
    return fields


def status_of(one: Undelivered) -> str:
    """The enhanced status of a failed recipient: 4.4.7 if expired, else of class 5.

    The server's own code counts; where it was of class 4 its detail is kept (we gave up, for
    good); where there was none, the category or the failure gives one.
    """
    if one.is_expired:
        return _EXPIRED[2]
    last = one.attempts[-1] if one.attempts else None
    if last and last.reply and last.reply.enhanced and last.reply.enhanced.klass != 2:
        enhanced = last.reply.enhanced
        return str(EnhancedCode(5, enhanced.subject, enhanced.detail))
    if last and last.failure and last.failure.kind in _BY_FAILURE:
        return _BY_FAILURE[last.failure.kind]
    return label_of(one)[2]


def _returned(head: bytes) -> bytes:
    """The original header as a part: whole fields up to :data:`MAX_RETURNED`, 7-bit."""
    kept: list[bytes] = []
    used = 0
    for field in Headers.parse(head).mended().fields:
        used += len(field.raw)
        if used > MAX_RETURNED:
            break
        kept.append(field.raw)
    octets = b"".join(kept)
    label = b"Content-Type: text/rfc822-headers"
    if not mime.needs_work(octets):
        return label + b"\r\n\r\n" + octets
    label += b"; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return label + mime.quoted_printable(octets)


def escaped(text: str, most: int = MAX_SHOWN) -> str:
    """Foreign text in visible ASCII on one line, cut after `most` characters."""
    flat = re.sub(r"[\r\n\t]+", " ", text[: most + 1])
    visible = flat.encode("ascii", "backslashreplace").decode("ascii")
    shown = re.sub(r"[^ -~]", lambda match: f"\\x{ord(match[0]):02x}", visible)
    return shown if len(shown) <= most else shown[:most] + "..."


def _typed(recipient: str) -> str:
    """An address with its type; one that is not ASCII as RFC 6533 4.2.1 writes it."""
    if recipient.isascii():
        return f"rfc822; {escaped(recipient)}"
    letters = [
        c if "!" <= c <= "~" and c not in "\\+=" else f"\\x{{{ord(c):X}}}" for c in recipient
    ]
    return f"utf-8; {''.join(letters)}"


def _from_xtext(text: str) -> str:
    return _XTEXT.sub(lambda match: chr(int(match[1], 16)), text)


def _date(at: Instant) -> str:
    return format_datetime(datetime.fromtimestamp(at // 1000, UTC))


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """What a received report says of one recipient; every text is foreign.

    ``action`` is in lower case (failed, delayed, delivered, relayed, expanded), ``status``
    None where the report has no readable one.
    """

    recipient: str
    action: str
    status: EnhancedCode | None
    diagnostic: str = ""
    remote_mta: str = ""
    original_recipient: str = ""
    envelope_id: str = ""


def read(letter: bytes) -> list[ReportedRecipient]:
    """The recipients of every message/delivery-status part, in their order; empty for no report.

    Never raises. Looks at the first :data:`MAX_READ` octets, :data:`MAX_DEPTH` levels and
    :data:`MAX_RECIPIENTS` recipients; attached letters are not opened.
    """
    found: list[ReportedRecipient] = []
    entities = [(normalise_newlines(letter[:MAX_READ])[0], 0)]
    while entities and len(found) < MAX_RECIPIENTS:
        entity, depth = entities.pop()
        head, body = split(entity)
        headers = Headers.parse(head)
        value = mime.content_type(headers)
        main, sub = mime.media_type(value)
        if main == "multipart" and depth < MAX_DEPTH:
            entities += [(part, depth + 1) for part in reversed(mime.parts(value, body))]
        elif main == "message" and sub in ("delivery-status", "global-delivery-status"):
            found += recipients_of(decoded(headers, body))
    return found[:MAX_RECIPIENTS]


def decoded(headers: Headers, body: bytes) -> bytes:
    """A part's octets out of their transfer encoding, CRLF lines; empty where that is broken."""
    encoding = (headers.unfolded("Content-Transfer-Encoding") or "").lower()
    if encoding == "quoted-printable":
        body = binascii.a2b_qp(body)
    elif encoding == "base64":
        try:
            body = binascii.a2b_base64(body)
        except binascii.Error:
            return b""
    return normalise_newlines(body)[0]


def recipients_of(status: bytes) -> list[ReportedRecipient]:
    """What a message/delivery-status part says of each recipient, in its order. Never raises."""
    found: list[ReportedRecipient] = []
    envelope_id = ""
    for group in status.strip(b"\r\n").split(b"\r\n\r\n", MAX_RECIPIENTS + 1)[: MAX_RECIPIENTS + 1]:
        headers = Headers.parse(group.lstrip(b"\r\n"))
        final = headers.decoded("Final-Recipient")
        if final is None:
            envelope_id = headers.decoded("Original-Envelope-Id") or envelope_id
            continue
        code = (headers.unfolded("Status") or "").split()
        found.append(
            ReportedRecipient(
                recipient=_untyped(final),
                action=(headers.decoded("Action") or "").split(" ")[0].lower(),
                status=EnhancedCode.parse(code[0]) if code and _STATUS.fullmatch(code[0]) else None,
                diagnostic=_untyped(headers.decoded("Diagnostic-Code") or ""),
                remote_mta=_untyped(headers.decoded("Remote-MTA") or ""),
                original_recipient=_untyped(headers.decoded("Original-Recipient") or ""),
                envelope_id=envelope_id,
            )
        )
    return found


def _untyped(value: str) -> str:
    """A typed value without its type: ``rfc822; a@b`` → ``a@b``."""
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and kind.strip().isascii() else value.strip()
