"""The contract, leasing: ready, waiting, leased, and in which order."""

from __future__ import annotations

from collections.abc import Collection

from relay.mail.delivery import (
    Expired,
    State,
)
from relay.mail.urgency import Urgency
from relay.store.base import (
    Ready,
    Selector,
    Settlement,
    Store,
)
from tests.store.contract_terms import DOMAIN, NOW, UNTIL, lease
from tests.store.letters import (
    START,
    Post,
    delivered,
)


class Leasing:
    """One test a promise."""

    async def test_listeners_hear_what_became_ready_and_only_that(self, store: Store) -> None:
        heard: list[Ready] = []

        def listen(where: Collection[Ready]) -> None:
            heard.extend(where)

        store.subscribe(listen)
        post = Post()
        await store.put(
            post.entry(("a@one.example",), urgency=Urgency.MASSAL),
            post.entry(("a@one.example",), urgency=Urgency.KRITIS),
            post.entry(("a@two.example",), state=State.HELD),
            post.entry(("a@three.example",), state=State.WAITING, due_at=NOW),
        )
        assert heard == [Ready("one.example", Urgency.KRITIS)]
        assert await store.ready() == heard
        heard.clear()
        assert await store.wake(NOW) == [Ready("three.example", Urgency.MASSAL)]
        assert heard == [Ready("three.example", Urgency.MASSAL)]
        heard.clear()
        taken = await lease(store, "one.example")
        assert heard == []
        await store.give_back(taken)
        assert heard == [Ready("one.example", Urgency.KRITIS)]
        assert await store.count(Selector()) == {State.READY: 3, State.HELD: 1}

    async def test_claims_are_disjoint_urgent_first_and_bounded(self, store: Store) -> None:
        post = Post()
        for urgency in (Urgency.MASSAL, Urgency.TRANSAKSI, Urgency.KRITIS, Urgency.MENDESAK):
            await store.put(post.entry(urgency=urgency), post.entry(urgency=urgency))
        first, second = await lease(store, limit=3), await lease(store, limit=100)
        assert [d.urgency for d in first + second] == [0, 0, 1, 1, 2, 2, 3, 3]
        assert all(d.state is State.LEASED for d in first)
        assert len({d.ref for d in first + second}) == 8
        assert await lease(store) == []
        assert await lease(store, "other.example") == []
        assert await store.claim((), 10, NOW, UNTIL) == []
        assert await store.ready() == []

    async def test_two_announcements_interleave(self, store: Store) -> None:
        post = Post()
        for subject in ("satu", "dua"):
            await store.put(*(post.entry(subject=subject) for _ in range(1000)))
        subjects = []
        for delivery in await lease(store, limit=2000):
            letter = await store.letter(delivery.message_id)
            subjects.append(letter.particulars.subject)
        for at in range(0, 2000, 2):
            assert set(subjects[at : at + 2]) == {"satu", "dua"}

    async def test_a_single_letter_is_not_behind_a_thousand(self, store: Store) -> None:
        post = Post()
        await store.put(*(post.entry(subject="massal") for _ in range(1000)))
        taken = await lease(store, limit=300)
        await store.settle([delivered(one) for one in taken], NOW)
        single = post.entry(subject="lain")
        await store.put(single)
        then = await lease(store, limit=3)
        assert single.message.id in [d.message_id for d in then]

    async def test_no_domain_waits_for_the_backlog_of_another(self, store: Store) -> None:
        post = Post()
        await store.put(*(post.entry(("a@busy.example",)) for _ in range(50)))
        await store.settle([delivered(d) for d in await lease(store, "busy.example")], NOW)
        await store.put(*(post.entry(("a@busy.example",), subject="x") for _ in range(50)))
        await store.put(*(post.entry(("a@new.example",), subject="y") for _ in range(50)))
        taken = await lease(store, "busy.example", "new.example", limit=20)
        assert [d.domain for d in taken].count("new.example") == 10

    async def test_what_was_given_back_comes_again_as_it_was(self, store: Store) -> None:
        post = Post()
        await store.put(*(post.entry() for _ in range(3)))
        taken = await lease(store, limit=2)
        await store.give_back(taken)
        await store.give_back(taken)
        assert (await lease(store, limit=2)) == taken

    async def test_recover_makes_the_leased_ready(self, store: Store) -> None:
        post = Post()
        await store.put(*(post.entry() for _ in range(3)))
        taken = await lease(store, limit=2)
        assert await store.recover(NOW) == 2
        assert await store.recover(NOW) == 0
        assert (await lease(store, limit=2)) == taken

    async def test_waiting_wakes_in_time_and_in_portions(self, store: Store) -> None:
        post = Post()
        dues = [NOW + 5, NOW + 1, NOW + 3]
        for due in dues:
            await store.put(post.entry(state=State.WAITING, due_at=due))
        assert await store.next_due_at() == NOW + 1
        assert await store.wake(NOW) == []
        assert await store.wake(NOW + 3, limit=1) == [Ready(DOMAIN, Urgency.MASSAL)]
        assert await store.next_due_at() == NOW + 3
        await store.wake(NOW + 9)
        assert await store.next_due_at() is None
        assert await store.count(Selector()) == {State.READY: 3}

    async def test_overdue_is_unfinished_and_not_leased(self, store: Store) -> None:
        post = Post()
        states = (State.READY, State.WAITING, State.HELD)
        for state in states:
            await store.put(post.entry(state=state, life=100))
        await store.put(post.entry(("l@leased.example",), life=100))
        await store.put(post.entry(life=10**9))
        await lease(store, "leased.example")
        late = await store.overdue(NOW)
        assert sorted(d.state for d in late) == sorted(states)
        assert len(await store.overdue(NOW, limit=2)) == 2
        assert await store.overdue(START) == []
        await store.settle([Settlement(d, Expired("too late")) for d in late], NOW)
        assert await store.overdue(NOW) == []
