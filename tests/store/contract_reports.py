"""The contract, reports: failing addresses, counts of deliveries, and how far people are."""

from __future__ import annotations

from dataclasses import replace

from relay.mail.classification import Category
from relay.mail.delivery import Bounced, Delivered, Expired, Outcome, State
from relay.mail.follow_up import FollowUp, Progress
from relay.mail.instant import DAY, HOUR
from relay.mail.late import Kind, Late
from relay.store.base import Settlement, Store, Unsent
from relay.store.reports import Counted, rounded
from tests.store.contract_terms import NOW, lease
from tests.store.letters import NO_USER, START, UNKNOWN, Post, attempt

MEANT = (Category.UNKNOWN_USER, Category.MAILBOX_FULL)


async def end(store: Store, at: int, **outcomes: Outcome) -> None:
    """Settle what is leased: by the local part of its recipient, delivered where none is named."""
    made = []
    for one in await lease(store, "x.id", "y.id"):
        outcome = outcomes.get(one.recipient.partition("@")[0].lower(), Delivered())
        is_taken = isinstance(outcome, Delivered)
        tried = (
            attempt(one)
            if is_taken
            else attempt(one, reply=NO_USER, stage=NO_USER.stage, classification=UNKNOWN)
        )
        made.append(Settlement(one, outcome, tried))
    await store.settle(made, at)


async def counted(store: Store, since: int = 0, until: int = START + DAY) -> list[Counted]:
    found = await store.counted(since, until, 7 * HOUR, ("x.id", "y.id", "gmail"), list)
    return sorted(found, key=lambda one: (one.domain, one.state, one.took or 0))


GONE = Bounced("550 no", Category.UNKNOWN_USER)
OVER = Expired("too late", Category.MAILBOX_FULL)
BLOCKED = Bounced("550 blocked", Category.SENDER_BLOCKED)


