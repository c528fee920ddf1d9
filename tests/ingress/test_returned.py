"""What comes back is taken: noted, told, counted against an address, or kept for a person."""

from __future__ import annotations

import re

import pytest

from relay.clock import SystemClock
from relay.mail.classification import Category
from relay.mail.delivery import State
from relay.mail.instant import DAY
from relay.mail.late import Kind
from relay.mail.return_path import ReturnPath
from relay.mail.strike import Cause
from relay.mail.telling import Mode
from relay.mail.urgency import Urgency
from relay.store import returns
from tests.ingress.returns import DOMAIN, hand_in, open_door
from tests.mail import reports
from tests.mail.reports import VENDOR, wire

FROM = "no-reply@lpse.example.go.id"


@pytest.mark.parametrize(
    "text",
    [reports.POSTFIX, reports.SENDMAIL, reports.EXCHANGE, reports.GMAIL, reports.EXIM,
     reports.QMAIL],
)  # fmt: skip
async def test_a_late_bounce_of_each_mail_system(text: str) -> None:
    async with open_door() as door, door.client() as client:
        before = await door.store.find(door.message_id)
        assert await hand_in(client, door.ours, door.text(text)) == "250 2.0.0 Noted"
        (late,) = await door.store.late_reports([(door.message_id, 1)])
        assert (late.kind, late.category, late.named) == (Kind.FAILED, Category.UNKNOWN_USER, "")
        (strike,) = await door.strikes()
        assert (strike.cause, strike.source, strike.ref) == (
            Cause.UNKNOWN, "late", (door.message_id, 1),
        )  # fmt: skip
        assert door.struck == [VENDOR]
        assert door.told() == ["failed"]
        # The delivery itself stands where it stood.
        assert await door.store.find(door.message_id) == before
        assert before[0].delivery.state is State.DELIVERED


async def test_a_report_counts_once_and_its_kinds_each() -> None:
    async with open_door() as door, door.client() as client:
        for text in (reports.DELAYED, reports.DELAYED, reports.POSTFIX, reports.GMAIL, reports.ARF):
            assert (await hand_in(client, door.ours, door.text(text))).startswith("250")
        assert door.told() == ["delayed", "repeated", "failed", "repeated", "complaint"]
        assert await door.kinds() == [Kind.DELAYED, Kind.FAILED, Kind.COMPLAINT]
        strikes = await door.strikes()
        assert {(one.cause, one.source) for one in strikes} == {
            (Cause.UNKNOWN, "late"), (Cause.COMPLAINT, "complaint"),
        }  # fmt: skip


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "delivered"])
async def test_what_is_no_failure_speaks_against_nobody(action: str) -> None:
    text = reports.POSTFIX.replace("Action: failed", f"Action: {action}")
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, door.ours, door.text(text))).startswith("250")
        assert await door.kinds() == [Kind(action)]
        assert await door.strikes() == [] and door.struck == []


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("552 5.2.2 mailbox is full", Cause.FULL),
        ("550 5.7.1 blocked: your IP 203.0.113.7 is listed at Spamhaus", None),
        ("421 4.7.28 unusual rate of mail", None),
        ("550 5.7.26 This mail is unauthenticated: SPF and DKIM did not pass", None),
        ("554 5.7.1 message looks like spam", None),
        ("something odd happened", None),
    ],
)
async def test_only_what_is_the_address_own_speaks_against_it(
    said: str, cause: Cause | None
) -> None:
    text = re.sub(
        r"Diagnostic-Code: smtp;.*\n.*\n", f"Diagnostic-Code: smtp; {said}\n", reports.POSTFIX
    )
    text = text.replace("Status: 5.1.1", "Status: 5.0.0")
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, door.ours, door.text(text))).startswith("250")
        assert await door.kinds() == [Kind.FAILED]
        assert [one.cause for one in await door.strikes()] == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("urgency", "notify", "mode", "told", "owed"),
    [
        (Urgency.KRITIS, None, "digest", 1, 0),
        (Urgency.MENDESAK, None, "digest", 1, 0),
        (Urgency.TRANSAKSI, None, "digest", 0, 1),
        (Urgency.MASSAL, None, "digest", 0, 1),
        (Urgency.MASSAL, None, "single", 1, 0),
        (Urgency.KRITIS, None, "off", 0, 0),
        (Urgency.MASSAL, frozenset({"FAILURE"}), "off", 1, 0),
        (Urgency.KRITIS, frozenset({"NEVER"}), "single", 0, 0),
    ],
)
async def test_the_sender_is_told_as_of_a_failure_in_the_dialog(
    urgency: Urgency, notify: frozenset[str] | None, mode: Mode, told: int, owed: int
) -> None:
    """Once: his own address is no more the envelope's, so nobody else tells him."""
    async with open_door(urgency=urgency, notify=notify, mode=mode) as door, door.client() as one:
        for text in (reports.DELAYED, reports.POSTFIX, reports.POSTFIX):
            assert (await hand_in(one, door.ours, door.text(text))).startswith("250")
        messages = [entry.message for entry in door.store.entries if not entry.has_inbox]
        assert len(messages) == told
        waiting = await door.store.owed(SystemClock().now() + DAY)
        assert [(each.sender, each.count) for each in waiting] == [(FROM, 1)] * owed
        for message in messages:
            assert message.envelope.sender == ""
            assert str(message.envelope.recipients[0].address) == FROM
            assert b"Action: failed\r\nStatus: 5.1.1\r\n" in message.content.body
            assert b"User unknown in local recipient table" in message.content.body


