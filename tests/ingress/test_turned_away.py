"""What a trusted client is refused after DATA is kept, with an alert; nobody else's is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from relay.ingress.bounces import ReturnHandler
from relay.ingress.link import LinkLost
from relay.store.base import StoreError
from relay.store.turned_away import RefusedLetter
from tests.ingress.house import SENDER, House, house, letter


async def hand_in(here: House, octets: bytes, *more: bytes) -> str:
    async with here.client() as client:
        await client.begin()
        await client.say(octets + b".\r\n")
        return await client.hear()


async def kept(here: House) -> Sequence[RefusedLetter]:
    return await here.store.refused()


async def test_a_refused_letter_is_kept_octet_for_octet_and_an_alert_names_it() -> None:
    async with house() as here:
        octets = letter() + b"a\0b\r\n"
        assert (await hand_in(here, octets)).startswith("5")
        [one] = await kept(here)
        assert await here.store.refused_octets(one.id) == octets
        assert (one.sender, one.recipient_count, one.reason) == (SENDER, 1, "nul")
        assert (one.client, one.size, one.is_whole) == ("127.0.0.1", len(octets), True)
        assert not here.store.entries
        [(_, detail)] = [a for a in here.log.alerts if a[0] == "letter_refused"]
        assert f"from {SENDER} to 1" in detail
        assert "nul" in detail
        again = await hand_in(here, octets)
        assert again.startswith("5")
        assert [one.times for one in await kept(here)] == [2]


async def test_all_whom_an_announcement_did_not_reach_are_named() -> None:
    async with house() as here, here.client() as client:
        await client.begin(to=300)
        await client.say(letter() + b"a\0b\r\n.\r\n")
        assert (await client.hear()).startswith("5")
        [one] = await kept(here)
        assert one.recipient_count == len(set(one.recipients)) == 300


async def test_of_one_that_is_too_large_the_beginning_is_kept() -> None:
    async with house(size_limit=100_000) as here:
        octets = letter() + b"x" * 70 + b"\r\n" + b"y" * 200_000 + b"\r\n"
        assert (await hand_in(here, octets)).startswith("552")
        [one] = await kept(here)
        assert (one.is_whole, one.size, one.reason) == (False, len(octets), "too_big")
        assert await here.store.refused_octets(one.id) == octets[: 64 * 1024]


async def test_a_fault_of_ours_keeps_it_too_and_a_store_that_cannot_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with house() as here:
        here.store.fails = True
        assert (await hand_in(here, letter())).startswith("451")
        [one] = await kept(here)
        assert (one.code, one.reason) == (451, "fault")

        async def broken(*_: object) -> int:
            raise StoreError("the disk is gone")

        monkeypatch.setattr(here.store, "keep_refused", broken)
        assert (await hand_in(here, letter())).startswith("451")
        _, detail = here.log.alerts[-1]
        assert "could not be kept (the disk is gone)" in detail


async def test_where_the_store_is_out_of_reach_the_refusal_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker's link to it broke: no StoreError, and no reason to say 451 for a 5yz."""

    async def lost(*_: object) -> int:
        raise LinkLost("the other end hung up")

    async with house() as here:
        monkeypatch.setattr(here.store, "keep_refused", lost)
        assert (await hand_in(here, letter() + b"a\0b\r\n")).startswith("5")
        [(_, detail)] = [a for a in here.log.alerts if a[0] == "letter_refused"]
        assert "could not be kept (LinkLost('the other end hung up'))" in detail


async def test_what_is_taken_is_not_kept_here_nor_what_comes_back() -> None:
    async with house() as here:
        assert (await hand_in(here, letter())).startswith("250")
        assert await kept(here) == []
        assert not [a for a in here.log.alerts if a[0] == "letter_refused"]
    assert not ReturnHandler.keeps_refused
