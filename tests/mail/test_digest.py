"""The day's digest: what people and machines read in it, when it is due, and hostile texts."""

from __future__ import annotations

import time as clock
from datetime import UTC, datetime, time, timedelta, timezone
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail import dsn, mime
from relay.mail.classification import Category
from relay.mail.digest import MOST_LISTED, MOST_SAID, Missed, digest, last_before
from relay.mail.dsn import Original, Undelivered, read
from relay.mail.instant import DAY, HOUR
from relay.mail.reply import Stage, parse
from relay.mail.telling import Telling, telling
from relay.mail.urgency import Urgency
from tests.mail.test_dsn import BOUNCE, HEAD, HOST, NOW, attempt, delivery

WIB = timezone(timedelta(hours=7))
ASCII = frozenset(range(32, 127))
HOSTILE = "x\r\n\r\n--=_0\r\nContent-Type: text/html\r\n\r\n<b>\x1b[31m\u202e\x00\x85\u2028[/foo]"


def missed(n: int, subject: str = "Pengumuman", **more: Any) -> Missed:
    category = more.pop("category", Category.UNKNOWN_USER)
    attempts = more.pop("attempts", (attempt(BOUNCE),))
    is_expired = more.pop("is_expired", False)
    job = delivery(n, more.pop("recipient", f"v{n}@example.co.id"), **more)
    return Missed(Undelivered(job, attempts, category, is_expired), subject)


def made(*ones: Missed, unlisted: int = 0, head: bytes = HEAD) -> EmailMessage:
    """Parsed; every octet of it is visible ASCII in lines of CRLF, none over 998."""
    original = Original(head, "info@lpse.example.go.id", NOW - 60_000)
    top, body = digest(ones, unlisted, original, HOST, 99 << 30, NOW)
    letter = top + b"\r\n" + body
    assert not mime.needs_work(letter)
    for line in letter.split(b"\r\n"):
        assert len(line) <= 998
        assert set(line) <= ASCII, line
    message = BytesParser(policy=default).parsebytes(letter)
    assert isinstance(message, EmailMessage)
    return message


def words_of(message: EmailMessage) -> list[str]:
    words, _, _ = message.iter_parts()
    text: Any = words.get_payload(decode=True)
    lines: list[str] = text.decode("ascii").split("\r\n")
    return lines


def groups_of(message: EmailMessage) -> list[Message[str, str]]:
    _, status, _ = message.iter_parts()
    groups: Any = status.get_payload()
    assert isinstance(groups, list)
    return groups


ANNOUNCEMENT = [
    f"Ini pemberitahuan otomatis dari server email {HOST}, sekali sehari.",
    "Email Bapak/Ibu tidak terkirim ke 4 alamat:",
    "  Pengumuman",
    "",
    "Email tidak terdaftar (2):",
    "  <v1@example.co.id>",
    "  <v3@example.co.id>",
    "  Contoh jawaban / example of an answer:",
    "  550 5.1.1 The email account does not exist. try again",
    "",
    "Batas waktu pengiriman habis (1):",
    "  <v4@example.co.id>",
    "  Contoh jawaban / example of an answer:",
    "  its time was over",
    "",
    "Penyimpanan email penuh (1):",
    "  <v2@example.co.id>",
    "  Contoh jawaban / example of an answer:",
    "  452 4.2.2 full",
    "",
    "--",
    f"This is an automatic notice from the mail server {HOST}, once a day.",
    "Your mail did not reach 4 addresses:",
    "  Pengumuman",
    "",
    "The addresses stand above, by reason:",
    "  Email tidak terdaftar = No such mailbox: 2",
    "  Batas waktu pengiriman habis = Delivery time expired: 1",
    "  Penyimpanan email penuh = Mailbox full: 1",
    "",
]


