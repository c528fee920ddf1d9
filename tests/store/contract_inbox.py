"""The contract, inbox: what vendors, the web and the watchdog ask."""

from __future__ import annotations

from dataclasses import replace

from relay.mail.spent import Spent
from relay.store.base import (
    Account,
    Store,
)
from tests.store.contract_terms import NOW, lease
from tests.store.letters import Post, delivered


class Inbox:
    """One test a promise."""

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

    async def test_whether_an_address_ever_accepted_our_mail(self, store: Store) -> None:
        old, new = "Vendor@example.co.id", "other@example.co.id"
        assert not await store.accepted_before(old.lower())
        post = Post()
        await store.put(post.entry((old, new)))
        (first, _) = await lease(store)
        assert not await store.accepted_before(old.lower())
        await store.settle([delivered(first)], NOW)
        mailed = first.recipient.lower()
        assert [a for a in (old.lower(), new) if await store.accepted_before(a)] == [mailed]

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

    async def test_what_is_spent_is_kept_by_key_and_moment(self, store: Store) -> None:
        assert await store.load_spent() == []
        await store.save_spent([Spent("yahoo", NOW, 3), Spent("gmail", NOW, 1)])
        await store.save_spent([Spent("gmail", NOW + 5, 2), Spent("yahoo", NOW, 1)])
        assert await store.load_spent() == [
            Spent("gmail", NOW, 1),
            Spent("gmail", NOW + 5, 2),
            Spent("yahoo", NOW, 1),
        ]
        await store.save_spent([Spent("gmail", NOW, 0), Spent("nobody", NOW, 0)])
        await store.save_spent([])
        assert await store.load_spent() == [Spent("gmail", NOW + 5, 2), Spent("yahoo", NOW, 1)]

    async def test_what_a_watchdog_and_metrics_ask(self, store: Store) -> None:
        await store.put(Post().entry())
        await store.beat()
        free, total = store.free_bytes()
        assert 0 < free <= total
        assert store.wal_bytes() >= 0
        assert all(seconds >= 0 for seconds in store.commit_seconds())
        assert store.commit_seconds() == []
        assert not store.dead.is_set()
