"""The contract, unsent: what did not arrive is found by whose it was and why, counted, and requeued
piece by piece."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.mail.classification import Category
from relay.mail.delivery import Bounced, Delivered, Delivery, Expired, Held, Outcome, State
from relay.mail.instant import DAY, HOUR
from relay.mail.urgency import Urgency
from relay.store.base import Entry, Placement, Settlement, Store, Tally, Unsent
from tests.store.contract_terms import DOMAIN, NOW, lease, state_of
from tests.store.letters import NO_USER, UNKNOWN, Post, attempt

LATER = NOW + 3 * HOUR
BLOCKED = replace(UNKNOWN, category=Category.SENDER_BLOCKED, rule="ms-s3150")


async def ended(store: Store, entry: Entry, outcome: Outcome, at: int = NOW) -> Delivery:
    """Every delivery of it came to that end; the first one."""
    await store.put(entry)
    domains = {placement.delivery.domain for placement in entry.placements}
    ones = await lease(store, *domains)
    read = BLOCKED if getattr(outcome, "category", None) is BLOCKED.category else UNKNOWN
    made = [attempt(one, reply=NO_USER, classification=read) for one in ones]
    await store.settle([Settlement(o, outcome, a) for o, a in zip(ones, made, strict=True)], at)
    return ones[0]


async def found(store: Store, wanted: Unsent) -> list[str]:
    return [row.delivery.ref for row in await store.unsent(wanted)]


BOUNCE = Bounced("no such user", UNKNOWN.category)
BLOCK = Bounced("blocked", BLOCKED.category)


class Unsents:
    """One test a promise."""

    async def test_held_bounced_expired_and_suppressed_are_found_and_nothing_else(
        self, store: Store
    ) -> None:
        post = Post()
        ones = [
            await ended(store, post.entry(), outcome)
            for outcome in (BOUNCE, Delivered(), Held("why"), Expired("late", Category.NETWORK))
        ]
        born = post.entry(state=State.SUPPRESSED)
        await store.put(born, post.entry(), post.entry(has_inbox=False, state=State.HELD))
        nobody = post.entry(state=State.BOUNCED)
        (placement,) = nobody.placements
        lost = Placement(replace(placement.delivery, domain=""), placement.mailbox_address)
        await store.put(replace(nobody, placements=(lost,)))
        suppressed = born.placements[0].delivery
        expected = [ones[0].ref, ones[2].ref, ones[3].ref, suppressed.ref]
        assert await found(store, Unsent()) == expected
        assert sorted(
            (t.state, t.category, t.count) for t in await store.tallies(Unsent(), NOW)
        ) == [
            (State.HELD, UNKNOWN.category, 1),
            (State.BOUNCED, UNKNOWN.category, 1),
            (State.EXPIRED, Category.NETWORK, 1),
            (State.SUPPRESSED, None, 1),
        ]

    @pytest.mark.parametrize(
        "wanted",
        [
            Unsent(subject="*blokir*"),
            Unsent(subject="BLOKIR"),
            Unsent(urgency=Urgency.MENDESAK),
            Unsent(domains=frozenset({"two.example", "none.example"})),
            Unsent(sender="panitia@lpse.example.go.id"),
            Unsent(category=Category.SENDER_BLOCKED),
            Unsent(rule="ms-s3150"),
            Unsent(since=LATER),
            Unsent(category=Category.SENDER_BLOCKED, rule="ms-s3150", since=LATER),
        ],
    )
    @pytest.mark.parametrize("end", [BLOCK, Held("why", BLOCKED.category)])
    async def test_selected_by(self, store: Store, wanted: Unsent, end: Outcome) -> None:
        post = Post()
        await ended(store, post.entry(), BOUNCE)
        entry = post.entry(
            ("a@two.example",),
            subject="Kena blokir",
            urgency=Urgency.MENDESAK,
            sender="Panitia@lpse.example.go.id",
        )
        one = await ended(store, entry, end, LATER)
        assert await found(store, wanted) == [one.ref]
        assert [t.count for t in await store.tallies(wanted, LATER)] == [1]
        assert await found(store, replace(wanted, domains=frozenset())) == []

    async def test_selected_by_letter_number_and_fingerprint(self, store: Store) -> None:
        post = Post()
        one = await ended(store, post.entry(("a@two.example", "b@two.example")), BLOCK)
        other = await ended(store, post.entry(body=b"Lain\r\n"), BLOCK)
        assert len(await found(store, Unsent(message_id=one.message_id))) == 2
        assert await found(store, Unsent(message_id=one.message_id, n=one.n)) == [one.ref]
        print_of = (await store.letter(other.message_id)).body_hash.hex()
        assert await found(store, Unsent(fingerprint=print_of)) == [other.ref]
        assert await found(store, Unsent(fingerprint=print_of[:12].upper())) == [other.ref]
        assert await found(store, Unsent(fingerprint="%")) == []

    async def test_it_is_read_in_pieces_and_requeued_on_the_way(self, store: Store) -> None:
        """What comes back is not met again, nor does what stays hide what is behind it."""
        post = Post()
        ends: list[Outcome] = [BOUNCE, Held("why"), BLOCK] * 3
        ones = [await ended(store, post.entry(), end) for end in ends]
        kritis = post.entry(urgency=Urgency.KRITIS, life=DAY, is_fixed=True)
        dead = await ended(store, kritis, BOUNCE)
        last = await ended(store, post.entry(), BLOCK)
        after, seen = None, []
        at = dead.expires_at
        while rows := await store.unsent(Unsent(), 2, after):
            refs = [(row.delivery.message_id, row.delivery.n) for row in rows]
            seen += refs
            after = refs[-1]
            await store.requeue(refs, "requeue", "uid 0", "salah", at, "rule=x")
        assert seen == [(one.message_id, one.n) for one in [*ones, dead, last]]
        assert await found(store, Unsent()) == [dead.ref]
        (tally,) = await store.tallies(Unsent(), at)
        assert tally == Tally(DOMAIN, "gmail", State.BOUNCED, UNKNOWN.category, True, 1)
        assert [t.is_over for t in await store.tallies(Unsent(), at - 1)] == [False]

    @pytest.mark.parametrize("end", [BOUNCE, Held("why"), Expired("late")])
    async def test_each_kind_comes_back_and_takes_its_turn(
        self, store: Store, end: Outcome
    ) -> None:
        """Between those of another announcement that wait already, not before them or after."""
        post = Post()
        mine = [await ended(store, post.entry(subject="lama"), end) for _ in range(3)]
        await store.put(*[post.entry(subject="baru") for _ in range(3)])
        refs = [(one.message_id, one.n) for one in mine]
        assert (await store.requeue(refs, "requeue", "uid 0", "salah", LATER)).moved == 3
        row = (await store.find(mine[0].message_id))[0]
        assert row.delivery.state is State.READY
        assert row.delivery.expires_at >= LATER + DAY
        if not isinstance(end, Held):  # one that was held has kept its turn
            order = [one.message_id in {m.message_id for m in mine} for one in await lease(store)]
            assert order[:4] in ([False, True, False, True], [True, False, True, False])

    async def test_a_suppressed_one_comes_back(self, store: Store) -> None:
        entry = Post().entry(state=State.SUPPRESSED)
        await store.put(entry)
        (one,) = (placement.delivery for placement in entry.placements)
        refs = [(one.message_id, one.n)]
        assert (await store.requeue(refs, "requeue", "uid 0", "salah", LATER)).moved == 1
        assert await state_of(store, one) is State.READY
