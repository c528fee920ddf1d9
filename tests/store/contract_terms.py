"""The contract's terms: its instants, and the few steps that its tests share."""

from __future__ import annotations

from relay.mail.delivery import (
    Delivery,
    State,
)
from relay.store.base import (
    Entry,
    Store,
)
from tests.store.letters import (
    START,
)

NOW = START + 10_000
UNTIL = NOW + 600_000
DOMAIN = "example.co.id"


async def put(store: Store, *entries: Entry) -> list[Delivery]:
    """Put them; the deliveries as the store shows them, in order."""
    await store.put(*entries)
    return [r.delivery for e in entries for r in await store.find(e.message.id)]


async def lease(store: Store, *domains: str, limit: int = 1000) -> list[Delivery]:
    return await store.claim(domains or (DOMAIN,), limit, NOW, UNTIL)


async def state_of(store: Store, delivery: Delivery) -> State:
    (row,) = await store.find(delivery.message_id, delivery.n)
    return row.delivery.state
