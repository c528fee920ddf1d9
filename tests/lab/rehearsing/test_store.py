"""The indexed store keeps the stores' contract, and answers as the plain one does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from relay.lab.rehearsing.store import IndexedStore
from relay.mail.delivery import Deferred, Delivery, State
from relay.mail.instant import DAY, MINUTE, Instant
from relay.mail.urgency import Urgency
from relay.store.base import Named, Settlement, Store
from relay.store.memory import MemoryStore
from tests.store.contract import Contract
from tests.store.letters import START, Post, delivered

DOMAINS = ("one.example", "two.example", "three.example")


class TestIndexed(Contract):
    @pytest.fixture
    def store(self) -> Store:
        return IndexedStore()


def _known(deliveries: list[Delivery]) -> list[Delivery]:
    return [replace(one, mailbox_id=0) for one in deliveries]


async def _look_alike(stores: Sequence[Store], now: Instant) -> None:
    """What is due next, what wakes now, and what is over."""
    assert len({await s.next_due_at() for s in stores}) == 1
    assert len({tuple(sorted(r.domain for r in await s.wake(now))) for s in stores}) == 1
    over = [{(d.message_id, d.n) for d in await s.overdue(now)} for s in stores]
    assert over[0] == over[1]


@pytest.mark.parametrize("seed", range(6))
async def test_it_answers_as_the_plain_store_does(seed: int) -> None:
    rng = random.Random(seed)
    stores: tuple[MemoryStore, IndexedStore] = (MemoryStore(), IndexedStore())
    post, now = Post(), START
    leased: list[Delivery] = []
    for _ in range(400):
        now += rng.randrange(3 * MINUTE)
        match rng.randrange(7):
            case 0 | 1:
                address = f"a{rng.randrange(9)}@{rng.choice(DOMAINS)}"
                urgency = rng.choice(list(Urgency))
                subject = rng.choice(("Pengumuman", "Undangan"))
                sender = rng.choice(("a@one.go.id", "b@two.go.id"))
                made = post.entry((address,), urgency=urgency, subject=subject, sender=sender)
                for store in stores:
                    await store.put(made)
            case 2 | 3:
                wanted, limit = rng.sample(DOMAINS, 2), rng.randrange(6)
                not_of = rng.choice((None, Named(senders=frozenset({"one.go.id"}))))
                first, second = [
                    await s.claim(wanted, limit, now, now + DAY, not_of=not_of) for s in stores
                ]
                assert _known(first) == _known(second)
                leased += first
            case 4 if leased:
                one = leased.pop(rng.randrange(len(leased)))
                until = now + rng.randrange(20 * MINUTE)
                later = Settlement(one, Deferred(until, "later"), None)
                came = rng.choice((later, delivered(one)))
                for store in stores:
                    await store.settle([came], now)
            case 5 if leased:
                one = leased.pop()
                for store in stores:
                    await store.give_back([one])
            case _:
                await _look_alike(stores, now)
        counts = [len(store._in(State.READY)) for store in stores]
        assert counts[0] == counts[1]
    ready = [sorted(await s.ready(), key=lambda r: r.domain) for s in stores]
    assert ready[0] == ready[1]