async def test_a_forwarded_address_that_failed_elsewhere() -> None:
    """It is told, and speaks against nobody: whose address that is we cannot know."""
    text = reports.POSTFIX.replace(f"Original-Recipient: rfc822;{VENDOR}\n", "")
    text = text.replace(
        f"Final-Recipient: rfc822; {VENDOR}", "Final-Recipient: rfc822; b@x.example"
    )
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, door.ours, door.text(text))).startswith("250")
        (late,) = await door.store.late_reports([(door.message_id, 1)])
        assert (late.kind, late.named) == (Kind.FAILED, "b@x.example")
        assert await door.strikes() == []


@pytest.mark.parametrize("to", ["fbl", "postmaster", "ABUSE"])
async def test_a_complaint_finds_its_delivery_by_what_is_within(to: str) -> None:
    async with open_door() as door, door.client() as client:
        reply = await hand_in(
            client, f"{to}@{DOMAIN}", door.text(reports.ARF), "fbl@provider.example"
        )
        assert reply == "250 2.0.0 Noted"
        (strike,) = await door.strikes()
        assert (strike.cause, strike.source, strike.rule) == (
            Cause.COMPLAINT, "complaint", "complaint:abuse",
        )  # fmt: skip


async def test_feedback_that_is_no_complaint() -> None:
    text = reports.ARF.replace("Feedback-Type: abuse", "Feedback-Type: not-spam")
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, f"fbl@{DOMAIN}", door.text(text))).startswith("250")
        assert await door.kinds() == [Kind.FEEDBACK]
        assert await door.strikes() == []


async def test_an_answering_machine_is_counted_and_forgotten() -> None:
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, door.ours, door.text(reports.VACATION))).startswith("250")
        assert door.told() == ["auto_reply"]
        assert await door.kinds() == [] and await door.store.kept_returns() == []


async def test_a_person_s_letter_is_kept() -> None:
    letter = wire(f"From: {VENDOR}\nSubject: Tanya\n\nHalo\n")
    async with open_door() as door, door.client() as client:
        for to in (door.ours, f"postmaster@{DOMAIN}", "postmaster"):
            assert (await hand_in(client, to, letter, VENDOR)).startswith("250")
        kept = await door.store.kept_returns()
        assert [one.recipient for one in kept] == ["postmaster", f"postmaster@{DOMAIN}", door.ours]
        assert {(one.subject, one.sender, one.client) for one in kept} == {
            ("Tanya", VENDOR, "127.0.0.1")
        }
        assert (await door.store.kept_return(kept[0].id)).startswith(letter)
        assert door.log.names() == {"returns_kept"}


async def test_a_complaint_without_an_address_of_ours_is_kept() -> None:
    """Nor is one of another relay's, or a forged one, believed."""
    other = ReturnPath([b"x" * 32], DOMAIN).address(1, 1, 1, 1)
    forged = reports.PATH.address(1, 1, 1, 1)[:-20] + "aaaa" + DOMAIN
    async with open_door() as door, door.client() as client:
        for text in (reports.ARF, reports.ARF.replace(reports.OURS, other),
                     reports.ARF.replace(reports.OURS, forged),
                     reports.ARF.replace(reports.OURS, "x@y.example")):  # fmt: skip
            assert (await hand_in(client, f"fbl@{DOMAIN}", wire(text))).startswith("250")
        assert door.told() == ["kept"] * 4
        assert len(await door.store.kept_returns()) == 4
        assert await door.strikes() == []


async def test_no_room_for_what_nobody_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.store.memory_returning.MOST_KEPT", 100)
    assert returns.MOST_KEPT > 100
    letter = wire("Subject: x\n\n" + "x" * 60)
    async with open_door() as door, door.client() as client:
        assert (await hand_in(client, f"abuse@{DOMAIN}", letter)).startswith("250")
        reply = await hand_in(client, f"abuse@{DOMAIN}", letter)
        assert reply.startswith("452 4.3.1")
        assert door.told() == ["kept", "full"]
        assert "returns_full" in door.log.names()


async def test_a_delivery_that_the_store_does_not_know() -> None:
    async with open_door() as door, door.client() as client:
        now = SystemClock().now()
        unknown = door.path.address(12345, 1, now, now)
        assert (await hand_in(client, unknown, door.text(reports.POSTFIX))).startswith("250")
        assert door.told() == ["unknown"]
