"""Reports: what a sender and a machine read in them, hostile texts, and foreign ones read."""

from __future__ import annotations

import base64
import email
import email.policy
import time
from dataclasses import replace
from email.message import EmailMessage, Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import dsn, mime
from relay.mail.classification import Category
from relay.mail.delivery import Attempt, Delivery, Failure, FailureKind, State
from relay.mail.dsn import Original, Undelivered, report
from relay.mail.reply import Reply, Stage, parse
from relay.mail.urgency import Urgency

NOW = 1_317_712_260_123
HEAD = b"From: a@lpse.example.go.id\r\nSubject: LPSE Pengumuman\r\nMessage-ID: <1@x.id>\r\n"
HOST = "relay.lpse.example.go.id"


def delivery(n: int = 0, recipient: str = "vendor@example.co.id", **more: object) -> Delivery:
    plain = Delivery(
        1 << 40, n, recipient, 7, "example.co.id", Urgency.TRANSAKSI, State.BOUNCED, NOW, NOW
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def attempt(
    reply: Reply | None, failure: Failure | None = None, mx: str = "mx.example.id"
) -> Attempt:
    return Attempt(
        1 << 40, 0, 1, NOW - 5000, 2_000_000, "192.0.2.9", mx, "192.0.2.1", None, Stage.RCPT,
        reply, failure,
    )  # fmt: skip


def made(*ones: Undelivered, head: bytes = HEAD, envid: str | None = None) -> EmailMessage:
    original = Original(head, "info@lpse.example.go.id", NOW - 60_000, envid)
    top, body = report(ones, original, HOST, 99 << 30, NOW)
    letter = top + b"\r\n" + body
    assert not mime.needs_work(letter)
    assert b"\n" not in letter.replace(b"\r\n", b"") and b"\r" not in letter.replace(b"\r\n", b"")
    message = email.message_from_bytes(letter, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def opened(message: EmailMessage) -> tuple[bytes, list[Message[str, str]], bytes]:
    """The words, the groups of delivery-status, the returned header."""
    words, status, returned = message.iter_parts()
    groups: Any = status.get_payload()
    texts: list[Any] = [part.get_payload(decode=True) for part in (words, returned)]
    return texts[0], groups, texts[1]


BOUNCE = parse(
    b"550-5.1.1 The email account does not exist.\r\n550 5.1.1 try again\r\n", Stage.RCPT
)


def test_one_bounced_recipient() -> None:
    one = Undelivered(
        delivery(orcpt="rfc822;Vendor+2Bx@example.co.id"), [attempt(BOUNCE)], Category.UNKNOWN_USER
    )
    message = made(one, envid="E+2B1")
    assert message["From"] == f"MAILER-DAEMON <MAILER-DAEMON@{HOST}>"
    assert message["To"] == "info@lpse.example.go.id"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Date"] == "Tue, 04 Oct 2011 07:11:00 +0000"
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    words, (whole, each), returned = opened(message)
    text = words.decode()
    assert "Email tidak terdaftar." in text and "No such mailbox." in text
    assert "Jawaban server mx.example.id:\r\n  550 5.1.1 The email account does not" in text
    assert dict(whole.items()) == {
        "Original-Envelope-Id": "E+1",
        "Reporting-MTA": f"dns; {HOST}",
        "Arrival-Date": "Tue, 04 Oct 2011 07:10:00 +0000",
    }
    diagnostic = "smtp; 550 5.1.1 The email account does not exist. try again"
    assert {name: value.replace("\r\n", "") for name, value in each.items()} == {
        "Original-Recipient": "rfc822;Vendor+x@example.co.id",
        "Final-Recipient": "rfc822; vendor@example.co.id",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.id",
        "Diagnostic-Code": diagnostic,
        "Last-Attempt-Date": "Tue, 04 Oct 2011 07:10:57 +0000",
    }
    *_, last = message.iter_parts()
    assert last.get_content_type() == "text/rfc822-headers"
    assert returned == HEAD


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (Undelivered(delivery(), [attempt(BOUNCE)], None, is_expired=True), "4.4.7"),
        (
            Undelivered(delivery(), [attempt(parse("450 4.2.2 full"))], Category.MAILBOX_FULL),
            "5.2.2",
        ),
        (Undelivered(delivery(), [attempt(parse("550 full"))], Category.MAILBOX_FULL), "5.2.2"),
        (Undelivered(delivery(), [attempt(parse("550 2.0.0 x"))], None), "5.0.0"),
        (Undelivered(delivery(why="a space"), [], Category.BAD_DOMAIN), "5.1.2"),
        (Undelivered(delivery(), [], None), "5.0.0"),
        (
            Undelivered(
                delivery(), [attempt(None, Failure(FailureKind.NULL_MX, "no mail"), mx="")], None
            ),
            "5.1.10",
        ),
        (
            Undelivered(
                delivery(), [attempt(None, Failure(FailureKind.LOST, "x"))], Category.NETWORK
            ),
            "5.4.1",
        ),
    ],
)
def test_the_status(one: Undelivered, status: str) -> None:
    assert dsn.status_of(one) == status
    (read,) = dsn.read(made(one).as_bytes())
    assert (read.recipient, read.action, str(read.status)) == (
        "vendor@example.co.id", "failed", status,
    )  # fmt: skip
    last = one.attempts[-1] if one.attempts else None
    assert read.diagnostic == (last.said() if last else "")
    assert read.remote_mta == (last.mx if last else "")