def test_one_announcement_by_reason() -> None:
    message = made(
        missed(1),
        missed(2, category=Category.MAILBOX_FULL, attempts=(attempt(parse("452 4.2.2 full")),)),
        missed(3),
        missed(4, is_expired=True, attempts=(), why="its time was over"),
    )
    assert message["Subject"] == "Email tidak terkirim (Undelivered mail): 4"
    assert message["From"] == f"MAILER-DAEMON <MAILER-DAEMON@{HOST}>"
    assert message["To"] == "info@lpse.example.go.id"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    assert words_of(message) == ANNOUNCEMENT
    whole, *each = groups_of(message)
    assert dict(whole.items()) == {"Reporting-MTA": f"dns; {HOST}"}
    assert [group["Status"] for group in each] == ["5.1.1", "5.2.2", "5.1.1", "4.4.7"]
    assert [str(group["Final-Log-ID"])[-2:] for group in each] == [".1", ".2", ".3", ".4"]
    *_, returned = message.iter_parts()
    assert returned.get_payload(decode=True) == HEAD


def test_letters_of_many_subjects_have_theirs_beside_the_address() -> None:
    one = missed(3, "", attempts=(), why="")
    lines = words_of(made(missed(1, "Undangan A"), missed(2, "Undangan B"), one))
    assert "  3 surat; judulnya ada di belakang tiap alamat" in lines
    assert "  3 letters; each address above has its subject beside it" in lines
    assert "  <v1@example.co.id>  Undangan A" in lines
    assert "  <v3@example.co.id>  (tanpa judul / no subject)" in lines


def test_a_single_one_without_any_answer() -> None:
    lines = words_of(made(missed(1, attempts=(), why="")))
    assert "Your mail did not reach 1 address:" in lines
    assert not any("Contoh" in line for line in lines)


def test_what_is_not_listed_is_counted() -> None:
    many = [missed(n) for n in range(MOST_LISTED)]
    message = made(*many, unlisted=300)
    assert message["Subject"] == "Email tidak terkirim (Undelivered mail): 800"
    lines = words_of(message)
    assert "Dan 300 alamat lain; daftarnya ada pada pengelola server email." in lines
    assert "  and 300 more, of which the mail server's keeper has the list" in lines
    assert len(groups_of(message)) == 1 + MOST_LISTED
    for wrong in ([], [*many, missed(1)]):
        with pytest.raises(ValueError, match="1 to 500 recipients"):
            made(*wrong)


def test_the_greatest_one_is_made_soon_and_stays_small() -> None:
    """Within the 50 ms that nothing may hold the loop, with room for a slow machine; and read
    again by a program."""
    long = attempt(parse("550 5.1.1 " + "nama tidak ada " * 100, Stage.RCPT))
    many = [
        missed(n, f"{n} " + "s" * 500, recipient=f"{'v' * 60}{n}@example.co.id", attempts=(long,))
        for n in range(MOST_LISTED)
    ]
    original = Original(HEAD, "info@lpse.example.go.id", NOW)
    best = min(_seconds(many, original) for _ in range(3))
    assert best < 0.25
    top, body = digest(many, 0, original, HOST, 7, NOW)
    assert len(body) < 1024 * 1024
    assert len(read(top + b"\r\n" + body)) == MOST_LISTED


def _seconds(many: list[Missed], original: Original) -> float:
    began = clock.process_time()  # a busy machine's other work is not ours
    digest(many, 0, original, HOST, 7, NOW)
    return clock.process_time() - began


def test_nobody_is_told_of_a_report() -> None:
    with pytest.raises(ValueError, match="<>"):
        digest([missed(1)], 0, Original(HEAD, "", NOW), HOST, 7, NOW)


def test_a_hostile_text_adds_nothing() -> None:
    hostile = attempt(parse(HOSTILE, Stage.RCPT), mx=HOSTILE)
    message = made(
        missed(1, HOSTILE, recipient=HOSTILE, orcpt=HOSTILE, attempts=(hostile,)),
        missed(2, "A" * 100_000, why=HOSTILE, attempts=()),
        head=HEAD + b"X: --=_0\r\n",
    )
    assert len(list(message.iter_parts())) == 3
    assert len(groups_of(message)) == 3
    text = "\n".join(words_of(message))
    assert "\\x1b[31m\\u202e" in text
    assert max(map(len, words_of(message))) < 1000
    assert MOST_SAID == 200


