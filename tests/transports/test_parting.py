"""Parting at a pause: all hosts are told at once, and so is whoever is still being dialled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from relay.mail.delivery import Failure
from relay.transports.base import NotYet
from tests.transports.house import House, brief, job, to
from tests.transports.peer import GOODBYE, Hang, Hear, Peer, Script, hello, letter

ONE: Script = [*hello(), *letter(), *GOODBYE]


async def test_hosts_that_are_slow_to_part_are_told_all_at_once() -> None:
    silent: Script = [*hello(), *letter(), Hear("QUIT"), Hang()]
    async with Peer(silent) as peer, Peer(silent) as other:
        house = House(brief(quit=20))
        await house.attempt(job(to(peer)))
        await house.attempt(job(to(other, destination=replace(to().destination, key="other"))))
        parting = asyncio.create_task(house.transport.hang_up("example", "other"))
        await peer.until(lambda: "QUIT" in peer.commands)
        await other.until(lambda: "QUIT" in other.commands)
        is_waiting = not parting.done()
    await parting  # they are gone
    await house.close()
    assert is_waiting


@pytest.mark.parametrize("is_refused", [True, False])
async def test_a_session_that_is_being_opened_is_hung_up_too(is_refused: bool) -> None:
    """A pause that begins meanwhile is for it as well: it does not idle until its time is over."""
    gate = asyncio.Event()

    class Slow(House):
        async def _addresses(self, host: str, is_route: bool) -> Sequence[str] | Failure:
            await gate.wait()
            return await super()._addresses(host, is_route)

    async with Peer([*hello(), *([] if is_refused else letter()), *GOODBYE]) as peer:
        house = Slow()
        house.permits.refuse_admission = int(is_refused)
        task = asyncio.create_task(house.transport.deliver(job(to(peer)), house.permits))
        while not house.permits.open:
            await asyncio.sleep(0)
        await house.transport.hang_up("example")
        gate.set()
        assert isinstance(await task, NotYet) is is_refused
        await peer.until(lambda: "QUIT" in peer.commands)
        assert house.transport.sessions("example") == (0, 0)
        await house.close()


async def test_a_session_opened_after_a_pause_stays() -> None:
    async with Peer(ONE) as peer:
        house = House()
        await house.transport.hang_up("example")
        await house.attempt(job(to(peer)))
        assert house.transport.sessions("example") == (1, 0)
        await house.close()
