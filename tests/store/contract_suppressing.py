"""The contract, suppressing: strikes, the list, pending ones, and letters asked for again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from relay.mail.delivery import Bounced, Delivered, Delivery, Expired, State, Suppressed
from relay.mail.instant import DAY, HOUR
from relay.mail.strike import MOST_STRIKES, Cause, Doubt, History, Listed, Strike
from relay.mail.urgency import Urgency
from relay.store.base import Settlement, Store
from relay.store.suppressing import Audited
from tests.store.contract_terms import NOW, lease, state_of
from tests.store.letters import NO_USER, UNKNOWN, Post, attempt, delivered

ADDRESS = "vendor@example.co.id"
FUSE = "fuse:gmail"


def struck(at: int = NOW, **changes: Any) -> Strike:
    """What a reply said of ADDRESS."""
    values: dict[str, Any] = {
        "address": ADDRESS,
        "at": at,
        "cause": Cause.UNKNOWN,
        "rule": "gmail-5.1.1",
        "message_id": 7,
        "n": 1,
        "is_documented": False,
        "key": "gmail",
    }
    return Strike(**(values | changes))


async def failed(
    store: Store, post: Post, outcome: Any, urgency: Urgency = Urgency.MASSAL
) -> Delivery:
    """A letter to ADDRESS that ended so."""
    is_fixed = urgency is Urgency.KRITIS
    entry = post.entry(urgency=urgency, is_fixed=is_fixed, life=DAY)
    await store.put(entry)
    (one,) = [one for one in await lease(store) if one.message_id == entry.message.id]
    made = None
    if isinstance(outcome, Bounced):
        made = attempt(one, reply=NO_USER, classification=UNKNOWN)
    await store.settle([Settlement(one, outcome, made)], NOW)
    return one


GONE = Bounced("no such user", UNKNOWN.category)


class Suppressing:
    """One test a promise."""

    async def test_an_address_of_which_nothing_is_known(self, store: Store) -> None:
        assert await store.history(ADDRESS) == History(ADDRESS)
        assert await store.struck() == set()
        assert await store.histories() == []
        assert await store.strike() == 0

    async def test_strikes_come_back_oldest_first(self, store: Store) -> None:
        late = struck(NOW + DAY, source="late", cause=Cause.FULL, is_documented=True, pending=FUSE)
        assert await store.strike(late, struck()) == 2
        history = await store.history(ADDRESS)
        assert history == History(ADDRESS, (struck(), late))
        assert not history.is_clean
        assert await store.struck() == {ADDRESS}

    async def test_only_the_newest_are_told(self, store: Store) -> None:
        many = [struck(NOW + at) for at in range(MOST_STRIKES + 5)]
        await store.strike(*many)
        assert (await store.history(ADDRESS)).strikes == tuple(many[5:])

    async def test_the_same_reply_is_noted_once_and_another_of_that_letter_too(
        self, store: Store
    ) -> None:
        assert await store.strike(struck(), struck()) == 1
        assert await store.strike(struck(), struck(NOW + DAY)) == 1
        assert [one.at for one in (await store.history(ADDRESS)).strikes] == [NOW, NOW + DAY]

    async def test_a_late_report_is_noted_once_whenever_it_comes(self, store: Store) -> None:
        for source, cause in (("late", Cause.UNKNOWN), ("complaint", Cause.COMPLAINT)):
            first = struck(source=source, cause=cause)
            assert await store.strike(first) == 1
            assert await store.strike(replace(first, at=NOW + DAY)) == 0
            assert await store.strike(replace(first, cause=Cause.FULL)) == 1
            assert await store.strike(replace(first, n=2)) == 1

    async def test_a_healed_report_does_not_come_back(self, store: Store) -> None:
        late = struck(source="late")
        await store.strike(late)
        assert await store.heal([ADDRESS], "uid 0", "alamat diperbaiki", NOW) == 1
        assert await store.strike(replace(late, at=NOW + DAY)) == 0
        assert await store.struck() == set()

    async def test_a_settlement_carries_its_strike(self, store: Store) -> None:
        await store.put(Post().entry())
        (one,) = await lease(store)
        made = attempt(one, reply=NO_USER, classification=UNKNOWN)
        said = struck(message_id=one.message_id)
        await store.settle([Settlement(one, GONE, made, strike=said)], NOW)
        assert (await store.history(ADDRESS)).strikes == (said,)

    async def test_a_success_heals_what_was_said_in_the_dialog_only(self, store: Store) -> None:
        late = struck(source="late", message_id=8)
        complaint = struck(source="complaint", cause=Cause.COMPLAINT)
        await store.strike(struck(), struck(cause=Cause.FULL), late, complaint)
        await store.strike(struck(address="other@example.co.id"))
        await store.put(Post().entry())
        (one,) = await lease(store)
        await store.settle([replace(delivered(one), healed=ADDRESS)], NOW)
        history = await store.history(ADDRESS)
        assert set(history.strikes) == {late, complaint}
        assert history.accepted_at == NOW
        assert "other@example.co.id" in await store.struck()

    async def test_a_success_heals_what_a_person_said_of_the_mailbox_only(
        self, store: Store
    ) -> None:
        post = Post()
        for cause in (None, *Cause):
            row = Listed(ADDRESS, cause, "x", "x", NOW)
            await store.enlist([row], "x", "x", NOW)
            await store.put(post.entry())
            (one,) = await lease(store)
            await store.settle([replace(delivered(one), healed=ADDRESS)], NOW)
            is_kept = cause in (None, Cause.COMPLAINT)
            assert (await store.history(ADDRESS)).listed == (row if is_kept else None)

    async def test_a_list_by_hand(self, store: Store) -> None:
        by_hand = Listed(ADDRESS, Cause.COMPLAINT, "diminta", "uid 0", NOW, NOW + DAY)
        other = Listed("a@example.co.id", None, "surat", "uid 0", NOW)
        await store.enlist([by_hand, other], "uid 0", "diminta", NOW)
        assert (await store.history(ADDRESS)).listed == by_hand
        assert await store.struck() == {ADDRESS, other.address}
        again = replace(by_hand, cause=None, reason="lagi", until_at=None)
        await store.enlist([again], "uid 0", "lagi", NOW)
        assert (await store.history(ADDRESS)).listed == again
        assert [one.listed for one in await store.histories()] == [other, again]

    async def test_it_is_told_in_pages(self, store: Store) -> None:
        names = [f"{letter}@example.co.id" for letter in "abc"]
        await store.strike(*(struck(address=name) for name in names))
        await store.enlist([Listed("b@example.co.id", None, "x", "x", NOW)], "x", "x", NOW)
        first = await store.histories(2)
        assert [one.address for one in first] == names[:2]
        assert [one.address for one in await store.histories(2, names[1])] == names[2:]

    async def test_heal_takes_everything_and_says_of_how_many(self, store: Store) -> None:
        await store.strike(struck(), struck(source="complaint", cause=Cause.COMPLAINT))
        await store.enlist([Listed(ADDRESS, None, "x", "x", NOW)], "x", "x", NOW)
        names = [ADDRESS, ADDRESS, "nobody@example.co.id"]
        assert await store.heal(names, "uid 0", "alamat baru", NOW) == 1
        assert await store.history(ADDRESS) == History(ADDRESS)
        assert await store.heal(names, "uid 0", "alamat baru", NOW) == 0

    async def test_a_doubt_makes_pending_what_was_said_there_since(self, store: Store) -> None:
        early = struck(NOW - HOUR)
        full = struck(cause=Cause.FULL)
        late = struck(source="late")
        other = struck(NOW + 1, key="yahoo")
        pending = struck(NOW + 2, pending="fuse:other")
        await store.strike(early, full, late, other, pending, struck())
        await store.doubt(Doubt(FUSE, "gmail", NOW))
        history = await store.history(ADDRESS)
        doubted = {one for one in history.strikes if one.pending == FUSE}
        assert doubted == {struck(pending=FUSE)}
        assert len(history.strikes) == 6

    async def test_a_settlement_carries_a_doubt_that_does_not_meet_its_own_strike(
        self, store: Store
    ) -> None:
        await store.strike(struck())
        await store.put(Post().entry())
        (one,) = await lease(store)
        own = struck(NOW + 1, message_id=one.message_id)
        made = attempt(one, reply=NO_USER, classification=UNKNOWN)
        doubt = Doubt(FUSE, "gmail", NOW)
        await store.settle([Settlement(one, GONE, made, strike=own, doubt=doubt)], NOW)
        assert (await store.history(ADDRESS)).strikes == (struck(pending=FUSE), own)

    async def test_what_is_pending_is_decided(self, store: Store) -> None:
        other = struck(address="a@example.co.id", pending=FUSE)
        await store.strike(struck(), struck(NOW + 1, pending=FUSE), other)
        assert await store.decide(FUSE, is_right=True) == [other.address, ADDRESS]
        assert (await store.history(ADDRESS)).strikes == (struck(), struck(NOW + 1))
        assert await store.decide(FUSE, is_right=True) == []

    async def test_what_was_wrong_is_gone(self, store: Store) -> None:
        other = struck(address="a@example.co.id", pending=FUSE)
        await store.strike(struck(), struck(NOW + 1, pending=FUSE), other)
        assert await store.decide(FUSE, is_right=False) == [other.address, ADDRESS]
        assert (await store.history(ADDRESS)).strikes == (struck(),)
        assert await store.struck() == {ADDRESS}

    async def test_how_many_addresses_wait_for_a_word(self, store: Store) -> None:
        assert await store.pending() == {}
        other = struck(address="a@example.co.id", pending=FUSE)
        twice = struck(NOW + 1, address="a@example.co.id", pending=FUSE)
        yahoo = struck(NOW + 2, address="a@example.co.id", pending="fuse:yahoo")
        await store.strike(struck(), struck(NOW + 1, pending=FUSE), other, twice, yahoo)
        assert await store.pending() == {FUSE: 2, "fuse:yahoo": 1}

    async def test_who_is_forgiven_is_tried_once_more(self, store: Store) -> None:
        post = Post()
        one = await failed(store, post, GONE)
        two = await failed(store, post, Suppressed("w", "r", NOW))
        own = struck(message_id=one.message_id)
        late = struck(message_id=one.message_id, source="late")
        other = struck(NOW + 1, message_id=7)
        await store.strike(own, late, other)
        refs = [(made.message_id, made.n) for made in (one, two)]
        await store.forgive([*refs, (99, 1)], NOW)
        await store.forgive(refs, NOW)
        history = await store.history(ADDRESS)
        assert set(history.strikes) == {late, other}
        assert history.resent == frozenset(refs)
        # An owner's three a day are his own.
        assert await store.resend(ADDRESS, refs[0], 1, NOW - DAY, "pemilik", NOW) == "again"

    async def test_not_tried_is_an_end_that_says_why(self, store: Store) -> None:
        why = "not tried: unknown_user"
        one = await failed(store, Post(), Suppressed(why, "gmail-5.1.1", NOW, UNKNOWN.category))
        (row,) = await store.find(one.message_id)
        assert (row.delivery.state, row.delivery.why) == (State.SUPPRESSED, why)
        assert (row.category, row.delivery.tries) == (UNKNOWN.category, 0)
        seen = await store.inbox_row(one.mailbox_id, one.message_id, one.n)
        assert seen is not None
        assert (seen.state, seen.category) == (State.SUPPRESSED, UNKNOWN.category)

    async def test_an_owner_brings_a_failed_letter_back_three_times_a_day(
        self, store: Store
    ) -> None:
        post = Post()
        ends = (Suppressed("w", "r", NOW), GONE, Expired("late"), GONE)
        for number, outcome in enumerate(ends):
            one = await failed(store, post, outcome)
            ref = (one.message_id, one.n)
            answer = await store.resend(ADDRESS, ref, 3, NOW - DAY, "pemilik", NOW)
            expected = State.READY if number < 3 else State.BOUNCED
            assert answer == ("again" if number < 3 else "too_often")
            assert await state_of(store, one) is expected
            assert (ref in (await store.history(ADDRESS)).resent) == (number < 3)
        later = NOW + DAY
        assert await store.resend(ADDRESS, ref, 3, later - DAY, "pemilik", later) == "again"

    async def test_what_did_not_fail_is_not_brought_back(self, store: Store) -> None:
        post = Post()
        for outcome in (Delivered(), GONE):
            one = await failed(store, post, outcome, Urgency.KRITIS)
            ref, late = (one.message_id, one.n), NOW + 2 * DAY
            assert await store.resend(ADDRESS, ref, 1, 0, "pemilik", late) == "over"
            assert (await store.history(ADDRESS)).resent == frozenset()

    async def test_what_was_done_by_hand_is_told_the_latest_first(self, store: Store) -> None:
        other = Listed("other@example.co.id", None, "surat", "siti", NOW)
        await store.enlist([Listed(ADDRESS, None, "surat", "siti", NOW), other], "siti", "w1", NOW)
        await store.heal([ADDRESS], "budi", "w2", NOW + HOUR)
        first = Audited(NOW, "siti", "suppression.add", "w1", "")
        last = Audited(NOW + HOUR, "budi", "suppression.rm", "w2", "0 strikes, 1 by hand")
        assert await store.audited(ADDRESS) == [last, first]
        assert await store.audited(ADDRESS, 1) == [last]
        assert await store.audited("nobody@example.co.id") == []

    async def test_what_is_outlived_goes_and_an_address_keeps_what_belongs_together(
        self, store: Store
    ) -> None:
        complained = {"cause": Cause.COMPLAINT, "source": "complaint"}
        kept = (
            struck(NOW - DAY, address="together@x.id"),
            struck(NOW, address="together@x.id"),
            struck(NOW - DAY, address="pending@x.id", pending=FUSE),
            struck(NOW - DAY, address="complaint@x.id", message_id=9, **complained),
        )
        await store.strike(*kept, *(struck(NOW - DAY - at) for at in range(3)))
        before = await store.histories()
        assert await store.drop_outlived(NOW, complaints_end=False) == 3
        assert await store.histories() == [one for one in before if one.address != ADDRESS]
        assert await store.drop_outlived(NOW, complaints_end=False) == 0
        assert await store.drop_outlived(NOW, complaints_end=True) == 1
        assert await store.struck() == {"together@x.id", "pending@x.id"}

    async def test_many_outlived_go_in_pieces(self, store: Store) -> None:
        await store.strike(*(struck(address=f"v{n}@x.id") for n in range(1_200)))
        assert await store.drop_outlived(NOW + 1, complaints_end=False) == 1_200
        assert await store.struck() == set()

    async def test_what_was_sent_again_is_kept_until_it_is_through(self, store: Store) -> None:
        one = await failed(store, Post(), GONE)
        ref = (one.message_id, one.n)
        assert await store.resend(ADDRESS, ref, 3, NOW, "siti", NOW + HOUR) == "again"
        later = NOW + 9_000 * DAY
        await store.drop_outlived(later, complaints_end=False)
        assert (await store.history(ADDRESS)).resent == {ref}
        (again,) = await lease(store)
        await store.settle([Settlement(again, GONE, attempt(again, reply=NO_USER))], NOW + HOUR)
        assert await store.drop_outlived(NOW, complaints_end=False) == 0
        assert await store.drop_outlived(later, complaints_end=False) == 1
        assert (await store.history(ADDRESS)).resent == frozenset()
