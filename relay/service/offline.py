"""Offline: what `ls` and `show` tell when no relay runs, read from the store as it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relay.config import profiles_of, read_all
from relay.mail import address, ids
from relay.service import shapes
from relay.service.selecting import selector
from relay.store.reader import open_readonly


async def queue_ls(
    file: Path, state_dir: Path, wanted: dict[str, Any], limit: int
) -> dict[str, Any]:
    """`queue ls` without a relay: providers are known by their own domains only."""
    provider_of = _providers(file)
    store = await open_readonly(state_dir)
    try:
        depths = await store.depths()
        domains = {depth.domain for depth in depths}
        means = selector(wanted, lambda name: {d for d in domains if provider_of(d) == name})
        counts = await store.count(means)
        rows = await store.rows(means, limit)
        meant = [d for d in depths if means.domains is None or d.domain in means.domains]
    finally:
        await store.close()
    return {
        "total": sum(counts.values()),
        "by_state": {state.word: count for state, count in counts.items()},
        "by_provider": shapes.by_provider(meant, provider_of),
        "deliveries": [shapes.delivery(row, provider_of) for row in rows],
    }


async def queue_show(file: Path, state_dir: Path, shown: str) -> dict[str, Any]:
    """`queue show` without a relay."""
    message_id, n = ids.read(shown)
    provider_of = _providers(file)
    store = await open_readonly(state_dir)
    try:
        rows = []
        for row in await store.find(message_id, n):
            made = await store.attempts(message_id, row.delivery.n)
            shape = shapes.delivery(row, provider_of)
            rows.append(shape | {"attempts": [shapes.attempt(one) for one in made]})
    finally:
        await store.close()
    return {"deliveries": rows}


async def inbox_ls(state_dir: Path, given: str, limit: int) -> list[dict[str, Any]]:
    """`inbox ls`: always read from the store. Raises KeyError with a sentence."""
    key = address.parse(given).key
    store = await open_readonly(state_dir)
    try:
        mailbox = await store.mailbox(key)
        if mailbox is None:
            raise KeyError(f"no letter ever came for {key}")
        return [shapes.inbox_row(row) for row in await store.page(mailbox.id, limit)]
    finally:
        await store.close()


async def inbox_raw(state_dir: Path, shown: str) -> bytes:
    """A letter's octets as received. Raises KeyError with a sentence."""
    message_id, _ = ids.read(shown)
    store = await open_readonly(state_dir)
    try:
        return await store.original(message_id)
    except KeyError:
        raise KeyError(f"no letter {shown}") from None
    finally:
        await store.close()


def _providers(file: Path) -> shapes.ProviderOf:
    return profiles_of(read_all(file)).named
