"""What came back, read: the words of real mail systems, complaints, machines, and bombs."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.mail import free_form, report_reading
from relay.mail.headers import Headers
from relay.mail.late import Kind
from relay.mail.reply import EnhancedCode
from relay.mail.report_reading import Report, ReportError, kind_of, read
from tests.mail import reports
from tests.mail.reports import OURS, VENDOR, wire


@pytest.mark.parametrize(
    ("text", "kind", "status", "words"),
    [
        (reports.POSTFIX, Kind.FAILED, "5.1.1", "User unknown in local recipient table"),
        (reports.SENDMAIL, Kind.FAILED, "5.1.1", "User unknown"),
        (reports.EXCHANGE, Kind.FAILED, "5.1.10", "RESOLVER.ADR.RecipientNotFound"),
        (reports.GMAIL, Kind.FAILED, "5.1.1", "does not exist"),
        (reports.EXIM, Kind.FAILED, "5.1.1", "550 5.1.1 User unknown"),
        (reports.QMAIL, Kind.FAILED, "5.1.1", "no mailbox here by that name"),
        (reports.OLD_EXCHANGE, Kind.FAILED, None, "recipient name is not recognized"),
        (reports.DELAYED, Kind.DELAYED, "4.4.1", "connect to"),
        (reports.GMAIL_WARNING, Kind.DELAYED, None, ""),
    ],
)
def test_the_words_of_mail_systems(text: str, kind: Kind, status: str | None, words: str) -> None:
    report = read(wire(text))
    told, one, is_ours = report.about(VENDOR)
    assert (report.kind, told, is_ours) == (kind, kind, True)
    assert one is not None
    assert one.recipient == VENDOR
    assert one.status == (EnhancedCode.parse(status) if status else None)
    assert words in one.diagnostic


@pytest.mark.parametrize(
    "text",
    [reports.POSTFIX, reports.SENDMAIL, reports.EXCHANGE, reports.EXIM, reports.QMAIL, reports.ARF,
     reports.JMRP],
)  # fmt: skip
def test_our_address_is_found_within(text: str) -> None:
    assert read(wire(text)).addresses[0] == OURS


def test_the_signed_field_counts_first() -> None:
    other = reports.PATH.address(9, 9, reports.AT, reports.AT)
    third = reports.PATH.address(8, 8, reports.AT, reports.AT)
    text = reports.ARF.replace(f"Original-Mail-From: <{OURS}>", f"Original-Mail-From: <{other}>")
    text = text.replace(f"Return-Path: <{OURS}>", f"Return-Path: <{third.upper()}>")
    assert read(wire(text)).addresses == (OURS, other, third)


def test_a_complaint() -> None:
    report = read(wire(reports.ARF))
    assert (report.kind, report.feedback_type, report.complainant) == (
        Kind.COMPLAINT,
        "abuse",
        VENDOR,
    )
    assert report.about(VENDOR) == (Kind.COMPLAINT, None, True)
    assert read(wire(reports.JMRP)).kind is Kind.COMPLAINT


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "virus", "", "opt-out"])
def test_other_feedback_is_no_complaint(kind: str) -> None:
    text = reports.ARF.replace("Feedback-Type: abuse", f"Feedback-Type: {kind}")
    wanted = Kind.COMPLAINT if kind == "opt-out" else Kind.FEEDBACK
    assert read(wire(text)).kind is wanted


@pytest.mark.parametrize("is_from_nobody", [True, False])
def test_an_answering_machine_is_no_bounce(is_from_nobody: bool) -> None:
    assert read(wire(reports.VACATION), is_from_nobody).kind is Kind.AUTO_REPLY


@pytest.mark.parametrize(
    "field",
    ["Auto-Submitted: auto-replied", "Precedence: auto_reply", "X-Autoreply: yes",
     "X-Autorespond: x", "Precedence: bulk"],
)  # fmt: skip
def test_each_mark_of_a_machine(field: str) -> None:
    words = f"From: {VENDOR}\n{field}\n\nHi. This is the\n\n<{VENDOR}>:\n550 5.1.1 gone\n"
    assert read(wire(words)).kind is Kind.AUTO_REPLY


def test_a_receipt_is_no_bounce() -> None:
    text = (
        f"From: postmaster@example.co.id\nTo: {OURS}\n"
        'Content-Type: multipart/report; report-type=disposition-notification; boundary="m"\n\n'
        "--m\n\nThe message was deleted.\n--m\nContent-Type: message/disposition-notification\n\n"
        f"Final-Recipient: rfc822; {VENDOR}\nDisposition: automatic-action; deleted\n\n--m--\n"
    )
    assert read(wire(text)).kind is Kind.AUTO_REPLY


def test_words_count_only_from_a_mail_system() -> None:
    """A person may quote what he got; he is none."""
    text = reports.QMAIL.replace("MAILER-DAEMON@mx.example.co.id", VENDOR)
    assert read(wire(text), is_from_nobody=False).kind is Kind.OTHER
    assert read(wire(text), is_from_nobody=True).kind is Kind.FAILED
    assert read(wire(reports.QMAIL), is_from_nobody=False).kind is Kind.FAILED


def test_a_letter_by_a_person_is_something_else() -> None:
    report = read(wire(f"From: Budi <{VENDOR}>\nSubject: Tanya\n\nHalo\n"))
    assert (report.kind, report.subject) == (Kind.OTHER, "Tanya")
    assert report.sender == f"Budi <{VENDOR}>"
    assert read(b"").kind is Kind.OTHER


def test_a_report_within_a_returned_letter_is_not_this_one() -> None:
    """Whoever forwards a bounce says nothing by it."""
    inner = wire(reports.POSTFIX)
    text = wire(
        f"From: {VENDOR}\nContent-Type: multipart/mixed; boundary=q\n\n--q\n\nLihat ini\n--q\n"
        "Content-Type: message/rfc822\n\n"
    )
    report = read(text + inner + b"\r\n--q--\r\n", is_from_nobody=False)
    assert (report.kind, report.recipients) == (Kind.OTHER, ())


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        ("failed", "5.1.1", Kind.FAILED),
        ("FAILED (after 5 days)", "4.4.7", Kind.FAILED),
        ("error", "5.1.1", Kind.FAILED),
        ("delayed", "4.4.1", Kind.DELAYED),
        ("relayed", "2.1.9", Kind.RELAYED),
        ("expanded", "2.0.0", Kind.EXPANDED),
        ("delivered", "2.0.0", Kind.DELIVERED),
        ("", "5.1.1", Kind.FAILED),
        ("", "2.0.0", Kind.DELIVERED),
        ("odd", "", Kind.DELAYED),
    ],
)
def test_each_action(action: str, status: str, kind: Kind) -> None:
    text = reports.POSTFIX.replace("Action: failed", f"Action: {action}")
    report = read(wire(text.replace("Status: 5.1.1", f"Status: {status}")))
    assert report.kind is kind


def test_a_forwarded_address_is_not_named() -> None:
    text = reports.POSTFIX.replace(
        f"Final-Recipient: rfc822; {VENDOR}\nOriginal-Recipient: rfc822;{VENDOR}",
        "Final-Recipient: rfc822; budi@gmail.example",
    )
    kind, one, is_ours = read(wire(text)).about(VENDOR)
    assert kind is Kind.FAILED and not is_ours
    assert one is not None and one.recipient == "budi@gmail.example"


def test_ours_is_asked_for_among_many() -> None:
    group = "Final-Recipient: rfc822; {}\nAction: {}\nStatus: {}\n\n"
    others = group.format("other@example.co.id", "failed", "5.1.1")
    ours = group.format("<VENDOR@Example.CO.ID>", "delayed", "4.2.2")
    text = reports.POSTFIX.replace("Final-Recipient", others + ours + "Final-Recipient", 1)
    text = text.replace(f"Final-Recipient: rfc822; {VENDOR}\nOriginal", "Final-Recipient: x\nOrig")
    report = read(wire(text.replace(f"Original-Recipient: rfc822;{VENDOR}\n", "")))
    assert report.kind is Kind.FAILED
    kind, _, is_ours = report.about(VENDOR)
    assert (kind, is_ours) == (Kind.DELAYED, True)


def test_an_encoded_report_is_read() -> None:
    head, _, rest = reports.POSTFIX.partition("Content-Type: message/delivery-status\n\n")
    fields, _, tail = rest.partition("\n\n--8A1B")
    octets = base64.encodebytes(wire(fields)).decode()
    encoded = (
        f"{head}Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n"
        f"{octets}\n--8A1B{tail}"
    )
    assert read(wire(encoded)).about(VENDOR)[0] is Kind.FAILED


# --- bounds


def nested(levels: int) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" * levels + b"Subject: x\r\n\r\nx\r\n"


def test_depth_is_bounded() -> None:
    assert read(nested(10)).kind is Kind.OTHER
    with pytest.raises(ReportError, match="nested deeper than 10"):
        read(nested(11))


def test_multiparts_within_one_another_are_bounded_too() -> None:
    text = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
                    for n in range(12))  # fmt: skip
    with pytest.raises(ReportError, match="nested"):
        read(text + b"\r\nx\r\n")


def test_size_and_parts_are_bounded() -> None:
    with pytest.raises(ReportError, match="octets"):
        read(b"x" * (report_reading.MAX_OCTETS + 1))
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    with pytest.raises(ReportError, match="200 parts"):
        read(head + b"--b\r\n\r\nx\r\n" * 201 + b"--b--\r\n")
    inner = b"Content-Type: multipart/mixed; boundary=c\r\n\r\n" + b"--c\r\n\r\nx\r\n" * 100
    with pytest.raises(ReportError, match="200 parts"):
        read(head + (b"--b\r\n" + inner + b"--c--\r\n") * 3 + b"--b--\r\n")


def test_addresses_are_bounded() -> None:
    many = "".join(f"{reports.PATH.address(n, 1, 0, 0)}\n" for n in range(50))
    assert len(read(wire("Subject: x\n\n" + many)).addresses) == report_reading.MAX_TOKENS


BOMBS: dict[str, Callable[[int], bytes]] = {
    "parts": lambda n: b"Content-Type: multipart/report; boundary=b\r\n\r\n"
    + b"--b\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: x\r\n" * (n // 65),
    "recipients": lambda n: b"Content-Type: message/delivery-status\r\n\r\n"
    + b"Final-Recipient: rfc822;a@b.example\r\nAction: failed\r\n\r\n" * (n // 55),
    "marks": lambda n: b"From: <>\r\nSubject: x\r\n\r\n" + b"<" * n,
    "lines of marks": lambda n: b"From: <>\r\n\r\n" + (b"<@" * 99 + b"\r\n") * (n // 200),
    "at signs": lambda n: b"From: <>\r\n\r\n" + b"@" * n,
    "tokens": lambda n: b"\r\n" + b"b+aaaaaaaaaa" * (n // 12),
    "almost tokens": lambda n: b"\r\n" + (b"b+" + b"a" * 44 + b"@") * (n // 47),
    "domains": lambda n: b"\r\n" + b"b+" + b"a" * 44 + b"@" + b"a" * n,
    "fields": lambda n: b"a:\r\n" * (n // 4) + b"\r\n",
    "folded": lambda n: b"From: x\r\n" + b" y\r\n" * (n // 4) + b"\r\n",
    "letters": lambda n: nested(9) + b"X-LPSE-Return-Path: b+\r\n" * (n // 24),
    "blanks": lambda n: b"From: <>\r\n\r\nthis is the" + b" " * n,
    "base64": lambda n: b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + b"QUFB" * (n // 4),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_linear_time(name: str) -> None:
    """A mebibyte of it in a second at most: an answer or the one error."""
    letter = BOMBS[name](report_reading.MAX_OCTETS - 1_000)
    began = time.process_time()
    try:
        report = read(letter)
        assert len(report.addresses) <= report_reading.MAX_TOKENS
    except ReportError:
        pass
    assert time.process_time() - began < 1.0


def all_tags() -> list[str]:
    """A line that starts each pattern of flufl.bounce, so that all of them search every line."""
    from flufl.bounce._detectors import qmail, simplematch, simplewarning

    tags = [start.pattern for start, _, _ in (*simplematch.PATTERNS, *simplewarning.PATTERNS)]
    plain = [tag.strip("^$").replace(r"\(", "(").replace(r"\)", ")") for tag in tags]
    return [*plain, *qmail.introtags, "did not reach the following recipient"]


@pytest.mark.parametrize(
    "line",
    [
        "a" * 200,
        "a@" * 2 + "b" * 196,
        "<" * 4 + "x" * 196,
        ", " * 8 + "y" * 180,
        "550 5.1.1 " + "a.b-" * 45,
    ],
)
def test_words_that_choke_patterns_are_cut(line: str) -> None:
    text = "\r\n".join(["", *all_tags(), *([line] * 200)])
    notice = free_form.Notice(Headers.parse(b"From: <>\r\n"), [("plain", text.encode())] * 4)
    began = time.process_time()
    free_form.read(notice)
    assert time.process_time() - began < 0.5


PIECES = st.lists(
    st.sampled_from(
        [b"Content-Type: multipart/report; boundary=b\r\n", b"Content-Type: message/rfc822\r\n",
         b"Content-Type: message/delivery-status\r\n", b"Content-Type: message/feedback-report\r\n",
         b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: text/rfc822-headers\r\n",
         b"\r\n", b"--b\r\n", b"--b--\r\n", b"Feedback-Type: abuse\r\n", b"Action: failed\r\n",
         b"Final-Recipient: rfc822; vendor@example.co.id\r\n", b"Status: 5.1.1\r\n",
         b"From: <>\r\n",
         b"X-Failed-Recipients: vendor@example.co.id, <\r\n", b"Hi. This is the\r\n",
         f"Return-Path: <{OURS}>\r\n".encode(), b"<vendor@example.co.id>:\r\n", b"\xff\xfe\0",
         b"550 5.1.1 no\r\n", b"Auto-Submitted: auto-replied\r\n", b"=", b" \t", b";"]
    ) | st.binary(max_size=30),
    max_size=60,
)  # fmt: skip


@given(PIECES, st.booleans())
@example([wire(reports.POSTFIX)], True)
def test_any_letter_is_answered_or_refused_in_one_way(pieces: list[bytes], nobody: bool) -> None:
    try:
        report = read(b"".join(pieces), nobody)
    except ReportError:
        return
    assert isinstance(report, Report)
    kind, one, is_ours = report.about(VENDOR)
    assert kind in set(Kind)
    if one is not None:
        assert kind_of(one) is kind
        assert len(one.diagnostic) <= 1 << 20
    if report.kind is Kind.COMPLAINT:
        assert is_ours


@given(st.integers(0, 4_000), st.sampled_from([reports.POSTFIX, reports.ARF, reports.QMAIL]))
def test_a_report_that_was_cut_is_read_as_far_as_it_goes(at: int, text: str) -> None:
    """Or taken for something else: never for a worse thing than it was."""
    assert read(wire(text)[:at]).kind in (Kind.FAILED, Kind.COMPLAINT, Kind.OTHER, Kind.AUTO_REPLY,
                                          Kind.DELAYED, Kind.FEEDBACK)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        (
            f"Ihre Nachricht an <{VENDOR}> konnte nicht zugestellt werden:\n"
            "host mx.x.example said: 550 5.1.1 Empfaenger unbekannt\n\n--- Original ---\n",
            "5.1.1",
            "host mx.x.example said: 550 5.1.1 Empfaenger unbekannt",
        ),
        (f"{VENDOR}\n\n\n552 quota exceeded\n", None, "552 quota exceeded"),
        # Whom of two it means, nobody knows; nor what a passing trouble means.
        (f"{VENDOR} other@example.co.id\n550 5.1.1 no\n", None, ""),
        (f"{VENDOR}\n451 4.7.1 later\n", None, ""),
        ("550 5.1.1 no mailbox is named\n", None, ""),
        (f"{VENDOR}\n\n--- Original message ---\n550 5.1.1 no\n", None, ""),
        (f"{VENDOR} 5.5 million 2.550 km\n", None, ""),
    ],
)
def test_words_that_nobody_knows(text: str, status: str | None, reason: str) -> None:
    report = read(wire(f"From: MAILER-DAEMON@x.example\n\n{text}"))
    assert report.kind is (Kind.FAILED if reason else Kind.OTHER)
    for one in report.recipients:
        assert (one.recipient, one.diagnostic) == (VENDOR, reason)
        assert str(one.status or "") == (status or "")


def test_what_gmail_wrote_in_words() -> None:
    text = (
        "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\n"
        "Subject: Delivery Status Notification (Failure)\n\n"
        f"Delivery to the following recipient failed permanently:\n\n     {VENDOR}\n\n"
        "Technical details of permanent failure: \n"
        "Google tried to deliver your message, but it was rejected by the server for the\n"
        "recipient domain example.co.id by mx.example.co.id. [192.0.2.9].\n\n"
        "The error that the other server returned was:\n550 5.1.1 User unknown\n\n"
        "----- Original message -----\n"
    )
    (one,) = read(wire(text)).recipients
    assert (one.recipient, one.action) == (VENDOR, "failed")
    assert "550 5.1.1 User unknown" in one.diagnostic


def test_a_detector_that_breaks_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(message: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(free_form, "all_failures", broken)
    assert read(wire(reports.QMAIL)).kind is Kind.OTHER


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Hi. This is the\n\n<{0}>:\ngone\n--- Below this line is a copy\n", "<{0}>: gone"),
        ("x\n--- Below this line is a copy\n550 5.1.1 <{0}>\n", ""),
        ("x\n\n550 no such user\nhere\n\n--- Original message\n", "550 no such user here"),
        ("nothing\n", ""),
        ("nothing", ""),
        ("x\n" * 200, ""),
        ("550 no such user\nhere", "550 no such user here"),
        ("<{0}>\n--- Original message\n550 x\n", ""),
    ],
)
def test_the_reason_stands_above_the_returned_letter(text: str, reason: str) -> None:
    head = f"From: MAILER-DAEMON\nX-Failed-Recipients: {VENDOR}\n\n"
    (one,) = read(wire(head + text.format(VENDOR))).recipients
    assert one.diagnostic == reason.format(VENDOR)