class Reporting:
    """One test a promise."""

    async def test_nothing_failed(self, store: Store) -> None:
        assert await store.failing_addresses(MEANT) == []
        assert await counted(store) == []
        assert await store.follow_ups() == {}

    async def test_failing_addresses(self, store: Store) -> None:
        post = Post()
        await store.put(post.entry(("Dead@x.id", "full@x.id", "shut@x.id", "fine@x.id")))
        await end(store, NOW + 1, dead=GONE, full=OVER, shut=BLOCKED)
        await store.put(post.entry(("dead@x.id", "fine@x.id")))
        await end(store, NOW + 5, dead=GONE)
        first, second = await store.failing_addresses(MEANT)
        assert (first.address, first.category) == ("dead@x.id", Category.UNKNOWN_USER)
        assert (first.first_at, first.last_at, first.missed) == (NOW + 1, NOW + 5, 2)
        assert (first.accepted_at, first.domain) == (None, "x.id")
        assert (first.rule, first.route_key) == ("gmail-5.1.1", "gmail")
        assert first.said == "550 5.1.1 No such user here"
        assert (second.address, second.category) == ("full@x.id", Category.MAILBOX_FULL)
        assert [one.address for one in await store.failing_addresses(MEANT, since=NOW + 2)] == [
            "dead@x.id"
        ]
        assert [one.address for one in await store.failing_addresses(MEANT, limit=1)] == [
            "dead@x.id"
        ]
        assert [
            one.address for one in await store.failing_addresses([Category.SENDER_BLOCKED])
        ] == ["shut@x.id"]

    async def test_what_it_missed_for_another_reason_counts_too(self, store: Store) -> None:
        post = Post()
        await store.put(post.entry(("dead@x.id",)))
        await end(store, NOW + 1, dead=GONE)
        await store.put(post.entry(("dead@x.id",)))
        await end(store, NOW + 2, dead=BLOCKED)
        await store.put(post.entry(("dead@x.id",), state=State.SUPPRESSED))
        (found,) = await store.failing_addresses(MEANT)
        assert (found.missed, found.first_at, found.last_at) == (3, NOW + 1, NOW + 1)
        assert found.category is Category.UNKNOWN_USER

    async def test_when_it_took_mail_last(self, store: Store) -> None:
        post = Post()
        await store.put(post.entry(("dead@x.id",)))
        await end(store, NOW + 1)
        await store.put(post.entry(("dead@x.id",)))
        await end(store, NOW + 9, dead=GONE)
        (found,) = await store.failing_addresses(MEANT)
        assert (found.accepted_at, found.last_at) == (NOW + 1, NOW + 9)

    async def test_what_came_back_late_has_failed(self, store: Store) -> None:
        await store.put(Post().entry(("dead@x.id",)))
        (one,) = await lease(store, "x.id")
        await store.settle([Settlement(one, Delivered(), attempt(one))], NOW + 1)
        late = Late(
            one.message_id, 1, Kind.FAILED, NOW + 7, Category.UNKNOWN_USER, "rule", "550 gone"
        )
        await store.note_late(late)
        (found,) = await store.failing_addresses(MEANT)
        assert (found.first_at, found.last_at, found.accepted_at) == (NOW + 7, NOW + 7, None)
        assert (found.rule, found.said) == ("rule", "550 gone")
        (told,) = await counted(store)
        assert (told.state, told.category) == (State.BOUNCED, Category.UNKNOWN_USER)
        assert told.took is None

    async def test_a_delay_or_a_complaint_is_no_failure(self, store: Store) -> None:
        await store.put(Post().entry(("fine@x.id",)))
        (one,) = await lease(store, "x.id")
        await store.settle([Settlement(one, Delivered(), attempt(one))], NOW + 1)
        for kind in (Kind.DELAYED, Kind.COMPLAINT):
            await store.note_late(Late(one.message_id, 1, kind, NOW + 7, None, "", ""))
        assert await store.failing_addresses(MEANT) == []

    async def test_what_was_brought_back_has_not_failed(self, store: Store) -> None:
        await store.put(Post().entry(("dead@x.id",)))
        await end(store, NOW + 1, dead=GONE)
        (row,) = await store.unsent(Unsent())
        refs = [(row.delivery.message_id, row.delivery.n)]
        await store.requeue(refs, "requeue", "budi", "again", NOW + 2)
        assert await store.failing_addresses(MEANT) == []

    async def test_counts_by_day_domain_class_and_end(self, store: Store) -> None:
        post = Post()
        await store.put(post.entry(("a@x.id", "b@x.id", "dead@x.id", "c@y.id")))
        await end(store, START + 20_000, dead=GONE)
        await store.put(post.entry(("d@y.id",)))
        taken, dead, waits, other = await counted(store)
        day = (START + 7 * HOUR) // DAY
        assert (taken.day, taken.domain, taken.state, taken.count) == (
            day,
            "x.id",
            State.DELIVERED,
            2,
        )
        assert taken.took == rounded(START + 20_000 - (START + 1))
        assert (dead.state, dead.category, dead.took) == (
            State.BOUNCED,
            Category.UNKNOWN_USER,
            None,
        )
        assert dead.route_key == "gmail"
        assert (other.domain, other.state, other.count) == ("y.id", State.DELIVERED, 1)
        assert (waits.domain, waits.state, waits.took, waits.route_key) == (
            "y.id",
            State.READY,
            None,
            "",
        )

    async def test_what_is_not_told_apart_is_counted_together(self, store: Store) -> None:
        post = Post()
        await store.put(post.entry(("a@x.id", "b@y.id", "c@y.id")))
        await end(store, START + 1000)
        (told,) = await store.counted(0, START + DAY, 0, (), list)
        assert (told.domain, told.route_key, told.count) == ("", "", 3)

    async def test_counts_are_of_a_span(self, store: Store) -> None:
        post = Post()
        await store.put(post.entry(("a@x.id",)))
        await store.put(post.entry(("b@x.id",)))
        assert [one.count for one in await counted(store, START + 1, START + 2)] == [1]
        assert [one.count for one in await counted(store, START + 1, START + 3)] == [2]
        assert await counted(store, START + 3) == []

    async def test_the_day_is_the_zones(self, store: Store) -> None:
        midnight = START // DAY * DAY + 17 * HOUR  # in WIB
        post = Post(at=midnight - 2)
        await store.put(post.entry(("a@x.id",)))
        await store.put(post.entry(("b@x.id",)))
        days = [one.day for one in await store.counted(0, START + DAY, 7 * HOUR, (), list)]
        assert sorted(days) == [midnight // DAY, midnight // DAY + 1]

    async def test_reports_of_our_own_are_no_letters(self, store: Store) -> None:
        post = Post()
        await store.put(post.entry(("a@x.id",), flow="<> report", has_inbox=False))
        assert await counted(store) == []

    async def test_follow_ups(self, store: Store) -> None:
        made = FollowUp("dead@x.id", Progress.CONTACTED, "0812, Bu Ani", "budi", NOW)
        assert await store.save_follow_up(made) is None
        assert await store.follow_ups() == {"dead@x.id": made}
        done = replace(made, progress=Progress.DONE, note="", at=NOW + 1)
        assert await store.save_follow_up(done) == made
        assert await store.follow_ups() == {"dead@x.id": done}
