"""The contract, settling: outcomes, attempts and reports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.mail.classification import Category
from relay.mail.delivery import (
    TRANSITIONS,
    Bounced,
    Deferred,
    Delivered,
    Expired,
    Held,
    Outcome,
    State,
)
from relay.mail.reply import Stage
from relay.store.base import (
    Selector,
    Settlement,
    Store,
    StoreError,
)
from tests.store.contract_terms import NOW, lease, put, state_of
from tests.store.letters import (
    NO_USER,
    UNKNOWN,
    Post,
    attempt,
    deferred,
    delivered,
    lost,
)


class Settling:
    """One test a promise."""

    async def test_a_delivered_letter_leaves_the_queue_and_stays_in_the_inbox(
        self, store: Store
    ) -> None:
        await store.put(Post().entry())
        (leased,) = await lease(store)
        sent = b"DKIM-Signature: v=1; b=abc\r\n" + (await store.letter(leased.message_id)).head
        made = attempt(leased, sent_head=sent)
        await store.settle([Settlement(leased, Delivered(), made)], NOW)
        assert await store.count(Selector()) == {}
        assert await store.attempts(leased.message_id, leased.n) == [made]
        (row,) = await store.find(leased.message_id)
        assert row.delivery == replace(leased, state=State.DELIVERED, tries=1, due_at=NOW, turn=0)
        seen = await store.inbox_row(leased.mailbox_id, leased.message_id, 1)
        assert seen is not None
        assert (seen.state, seen.category, seen.state_at) == (State.DELIVERED, None, NOW)

    @pytest.mark.parametrize("change", ["rewritten", "unknown", "none"])
    async def test_the_header_block_as_sent_comes_back(self, store: Store, change: str) -> None:
        await store.put(Post().entry())
        (leased,) = await lease(store)
        head = (await store.letter(leased.message_id)).head
        sent = {
            "rewritten": b"DKIM-Signature: x\r\n" + head.replace(b"Pengumuman", b"Lain", 1),
            "unknown": b"X: y\r\n",
            "none": None,
        }[change]
        made = attempt(leased, sent_head=sent)
        await store.settle([Settlement(leased, Delivered(), made)], NOW)
        assert await store.attempts(leased.message_id, 1) == [made]

    async def test_outcomes_move_a_delivery_and_are_shown(self, store: Store) -> None:
        post = Post()
        outcomes: list[Outcome] = [
            Deferred(NOW + 300_000, "later", Category.GREYLISTED),
            Deferred(NOW + 300_000, "provider paused", None, counts=False),
            Held("our key is missing", Category.AUTH_FAILED),
            Bounced("no such user", Category.UNKNOWN_USER),
            Expired("five days", Category.NETWORK),
        ]
        await store.put(*(post.entry() for _ in outcomes))
        leased = await lease(store)
        made = [
            replace(attempt(d), reply=NO_USER, stage=Stage.RCPT, classification=UNKNOWN)
            for d in leased
        ]
        await store.settle(
            [Settlement(*three) for three in zip(leased, outcomes, made, strict=True)], NOW
        )
        rows = [(await store.find(d.message_id))[0] for d in leased]
        assert [(r.delivery.state, r.delivery.tries, r.delivery.why) for r in rows] == [
            (State.WAITING, 1, "later"),
            (State.WAITING, 0, "provider paused"),
            (State.HELD, 1, "our key is missing"),
            (State.BOUNCED, 1, "no such user"),
            (State.EXPIRED, 1, "five days"),
        ]
        assert [r.category for r in rows] == [
            Category.GREYLISTED,
            Category.UNKNOWN_USER,  # the last attempt's, where the outcome has none
            Category.AUTH_FAILED,
            Category.UNKNOWN_USER,
            Category.NETWORK,
        ]
        assert {r.rule for r in rows} == {UNKNOWN.rule}
        assert rows[0].delivery.due_at == NOW + 300_000
        page = await store.page(leased[0].mailbox_id)
        assert [row.state for row in reversed(page)] == [r.delivery.state for r in rows]
        assert {row.state_at for row in page} == {NOW}
        assert await store.next_due_at() == NOW + 300_000

    async def test_an_outcome_moves_the_end_of_a_life(self, store: Store) -> None:
        await store.put(Post().entry(life=1000))
        (leased,) = await lease(store)
        moved = Deferred(NOW + 9, "later", expires_at=NOW + 5_000)
        await store.settle([Settlement(leased, moved)], NOW)
        (row,) = await store.rows(Selector())
        assert row.delivery.expires_at == NOW + 5_000
        assert await store.overdue(NOW + 4_999) == []
        await store.wake(NOW + 9)
        (leased,) = await lease(store)
        assert leased.expires_at == NOW + 5_000
        await store.settle([deferred(leased, NOW + 5_000)], NOW)
        (late,) = await store.overdue(NOW + 5_000)
        await store.settle([Settlement(late, Expired("late"))], NOW + 5_000)
        (row,) = await store.find(leased.message_id)
        assert row.delivery.expires_at == NOW + 5_000

    async def test_attempts_are_all_kept_in_order(self, store: Store) -> None:
        await store.put(Post().entry())
        made = []
        for number in range(1, 5):
            (leased,) = await lease(store)
            one = lost(leased, number=number, classification=UNKNOWN)
            made.append(one)
            await store.settle([Settlement(leased, Deferred(NOW, "again"), one)], NOW)
            await store.wake(NOW)
        assert await store.attempts(leased.message_id, 1) == made
        (row,) = await store.rows(Selector())
        assert row.delivery.tries == 4

    async def test_an_attempt_never_takes_the_place_of_another(self, store: Store) -> None:
        """Where a block does not count, the caller's number may repeat."""
        await store.put(Post().entry())
        for _ in range(3):
            (leased,) = await lease(store)
            await store.settle([deferred(leased, NOW, counts=False)], NOW)
            await store.wake(NOW)
        numbers = [a.number for a in await store.attempts(leased.message_id, 1)]
        assert numbers == [1, 2, 3]

    async def test_the_turn_survives_a_deferral(self, store: Store) -> None:
        post = Post()
        await store.put(*(post.entry() for _ in range(5)))
        (first,) = await lease(store, limit=1)
        await store.settle([deferred(first, NOW)], NOW)
        assert (await lease(store, limit=1))[0].message_id != first.message_id
        await store.wake(NOW)
        assert (await lease(store, limit=1))[0].message_id == first.message_id

    async def test_a_report_rides_with_the_outcome(self, store: Store) -> None:
        post = Post()
        await store.put(post.entry())
        (leased,) = await lease(store)
        report = post.entry(
            ("no-reply@lpse.example.go.id",), has_inbox=False, subject="Undelivered"
        )
        outcome = Bounced("no such user", Category.UNKNOWN_USER)
        await store.settle([Settlement(leased, outcome, attempt(leased), report)], NOW)
        (row,) = await store.rows(Selector())
        assert row.subject == "Undelivered"
        assert await store.body(report.message.id) == report.message.content.body

    async def test_a_settle_is_all_or_nothing(self, store: Store) -> None:
        post = Post()
        await store.put(*(post.entry() for _ in range(3)))
        one, two = await lease(store, limit=2)
        (ready,) = [r.delivery for r in await store.rows(Selector(states=frozenset({State.READY})))]
        report = post.entry(("x@lpse.example.go.id",), has_inbox=False)
        bad = Settlement(ready, Delivered(), attempt(ready))
        with pytest.raises(StoreError):
            await store.settle([replace(delivered(one), dsn=report), bad, delivered(two)], NOW)
        assert await state_of(store, one) is State.LEASED
        assert await store.attempts(one.message_id, 1) == []
        assert await store.find(report.message.id) == []
        await store.settle([delivered(one), delivered(two)], NOW)
        with pytest.raises(StoreError):
            await store.settle([delivered(one)], NOW)
        assert len(await store.attempts(one.message_id, 1)) == 1
        await store.settle([], NOW)

    async def test_steps_of_state_are_those_of_the_table(self, store: Store) -> None:
        """Each unfinished state against each outcome: refused just where the table refuses."""
        post = Post()
        outcomes: dict[State, Outcome] = {
            State.DELIVERED: Delivered(),
            State.WAITING: Deferred(NOW + 9, "x"),
            State.HELD: Held("x"),
            State.BOUNCED: Bounced("x", Category.OTHER),
            State.EXPIRED: Expired("x"),
        }
        for before in (State.READY, State.WAITING, State.LEASED, State.HELD):
            for after, outcome in outcomes.items():
                born = State.READY if before is State.LEASED else before
                (one,) = await put(store, post.entry(state=born))
                if before is State.LEASED:
                    (one,) = await lease(store)
                if before is not after and after in TRANSITIONS[before]:
                    await store.settle([Settlement(one, outcome)], NOW)
                    assert await state_of(store, one) is after
                elif before is not after:
                    with pytest.raises(StoreError):
                        await store.settle([Settlement(one, outcome)], NOW)
                    assert await state_of(store, one) is before
                await store.change("remove", Selector(message_id=one.message_id), "t", "t", NOW)
                await store.recover(NOW)
                await store.change("remove", Selector(message_id=one.message_id), "t", "t", NOW)
