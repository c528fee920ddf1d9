"""The contract, owing: what waits for a digest is told of once, or not where it came back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.mail.delivery import Bounced, Delivered, Delivery, Expired, State
from relay.mail.instant import DAY, HOUR, Instant
from relay.mail.late import Kind, Late
from relay.store.base import Entry, Owed, Settlement, Store, StoreError
from tests.store.contract_terms import NOW, lease
from tests.store.letters import NO_USER, UNKNOWN, Post, attempt

SENDER, LATER = "no-reply@lpse.example.go.id", NOW + HOUR
FLOW = f"{SENDER}\nPengumuman Tender"
BOUNCE = Bounced("no such user", UNKNOWN.category)


async def owing(store: Store, entry: Entry, at: Instant = NOW) -> list[Delivery]:
    """All of it bounced then, and its sender is owed a report."""
    await store.put(entry)
    ones = await lease(store)
    made = [attempt(one, reply=NO_USER, classification=UNKNOWN) for one in ones]
    written = [
        Settlement(one, BOUNCE, tried, owes_report=True)
        for one, tried in zip(ones, made, strict=True)
    ]
    await store.settle(written, at)
    return ones


class OwingOnce:
    """One test a promise."""

    async def test_it_waits_by_sender_and_flow_until_it_is_reported(self, store: Store) -> None:
        post = Post()
        first = await owing(store, post.entry(("a@example.co.id", "b@example.co.id")))
        second = await owing(store, post.entry())
        other = await owing(store, post.entry(subject="Undangan"), LATER)
        await owing(store, post.entry(sender="lain@lpse.example.go.id"), LATER + 1)
        undangan = Owed(SENDER, f"{SENDER}\nUndangan", 1)
        assert await store.owed(NOW) == []
        assert await store.owed(LATER) == [Owed(SENDER, FLOW, 3)]
        assert await store.owed(LATER + 1) == [Owed(SENDER, FLOW, 3), undangan]
        rows = await store.owed_rows(SENDER, FLOW, LATER, 10)
        assert [row.delivery.ref for row in rows] == [one.ref for one in [*first, *second]]
        assert rows[0].category is UNKNOWN.category
        assert len(await store.owed_rows(SENDER, FLOW, LATER, 2)) == 2
        every = await store.owed_rows(SENDER, None, LATER + 1, 10)
        assert [row.delivery.ref for row in every][-1] == other[0].ref
        report = post.entry((SENDER,), has_inbox=False)
        await store.report_owed(SENDER, FLOW, LATER, report)
        assert await store.owed(LATER + 1) == [undangan]
        assert [row.delivery.state for row in await store.find(report.message.id)] == [State.READY]
        await store.report_owed(SENDER, None, LATER + 1, None)
        assert [one.sender for one in await store.owed(LATER + DAY)] == ["lain@lpse.example.go.id"]

    async def test_a_report_that_cannot_be_put_leaves_it_owed(self, store: Store) -> None:
        post = Post()
        await owing(store, post.entry())
        taken = post.entry()
        await store.put(taken)
        with pytest.raises(StoreError):
            await store.report_owed(SENDER, FLOW, LATER, taken)
        assert await store.owed(LATER) == [Owed(SENDER, FLOW, 1)]

    async def test_what_was_brought_back_is_not_told_of_unless_it_fails_again(
        self, store: Store
    ) -> None:
        post = Post()
        (one,) = await owing(store, post.entry())
        refs = [(one.message_id, one.n)]
        await store.requeue(refs, "requeue", "uid 0", "x", LATER)
        assert await store.owed(LATER) == [Owed(SENDER, FLOW, 0)]
        assert await store.owed_rows(SENDER, FLOW, LATER, 10) == []
        (again,) = await lease(store)
        await store.settle([Settlement(again, Expired("late"), owes_report=True)], LATER)
        assert await store.owed(LATER) == []
        assert await store.owed(LATER + 1) == [Owed(SENDER, FLOW, 1)]
        await store.requeue(refs, "requeue", "uid 0", "x", LATER)
        (again,) = await lease(store)
        await store.settle([Settlement(again, Delivered(), attempt(again))], LATER)
        assert await store.owed(LATER + 1) == [Owed(SENDER, FLOW, 0)]
        await store.report_owed(SENDER, FLOW, LATER + 1, None)
        assert await store.owed(LATER + 1) == []

    async def test_what_is_born_bounced_may_wait_too(self, store: Store) -> None:
        entry = Post().entry(state=State.BOUNCED)
        (placement,) = entry.placements
        born = replace(placement, category=UNKNOWN.category, owes_report=True)
        await store.put(replace(entry, placements=(born,)))
        at = entry.message.received_at
        assert await store.owed(at) == []
        assert await store.owed(at + 1) == [Owed(SENDER, FLOW, 1)]

    async def test_what_failed_after_a_server_took_it_waits_too(self, store: Store) -> None:
        await store.put(Post().entry())
        (one,) = await lease(store)
        await store.settle([Settlement(one, Delivered(), attempt(one))], NOW)
        delayed = Late(one.message_id, one.n, Kind.DELAYED, NOW)
        failed = Late(one.message_id, one.n, Kind.FAILED, NOW + 5)
        assert await store.note_late(delayed)
        assert await store.owed(LATER) == []
        assert await store.note_late(failed, owes_report=True)
        assert not await store.note_late(failed, owes_report=True)
        assert await store.owed(NOW + 5) == []
        assert await store.owed(LATER) == [Owed(SENDER, FLOW, 1)]
        (row,) = await store.owed_rows(SENDER, FLOW, LATER, 10)
        assert (row.delivery.ref, row.delivery.state) == (one.ref, State.DELIVERED)
        await store.report_owed(SENDER, FLOW, LATER, None)
        assert await store.owed(LATER) == []

    async def test_a_report_of_before_it_arrived_is_not_its_failure(self, store: Store) -> None:
        """It came while the letter was under way; then it was brought back, and arrived."""
        (one,) = await owing(store, Post().entry())
        await store.note_late(Late(one.message_id, one.n, Kind.FAILED, NOW), owes_report=True)
        await store.requeue([(one.message_id, one.n)], "requeue", "uid 0", "x", NOW + 1)
        (again,) = await lease(store)
        await store.settle([Settlement(again, Delivered(), attempt(again))], NOW + 2)
        assert await store.owed(LATER) == [Owed(SENDER, FLOW, 0)]
        assert await store.owed_rows(SENDER, FLOW, LATER, 10) == []