TEXT = st.text(max_size=60) | st.sampled_from((HOSTILE, "\u202e", "=?utf-8?q?x?=", "--"))


@given(
    subjects=st.lists(TEXT, min_size=1, max_size=3), recipient=TEXT, said=TEXT, why=TEXT, orcpt=TEXT
)
def test_any_text_leaves_its_frame_whole(
    subjects: list[str], recipient: str, said: str, why: str, orcpt: str
) -> None:
    answered = attempt(parse(f"550 5.1.1 {said}", Stage.RCPT), mx=recipient)
    ones = [
        missed(n, subject, recipient=recipient, why=why, orcpt=orcpt or None, attempts=(answered,))
        for n, subject in enumerate(subjects)
    ]
    message = made(*ones)
    assert len(groups_of(message)) == 1 + len(ones)
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]


@pytest.mark.parametrize(
    ("now", "moment"),
    [
        ("2026-11-29T07:00+07:00", "2026-11-29T07:00+07:00"),
        ("2026-11-29T06:59:59.999+07:00", "2026-11-28T07:00+07:00"),
        ("2026-11-29T23:59+07:00", "2026-11-29T07:00+07:00"),
        ("2026-11-29T00:00+00:00", "2026-11-29T07:00+07:00"),
        ("2026-11-28T23:59+00:00", "2026-11-28T07:00+07:00"),
        ("2027-01-01T00:30+07:00", "2026-12-31T07:00+07:00"),
    ],
)
def test_the_day_has_one_moment(now: str, moment: str) -> None:
    at = int(datetime.fromisoformat(now).timestamp() * 1000)
    found = last_before(at, time(7, 0), WIB)
    assert datetime.fromtimestamp(found / 1000, UTC) == datetime.fromisoformat(moment)
    assert last_before(found + DAY, time(7, 0), WIB) == found + DAY
    assert last_before(found + DAY - HOUR, time(7, 0), WIB) == found


FAILURE, NEVER = frozenset({"FAILURE", "DELAY"}), frozenset({"NEVER"})


@pytest.mark.parametrize(
    ("sender", "notify", "urgency", "mode", "expected"),
    [
        ("", None, Urgency.KRITIS, "single", Telling.NEVER),
        ("", FAILURE, Urgency.KRITIS, "single", Telling.NEVER),
        ("a@x", NEVER, Urgency.KRITIS, "single", Telling.NEVER),
        ("a@x", frozenset({"SUCCESS"}), Urgency.MASSAL, "digest", Telling.NEVER),
        ("a@x", FAILURE, Urgency.MASSAL, "off", Telling.NOW),
        ("a@x", FAILURE, Urgency.MASSAL, "digest", Telling.NOW),
        ("a@x", None, Urgency.KRITIS, "off", Telling.NEVER),
        ("a@x", None, Urgency.KRITIS, "digest", Telling.NOW),
        ("a@x", None, Urgency.MENDESAK, "digest", Telling.NOW),
        ("a@x", None, Urgency.TRANSAKSI, "digest", Telling.DAILY),
        ("a@x", None, Urgency.MASSAL, "digest", Telling.DAILY),
        ("a@x", None, Urgency.MASSAL, "single", Telling.NOW),
    ],
)
def test_when_a_sender_is_told(
    sender: str, notify: frozenset[str] | None, urgency: Urgency, mode: Any, expected: Telling
) -> None:
    assert telling(sender, notify, urgency, mode) is expected


def test_the_shown_length_is_bounded_where_it_is_asked_for() -> None:
    assert dsn.escaped("x" * 10, 4) == "xxxx..."