def test_every_category_has_words_in_both_languages() -> None:
    assert set(dsn._WORDS) == set(Category)
    assert all(all(words) for words in dsn._WORDS.values())


def test_many_recipients_and_a_long_8bit_header() -> None:
    head = HEAD + "X-Nama: Ümum\r\n".encode() + b"X: y\r\n" * 9000 + b"X-" + b"z" * 70_000 + b": a"
    ones = [
        Undelivered(delivery(n, f"v{n}@example.id"), [attempt(BOUNCE)], None) for n in range(50)
    ]
    message = made(*ones, head=head)
    _, _, returned = opened(message)
    assert returned.startswith(HEAD + "X-Nama: Ümum\r\n".encode())
    assert len(dsn.read(message.as_bytes())) == 50


def test_no_report_on_a_report_or_on_nothing() -> None:
    with pytest.raises(ValueError, match="no report goes to <>"):
        report([Undelivered(delivery(), [], None)], Original(HEAD, "", NOW), HOST, 1, NOW)
    with pytest.raises(ValueError, match="needs a recipient"):
        report([], Original(HEAD, "a@b.id", NOW), HOST, 1, NOW)


def test_an_address_that_needs_utf8() -> None:
    (read,) = dsn.read(made(Undelivered(delivery(0, "é+\\@x.id"), [], None)).as_bytes())
    assert read.recipient == "\\x{E9}\\x{2B}\\x{5C}@x.id"


FOREIGN = st.text(max_size=200) | st.text(alphabet="\r\n\0\x1b\u2028é😀\ud800-= ab:", max_size=900)


@given(FOREIGN, FOREIGN, FOREIGN, FOREIGN)
def test_foreign_text_adds_nothing(reply: str, mx: str, recipient: str, tag: str) -> None:
    one = Undelivered(
        delivery(0, recipient, orcpt=tag), [attempt(Reply(550, None, reply), mx=mx)], None
    )
    message = made(one, envid=tag)
    _, (whole, each), _ = opened(message)
    assert set(whole.keys()) <= {"Original-Envelope-Id", "Reporting-MTA", "Arrival-Date"}
    assert len(each.keys()) == len(set(each.keys())) >= 5
    assert len(dsn.read(message.as_bytes())) == 1


FOREIGN_REPORT = b"""From: <MAILER-DAEMON@mx.example.id>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=out\r
\r
--out\r
Content-Type: multipart/report; boundary="in ner"; report-type=delivery-status\r
\r
--in ner\r
\r
Maaf.\r
--in ner\r
Content-Type: message/delivery-status\r
%b\r
Reporting-MTA: dns;mx.example.id\r
Original-Envelope-Id: QQ\r
\r
\r
Final-Recipient: RFC822; A@Example.id\r
Action: FAILED (permanent)\r
Status: 5.2.1 (inactive)\r
Diagnostic-Code: smtp; 554 delivery error: dd\r
 This user doesn't have an account\r
\r
Final-Recipient: b@example.id\r
Status: five\r
--in ner\r
Content-Type: message/rfc822\r
\r
Content-Type: message/delivery-status\r
\r
Final-Recipient: rfc822; evil@example.id\r
--in ner--\r
--out--\r
"""


def test_a_foreign_report() -> None:
    first, second = dsn.read(FOREIGN_REPORT % b"")
    assert (first.recipient, first.action, str(first.status)) == ("A@Example.id", "failed", "5.2.1")
    assert first.diagnostic == "554 delivery error: dd This user doesn't have an account"
    assert first.envelope_id == second.envelope_id == "QQ"
    assert (second.recipient, second.action, second.status) == ("b@example.id", "", None)


def test_encoded_reports() -> None:
    status = b"Final-Recipient: rfc822; a@b.id\nAction: delayed\n"
    for encoding, body in (
        (b"quoted-printable", status.replace(b"-", b"=2D")),
        (b"base64", base64.encodebytes(status)),
    ):
        letter = b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: "
        (read,) = dsn.read(letter + encoding + b"\r\n\r\n" + body)
        assert (read.recipient, read.action) == ("a@b.id", "delayed")
    assert dsn.read(letter + b"base64\r\n\r\nA") == []


def test_what_is_no_report() -> None:
    assert dsn.read(b"") == dsn.read(b"Subject: x\r\n\r\nFinal-Recipient: a@b.id\r\n") == []
    assert dsn.read(b"Content-Type: multipart/report\r\n\r\nx") == []


@given(st.binary(max_size=200))
def test_reading_is_total(octets: bytes) -> None:
    assert isinstance(dsn.read(FOREIGN_REPORT % octets), list)


NESTED = b"".join(
    b"Content-Type: multipart/x; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(20_000)
)


@pytest.mark.parametrize(
    "letter",
    [
        NESTED,
        b"Content-Type: message/delivery-status\r\n\r\n" + b"Final-Recipient: a\r\n\r\n" * 60_000,
        b"Content-Type: message/delivery-status\r\n\r\n" + b"\r\n" * 500_000,
        b"Content-Type: multipart/x; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 100_000,
    ],
)
def test_reading_is_bounded(letter: bytes) -> None:
    begun = time.process_time()
    assert len(dsn.read(letter)) <= dsn.MAX_RECIPIENTS
    assert time.process_time() - begun < 2.5
