"""The contract: what base.py promises, asked of every store. Subclasses bring the `store`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from relay.mail.classification import Category
from relay.mail.delivery import (
    TRANSITIONS,
    Bounced,
    Deferred,
    Delivered,
    Delivery,
    Expired,
    Held,
    Outcome,
    State,
)
from relay.mail.envelope import Options
from relay.mail.reply import Stage
from relay.mail.urgency import Urgency
from relay.store.base import (
    Account,
    Change,
    Depth,
    Entry,
    Placement,
    Ready,
    Selector,
    Settlement,
    Store,
    StoreError,
)
from tests.store.letters import (
    NO_USER,
    START,
    UNKNOWN,
    Post,
    attempt,
    deferred,
    delivered,
    lost,
)

NOW = START + 10_000
UNTIL = NOW + 600_000
DOMAIN = "example.co.id"


async def put(store: Store, *entries: Entry) -> list[Delivery]:
    """Put them; the deliveries as the store shows them, in order."""
    await store.put(*entries)
    return [r.delivery for e in entries for r in await store.find(e.message.id)]


async def lease(store: Store, *domains: str, limit: int = 1000) -> list[Delivery]:
    return await store.claim(domains or (DOMAIN,), limit, NOW, UNTIL)


async def state_of(store: Store, delivery: Delivery) -> State:
    (row,) = await store.find(delivery.message_id, delivery.n)
    return row.delivery.state


class Contract:
    """One test a promise."""

    async def test_a_put_is_there_with_all_its_parts(self, store: Store) -> None:
        entry = Post().entry(
            ("a@example.co.id", "B@example.co.id"),
            options=Options(4096, "8BITMIME", True, "HDRS", "QQ314159"),
            package="4221",
            deadline_at=START + 9,
            app_user="panitia",
            from_domain="lpse.example.go.id",
            hold_reason="x",
            notes=("headers: Date added",),
        )
        await store.put(entry)
        message = entry.message
        letter = await store.letter(message.id)
        assert letter.particulars == message.particulars
        assert letter.options == message.envelope.options
        assert (letter.head, letter.body_hash, letter.sha256, letter.size, letter.recipients) == (
            message.content.head,
            message.content.body_hash,
            message.content.sha256,
            message.content.size,
            2,
        )
        assert (letter.id, letter.sender) == (message.id, message.envelope.sender)
        assert letter.received_at == message.received_at
        assert await store.body(message.id) == message.content.body
        for placement, row in zip(entry.placements, await store.find(message.id), strict=True):
            given = placement.delivery
            assert row.delivery.mailbox_id > 0
            assert row.delivery.turn > 0
            assert replace(row.delivery, mailbox_id=0, turn=0) == given
            assert (row.sender, row.subject) == (letter.sender, letter.particulars.subject)
            assert (row.category, row.rule, row.received_at) == (None, None, letter.received_at)
            mailbox = await store.mailbox(placement.mailbox_address)
            assert mailbox is not None
            assert mailbox.id == row.delivery.mailbox_id
            (seen,) = await store.page(mailbox.id)
            assert (seen.message_id, seen.n, seen.package) == (message.id, given.n, "4221")
            assert (seen.state, seen.as_given) == (State.READY, given.as_given)

    async def test_what_was_never_put_is_a_key_error(self, store: Store) -> None:
        for ask in (store.letter, store.body, store.original):
            with pytest.raises(KeyError):
                await ask(77)
        assert await store.find(77) == []
        assert await store.attempts(77, 1) == []
        assert await store.mailbox("nobody@example.co.id") is None
        assert await store.mailbox_by_link(b"\0" * 16) is None

    async def test_a_put_that_fails_leaves_nothing(self, store: Store) -> None:
        post = Post()
        first, other = post.entry(), post.entry(("c@example.co.id",))
        await store.put(first)
        with pytest.raises(StoreError):
            await store.put(other, first)
        assert await store.find(other.message.id) == []
        assert await store.mailbox("c@example.co.id") is None
        with pytest.raises(KeyError):
            await store.letter(other.message.id)
        await store.put(other)
        assert await store.mailbox("c@example.co.id") is not None

    async def test_the_original_is_what_the_door_received(self, store: Store) -> None:
        post = Post()
        received = b"Subject: x\r\n\r\n" + bytes(range(256)) * 200
        changed, plain = post.entry(received=received), post.entry()
        await store.put(changed, plain)
        assert await store.original(changed.message.id) == received
        content = plain.message.content
        assert await store.original(plain.message.id) == content.head + b"\r\n" + content.body

    async def test_notify_and_orcpt_and_a_rewritten_recipient_come_back(self, store: Store) -> None:
        entry = Post().entry()
        (placement,) = entry.placements
        given = replace(
            placement.delivery,
            notify=frozenset({"SUCCESS", "FAILURE"}),
            orcpt="rfc822;Vendor@example.co.id",
            as_given="@relay:Vendor@example.co.id",
        )
        never = Post(START + 500).entry()
        (other,) = never.placements
        given_never = replace(other.delivery, notify=frozenset({"NEVER"}))
        await store.put(
            replace(entry, placements=(replace(placement, delivery=given),)),
            replace(never, placements=(replace(other, delivery=given_never),)),
        )
        claimed = await lease(store)
        assert [replace(c, mailbox_id=0, turn=0, state=State.READY) for c in claimed] == [
            given,
            given_never,
        ]

    async def test_a_delivery_is_born_bounced(self, store: Store) -> None:
        entry = Post().entry(("a b@c",), state=State.BOUNCED)
        (placement,) = entry.placements
        made = replace(lost(placement.delivery), classification=UNKNOWN)
        placement = replace(placement, attempt=made, category=Category.BAD_DOMAIN)
        await store.put(replace(entry, placements=(placement,)))
        assert await store.count(Selector()) == {}
        (row,) = await store.find(entry.message.id)
        assert row.delivery.state is State.BOUNCED
        assert (row.category, row.rule) == (Category.BAD_DOMAIN, UNKNOWN.rule)
        assert await store.attempts(entry.message.id, 1) == [made]
        mailbox = await store.mailbox("a b@c")
        assert mailbox is not None
        (seen,) = await store.page(mailbox.id)
        assert (seen.state, seen.category) == (State.BOUNCED, Category.BAD_DOMAIN)
        assert seen.as_given == "a b@c"

    async def test_a_report_has_no_inbox_but_an_end(self, store: Store) -> None:
        entry = Post().entry(has_inbox=False)
        await store.put(entry)
        assert await store.mailbox("vendor@example.co.id") is None
        assert await store.inbox_rows() == 0
        (leased,) = await lease(store)
        assert leased.mailbox_id == 0
        await store.settle([delivered(leased)], NOW)
        assert await state_of(store, leased) is State.DELIVERED

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

    async def test_the_inbox_page(self, store: Store) -> None:
        post = Post()
        to = ("vendor@example.co.id",)
        entries = [
            post.entry(to, subject=f"Surat {n}", package="4221%" if n == 3 else None)
            for n in range(7)
        ]
        await store.put(*entries)
        await store.put(post.entry(("other@example.co.id",)))
        mailbox = await store.mailbox(to[0])
        assert mailbox is not None
        assert len(mailbox.link_id) == 16
        assert await store.mailbox_by_link(mailbox.link_id) == mailbox
        assert mailbox.label == to[0]
        subjects: list[str] = []
        before = None
        while page := await store.page(mailbox.id, limit=3, before=before):
            subjects += [row.subject for row in page]
            before = (page[-1].message_id, page[-1].n)
        assert subjects == [f"Surat {n}" for n in reversed(range(7))]
        read = entries[5].message
        await store.mark_read(mailbox.id, read.id, 1, NOW)
        await store.mark_read(mailbox.id, read.id, 1, NOW + 99)
        await store.mark_read(mailbox.id + 1, entries[4].message.id, 1, NOW)
        row = await store.inbox_row(mailbox.id, read.id, 1)
        assert row is not None
        assert row.read_at == NOW
        assert await store.inbox_count(mailbox.id) == 7
        assert await store.inbox_count(mailbox.id, only_unread=True) == 6
        assert len(await store.page(mailbox.id, only_unread=True)) == 6
        assert [r.subject for r in await store.page(mailbox.id, search="surat 2")] == ["Surat 2"]
        assert [r.subject for r in await store.page(mailbox.id, search="21%")] == ["Surat 3"]
        assert await store.page(mailbox.id, search="*") == []
        assert await store.inbox_row(mailbox.id + 1, read.id, 1) is None
        assert await store.inbox_rows() == 8

    async def test_an_address_is_the_same_mailbox_however_often(self, store: Store) -> None:
        post = Post()
        for _ in range(3):
            await store.put(post.entry(("vendor@example.co.id", "vendor@example.co.id")))
        mailbox = await store.mailbox("vendor@example.co.id")
        assert mailbox is not None
        assert await store.inbox_count(mailbox.id) == 6

    async def test_a_link_is_used_once(self, store: Store) -> None:
        assert await store.use_link(b"one", NOW) is True
        assert await store.use_link(b"two", NOW) is True
        assert await store.use_link(b"one", NOW + 1) is False

    async def test_accounts(self, store: Store) -> None:
        one, two = Account("spse", "smtp", "$argon2id$…", NOW), Account("admin", "web", "x", NOW)
        await store.save_account(one)
        await store.save_account(two)
        assert await store.accounts() == [two, one]
        changed = replace(one, secret="other", changed_at=NOW + 1)
        await store.save_account(changed)
        assert await store.account("spse") == changed
        assert await store.account("nobody") is None
        assert await store.remove_account("spse") is True
        assert await store.remove_account("spse") is False

    async def test_the_shapers_state_is_kept(self, store: Store) -> None:
        assert await store.load_shaping() == {}
        await store.save_shaping({"gmail": "{}", "yahoo": "1"}, NOW)
        await store.save_shaping({"gmail": "2", "yahoo": "", "nobody": ""}, NOW)
        await store.save_shaping({}, NOW)
        assert await store.load_shaping() == {"gmail": "2"}

    async def test_what_a_watchdog_and_metrics_ask(self, store: Store) -> None:
        await store.put(Post().entry())
        await store.beat()
        free, total = store.free_bytes()
        assert 0 < free <= total
        assert store.wal_bytes() >= 0
        assert all(seconds >= 0 for seconds in store.commit_seconds())
        assert store.commit_seconds() == []
        assert not store.dead.is_set()

    async def test_an_entry_that_contradicts_itself_is_refused(self, store: Store) -> None:
        post = Post()
        entry, other = post.entry(), post.entry()
        foreign = replace(entry, placements=other.placements)
        with pytest.raises(StoreError):
            await store.put(foreign)
        (placement,) = entry.placements
        urgent = replace(placement.delivery, urgency=Urgency.KRITIS)
        with pytest.raises(StoreError):
            await store.put(replace(entry, placements=(Placement(urgent, "a@b"),)))
        twice = replace(entry, placements=(placement, placement))
        with pytest.raises(StoreError):
            await store.put(twice)
        assert await store.count(Selector()) == {}
        assert await store.inbox_rows() == 0
