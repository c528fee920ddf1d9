"""A site's rule decides, and the events say what the shipped rules would have."""

from __future__ import annotations

import asyncio

from relay.lab.virtual_time import VirtualClock, run
from relay.mail import events
from relay.mail.classification import Action
from relay.mail.delivery import Delivery
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant
from relay.shaping.directives import PauseFor
from relay.shaping.reaction_settings import Trigger
from relay.shaping.reactions import Reaction
from tests.scheduling import Answer, house

RULES = """rules:
  - id: site.not-dead
    pattern: user unknown at ours
    category: server_error
    samples: ["550 5.1.1 user unknown at ours"]
"""


def test_the_original_stands_beside_the_effective_reading() -> None:
    def peer(delivery: Delivery, now: Instant) -> Answer:
        return f"550 5.1.1 user unknown{' at ours' if 'x' in delivery.recipient else ''}"

    async def main(clock: VirtualClock) -> None:
        async with house(clock, peer, rules=RULES) as h:
            await h.put("x@gmail.com")
            await h.put("v@gmail.com")
            await asyncio.sleep(5)
            attempts = {e.recipient: e for e in h.events if isinstance(e, events.Attempted)}
            kept, plain = attempts["x@gmail.com"], attempts["v@gmail.com"]
            assert kept.classification is not None
            assert kept.classification.rule == "site.not-dead"
            assert kept.classification.action is Action.RETRY_LATER
            assert kept.original is not None
            assert kept.original.rule == "text.unknown-user"
            assert kept.original.action is Action.BOUNCE_ADDRESS
            assert plain.original is None

    run(main)


def test_a_reactions_pause_ends_by_itself_and_that_is_told_without_any_letter() -> None:
    def peer(delivery: Delivery, now: Instant) -> Answer:
        return "550 5.1.1 user unknown"

    async def main(clock: VirtualClock) -> None:
        rule = Reaction("stop", (PauseFor(2 * HOUR),), Trigger(1, MINUTE))
        async with house(clock, peer) as h:
            h.shaper.use(h.shaper._pauses, lambda domain: (), {"gmail"}, reactions=(rule,))
            await h.put("v@gmail.com")
            await asyncio.sleep(60)
            (paused,) = h.of(events.Paused)
            assert isinstance(paused, events.Paused) and paused.until is not None
            assert "gmail" in h.transport.hung_up
            clock.step(HOUR)  # the pause gets no shorter
            await asyncio.sleep(7080)
            assert not h.of(events.Resumed)
            await asyncio.sleep(65)
            (resumed,) = h.of(events.Resumed)
            assert isinstance(resumed, events.Resumed) and resumed.destination == "gmail"
            assert 0 <= resumed.at - HOUR - paused.until <= 2 * SECOND

    run(main)
