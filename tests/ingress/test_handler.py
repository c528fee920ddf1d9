"""Letters at the door: put before the 250, refused with a reason, held, discarded, told of."""

from __future__ import annotations

import asyncio
import smtplib
from typing import Any

import pytest

from relay.filters.base import Filter, Transaction
from relay.filters.pipeline import Pipeline, Step
from relay.ingress.answers import answer
from relay.ingress.intake import Receiving
from relay.mail import events
from relay.mail.delivery import State
from relay.mail.envelope import Recipient, Source
from relay.mail.verdict import NOTHING, Accept, Discard, Hold, Proposal, Reject, RemoveRecipient
from tests.ingress.house import SENDER, Log, house, letter


async def test_smtplib_sends_to_a_thousand() -> None:
    async with house() as here:

        def send() -> dict[str, Any]:
            with smtplib.SMTP("127.0.0.1", here.port) as smtp:
                return smtp.sendmail(SENDER, [f"v{n}@example.co.id" for n in range(1000)], letter())

        assert await asyncio.to_thread(send) == {}
        [entry] = here.store.entries
        assert [p.delivery.n for p in entry.placements] == list(range(1000))
        assert b" for " not in entry.message.content.head


async def test_the_reply_comes_after_the_put_and_is_451_where_it_fails() -> None:
    async with house() as here, here.client() as client:
        here.store.gate = asyncio.Event()
        await client.begin()
        await client.say(letter() + b".\r\n")
        hearing = asyncio.ensure_future(client.hear())
        await here.until(lambda: not next(iter(here.door._sessions)).is_waiting)
        assert not hearing.done() and not here.store.letters
        here.store.gate.set()
        assert (await hearing).startswith("250 ")
        here.store.fails = True
        await client.begin()
        await client.say(letter() + b".\r\n")
        assert (await client.hear()).startswith("451 4.3.0")
        assert "door_fault" in here.log.names()
        here.store.fails = False
        await client.begin()
        await client.say(letter() + b".\r\n")
        assert (await client.hear()).startswith("250 ")
        assert len(here.store.letters) == 2


class Broken(Filter):
    """Raises where it is told to."""

    name = "broken"

    async def data(self, transaction: Transaction) -> Proposal:
        raise RuntimeError("bug")


async def test_a_broken_filter_is_a_451_and_an_alert() -> None:
    log = Log()
    async with house(pipeline=Pipeline([Step("broken", Broken())], log)) as here:
        async with here.client() as client:
            await client.begin()
            await client.say(letter() + b".\r\n")
            assert (await client.hear()).startswith("451 4.3.0")
            assert (await client.ask("NOOP")).startswith("250")
        assert log.alerts == [("filter_failed", "filter broken at data: RuntimeError('bug')")]


async def test_a_command_that_fails_is_a_451_and_the_session_goes_on() -> None:
    async with house() as here, here.client() as client:
        await client.ask("EHLO x")

        def broken() -> tuple[int, int]:
            raise OSError("no such disk")

        here.door.handler._disk._free_bytes = broken
        assert (await client.ask(f"MAIL FROM:<{SENDER}>")).startswith("451 4.3.0")
        assert (await client.ask("RCPT TO:<v@example.co.id>")).startswith("503")
        assert "door_fault" in here.log.names()


async def test_low_disk_is_told_at_mail() -> None:
    async with house() as here, here.client() as client:
        here.store.free = (999_000_000, 10**9)
        await client.ask("EHLO x")
        assert (await client.ask(f"MAIL FROM:<{SENDER}>")).startswith("250")
        assert here.log.names() == {"low_disk"}  # below twice the reserve: only an alert
        here.store.free = (499_000_000, 10**9)
        here.door.handler._disk._asked_at = None
        await client.ask("RSET")
        assert (await client.ask(f"MAIL FROM:<{SENDER}>")).startswith("452 4.3.1")


async def test_the_events_of_a_letter() -> None:
    async with house() as here, here.client() as client:
        await client.ask("EHLO x")
        await client.ask(f"MAIL FROM:<{SENDER}>")
        await client.ask("RCPT TO:<v@example.co.id>")
        await client.ask("RCPT TO:<foo>")
        await client.ask("DATA")
        await client.say(b"Subject: LPSE Pengumuman Penawang Lelang\r\n\r\nx\r\n.\r\n")
        heard = await client.hear()
        received, bounced = here.log.events
        assert isinstance(received, events.Received) and isinstance(bounced, events.Bounced)
        assert (received.recipients, received.urgency.word) == (2, "mendesak")
        assert (bounced.n, bounced.recipient, bounced.category) == (1, "foo", "bad_domain")
        [entry, report] = here.store.entries
        assert heard.split()[-1] == entry.placements[0].delivery.ref.split(".")[0]
        assert [p.delivery.state for p in entry.placements] == [State.READY, State.BOUNCED]
        assert [p.mailbox_address for p in entry.placements] == ["v@example.co.id", "foo"]
        assert report.message.envelope.sender == ""
        assert b"foo" in report.message.content.body
        [back] = report.placements
        assert back.delivery.recipient == SENDER and not report.has_inbox


async def test_a_letter_on_disk_is_queued_though_nobody_can_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: Receiving, *_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(Receiving, "_tell", broken)
    async with house() as here, here.client() as client:
        await client.begin()
        await client.say(b".\r\n")
        assert (await client.hear()).startswith("250 2.0.0 queued")
        assert len(here.store.letters) == 1


async def test_what_was_not_put_does_not_count_for_the_ceiling() -> None:
    async with house(ceiling=3) as here, here.client() as client:
        here.store.fails = True
        for _ in range(5):
            await client.begin(to=2)
            await client.say(letter() + b".\r\n")
            assert (await client.hear()).startswith("451")
        here.store.fails = False
        await client.begin(to=2)
        await client.say(letter() + b".\r\n")
        assert (await client.hear()).startswith("250")
        assert not here.store.letters[0].particulars.is_held


