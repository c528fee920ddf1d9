"""Letters that an address may get or not: sent one after the other, and what became of each."""

from __future__ import annotations

import asyncio

from relay.mail import events
from relay.mail.delivery import Delivery, State
from relay.mail.instant import DAY, Instant
from relay.mail.urgency import Urgency
from tests.scheduling import Answer, House

MASSAL = Urgency.MASSAL
SITE = "dinas.example.go.id"
V = f"v@{SITE}"
HOURS = 3600


def suppressed(h: House) -> list[events.Suppressed]:
    return [event for event in h.events if isinstance(event, events.Suppressed)]


class Says:
    """The same of every letter; a test changes it."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def __call__(self, delivery: Delivery, now: Instant) -> Answer:
        return self.answer


async def send(h: House, to: str = V, urgency: Urgency = MASSAL, life: int = 5 * DAY) -> State:
    """What became of a letter within the hour."""
    one = await h.put(to, urgency=urgency, sender="", life=life)
    await asyncio.sleep(HOURS)
    return await h.state(one)
