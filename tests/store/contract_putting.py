"""The contract, putting: what a put leaves behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.mail.classification import Category
from relay.mail.delivery import (
    State,
)
from relay.mail.envelope import Options
from relay.mail.urgency import Urgency
from relay.store.base import (
    Placement,
    Selector,
    Store,
    StoreError,
)
from tests.store.contract_terms import NOW, lease, state_of
from tests.store.letters import (
    START,
    UNKNOWN,
    Post,
    delivered,
    lost,
)


class Putting:
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
            assert row.delivery.turn != 0
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
