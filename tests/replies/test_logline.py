"""Pasted log lines: the notice's three blocks verbatim, Postfix, Exim, Sendmail, wrapped or not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.classification import Action, Category, Scope
from relay.mail.reply import Stage
from relay.replies import Classifier, logline
from relay.replies.notice import Wording, told_as, wording

HERE = Path(__file__).parent


def notice(n: int) -> str:
    return (HERE / f"notice-{n}.txt").read_text("utf-8")


@pytest.mark.parametrize("n", [1, 2])
def test_the_notice_knows_dead_addresses(classifier: Classifier, n: int) -> None:
    reading = logline.read(notice(n))
    assert reading.mx == "mta7.am0.yahoodns.net"
    assert reading.recipient == "[redacted]"
    assert reading.stage is Stage.EOD
    assert reading.reply.code == 554
    said = classifier.classify(reading.reply, reading.mx)
    assert (said.category, said.action, said.scope) == (
        Category.UNKNOWN_USER,
        Action.BOUNCE_ADDRESS,
        Scope.RECIPIENT,
    )
    assert said.rule == "yahoo.no-account"


def test_the_notice_knows_gmails_block(classifier: Classifier) -> None:
    reading = logline.read(notice(3))
    assert reading.mx == "gmail-smtp-in.1.google.com"
    assert reading.stage is Stage.EOD
    assert str(reading.reply.enhanced) == "5.7.1"
    assert "550" not in reading.reply.text
    assert "bulk_mail.html" in reading.reply.text
    said = classifier.classify(reading.reply, reading.mx)
    assert (said.category, said.action, said.scope) == (
        Category.SENDER_BLOCKED,
        Action.SLOW_DOWN_PROVIDER,
        Scope.SENDER,
    )


def test_the_notice_on_one_line_reads_the_same(classifier: Classifier) -> None:
    for n in (1, 2, 3):
        wrapped = logline.read(notice(n))
        joined = logline.read(" ".join(notice(n).split()))
        assert wrapped == joined


def test_only_the_history_tells_kind_1_from_kind_2() -> None:
    assert wording(Category.UNKNOWN_USER, None) is Wording.UNREGISTERED
    assert wording(Category.UNKNOWN_USER, 1_700_000_000_000) is Wording.INACTIVE
    assert wording(Category.INACTIVE_USER, None) is Wording.INACTIVE
    assert wording(Category.SENDER_BLOCKED, None) is Wording.SPAM
    assert wording(Category.MAILBOX_FULL, None) is None
    assert told_as(Category.UNKNOWN_USER, True) is Category.INACTIVE_USER
    assert told_as(Category.UNKNOWN_USER, False) is Category.UNKNOWN_USER
    assert told_as(Category.POLICY, True) is Category.POLICY


@pytest.mark.parametrize(
    ("line", "code", "enhanced", "mx", "stage", "recipient", "words"),
    [
        (
            "Oct  4 14:11:02 relay postfix/smtp[2120]: 3F2A11: to=<vendor@gmail.com>, "
            "relay=gmail-smtp-in.l.google.com[192.0.2.9]:25, delay=1.2, dsn=5.1.1, "
            "status=bounced (host gmail-smtp-in.l.google.com[192.0.2.9] said: 550-5.1.1 The email "
            "account that you tried to reach does not exist. 550-5.1.1 Please try again "
            "550 5.1.1 https://support.google.com/mail/?p=NoSuchUser - gsmtp "
            "(in reply to RCPT TO command))",
            550,
            "5.1.1",
            "gmail-smtp-in.l.google.com",
            Stage.RCPT,
            "vendor@gmail.com",
            "The email account that you tried to reach does not exist.\nPlease try again\n"
            "https://support.google.com/mail/?p=NoSuchUser - gsmtp",
        ),
        (
            "<vendor@example.co.id>: host mx.example.co.id[192.0.2.2] refused to talk to me: "
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
            554,
            "5.7.1",
            "mx.example.co.id",
            Stage.CONNECT,
            "vendor@example.co.id",
            "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        ),
        (
            "2026-03-01 10:00:00 1a2b3c-0004Xy-Aa ** vendor@example.co.id R=dnslookup "
            "T=remote_smtp H=mx.example.co.id [192.0.2.2]: SMTP error from remote mail server "
            "after RCPT TO:<vendor@example.co.id>: 550 No such user here",
            550,
            "None",
            "mx.example.co.id",
            Stage.RCPT,
            "vendor@example.co.id",
            "No such user here",
        ),
        (
            "vendor@example.co.id\n    host mx.example.co.id [192.0.2.2]\n    SMTP error from "
            "remote mail server after pipelined RCPT TO:<vendor@example.co.id>:\n"
            "    550-Verification failed\\n550-Unrouteable address\\n550 Sender verify failed",
            550,
            "None",
            "mx.example.co.id",
            Stage.RCPT,
            "vendor@example.co.id",
            "Verification failed\nUnrouteable address\nSender verify failed",
        ),
        (
            "SMTP error from remote mail server after end of data: host mx.example.co.id "
            "[192.0.2.2]: 554 5.7.0 Reject, id=1 - SPAM",
            554,
            "5.7.0",
            "mx.example.co.id",
            Stage.EOD,
            "",
            "Reject, id=1 - SPAM",
        ),
        (
            "sendmail[9]: x8: to=<vendor@example.co.id>, delay=00:00:01, mailer=esmtp, "
            "relay=mx.example.co.id. [192.0.2.2], dsn=5.1.1, stat=User unknown",
            550,
            "5.1.1",
            "mx.example.co.id",
            None,
            "vendor@example.co.id",
            "User unknown",
        ),
        (
            "<v@example.co.id>: host mx.example.co.id[192.0.2.2] said: 550 No such user",
            550,
            "None",
            "mx.example.co.id",
            None,
            "v@example.co.id",
            "No such user",
        ),
        ("550 5.1.1 No such user", 550, "5.1.1", "", None, "", "No such user"),
        (
            "554-mx.example (x) Service not available\n554-No SMTP service\n554 Bad DNS PTR",
            554,
            "None",
            "",
            None,
            "",
            "mx.example (x) Service not available\nNo SMTP service\nBad DNS PTR",
        ),
    ],
)
def test_lines_of_mail_logs(
    line: str, code: int, enhanced: str, mx: str, stage: Stage | None, recipient: str, words: str
) -> None:
    reading = logline.read(line)
    assert (reading.reply.code, str(reading.reply.enhanced)) == (code, enhanced)
    assert (reading.mx, reading.stage, reading.recipient) == (mx, stage, recipient)
    assert reading.reply.text == words


def test_a_bare_reply_takes_the_stage_it_is_given() -> None:
    assert logline.read("550 no", Stage.RCPT).stage is Stage.RCPT


PIECES = [
    "<a@b.example>: ",
    "host mx.example[192.0.2.1] ",
    "said: ",
    "550-5.1.1 ",
    " 550 5.1.1",
    "(in reply to end of DATA command)",
    "SMTP error from remote mail server after RCPT TO:<a@b>: ",
    "stat=",
    "dsn=5.1.1",
    "(",
    "\n",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_any_text_gets_a_reading(text: str) -> None:
    assert logline.read(text).reply.code < 1000


@pytest.mark.parametrize("piece", [*PIECES, "a", " ", "<", "host ", "\\_", "550-"])
def test_hostile_lines_cost_no_more_than_their_length(piece: str) -> None:
    reading = logline.read(piece * (1_000_000 // len(piece)))
    assert len(reading.reply.text) <= logline.MAX_LINE


@pytest.mark.parametrize(
    ("line", "told", "code", "mx"),
    [
        (
            "to=<a@x.id>, relay=none, delay=30, dsn=4.4.1, status=deferred (connect to"
            " mx.x.id[192.0.2.1]:25: Connection refused)",
            (Category.NETWORK, Action.RETRY_LATER),
            450,
            "",
        ),
        (
            "to=<a@x.id>, relay=none, dsn=4.4.1, status=deferred (delivery temporarily suspended:"
            " connect to mx.x.id[192.0.2.1]:25: Connection refused)",
            (Category.NETWORK, Action.RETRY_LATER),
            450,
            "",
        ),
        (
            "to=<a@x.id>, relay=mx.x.id[192.0.2.1]:25, dsn=4.4.2, status=deferred (lost connection"
            " with mx.x.id[192.0.2.1] while sending RCPT TO)",
            (Category.NETWORK, Action.RETRY_LATER),
            450,
            "mx.x.id",
        ),
        (
            "to=<a@x.id>, relay=none, dsn=5.4.4, status=bounced (Host or domain name not found."
            " Name service error for name=x.id type=AAAA: Host not found)",
            (Category.BAD_DOMAIN, Action.BOUNCE_ADDRESS),
            550,
            "",
        ),
        (
            "status=bounced (Host or domain name not found. Name service error for name=x.id)",
            (Category.BAD_DOMAIN, Action.BOUNCE_ADDRESS),
            550,
            "",
        ),
        (
            "status=deferred (connect to mx.x.id[192.0.2.1]:25: No route to host)",
            (Category.NETWORK, Action.RETRY_LATER),
            450,
            "",
        ),
        (
            "2026-02-27 14:11:09 1abcDE-0001Ab-2C == a@x.id R=r T=t defer (110) H=mx.x.id"
            " [192.0.2.1]: Connection timed out",
            (Category.NETWORK, Action.RETRY_LATER),
            450,
            "mx.x.id",
        ),
        (
            "2026-02-27 14:11:09.525 [77] 1abcDE-0001Ab-2C == a@x.id R=r T=t defer (111):"
            " Connection refused QT=3s DT=0.001s",
            (Category.NETWORK, Action.RETRY_LATER),
            450,
            "",
        ),
        (
            "2026-02-27 14:11:09 1abcDE-0001Ab-2C ** a@x.id: Unrouteable address",
            (Category.UNKNOWN_USER, Action.BOUNCE_ADDRESS),
            550,
            "",
        ),
    ],
)
def test_what_the_logs_own_server_says(
    classifier: Classifier, line: str, told: tuple[Category, Action], code: int, mx: str
) -> None:
    reading = logline.recognise(line)
    assert reading is not None
    assert (reading.reply.code, reading.mx) == (code, mx)
    assert reading.recipient in ("a@x.id", "")
    said = classifier.classify(reading.reply, reading.mx)
    assert (said.category, said.action) == told


def test_an_exim_line_without_a_reason_is_no_log_line() -> None:
    assert logline.recognise("== a@x.id R=dnslookup") is None


def test_exims_times_are_no_part_of_the_reply() -> None:
    line = (
        "2026-02-27 14:11:09.525 [77] 1abcDE-0001Ab-2C ** a@x.id F=<l@x.id> R=r T=t H=mx.x.id"
        " [192.0.2.1]:25 I=[192.0.2.7]:43482: SMTP error from remote mail server after"
        " RCPT TO:<a@x.id>: 550 5.1.1 User unknown DT=0.001s"
    )
    reading = logline.recognise(line)
    assert reading is not None
    assert (reading.reply.text, reading.mx) == ("User unknown", "mx.x.id")