class Gate(Filter):
    """Answers as its table says; `nobody` takes all recipients out."""

    name = "gate"

    def __init__(self, verdicts: dict[str, Proposal]) -> None:
        self._verdicts = verdicts

    def _said(self, stage: str) -> Proposal:
        return self._verdicts.get(stage, NOTHING)

    async def connect(self, source: Source) -> Proposal:
        return self._said("connect")

    async def helo(self, source: Source) -> Proposal:
        return self._said("helo")

    async def mail(self, transaction: Transaction) -> Proposal:
        return self._said("mail")

    async def rcpt(self, transaction: Transaction, recipient: Recipient) -> Proposal:
        return self._said("rcpt")

    async def data(self, transaction: Transaction) -> Proposal:
        return self._said("data")


NO = answer(554, "5.7.1", "No")
YES = answer(250, "2.0.0", "Fine")


def gated(**verdicts: Proposal) -> Pipeline:
    return Pipeline([Step("gate", Gate(verdicts))], Log())


async def test_a_filter_may_refuse_at_each_stage() -> None:
    reject = Proposal(Reject(NO, "gate"))
    async with house(pipeline=gated(connect=reject)) as here:
        async with here.client(greeted=False) as client:
            assert await client.hear() == "554 5.7.1 No"
            assert await client.is_closed()
        assert [(e.stage, e.reason) for e in here.log.refused()] == [("connect", "gate")]
    async with house(pipeline=gated(helo=reject)) as here, here.client() as client:
        assert await client.ask("EHLO x") == "554 5.7.1 No"
        assert (await client.ask(f"MAIL FROM:<{SENDER}>")).startswith("503")
    async with house(pipeline=gated(mail=reject)) as here, here.client() as client:
        await client.ask("EHLO x")
        assert await client.ask(f"MAIL FROM:<{SENDER}>") == "554 5.7.1 No"
        assert (await client.ask("RCPT TO:<v@example.co.id>")).startswith("503")


async def test_a_filter_may_accept_in_its_own_words_and_hold() -> None:
    accept = Proposal(Accept(YES))
    hold = Proposal(Hold(YES, "an administrator decides"))
    async with house(pipeline=gated(mail=accept, rcpt=accept, data=hold)) as here:
        async with here.client() as client:
            await client.ask("EHLO x")
            assert await client.ask(f"MAIL FROM:<{SENDER}>") == "250 2.0.0 Fine"
            assert await client.ask("RCPT TO:<v@example.co.id>") == "250 2.0.0 Fine"
            await client.ask("DATA")
            await client.say(letter() + b".\r\n")
            assert (await client.hear()).startswith("250 2.0.0 queued")
        [entry] = here.store.entries
        assert entry.placements[0].delivery.state is State.HELD
        assert entry.placements[0].delivery.why == "an administrator decides"
        assert any(isinstance(event, events.Held) for event in here.log.events)


async def test_what_is_discarded_is_answered_and_not_kept() -> None:
    discard = Proposal(Discard(YES, "gate"))
    async with house(pipeline=gated(rcpt=discard)) as here, here.client() as client:
        await client.ask("EHLO x")
        await client.ask(f"MAIL FROM:<{SENDER}>")
        assert await client.ask("RCPT TO:<v@example.co.id>") == "250 2.0.0 Fine"
        assert (await client.ask("DATA")).startswith("503")
    async with house(pipeline=gated(data=discard)) as here, here.client() as client:
        await client.begin()
        await client.say(letter() + b".\r\n")
        assert await client.hear() == "250 2.0.0 Fine"
        assert not here.store.entries
        assert [(e.stage, e.code) for e in here.log.refused()] == [("eod", 250)]


async def test_a_letter_without_recipients_left_is_refused() -> None:
    nobody = Proposal(edits=(RemoveRecipient(0),))
    async with house(pipeline=gated(data=nobody)) as here, here.client() as client:
        await client.begin()
        await client.say(letter() + b".\r\n")
        assert (await client.hear()).startswith("554 5.5.0")
        assert not here.store.entries


async def test_a_header_over_a_megabyte() -> None:
    async with house() as here, here.client() as client:
        await client.begin()
        await client.say(b"X: a\r\n" * 200_000 + b"\r\n.\r\n")
        assert (await client.hear()).startswith("552 5.3.4")


async def test_a_report_on_hundreds_is_made_off_the_loop() -> None:
    async with house() as here, here.client() as client:
        await client.ask("EHLO x")
        await client.ask(f"MAIL FROM:<{SENDER}>")
        for n in range(200):
            assert (await client.ask(f"RCPT TO:<nobody {n}> NOTIFY=FAILURE")).startswith("250")
        await client.ask("DATA")
        await client.say(letter() + b".\r\n")
        assert (await client.hear()).startswith("250")
        [entry, report] = here.store.entries
        assert report.message.content.body.count(b"Final-Recipient:") == 200
        assert len(entry.placements) == 200


async def test_what_is_born_bounced_waits_for_the_digest() -> None:
    async with house() as here, here.client() as client:
        await client.ask("EHLO x")
        await client.ask(f"MAIL FROM:<{SENDER}>")
        await client.ask("RCPT TO:<nobody here>")
        await client.ask("RCPT TO:<nobody there> NOTIFY=NEVER")
        await client.ask("RCPT TO:<v@example.co.id>")
        await client.ask("DATA")
        await client.say(letter() + b".\r\n")
        assert (await client.hear()).startswith("250")
        [entry] = here.store.entries
        assert [placement.owes_report for placement in entry.placements] == [True, False, False]
