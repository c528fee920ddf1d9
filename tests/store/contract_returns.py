"""The contract, returns: late reports count once a kind, and what nobody can read is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from relay.mail.classification import Category
from relay.mail.delivery import Delivered, Delivery, State
from relay.mail.instant import DAY
from relay.mail.late import TOLD, Kept, Kind, Late
from relay.mail.strike import Cause
from relay.store import returns
from relay.store.base import Settlement, Store, StoreError
from tests.store.contract_suppressing import ADDRESS, struck
from tests.store.contract_terms import NOW, lease
from tests.store.letters import Post, attempt


def said(kind: Kind = Kind.FAILED, **changes: Any) -> Late:
    """What a report says of delivery 7.1."""
    plain = Late(7, 1, kind, NOW, Category.UNKNOWN_USER, "gmail-5.1.1", "550 no", "", "mx.example")
    return replace(plain, **changes)


def letter(id: int = 1, **changes: Any) -> Kept:
    plain = Kept(id, NOW, "192.0.2.1", "budi@example.id", "postmaster@x.example", "Tanya", "?", 5)
    return replace(plain, **changes)


async def delivered(store: Store) -> Delivery:
    await store.put(Post().entry())
    (one,) = await lease(store)
    await store.settle([Settlement(one, Delivered(), attempt(one))], NOW)
    return one


class Returning:
    """One test a promise."""

    async def test_nothing_was_said(self, store: Store) -> None:
        assert await store.late_reports([]) == []
        assert await store.late_reports([(7, 1)]) == []

    async def test_a_report_counts_once_a_kind(self, store: Store) -> None:
        assert await store.note_late(said(Kind.DELAYED))
        assert await store.note_late(said(Kind.FAILED, at=NOW + 5))
        assert await store.note_late(said(Kind.COMPLAINT, at=NOW + 9, category=None))
        assert not await store.note_late(said(Kind.FAILED, at=NOW + 99, text="again"))
        found = await store.late_reports([(7, 1), (7, 2), (7, 1)])
        assert found == [
            said(Kind.DELAYED),
            said(Kind.FAILED, at=NOW + 5),
            said(Kind.COMPLAINT, at=NOW + 9, category=None),
        ]

    async def test_each_kind_and_text_is_kept(self, store: Store) -> None:
        for kind in TOLD:
            late = said(kind, text="\x1b[31m\u202e", named="other@x.example", category=None)
            assert await store.note_late(late)
            assert late in await store.late_reports([(7, 1)])

    async def test_its_strike_is_noted_with_it_and_once(self, store: Store) -> None:
        strike = struck(source="late")
        assert await store.note_late(said(), strike)
        assert (await store.history(ADDRESS)).strikes == (strike,)
        assert not await store.note_late(said(), replace(strike, cause=Cause.FULL))
        assert (await store.history(ADDRESS)).strikes == (strike,)

    async def test_its_report_to_the_sender_is_put_with_it_and_once(self, store: Store) -> None:
        post = Post()
        one, two = post.entry(has_inbox=False), post.entry(has_inbox=False)
        assert await store.note_late(said(), None, one)
        assert not await store.note_late(said(), None, two)
        assert len(await store.find(one.message.id)) == 1
        assert await store.find(two.message.id) == []
        with pytest.raises(StoreError):
            await store.note_late(said(Kind.DELAYED), None, one)
        assert [late.kind for late in await store.late_reports([(7, 1)])] == [Kind.FAILED]

    async def test_the_delivery_stands_where_it_stood(self, store: Store) -> None:
        one = await delivered(store)
        before = await store.find(one.message_id)
        assert await store.note_late(said(message_id=one.message_id, n=one.n))
        assert await store.find(one.message_id) == before
        assert before[0].delivery.state is State.DELIVERED

    async def test_what_nobody_can_read_waits(self, store: Store) -> None:
        assert await store.keep_return(letter(), b"\xff\0hm")
        assert await store.keep_return(letter(2), b"hello")
        assert await store.kept_returns() == [letter(2), letter()]
        assert await store.kept_returns(1) == [letter(2)]
        assert await store.kept_return(1) == b"\xff\0hm"
        with pytest.raises(KeyError):
            await store.kept_return(3)
        with pytest.raises(StoreError):
            await store.keep_return(letter(), b"again")

    async def test_it_is_dropped_by_hand(self, store: Store) -> None:
        await store.keep_return(letter(), b"x")
        assert await store.drop_returns([1, 1, 9], "root", "read", NOW) == 1
        assert await store.drop_returns([1], "root", "read", NOW) == 0
        assert await store.kept_returns() == []

    async def test_it_is_dropped_after_its_time(self, store: Store) -> None:
        await store.keep_return(letter(), b"x")
        at = NOW + returns.KEPT_FOR
        await store.keep_return(letter(2, at=at), b"x")
        assert len(await store.kept_returns()) == 2
        await store.keep_return(letter(3, at=at + DAY), b"x")
        assert [one.id for one in await store.kept_returns()] == [3, 2]

    async def test_over_the_bound_it_is_not_taken(self, store: Store) -> None:
        """Nor does it push out what waits."""
        assert await store.keep_return(letter(size=returns.MOST_KEPT - 4), b"x")
        assert not await store.keep_return(letter(2), b"x")
        assert await store.keep_return(letter(3, size=4), b"x")
        assert [one.id for one in await store.kept_returns()] == [3, 1]
