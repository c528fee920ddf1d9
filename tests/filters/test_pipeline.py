"""The pipeline: order, edits, verdicts, deadlines, failures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import pytest

from relay.filters.base import Departure, Filter, Transaction
from relay.filters.pipeline import FilterFailed, Pipeline, Step
from relay.mail.address import parse
from relay.mail.delivery import Delivery, State
from relay.mail.envelope import Options, Particulars, Recipient, Source
from relay.mail.headers import Headers
from relay.mail.letter import Letter
from relay.mail.reply import EnhancedCode, Reply
from relay.mail.urgency import Urgency
from relay.mail.verdict import (
    Accept,
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeSender,
    Defer,
    Discard,
    Hold,
    Proposal,
    Reject,
    RemoveRecipient,
    RenameHeader,
    SetParticulars,
)
from tests.filters.letters import Alerts, head, recipient, source, transaction

NO = Reply(554, EnhancedCode(5, 7, 1), "no")
OnError = Literal["defer", "accept"]


class Says(Filter):
    """Answers what it was built with at every stage that it has."""

    def __init__(self, proposal: Proposal, calls: list[str] | None = None, name: str = "") -> None:
        self._proposal = proposal
        self._calls = calls if calls is not None else []
        self._name = name

    async def _answer(self) -> Proposal:
        self._calls.append(self._name)
        return self._proposal

    async def connect(self, source: Source) -> Proposal:
        return await self._answer()

    async def mail(self, transaction: Transaction) -> Proposal:
        return await self._answer()

    async def rcpt(self, transaction: Transaction, recipient: Recipient) -> Proposal:
        return await self._answer()

    async def data(self, transaction: Transaction) -> Proposal:
        return await self._answer()

    async def depart(self, departure: Departure) -> Proposal:
        return await self._answer()


class Raises(Filter):
    async def data(self, transaction: Transaction) -> Proposal:
        raise RuntimeError("bug")

    async def depart(self, departure: Departure) -> Proposal:
        raise RuntimeError("bug")


class Stalls(Filter):
    async def data(self, transaction: Transaction) -> Proposal:
        await asyncio.Event().wait()
        raise AssertionError("woke up")


def pipeline(*filters: Filter, on_error: OnError = "defer", alerts: Alerts | None = None) -> Any:
    steps = [Step(f"f{n}", f, 0.02, on_error) for n, f in enumerate(filters)]
    return Pipeline(steps, alerts or Alerts())


def says(*filters: Sequence[Any] | Proposal) -> Any:
    return pipeline(*(Says(p) for p in filters if isinstance(p, Proposal)))


async def test_the_order_is_kept_and_the_first_final_verdict_wins() -> None:
    calls: list[str] = []
    reject, defer = Reject(NO, "a"), Defer(NO, "b")
    made = pipeline(
        Says(Proposal(), calls, "1"),
        Says(Proposal(reject), calls, "2"),
        Says(Proposal(defer), calls, "3"),
    )
    assert await made.data(transaction()) is reject
    assert calls == ["1", "2"]


async def test_only_hooks_that_are_overridden_are_called() -> None:
    calls: list[str] = []

    class OnlyMail(Filter):
        async def mail(self, transaction: Transaction) -> Proposal:
            calls.append("mail")
            return Proposal()

    made = pipeline(OnlyMail())
    assert await made.connect(source()) is None
    assert await made.helo(source()) is None
    assert await made.data(transaction()) is None
    assert await made.mail(transaction()) is None
    assert calls == ["mail"]


async def test_accept_ends_the_stage_and_hold_does_not() -> None:
    letter = transaction()
    hold = Hold(NO, "waits for an administrator")
    made = says(Proposal(hold), Proposal(Accept()), Proposal(Reject(NO, "x")))
    assert await made.data(letter) is hold
    assert letter.particulars.is_held
    assert letter.particulars.hold_reason == "waits for an administrator"
    reject = Reject(NO, "x")
    assert await says(Proposal(hold), Proposal(reject)).data(transaction()) is reject
    accept = Accept()
    assert await says(Proposal(accept), Proposal(reject)).data(transaction()) is accept
    discard = Discard(NO, "x")
    assert await says(Proposal(discard), Proposal(reject)).rcpt(letter, recipient()) is discard


async def test_edits_are_applied_in_their_order_and_noted() -> None:
    letter = transaction(head("one", "X-A: 1\nX-A: 2\nBcc: rival@example.com\n"))
    letter.recipients = [recipient("a@example.co.id"), recipient("b@example.co.id")]
    edits = (
        AddHeader("X-New", "v"),
        AddHeader("X-Last", "v", at_end=True),
        ChangeHeader("Bcc", None),
        ChangeHeader("Subject", "two"),
        RenameHeader("X-A", "X-B", 1),
        RemoveRecipient(0),
        AddRecipient(parse("c@example.co.id")),
        ChangeSender(""),
        SetParticulars(Particulars(subject="two", notes=("looked",))),
    )
    assert await says(Proposal(edits=edits)).data(letter) is None
    assert letter.headers is not None
    names = [field.name for field in letter.headers.fields]
    assert names[0] == "X-New" and names[-1] == "X-Last"
    assert "Bcc" not in names and names.count("X-A") == names.count("X-B") == 1
    assert letter.headers.unfolded("Subject") == "two"
    assert [r.as_given for r in letter.recipients] == ["b@example.co.id", "c@example.co.id"]
    assert letter.sender == ""
    assert letter.particulars.subject == "two"
    assert letter.particulars.notes == (
        "f0: added X-New, added X-Last, removed Bcc, changed Subject, renamed X-A to X-B, "
        "removed recipient 0, added recipient c@example.co.id, changed the sender, looked",
    )


@pytest.mark.parametrize(
    "edits",
    [
        (AddHeader("X-Good", "v"), AddHeader("X-Bad", "a\r\nInjected: b")),
        (AddHeader("no name", "v"),),
        (AddHeader("X-Good", "v"), RemoveRecipient(7)),
        (AddHeader("X-Good", "v"), RemoveRecipient(-1)),
    ],
)
async def test_an_impossible_edit_changes_nothing_at_all(edits: Any) -> None:
    letter = transaction(head())
    before = letter.headers
    alerts = Alerts()
    verdict = await pipeline(Says(Proposal(edits=edits)), alerts=alerts).data(letter)
    assert isinstance(verdict, Defer) and verdict.reply.code == 451
    assert letter.headers is before and letter.particulars.notes == ()
    assert alerts.told[0][0] == "filter_failed"
    forgiven = pipeline(Says(Proposal(edits=edits)), on_error="accept")
    assert await forgiven.data(letter) is None
    assert letter.headers is before


async def test_header_edits_before_there_are_headers_are_a_failure() -> None:
    early = replace(transaction(), headers=None)
    verdict = await says(Proposal(edits=(AddHeader("X-A", "v"),))).mail(early)
    assert isinstance(verdict, Defer)


@pytest.mark.parametrize(("broken", "words"), [(Raises(), "bug"), (Stalls(), "took over 0.02 s")])
async def test_a_failing_filter_defers_or_is_passed_over(broken: Filter, words: str) -> None:
    alerts = Alerts()
    after = Says(Proposal(Accept()))
    verdict = await pipeline(broken, after, alerts=alerts).data(transaction())
    assert isinstance(verdict, Defer) and str(verdict.reply).startswith("451 4.3.0")
    assert words in alerts.told[0][1] and "f0 at data" in alerts.told[0][1]
    verdict = await pipeline(broken, after, on_error="accept", alerts=alerts).data(transaction())
    assert isinstance(verdict, Accept)
    assert len(alerts.told) == 2


async def test_the_session_being_cancelled_is_no_failure_of_the_filter() -> None:
    alerts = Alerts()
    task = asyncio.ensure_future(pipeline(Stalls(), alerts=alerts).data(transaction()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alerts.told == []


def departure(text: str = head(), siblings: int = 1) -> Departure:
    headers = Headers.parse(text.replace("\n", "\r\n").encode())
    letter = Letter(
        id=1 << 40,
        sender="lpse@lpse.example.go.id",
        options=Options(),
        head=headers.to_bytes(),
        body_hash=b"",
        size=1,
        sha256=b"",
        is_8bit=False,
        needs_utf8=False,
        particulars=Particulars(),
        recipients=1,
        received_at=0,
    )
    delivery = Delivery(
        1 << 40, 3, "v@example.co.id", 1, "example.co.id", Urgency.MASSAL, State.LEASED, 0, 1
    )
    return Departure(letter, delivery, headers, "gmail", 0, siblings)


async def test_departing_headers() -> None:
    made = says(
        Proposal(edits=(AddHeader("X-A", "v"),)), Proposal(edits=(RenameHeader("X-A", "X-B"),))
    )
    headers = await made.depart(departure())
    assert headers.fields[0].raw == b"X-B: v\r\n"
    same = departure()
    assert await pipeline().depart(same) is same.headers
    assert await says(Proposal(Accept())).depart(same) is same.headers


@pytest.mark.parametrize(
    "proposal",
    [
        Proposal(Reject(NO, "x")),
        Proposal(edits=(ChangeSender("x"),)),
        Proposal(edits=(AddHeader("X", "a\nb"),)),
    ],
)
async def test_what_has_no_meaning_at_departure_is_a_failure(proposal: Proposal) -> None:
    with pytest.raises(FilterFailed, match="f0"):
        await says(proposal).depart(departure())
    same = departure()
    forgiven = pipeline(Says(proposal), on_error="accept")
    assert await forgiven.depart(same) is same.headers


async def test_a_filter_that_raises_at_departure() -> None:
    with pytest.raises(FilterFailed, match="f0 failed"):
        await pipeline(Raises()).depart(departure())
    same = departure()
    assert await pipeline(Raises(), on_error="accept").depart(same) is same.headers
