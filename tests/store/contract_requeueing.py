"""The contract, requeueing: what an operator brings back by name, and what an address took last."""

from __future__ import annotations

import pytest

from relay.mail.delivery import Bounced, Delivered, Delivery, Held, State
from relay.mail.instant import DAY, HOUR, Instant
from relay.mail.urgency import Urgency
from relay.store.base import Changed, Entry, Selector, Settlement, Store
from tests.store.contract_terms import DOMAIN, NOW, lease, state_of
from tests.store.letters import NO_USER, UNKNOWN, Post, attempt, delivered

LATER = NOW + 3 * HOUR
WHY = "fuse:gmail: 30 of 30"


async def bounced(store: Store, entry: Entry, at: Instant = NOW) -> Delivery:
    """It was tried, refused and bounced."""
    await store.put(entry)
    (one,) = await lease(store)
    made = attempt(one, reply=NO_USER, classification=UNKNOWN)
    await store.settle([Settlement(one, Bounced("no such user", UNKNOWN.category), made)], at)
    return one


async def held(store: Store, entry: Entry, why: str = WHY) -> Delivery:
    """It was tried, refused and held."""
    await store.put(entry)
    (one,) = await lease(store)
    made = attempt(one, reply=NO_USER, classification=UNKNOWN)
    await store.settle([Settlement(one, Held(why, UNKNOWN.category), made)], NOW)
    return one


async def requeue(store: Store, *ones: Delivery, at: Instant = LATER) -> Changed:
    refs = [(one.message_id, one.n) for one in ones]
    return await store.requeue(refs, "fuse.requeue", "uid 0", "salah", at)


class Requeueing:
    """One test a promise."""

    async def test_a_bounced_one_is_ready_again_with_all_its_attempts(self, store: Store) -> None:
        post = Post()
        one = await bounced(store, post.entry())
        heard: list[str] = []
        store.subscribe(lambda ready: heard.extend(r.domain for r in ready))
        assert await requeue(store, one, one) == Changed(1, 0, frozenset({DOMAIN}))
        (row,) = await store.find(one.message_id)
        now = row.delivery
        assert (now.state, now.due_at, now.why, now.tries) == (State.READY, LATER, "", 1)
        assert now.expires_at == one.expires_at + LATER - NOW
        seen = await store.inbox_row(one.mailbox_id, one.message_id, one.n)
        assert seen is not None
        assert (seen.state, seen.category, seen.state_at) == (State.READY, None, LATER)
        assert (await store.mailbox("vendor@example.co.id")) is not None
        assert await store.count(Selector()) == {State.READY: 1}
        (again,) = await lease(store)
        assert again.ref == one.ref
        made = attempt(again)
        await store.settle([Settlement(again, Delivered(), made)], LATER + 1)
        assert await state_of(store, one) is State.DELIVERED
        assert [a.number for a in await store.attempts(one.message_id, one.n)] == [1, 2]
        assert heard == [DOMAIN]

    async def test_a_held_one_is_released_by_name(self, store: Store) -> None:
        post = Post()
        one, other = await held(store, post.entry()), await held(store, post.entry())
        assert (await requeue(store, one)).moved == 1
        assert await state_of(store, other) is State.HELD
        (row,) = await store.find(one.message_id)
        assert (row.delivery.state, row.delivery.why) == (State.READY, "")
        assert row.delivery.expires_at > one.expires_at

    async def test_a_held_one_can_be_bounced_by_way_of_ready(self, store: Store) -> None:
        """With its report, and with the attempts that it has."""
        post = Post()
        one = await held(store, post.entry())
        await requeue(store, one)
        (row,) = await store.find(one.message_id)
        report = post.entry(("no-reply@lpse.example.go.id",), has_inbox=False)
        end = Bounced("confirmed", UNKNOWN.category)
        await store.settle([Settlement(row.delivery, end, None, report)], LATER)
        (row,) = await store.find(one.message_id)
        assert (row.delivery.state, row.delivery.why) == (State.BOUNCED, "confirmed")
        assert (row.category, row.rule) == (UNKNOWN.category, UNKNOWN.rule)
        assert len(await store.attempts(one.message_id, one.n)) == 1
        assert await store.count(Selector()) == {State.READY: 1}

    async def test_what_is_neither_held_nor_failed_is_left_alone(self, store: Store) -> None:
        post = Post()
        await store.put(post.entry(), post.entry())
        one, two = await lease(store)
        await store.settle([delivered(one)], NOW)
        there = Delivery(77, 1, "", 0, DOMAIN, Urgency.MASSAL, State.BOUNCED, 0, 0)
        assert await requeue(store, one, two, there) == Changed(0, 0)
        assert await state_of(store, one) is State.DELIVERED
        assert await state_of(store, two) is State.LEASED

    @pytest.mark.parametrize("make", [bounced, held])
    async def test_a_fixed_life_that_is_over_does_not_come_back(
        self, store: Store, make: object
    ) -> None:
        entry = Post().entry(urgency=Urgency.KRITIS, life=DAY, is_fixed=True)
        one = await make(store, entry)  # type: ignore[operator]
        before = await state_of(store, one)
        assert (await requeue(store, one, at=one.expires_at)).moved == 0
        assert await state_of(store, one) is before
        assert (await requeue(store, one, at=one.expires_at - 1)).moved == 1
        (row,) = await store.find(one.message_id)
        assert (row.delivery.expires_at, row.delivery.is_fixed) == (one.expires_at, True)

    async def test_another_life_has_a_day_left_at_least(self, store: Store) -> None:
        one = await bounced(store, Post().entry(life=HOUR), NOW + 2 * HOUR)
        await requeue(store, one, at=NOW + 9 * DAY)
        (row,) = await store.find(one.message_id)
        assert row.delivery.expires_at == NOW + 10 * DAY

    async def test_selected_by_what_the_reason_begins_with(self, store: Store) -> None:
        post = Post()
        one = await held(store, post.entry())
        await held(store, post.entry(), "fuse:gmail:content: 5 of 5")
        await store.put(post.entry(state=State.HELD), post.entry())
        wanted = Selector(why="fuse:gmail: ")
        assert [row.delivery.ref for row in await store.rows(wanted)] == [one.ref]
        assert await store.count(wanted) == {State.HELD: 1}
        assert await store.count(Selector(why="%")) == {}

    async def test_when_an_address_last_took_a_letter(self, store: Store) -> None:
        post = Post()
        old, new = "Vendor@example.co.id", "other@example.co.id"
        assert await store.last_accepted_at(old.lower()) is None
        for at in (LATER, NOW):
            await store.put(post.entry((old, new)))
            first, second = sorted(await lease(store), key=lambda one: one.n)
            await store.settle([delivered(first), Settlement(second, Held("x"))], at)
        assert await store.last_accepted_at(old.lower()) == LATER
        assert await store.last_accepted_at(new) is None
        report = post.entry((new,), has_inbox=False)
        await store.put(report)
        await store.settle([delivered(one) for one in await lease(store)], NOW)
        assert await store.last_accepted_at(new) is None
