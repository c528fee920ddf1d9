"""Many letters at once over few connections that come and go: limits hold, nothing is mixed up."""

from __future__ import annotations

import asyncio
import random

import pytest

from relay.mail.delivery import FailureKind
from relay.transports.base import NotYet, Route
from tests.transports.house import House, job, to
from tests.transports.peer import GOODBYE, Content, Cut, Hear, Peer, Script, envelope, hello, letter

LIMIT = 3
LETTERS = 60


def script(rng: random.Random) -> Script:
    """A connection that carries some letters, then ends one way or another."""
    carried = rng.randrange(4)
    ends: list[Script] = [
        [Cut()],
        [Cut(True)],
        ["421 4.4.2 idle", Cut()],
        [Hear("MAIL"), Hear("RCPT"), Hear("DATA"), Cut()],
        [Hear("MAIL"), Hear("RCPT"), Hear("DATA"), "250 ok\n421 later", Cut()],
        [*envelope(), Content(), Cut()],
        [*letter(), *letter(), *letter(), *letter(), *GOODBYE],
    ]
    return [*hello(), *letter() * carried, *rng.choice(ends)]


class Crowd(Peer):
    """A quit may come wherever the client likes; that is no fault of its own."""

    async def __aexit__(self, *_: object) -> None:
        for heard in self.heard:
            if heard.fault is not None and heard.fault.startswith("heard 'QUIT'"):
                heard.fault = None
        await super().__aexit__(*_)


@pytest.mark.parametrize("seed", range(6))
async def test_letters_at_once(seed: int) -> None:
    rng = random.Random(seed)
    async with Crowd(*[script(rng) for _ in range(300)]) as peer:
        house = House(per_connection=4)
        house.permits.limit = LIMIT
        where = to(peer, tls="none")
        outcomes = await asyncio.gather(*[_one(house, where) for _ in range(LETTERS)])
        await house.close()
        arrived = [content for heard in peer.heard for content in heard.contents]
    assert house.permits.most <= LIMIT
    accepted = [kinds for kinds in outcomes if kinds[-1] is None]
    open_ends = [kinds for kinds in outcomes if kinds[-1] is FailureKind.AMBIGUOUS]
    assert len(accepted) + len(open_ends) == LETTERS
    assert len(arrived) == LETTERS


async def _one(house: House, where: Route) -> list[FailureKind | None]:
    """Try a letter until it is accepted or nobody knows; the failures on its way."""
    kinds: list[FailureKind | None] = []
    what = job(where)
    while True:
        # The scripts pipeline, however often they drop.
        house.transport._one_by_one.discard(where.destination.key)
        made = await house.transport.deliver(what, house.permits)
        if isinstance(made, NotYet):
            await asyncio.sleep(0)
            continue
        (attempt,) = made
        if attempt.reply is not None and not attempt.is_accepted:
            continue
        kinds.append(attempt.failure.kind if attempt.failure else None)
        if attempt.is_accepted or kinds[-1] is FailureKind.AMBIGUOUS:
            return kinds
