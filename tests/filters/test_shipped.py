"""The shipped filters but classes: access, loops, headers, dkim, message_id."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.filters.access import Access
from relay.filters.base import Transaction
from relay.filters.dkim import Dkim, from_domain
from relay.filters.headers import HeaderFields
from relay.filters.loops import Loops
from relay.filters.message_id import MessageIds
from relay.filters.pipeline import Pipeline, Step
from relay.mail import ids
from relay.mail.address import AddressError
from relay.mail.envelope import Recipient
from relay.mail.verdict import Reject
from tests.filters.letters import SENDER, Alerts, head, recipient, transaction
from tests.filters.test_pipeline import departure

HOST = "relay.lpse.example.go.id"
ALLOWED = ["@lpse.example.go.id", "@.dinas.example.go.id", "Satu@Example.ORG"]


async def asked(letter: Transaction, allowed: list[str] = ALLOWED) -> list[str]:
    """The reasons for which access refuses at RCPT and at the end of DATA."""
    access = Access(allowed)
    verdicts = [
        (await access.rcpt(letter, recipient())).verdict,
        (await access.data(letter)).verdict,
    ]
    for verdict in verdicts:
        assert verdict is None or (
            isinstance(verdict, Reject) and "554 5.7.1" in str(verdict.reply)
        )
    return [verdict.reason for verdict in verdicts if isinstance(verdict, Reject)]


@pytest.mark.parametrize(
    ("sender", "is_allowed"),
    [
        (SENDER, True),
        ("LPSE@LPSE.Example.GO.ID", True),
        ("a@sub.dinas.example.go.id", True),
        ("a@dinas.example.go.id", False),
        ("a@evildinas.example.go.id", False),
        ("satu@example.org", True),
        ("dua@example.org", False),
        ("a@sub.lpse.example.go.id", False),
        ("a@lpse.example.go.id.evil.example", False),
        ("no mailbox", False),
        ("", True),
    ],
)
async def test_allowed_senders(sender: str, is_allowed: bool) -> None:
    reasons = await asked(transaction(head(), sender=sender))
    assert reasons == ([] if is_allowed else ["sender_not_allowed"])


async def test_who_may_relay() -> None:
    assert await asked(transaction(head(), is_trusted=False)) == ["no_relay"]
    assert await asked(transaction(head(), is_trusted=False, user="spse")) == []


async def test_an_empty_list_allows_nobody() -> None:
    assert await asked(transaction(head()), []) == ["sender_not_allowed", "from_not_allowed"]
    assert await asked(transaction(head(), sender=""), []) == [
        "sender_not_allowed",
        "from_not_allowed",
    ]
    with pytest.raises(AddressError):
        Access(["example.org"])


@pytest.mark.parametrize(
    ("fields", "is_allowed"),
    [
        ("From: lpse@lpse.example.go.id\n", True),
        ('From: "Boss <boss@bank.example>" <lpse@lpse.example.go.id>\n', True),
        ("From: boss@bank.example\n", False),
        ("From: lpse@lpse.example.go.id, boss@bank.example\n", False),
        ("From: lpse@lpse.example.go.id\nfrom: boss@bank.example\n", False),
        ("From: <lpse@lpse.example.go.id> <boss@bank.example>\n", False),
        ("From: Pengelola LPSE\n", False),
        ("From :boss@bank.example\n", False),
        ("Subject: no From\n", True),
        ("From:\n", True),
        ("From: \t \n", True),
        ("From: g:;\n", False),
        ("From: g: lpse@lpse.example.go.id;\n", False),
        ("From: (lpse@lpse.example.go.id)\n", False),
        ("From: <>\n", False),
        ("From: <lpse@lpse.example.go.id> evil@bad.example\n", False),
        ("From: <lpse@lpse.example.go.id> (a comment)\n", True),
        ("From: <lpse@lpse.example.go.id> Boss\n", False),
        ("From: boss@bank.example <lpse@lpse.example.go.id>\n", False),
        ("From: LPSE@lpse.example.go.id <lpse@lpse.example.go.id>\n", True),
        ("From: lpse@lpse.example.go.id (LPSE)\n", True),
        ("From: lpse@lpse.example.go.id boss@bank.example\n", False),
        ("From: lpse@lpse.example.go.id, satu@example.org\n", False),
        ("From: lpse@lpse.example.go.id,\n", False),
        ('From: "LPSE: Kab. Contoh" <lpse@lpse.example.go.id>\n', True),
        ("From: LPSE: Kab. Contoh <lpse@lpse.example.go.id>\n", False),
        ("From: [LPSE] Kab. Contoh <lpse@lpse.example.go.id>\n", True),
        ("From: =?utf-8?q?LPSE_=3Ca=40b=3E?= <lpse@lpse.example.go.id>\n", True),
        ("From: LPSE\n <lpse@lpse.example.go.id>\n", True),
        ("From: <@bank.example:lpse@lpse.example.go.id>\n", False),
        ("From: <lpse(boss@bank.example)@lpse.example.go.id>\n", False),
        ('From: "open <lpse@lpse.example.go.id>\n', False),
        ("From:\nFrom: lpse@lpse.example.go.id\n", True),
    ],
)
async def test_the_from_that_people_see(fields: str, is_allowed: bool) -> None:
    assert await asked(transaction(fields)) == ([] if is_allowed else ["from_not_allowed"])


@given(
    st.lists(
        st.sampled_from(["<", ">", SENDER, "a@bad.example", ",", ":", ";", '"', *"() \\"])
    ).map("".join)
)
async def test_what_access_lets_pass_is_signed_and_names_the_sender_alone(text: str) -> None:
    letter = transaction(f"From: {text}\n")
    if await asked(letter):
        return
    await Pipeline([Step("headers", HeaderFields(HOST))], Alerts()).data(letter)
    assert from_domain(letter) == "lpse.example.go.id"
    bare = re.sub(r'"(?:[^"\\]|\\.)*+"|\((?:[^()\\]|\\.)*+\)', "", text)
    assert "a@bad.example" not in bare


def received(count: int, by: str) -> str:
    return "".join(
        f"Received: from a (b [192.0.2.1])\n by {by} with SMTP; x\n" for _ in range(count)
    )


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        (received(50, "mx.example"), False),
        (received(51, "mx.example"), True),
        (received(2, HOST), False),
        (received(3, HOST.upper()), True),
        (received(3, f"x.{HOST}"), False),
        ("", False),
    ],
)
async def test_loops(text: str, is_loop: bool) -> None:
    verdict = (await Loops(HOST).data(transaction(text))).verdict
    assert isinstance(verdict, Reject) == is_loop
    if isinstance(verdict, Reject):
        assert str(verdict.reply).startswith("554 5.4.6")


async def mended(text: str, sender: str = SENDER) -> Transaction:
    letter = transaction(text, sender=sender)
    pipeline = Pipeline([Step("headers", HeaderFields(HOST))], Alerts())
    assert await pipeline.data(letter) is None
    return letter


def named(letter: Transaction) -> dict[str, str]:
    assert letter.headers is not None
    return {field.name: field.unfolded for field in letter.headers.fields}


async def test_what_is_missing_is_added() -> None:
    letter = await mended("X-Mailer: SPSE\n")
    assert named(letter) == {
        "X-Mailer": "SPSE",
        "From": f"<{SENDER}>",
        "To": "undisclosed-recipients:;",
        "Date": "Tue, 04 Oct 2011 07:11:00 +0000",
        "Message-ID": f"<{ids.show(letter.id)}@lpse.example.go.id>",
        "Auto-Submitted": "auto-generated",
    }


async def test_what_is_empty_is_filled() -> None:
    letter = await mended("From:\nTo: \nDate:\nMessage-ID:\n")
    found = named(letter)
    assert found["To"] == "undisclosed-recipients:;" and found["From"] == f"<{SENDER}>"
    assert found["Date"] and found["Message-ID"]


async def test_a_good_letter_is_left_alone() -> None:
    letter = await mended(head("Undangan"))
    assert letter.content is not None and letter.headers is not None
    assert letter.headers.to_bytes() == letter.content.head
    assert letter.particulars.notes == ()


async def test_a_letter_of_nobody() -> None:
    found = named(await mended("", sender=""))
    assert found["From"] == f"<MAILER-DAEMON@{HOST}>"
    assert found["Message-ID"].endswith(f"@{HOST}>")
    local = named(await mended("", sender="root@localhost"))
    assert local["Message-ID"].endswith(f"@{HOST}>")


async def test_rivals_are_not_named() -> None:
    letter = await mended(
        head(more="Bcc: rival@example.com\nbcc: second@example.com\nResent-Bcc: x@example.com\n")
        + "Return-Path: <x@example.com>\nX-PHP-Originating-Script: 33:mail.php\n"
    )
    assert letter.headers is not None
    octets = letter.headers.to_bytes()
    assert b"example.com" not in octets and b"mail.php" not in octets
    assert "removed Bcc" in letter.particulars.notes[0]


async def test_the_first_of_two_is_kept_and_the_others_stay_under_another_name() -> None:
    letter = await mended(head("one", "Subject: two\nSUBJECT: three\nTo: b@example.co.id\n"))
    assert letter.headers is not None
    assert [f.unfolded for f in letter.headers.all("Subject")] == ["one"]
    originals = letter.headers.all("X-LPSE-Original-Subject")
    assert [f.unfolded for f in originals] == ["two", "three"]
    assert len(letter.headers.all("To")) == len(letter.headers.all("X-LPSE-Original-To")) == 1


@pytest.mark.parametrize(
    ("fields", "domain", "words"),
    [
        ("From: lpse@lpse.example.go.id\n", "lpse.example.go.id", ""),
        ("From: a@dinas.example.go.id\n", "dinas.example.go.id", "no DKIM key for dinas"),
        ("From: a@x.example, b@y.example\n", None, "exactly one From"),
        ("", None, "exactly one From"),
    ],
)
async def test_letters_without_a_key(fields: str, domain: str | None, words: str) -> None:
    alerts = Alerts()
    letter = transaction(fields)
    dkim = Dkim(["lpse.example.go.id"], alerts)
    assert await Pipeline([Step("dkim", dkim)], alerts).data(letter) is None
    assert letter.particulars.from_domain == domain
    assert [name for name, _ in alerts.told] == (["unsigned"] if words else [])
    assert all(words in detail for _, detail in alerts.told)
    assert len(letter.particulars.notes) == len(alerts.told)
    assert all(note.startswith("dkim: unsigned, ") for note in letter.particulars.notes)


async def ids_of(siblings: int, message_id: str) -> list[str]:
    text = head().replace("<1@lpse.example.go.id>", message_id)
    made = Pipeline([Step("message_id", MessageIds(HOST))], Alerts())
    headers = await made.depart(departure(text, siblings))
    again = await made.depart(departure(text, siblings))
    assert headers == again  # a retry says the same
    return [f.unfolded for name in ("Message-ID", "X-LPSE-Message-ID") for f in headers.all(name)]


OWN = f"<{ids.show(1 << 40, 3)}@{HOST}>"


@pytest.mark.parametrize(
    ("siblings", "message_id", "expected"),
    [
        (20, "<1@lpse.example.go.id>", ["<1@lpse.example.go.id>"]),
        (21, "<1@lpse.example.go.id>", [OWN, "<1@lpse.example.go.id>"]),
        (1, "<12.3.1700000000000@localhost>", [OWN, "<12.3.1700000000000@localhost>"]),
        (1, "no id", [OWN, "no id"]),
        (1, "", [OWN]),
        (1, "<a@b.example> <c@d.example>", [OWN, "<a@b.example> <c@d.example>"]),
    ],
)
async def test_message_ids(siblings: int, message_id: str, expected: list[str]) -> None:
    assert await ids_of(siblings, message_id) == expected


async def test_a_recipient_that_is_none_is_not_judged_by_access() -> None:
    proposal = await Access(ALLOWED).rcpt(transaction(head()), Recipient("foo", None, "no @"))
    assert proposal.verdict is None
