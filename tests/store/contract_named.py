"""The contract, leasing: letters with certain names of ours stay, and others go in their order."""

from __future__ import annotations

from typing import Any

import pytest

from relay.mail.delivery import Deferred, Delivery, State
from relay.mail.instant import HOUR
from relay.mail.urgency import Urgency
from relay.store.base import Named, Selector, Settlement, Store
from tests.store.contract_terms import DOMAIN, NOW, UNTIL, lease
from tests.store.letters import Post, delivered

LPSE, ULP = "lpse.example.go.id", "ulp.example.go.id"
OF_LPSE = Named(signers=frozenset({LPSE}))


def of(name: str) -> dict[str, Any]:
    """What makes a letter one of that name."""
    return {"sender": f"no-reply@{name}", "from_domain": name}


async def others(
    store: Store, *domains: str, limit: int = 1000, named: Named = OF_LPSE
) -> list[Delivery]:
    return await store.claim(domains or (DOMAIN,), limit, NOW, UNTIL, not_of=named)


async def from_domains(store: Store, deliveries: list[Delivery]) -> list[str | None]:
    letters = [await store.letter(one.message_id) for one in deliveries]
    return [letter.particulars.from_domain for letter in letters]


class LeasingOthers:
    """One test a promise."""

    async def test_those_of_a_name_stay_and_others_go_in_their_order(self, store: Store) -> None:
        post = Post()
        for urgency in (Urgency.MASSAL, Urgency.KRITIS, Urgency.TRANSAKSI):
            for name in (LPSE, ULP):
                await store.put(*(post.entry(urgency=urgency, **of(name)) for _ in range(3)))
        first, second = await others(store, limit=2), await others(store)
        assert [one.urgency for one in first + second] == [0] * 3 + [2] * 3 + [3] * 3
        assert set(await from_domains(store, first + second)) == {ULP}
        assert all(one.state is State.LEASED for one in first + second)
        assert await others(store) == []
        assert await others(store, "other.example") == []
        assert await store.count(Selector()) == {State.READY: 9, State.LEASED: 9}
        assert await from_domains(store, await lease(store)) == [LPSE] * 9

    @pytest.mark.parametrize(
        ("named", "stays"),
        [
            (Named(signers=frozenset({LPSE})), {"both", "signed"}),
            (Named(senders=frozenset({LPSE})), {"both", "sent", "unsigned"}),
            (Named(frozenset({LPSE}), frozenset({LPSE})), {"both", "signed", "sent", "unsigned"}),
            (Named(senders=frozenset({LPSE}), instead="bounce.example"), set()),
            (
                Named(senders=frozenset({"bounce.example"}), instead="bounce.example"),
                {"both", "signed", "sent", "unsigned", "neither"},
            ),
            (Named(), set()),
        ],
    )
    async def test_a_name_is_that_of_the_from_field_or_of_the_envelope(
        self, store: Store, named: Named, stays: set[str]
    ) -> None:
        post = Post()
        kinds: dict[str, tuple[str, str | None]] = {
            "both": (f"a@{LPSE}", LPSE),
            "signed": (f"a@{ULP}", LPSE),
            "sent": (f'"a@b"@{LPSE.upper()}', ULP),
            "unsigned": (f"a@{LPSE}", None),
            "neither": (f"a@{ULP}", ULP),
            "report": ("", None),
        }
        made = {}
        for kind, (sender, name) in kinds.items():
            entry = post.entry(sender=sender, from_domain=name)
            made[entry.message.id] = kind
            await store.put(entry)
        gone = {made[one.message_id] for one in await others(store, named=named)}
        assert gone == set(kinds) - stays

    async def test_what_becomes_ready_later_is_found_wherever_it_stands(self, store: Store) -> None:
        post = Post()
        for _ in range(20):
            await store.put(post.entry(subject="a", **of(LPSE)), post.entry(subject="b", **of(ULP)))
        taken = await others(store, limit=20)
        assert len(taken) == 20 and await others(store) == []
        await store.give_back(taken[3:6])
        assert await others(store) == taken[3:6]
        later = Settlement(taken[7], Deferred(NOW, "later"))
        await store.settle([later, delivered(taken[8])], NOW)
        assert await others(store) == []
        await store.wake(NOW)
        assert [one.ref for one in await others(store)] == [taken[7].ref]
        urgent = post.entry(urgency=Urgency.KRITIS, **of(ULP))
        single = post.entry(subject="c", deadline_at=NOW + HOUR, **of(ULP))
        await store.put(single, post.entry(urgency=Urgency.KRITIS, **of(LPSE)), urgent)
        came = [one.message_id for one in await others(store)]
        assert came == [urgent.message.id, single.message.id]
        assert await store.recover(NOW) > 0
        assert len(await others(store)) == 21  # one was delivered

    async def test_another_name_may_be_meant_from_one_claim_to_the_next(self, store: Store) -> None:
        post = Post()
        for _ in range(5):
            await store.put(post.entry(**of(LPSE)), post.entry(**of(ULP)))
        both = Named(signers=frozenset({LPSE, ULP}))
        assert await others(store, named=both) == []
        (first,) = await others(store, limit=1)
        (second,) = await others(store, limit=1, named=Named(signers=frozenset({ULP})))
        (third,) = await lease(store, limit=1)
        assert await from_domains(store, [first, second]) == [ULP, LPSE]
        await store.give_back([first, second, third])
        assert len(await others(store)) == 5
        assert await others(store, named=both) == []
        assert len(await lease(store)) == 5

    async def test_several_domains_share_as_ever(self, store: Store) -> None:
        post = Post()
        domains = ("one.example", "two.example")
        for site in domains:
            for name in (LPSE, ULP):
                await store.put(*(post.entry((f"a@{site}",), **of(name)) for _ in range(20)))
        taken = await others(store, *domains, limit=10)
        assert [one.domain for one in taken].count("one.example") == 5
        assert set(await from_domains(store, taken)) == {ULP}
