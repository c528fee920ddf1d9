"""What reports quote of servers, read as the rules read a reply in the dialog."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.shipped import shipped_classifier
from relay.mail.classification import Action, Category
from relay.mail.dsn import ReportedRecipient
from relay.mail.reply import EnhancedCode, Reply
from relay.mail.report_reading import read
from relay.replies.reported import reply_of, retold
from tests.mail import reports
from tests.mail.reports import VENDOR, wire


def one(diagnostic: str, status: str = "", remote_mta: str = "") -> ReportedRecipient:
    return ReportedRecipient(VENDOR, "failed", EnhancedCode.parse(status), diagnostic, remote_mta)


@pytest.mark.parametrize(
    ("diagnostic", "status", "shown"),
    [
        ("550 5.1.1 User unknown", "5.1.1", "550 5.1.1 User unknown"),
        ("550 User unknown", "5.1.1", "550 5.1.1 User unknown"),
        ("550 User unknown", "5.0.0", "550 User unknown"),
        ("550 User unknown", "4.2.2", "550 User unknown"),
        ("550 User unknown", "", "550 User unknown"),
        ("User unknown", "5.1.1", "550 5.1.1 User unknown"),
        ("mail delivery time expired", "4.4.7", "450 4.4.7 mail delivery time expired"),
        ("User unknown", "", "User unknown"),
        ("User unknown", "2.0.0", "User unknown"),
        ("", "5.2.2", "550 5.2.2"),
        ("host mx.x.example[192.0.2.1] said: 552 5.2.2 full (in reply to RCPT TO command)", "5.0.0",
         "552 5.2.2 full"),
    ],
)  # fmt: skip
def test_the_reply(diagnostic: str, status: str, shown: str) -> None:
    assert str(reply_of(one(diagnostic, status))[0]) == shown


@pytest.mark.parametrize(
    ("diagnostic", "remote", "host"),
    [
        (
            "550 no",
            "Gmail-SMTP-in.l.google.com. (192.0.2.26, the server for)",
            "gmail-smtp-in.l.google.com",
        ),
        ("550 no", "", ""),
        ("550 no", " ", ""),
        ("host mx.x.example[192.0.2.1] said: 550 no", "other.example", "mx.x.example"),
    ],
)
def test_the_host(diagnostic: str, remote: str, host: str) -> None:
    assert reply_of(one(diagnostic, "", remote))[1] == host


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("550 5.1.1 User unknown", "550 5.1.1 User unknown"),
        ("5.1.1 550 User unknown", "550 5.1.1 User unknown"),
        ("5.1.1 User unknown", "550 5.1.1 User unknown"),
        ("host mx[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command)", "550 5.1.1 no"),
        (" nobody here", "nobody here"),
        ("", ""),
    ],
)
def test_what_was_kept_of_a_report_is_told_again(text: str, shown: str) -> None:
    assert str(retold(text)).strip() == shown


@given(st.text(max_size=300), st.text(max_size=30), st.text(max_size=80))
def test_any_text_has_a_reply(diagnostic: str, status: str, remote: str) -> None:
    reply, host = reply_of(one(diagnostic, status, remote))
    assert isinstance(reply, Reply) and len(host) <= 255


@pytest.mark.parametrize(
    ("text", "category", "action"),
    [
        (reports.POSTFIX, Category.UNKNOWN_USER, Action.BOUNCE_ADDRESS),
        (reports.SENDMAIL, Category.UNKNOWN_USER, Action.BOUNCE_ADDRESS),
        (reports.EXCHANGE, Category.UNKNOWN_USER, Action.BOUNCE_ADDRESS),
        (reports.GMAIL, Category.UNKNOWN_USER, Action.BOUNCE_ADDRESS),
        (reports.EXIM, Category.UNKNOWN_USER, Action.BOUNCE_ADDRESS),
        (reports.QMAIL, Category.UNKNOWN_USER, Action.BOUNCE_ADDRESS),
        # No code stands in it: what it says is known, and it proves nothing.
        (reports.OLD_EXCHANGE, Category.UNKNOWN_USER, Action.RETRY_LATER),
        (reports.DELAYED, Category.NETWORK, Action.RETRY_LATER),
    ],
)
def test_the_rules_know_the_words_of_reports(text: str, category: Category, action: Action) -> None:
    _, told, _ = read(wire(text)).about(VENDOR)
    assert told is not None
    said = shipped_classifier().classify(*reply_of(told))
    assert (said.category, said.action) == (category, action), said
