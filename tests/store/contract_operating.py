"""The contract, operating: what operators see and change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.mail.delivery import (
    State,
)
from relay.mail.envelope import REPORT_FLOW
from relay.mail.instant import DAY, HOUR
from relay.mail.urgency import Urgency
from relay.store.base import (
    Change,
    Depth,
    Selector,
    Store,
    StoreError,
)
from tests.store.contract_terms import DOMAIN, NOW, UNTIL, lease, put, state_of
from tests.store.letters import START, Post, deferred, delivered


class Operating:
    """One test a promise."""

    async def test_selectors(self, store: Store) -> None:
        post = Post()
        entries = [
            post.entry(("A@one.example", "b@two.example"), subject="PENGUMUMAN 100%_Tender"),
            post.entry(("a@one.example",), subject="Undangan", urgency=Urgency.MENDESAK),
            post.entry(("c@two.example",), subject="Batal", state=State.HELD),
        ]
        await store.put(*entries)
        first, second, third = (e.message.id for e in entries)
        cases: list[tuple[Selector, list[tuple[int, int]]]] = [
            (Selector(), [(first, 1), (first, 2), (second, 1), (third, 1)]),
            (Selector(message_id=first), [(first, 1), (first, 2)]),
            (Selector(message_id=first, n=2), [(first, 2)]),
            (Selector(subject="*pengumuman*"), [(first, 1), (first, 2)]),
            (Selector(subject="pengumuman"), [(first, 1), (first, 2)]),
            (Selector(subject="pengumuman*"), [(first, 1), (first, 2)]),
            (Selector(subject="*pengumuman"), []),
            (Selector(subject="0%_t"), [(first, 1), (first, 2)]),
            (Selector(subject="%"), [(first, 1), (first, 2)]),
            (Selector(subject="P%r"), []),
            (Selector(subject="[u]"), []),
            (Selector(subject="?atal"), []),
            (Selector(urgency=Urgency.MENDESAK), [(second, 1)]),
            (Selector(domains=frozenset({"two.example"})), [(first, 2), (third, 1)]),
            (Selector(domains=frozenset()), []),
            (Selector(recipient="a@one.example"), [(first, 1), (second, 1)]),
            (Selector(recipient="nobody@one.example"), []),
            (Selector(states=frozenset({State.HELD})), [(third, 1)]),
            (Selector(subject="*a*", recipient="a@one.example", n=1), [(first, 1), (second, 1)]),
        ]
        for selector, wanted in cases:
            rows = await store.rows(selector)
            assert [(r.delivery.message_id, r.delivery.n) for r in rows] == wanted, selector
            counts = await store.count(selector)
            assert sum(counts.values()) == len(wanted), selector
        assert await store.count(Selector()) == {State.READY: 3, State.HELD: 1}

    async def test_rows_come_in_pages(self, store: Store) -> None:
        post = Post()
        await store.put(*(post.entry(("a@a.example", "b@b.example")) for _ in range(5)))
        seen: list[str] = []
        after = None
        while page := await store.rows(Selector(), limit=3, after=after):
            seen += [row.delivery.ref for row in page]
            after = (page[-1].delivery.message_id, page[-1].delivery.n)
        assert len(seen) == len(set(seen)) == 10
        assert seen == sorted(seen)

    @pytest.mark.parametrize(
        ("what", "moves"),
        [
            ("hold", {State.READY: State.HELD, State.WAITING: State.HELD}),
            ("release", {State.HELD: State.READY}),
            ("retry", {State.WAITING: State.READY}),
            (
                "remove",
                {
                    State.READY: State.REMOVED,
                    State.WAITING: State.REMOVED,
                    State.HELD: State.REMOVED,
                },
            ),
        ],
    )
    async def test_an_operator_changes_what_may_be_changed(
        self, store: Store, what: Change, moves: dict[State, State]
    ) -> None:
        post = Post()
        await store.put(post.entry(("a@leased.example",)))
        await lease(store, "leased.example")
        ones = {}
        for state in (State.READY, State.WAITING, State.HELD):
            (ones[state],) = await put(store, post.entry(state=state, due_at=UNTIL))
        changed = await store.change(what, Selector(), "uid 0", "salah alamat", NOW)
        assert (changed.moved, changed.in_flight) == (len(moves), 1)
        makes_ready = State.READY in moves.values()
        assert changed.domains == (frozenset({DOMAIN}) if makes_ready else frozenset())
        for before, one in ones.items():
            assert await state_of(store, one) is moves.get(before, before)
        if makes_ready:
            again = await lease(store)
            assert NOW in [d.due_at for d in again]
        held = await store.change("hold", Selector(message_id=77), "uid 0", "x", NOW)
        assert (held.moved, held.in_flight) == (0, 0)

    async def test_time_in_which_a_letter_was_held_does_not_count(self, store: Store) -> None:
        post = Post()
        ready, waiting, fixed = await put(
            store,
            post.entry(life=DAY),
            post.entry(life=DAY, state=State.WAITING, due_at=NOW + HOUR),
            post.entry(life=DAY, is_fixed=True),
        )
        await store.change("hold", Selector(), "t", "t", NOW)
        later = NOW + 6 * DAY
        assert await store.overdue(later) == [
            replace(fixed, state=State.HELD, why="t"),
        ]
        await store.change("release", Selector(), "t", "t", later)
        ends = {r.delivery.ref: r.delivery.expires_at for r in await store.rows(Selector())}
        assert ends == {
            ready.ref: ready.expires_at + later - ready.due_at,
            waiting.ref: waiting.expires_at + 6 * DAY,
            fixed.ref: fixed.expires_at,
        }
        assert [d.ref for d in await store.overdue(later)] == [fixed.ref]

    async def test_a_retry_asked_for_is_not_a_later_due_time(self, store: Store) -> None:
        """One that was due before its end, and not woken yet, is no less alive for it."""
        await store.put(Post().entry(life=DAY, state=State.WAITING, due_at=NOW))
        await store.change("retry", Selector(), "t", "t", NOW + 2 * DAY)
        (row,) = await store.rows(Selector())
        assert row.delivery.due_at == NOW
        assert await store.overdue(NOW + 2 * DAY) == []

    async def test_a_letter_is_found_by_the_message_id_that_it_came_with(
        self, store: Store
    ) -> None:
        post = Post()
        first, second = post.entry(), post.entry()
        content = first.message.content
        head = b"Message-ID: <tender-4221@lpse.example.go.id>\r\n" + content.head
        named = replace(first.message, content=replace(content, head=head))
        await store.put(replace(first, message=named), second)
        for wanted in ("<tender-4221@lpse.example.go.id>", "tender-4221@lpse.example.go.id"):
            (row,) = await store.rows(Selector(header_id=wanted))
            assert row.delivery.message_id == named.id
        assert await store.rows(Selector(header_id="tender-422")) == []

    async def test_an_unknown_change_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError, match="explode"):
            await store.change("explode", Selector(), "t", "t", NOW)  # type: ignore[arg-type]

    async def test_a_change_keeps_to_the_states_that_were_named(self, store: Store) -> None:
        post = Post()
        await store.put(post.entry(), post.entry(state=State.HELD))
        only_held = Selector(states=frozenset({State.HELD}))
        assert (await store.change("remove", only_held, "t", "t", NOW)).moved == 1
        assert await store.count(Selector()) == {State.READY: 1}

    async def test_a_removed_letter_stays_in_the_inbox_and_says_why(self, store: Store) -> None:
        (one,) = await put(store, Post().entry())
        await store.change("remove", Selector(subject="Pengumuman"), "uid 0", "salah", NOW)
        (row,) = await store.find(one.message_id)
        assert (row.delivery.state, row.delivery.why) == (State.REMOVED, "salah")
        seen = await store.inbox_row(one.mailbox_id, one.message_id, one.n)
        assert seen is not None
        assert (seen.state, seen.state_at) == (State.REMOVED, NOW)

    async def test_depths_by_domain_and_state(self, store: Store) -> None:
        post = Post()
        entries = [
            post.entry(("a@a.example",)),
            post.entry(("b@a.example", "b@b.example")),
            post.entry(("c@a.example",), state=State.HELD),
        ]
        await store.put(*entries)
        at = [entry.message.received_at for entry in entries]
        assert await store.depths() == [
            Depth("a.example", State.READY, 2, at[0]),
            Depth("a.example", State.HELD, 1, at[2]),
            Depth("b.example", State.READY, 1, at[1]),
        ]

    async def test_what_was_accepted_lately_by_the_second(self, store: Store) -> None:
        """Whatever became of it since; our own reports are not LPSE's."""
        post = Post(at=START - 2)
        report = post.entry(("no-reply@lpse.example.go.id",), has_inbox=False, flow=REPORT_FLOW)
        early = post.entry(("a@a.example",))
        both = [post.entry(("b@a.example", "c@b.example")), post.entry(("d@a.example",))]
        post.at = START + 5_000
        late = post.entry(("e@a.example",))
        await store.put(report, early, *both, late)
        (one,) = await lease(store, "b.example")
        await store.settle([delivered(one)], NOW)
        assert await store.accepted_since(START) == [(START, 4), (START + 5_000, 1)]
        assert await store.accepted_since(START + 2) == [(START, 1), (START + 5_000, 1)]
        assert await store.accepted_since(NOW) == []

    async def test_where_a_letters_recipients_are(self, store: Store) -> None:
        post = Post()
        entry = post.entry(("a@a.example", "b@b.example", "c@b.example"))
        await store.put(entry, post.entry(("x@a.example",)))
        (gone, _) = await lease(store, "b.example")
        await store.settle([delivered(gone)], NOW)
        assert await store.domains_of(entry.message.id) == {"a.example": 1, "b.example": 2}
        assert await store.domains_of(77) == {}

    @pytest.mark.parametrize("landing", ["deferred", "given back", "recovered"])
    @pytest.mark.parametrize(
        ("what", "state"), [("hold", State.HELD), ("remove", State.REMOVED), ("retry", None)]
    )
    async def test_what_is_asked_of_a_letter_in_flight_is_obeyed_when_it_lands(
        self, store: Store, what: Change, state: State | None, landing: str
    ) -> None:
        post = Post()
        await store.put(post.entry())
        (one,) = await lease(store)
        changed = await store.change(what, Selector(), "uid 0", "salah lampiran", NOW)
        assert (changed.moved, changed.in_flight) == (0, 1)
        if landing == "deferred":
            await store.settle([deferred(one, UNTIL)], NOW)
        elif landing == "given back":
            await store.give_back([one])
        else:
            await store.recover(NOW)
        after = await state_of(store, one)
        (row,) = await store.find(one.message_id)
        if state is None:
            assert after in (State.READY, State.WAITING)
        else:
            assert (after, row.delivery.why) == (state, "salah lampiran")
        assert await lease(store) == [] or landing != "deferred"

    async def test_what_was_delivered_meanwhile_is_delivered(self, store: Store) -> None:
        await store.put(Post().entry())
        (one,) = await lease(store)
        await store.change("remove", Selector(), "uid 0", "salah", NOW)
        await store.settle([delivered(one)], NOW)
        assert await state_of(store, one) is State.DELIVERED

    async def test_a_release_takes_the_hold_of_one_in_flight_back(self, store: Store) -> None:
        await store.put(Post().entry())
        (one,) = await lease(store)
        await store.change("hold", Selector(), "uid 0", "salah", NOW)
        await store.change("release", Selector(), "uid 0", "benar", NOW)
        await store.settle([deferred(one, UNTIL)], NOW)
        assert await state_of(store, one) is State.WAITING
