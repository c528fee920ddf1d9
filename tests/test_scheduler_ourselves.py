"""Our own fault, in the scheduler: three providers stop everything, and one letter asks."""

from __future__ import annotations

import asyncio

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.delivery import Delivery, State
from relay.mail.instant import Instant
from relay.mail.urgency import Urgency
from relay.store.memory import MemoryStore
from relay.transports.base import Host, Route
from tests.scheduling import OK, Answer, House, house

LISTED = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"
MX = {
    "gmail.com": "gmail-smtp-in.l.google.com",
    "yahoo.com": "mta5.am0.yahoodns.net",
    "outlook.com": "outlook-com.olc.protection.outlook.com",
}


def routed(h: House) -> None:
    for domain, host in MX.items():
        found = h.router.book.destination_of(domain, [host])
        assert found.provider is not None
        h.router.routes[domain] = Route(found, (Host(host, 25),))


async def all_stop(h: House) -> list[int]:
    """Two providers refuse, then a third; returns 21 letters that nobody tries since."""
    assert await h.put("v@early.example")
    await h.put("a@gmail.com")
    await h.put("a@yahoo.com")
    await asyncio.sleep(60)
    two = await h.put("b@early.example")
    await asyncio.sleep(60)
    assert await h.state(two) is State.DELIVERED  # two say so: they alone are paused
    await h.put("a@outlook.com")
    await asyncio.sleep(10)
    written = len(h.transport.written)
    others = [await h.put(f"v{n}@site{n}.example.co.id") for n in range(20)]
    urgent = await h.put("direktur@early.example", urgency=Urgency.KRITIS)
    await asyncio.sleep(3 * 3600)
    assert len(h.transport.written) == written
    named = [e.name for e in h.of(events.Alert) if isinstance(e, events.Alert)]
    assert named.count("own_fault:all") == 1
    (stopped,) = [
        e for e in h.of(events.Paused) if isinstance(e, events.Paused) and e.destination == "*"
    ]
    assert stopped.why.startswith("gmail, outlook and yahoo refuse us alike: 554 5.7.1")
    return [*others, urgent]


def test_three_providers_stop_everybody_until_one_new_letter_is_accepted() -> None:
    mended: list[Instant] = []

    def peer(delivery: Delivery, now: Instant) -> Answer:
        return OK if mended or delivery.domain == "early.example" else LISTED

    async def main(clock: VirtualClock) -> None:
        store = MemoryStore()
        async with house(clock, peer, store=store) as h:
            routed(h)
            waiting = await all_stop(h)
        # A restart forgets nothing; the letter that asks is refused, and all wait once more.
        async with house(clock, peer, store=store) as h:
            routed(h)
            await asyncio.sleep(3 * 3600)
            assert len(h.transport.written) == 1
            mended.append(clock.now())
            await h.put("neu@gmail.com")
            await asyncio.sleep(9 * 3600)
            assert not h.shaper.is_paused("*", h.scheduler.steady.now())
            told = [e.destination for e in h.of(events.Resumed) if isinstance(e, events.Resumed)]
            assert "*" in told
            found = [await h.state(one) for one in waiting]
            assert found.count(State.DELIVERED) == 20
            assert found.count(State.READY) == 1  # what was refused waits for a new letter there
            assert (await h.states())[State.BOUNCED] == 0

    run(main)
