"""The contract, leasing: ready, waiting, leased, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from relay.mail.classification import Category
from relay.mail.delivery import (
    Deferred,
    Expired,
    State,
)
from relay.mail.instant import DAY, HOUR, MINUTE
from relay.mail.urgency import Urgency
from relay.store.base import (
    Backlog,
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

    async def test_a_claim_down_to_a_class_leaves_what_is_less_urgent(self, store: Store) -> None:
        post = Post()
        for urgency in (Urgency.MASSAL, Urgency.MENDESAK, Urgency.KRITIS):
            await store.put(post.entry(("a@one.example",), urgency=urgency))
            await store.put(post.entry(("a@two.example",), urgency=urgency))
        domains = ("one.example", "two.example")
        taken = await store.claim(domains, 10, NOW, UNTIL, down_to=Urgency.KRITIS)
        assert [one.urgency for one in taken] == [Urgency.KRITIS] * 2
        assert await store.claim(domains, 10, NOW, UNTIL, down_to=Urgency.KRITIS) == []
        taken = await store.claim(domains, 10, NOW, UNTIL, down_to=Urgency.TRANSAKSI)
        assert [one.urgency for one in taken] == [Urgency.MENDESAK] * 2
        rest = await store.claim(domains, 10, NOW, UNTIL)
        assert [one.urgency for one in rest] == [Urgency.MASSAL] * 2

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

    async def test_claims_made_at_once_are_disjoint_each_with_its_own(self, store: Store) -> None:
        post = Post()
        sites = ("one.example", "two.example")
        for site in sites:
            await store.put(*(post.entry((f"v{n}@{site}",)) for n in range(5)))
        asked = ((sites[0], 2), (sites[1], 2), (sites[0], 2), ("none.example", 2), (sites[1], 9))
        told = await asyncio.gather(
            *(store.claim([site], most, NOW, UNTIL + at) for at, (site, most) in enumerate(asked))
        )
        assert [len(one) for one in told] == [2, 2, 2, 0, 3]
        for (site, _), one in zip(asked, told, strict=True):
            assert {delivery.domain for delivery in one} <= {site}
            assert all(delivery.state is State.LEASED for delivery in one)
        refs = [delivery.ref for one in told for delivery in one]
        assert len(set(refs)) == len(refs) == 9
        assert await store.count(Selector()) == {State.READY: 1, State.LEASED: 9}

    async def test_a_claim_may_leave_the_more_urgent_ones(self, store: Store) -> None:
        post = Post()
        for urgency in (Urgency.KRITIS, Urgency.MASSAL, Urgency.TRANSAKSI):
            await store.put(*(post.entry(urgency=urgency) for _ in range(3)))
        least = Urgency.TRANSAKSI
        taken = await store.claim((DOMAIN,), 4, NOW, UNTIL, least)
        assert [d.urgency for d in taken] == [least] * 3 + [Urgency.MASSAL]
        assert [d.urgency for d in await lease(store)] == [Urgency.KRITIS] * 3 + [
            Urgency.MASSAL
        ] * 2
        assert await store.claim((DOMAIN,), 4, NOW, UNTIL, Urgency.MASSAL) == []

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

    @pytest.mark.parametrize("urgency", [Urgency.KRITIS, Urgency.MASSAL])
    async def test_a_full_mailbox_is_asked_again_behind_what_waits(
        self, store: Store, urgency: Urgency
    ) -> None:
        post = Post()
        await store.put(*(post.entry(urgency=urgency) for _ in range(20)))
        full, greylisted, *rest = await lease(store, limit=5)
        await store.settle(
            [
                Settlement(full, Deferred(NOW, "452 4.2.2", Category.MAILBOX_FULL)),
                Settlement(greylisted, Deferred(NOW, "451 4.7.1", Category.GREYLISTED)),
            ],
            NOW,
        )
        await store.give_back(rest)
        await store.wake(NOW)
        order = [one.message_id for one in await lease(store, limit=20)]
        assert order[0] == greylisted.message_id
        assert order[-1] == full.message_id

    async def test_what_waits_is_counted_by_state_of_some_domains(self, store: Store) -> None:
        post = Post()
        await store.put(*(post.entry(("a@one.example", "b@two.example")) for _ in range(3)))
        await lease(store, "one.example", limit=2)
        named = Selector(domains=frozenset({"one.example"}))
        assert await store.count(named) == {State.READY: 1, State.LEASED: 2}
        assert await store.count(Selector()) == {State.READY: 4, State.LEASED: 2}

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
            await store.put(post.entry(state=state, life=100, is_fixed=True))
        await store.put(post.entry(("l@leased.example",), life=100, is_fixed=True))
        await store.put(post.entry(life=10**9))
        await lease(store, "leased.example")
        late = await store.overdue(NOW)
        assert sorted(d.state for d in late) == sorted(states)
        assert len(await store.overdue(NOW, limit=2)) == 2
        assert await store.overdue(START) == []
        await store.settle([Settlement(d, Expired("too late")) for d in late], NOW)
        assert await store.overdue(NOW) == []

    async def test_overdue_of_a_life_that_is_not_fixed(self, store: Store) -> None:
        """Only what was due just as it ended: what was due before stood unserved, and is tried."""
        post = Post()
        over = []
        for state in (State.READY, State.WAITING, State.HELD):
            await store.put(post.entry(state=state, life=100))
            last = post.entry(state=state, life=100, due_at=post.at + 101)
            await store.put(last)
            over += [last.message.id] if state is not State.HELD else []
        late = await store.overdue(NOW)
        assert [d.message_id for d in late] == over
        assert not any(d.is_fixed for d in late)

    async def test_the_earliest_deadline_goes_first_in_its_class(self, store: Store) -> None:
        post = Post()
        deadlines = [None, NOW + DAY, NOW + 2 * HOUR, None, NOW + 30 * DAY, NOW + 2 * HOUR]
        ids = []
        for number, deadline_at in enumerate(deadlines):
            entry = post.entry(subject=f"tender {number}", deadline_at=deadline_at)
            ids.append(entry.message.id)
            await store.put(entry)
        urgent = post.entry(urgency=Urgency.KRITIS)
        await store.put(urgent)
        taken = [d.message_id for d in await lease(store)]
        assert taken == [urgent.message.id, *(ids[at] for at in (2, 5, 1, 4, 0, 3))]

    async def test_a_deadline_is_the_same_in_every_domain(self, store: Store) -> None:
        post = Post()
        for n in range(20):
            await store.put(post.entry(("a@busy.example",), deadline_at=NOW + DAY))
            await store.put(post.entry(("a@busy.example",), subject=f"tanpa {n}"))
        await store.settle(
            [delivered(one) for one in await lease(store, "busy.example", limit=10)], NOW
        )
        await store.put(post.entry(("a@new.example",), deadline_at=NOW + HOUR))
        await store.put(post.entry(("b@new.example",), deadline_at=NOW + DAY, subject="lain"))
        taken = await lease(store, "busy.example", "new.example", limit=12)
        assert taken[0].recipient == "a@new.example"
        assert "b@new.example" in [d.recipient for d in taken[1:3]]
        assert len([d for d in taken if d.turn < 0]) == 12

    async def test_announcements_of_one_deadline_interleave(self, store: Store) -> None:
        post = Post()
        for subject in ("satu", "dua"):
            for _ in range(50):
                await store.put(post.entry(subject=subject, deadline_at=NOW + DAY))
        subjects = []
        for delivery in await lease(store, limit=100):
            letter = await store.letter(delivery.message_id)
            subjects.append(letter.particulars.subject)
        for at in range(0, 100, 2):
            assert set(subjects[at : at + 2]) == {"satu", "dua"}

    async def test_listeners_hear_of_new_deadlines_once(self, store: Store) -> None:
        heard: list[Ready] = []
        store.subscribe(heard.extend)
        post = Post()
        await store.put(
            post.entry(("a@one.example", "b@two.example"), deadline_at=NOW + DAY),
            post.entry(("a@one.example",), urgency=Urgency.KRITIS),
            post.entry(("c@three.example",)),
        )
        assert sorted((r.domain, r.is_dated) for r in heard) == [
            ("one.example", True),
            ("three.example", False),
            ("two.example", True),
        ]
        heard.clear()
        await store.give_back(await lease(store, "one.example"))
        assert heard == [Ready("one.example", Urgency.KRITIS)]

    async def test_the_backlog_by_class_and_deadline(self, store: Store) -> None:
        post = Post()
        day = NOW // MINUTE * MINUTE + DAY
        for _ in range(3):
            await store.put(post.entry(("a@one.example",), deadline_at=day + 59_999))
        await store.put(
            post.entry(("a@one.example", "b@one.example"), deadline_at=day - HOUR),
            post.entry(("a@one.example",), urgency=Urgency.KRITIS),
            post.entry(("a@one.example",)),
            post.entry(("a@one.example",), state=State.HELD),
            post.entry(("a@two.example",), deadline_at=day),
            post.entry(("a@three.example",)),
        )
        assert await store.backlog(["one.example", "two.example", "none.example"]) == [
            Backlog("one.example", Urgency.KRITIS, None, 1),
            Backlog("one.example", Urgency.MASSAL, day - HOUR, 2),
            Backlog("one.example", Urgency.MASSAL, day, 3),
            Backlog("one.example", Urgency.MASSAL, None, 1),
            Backlog("two.example", Urgency.MASSAL, day, 1),
        ]
        assert await store.backlog([]) == []
