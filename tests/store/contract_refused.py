"""The contract, refused: letters that were not taken are kept, counted and bounded."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest

from relay.mail.instant import DAY, HOUR
from relay.store.base import Store
from relay.store.turned_away import RefusedLetter
from tests.store.contract_terms import NOW

MOST = 1_000_000
SINCE = NOW - 7 * DAY


def letter(id: int, octets: bytes, at: int = NOW, **changes: object) -> RefusedLetter:
    plain = RefusedLetter(
        id, at, at, 1, "127.0.0.1", "lpse@lpse.example.go.id", ("a@x.id", "b \ud83d"), 12,
        "Pengumuman", 550, "5.7.1 no", "policy", len(octets), 0, True,
        hashlib.sha256(octets).digest(),
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


async def keep(store: Store, one: RefusedLetter, octets: bytes, most: int = MOST) -> int:
    return await store.keep_refused(one, octets, SINCE, most)


class Refused:
    """One test a promise."""

    async def test_it_is_kept_octet_for_octet(self, store: Store) -> None:
        large = random.Random(7).randbytes(600_000)
        for id, octets in ((7, b"Subject: x\r\n\r\nisi\x00\xff\r\n"), (9, large), (8, b"")):
            assert await keep(store, letter(id, octets, NOW + id), octets) == id
            assert await store.refused_octets(id) == octets
            found = await store.refused_letter(id)
            assert (found.id, found.sender, found.size) == (id, letter(id, b"").sender, len(octets))
            assert (found.recipient_count, found.recipients[0]) == (12, "a@x.id")
            assert (found.is_whole, found.code, found.reason) == (True, 550, "policy")
        assert [one.id for one in await store.refused()] == [9, 8, 7]
        assert [one.id for one in await store.refused(1)] == [9]
        with pytest.raises(KeyError):
            await store.refused_letter(1)
        with pytest.raises(KeyError):
            await store.refused_octets(1)

    async def test_the_same_letter_again_is_counted(self, store: Store) -> None:
        await keep(store, letter(1, b"x"), b"x")
        assert await keep(store, letter(2, b"x", NOW + HOUR), b"x") == 1
        assert await keep(store, letter(3, b"x", reason="other"), b"x") == 3
        again = await store.refused_letter(1)
        assert (again.times, again.at, again.last_at) == (2, NOW, NOW + HOUR)

    async def test_the_same_octets_to_others_are_a_letter_of_their_own(self, store: Store) -> None:
        # An announcement that is handed in for a hundred vendors at a time.
        await keep(store, letter(1, b"x"), b"x")
        assert await keep(store, letter(2, b"x", recipients=("c@x.id",)), b"x") == 2
        assert await keep(store, letter(3, b"x", recipient_count=13), b"x") == 3
        assert (await store.refused_letter(2)).recipients == ("c@x.id",)

    async def test_the_oldest_go_first_by_age_and_by_size(self, store: Store) -> None:
        chance = random.Random(8)
        some = {id: chance.randbytes(400) for id in range(1, 8)}
        for id, octets in some.items():
            await keep(store, letter(id, octets, NOW + id), octets, 1_300)
        kept = await store.refused()
        assert [one.id for one in kept] == [7, 6, 5]
        assert sum(one.stored for one in kept) <= 1_300
        late = letter(9, b"late", NOW + 8 * DAY)
        await store.keep_refused(late, b"late", NOW + DAY, 1_300)
        assert [one.id for one in await store.refused()] == [9]
        with pytest.raises(KeyError):
            await store.refused_octets(7)
        assert await store.drop_refused(NOW + 8 * DAY, MOST) == 0
        assert await store.drop_refused(NOW + 9 * DAY, MOST) == 1
        assert await store.refused() == []

    async def test_one_that_is_too_large_is_noted_without_its_octets(self, store: Store) -> None:
        octets = random.Random(9).randbytes(2_000)
        await keep(store, letter(1, b"x"), b"x", 1_000)
        await keep(store, letter(2, octets, NOW + 1), octets, 1_000)
        found = await store.refused_letter(2)
        assert (found.is_whole, found.stored, found.size) == (False, 0, 2_000)
        assert await store.refused_octets(2) == b""
        assert len(await store.refused()) == 2
