"""Turned away: what `lpse-relay refused` tells, read from the store whether a relay runs or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relay.mail import ids
from relay.mail.instant import iso
from relay.service import offline
from relay.service.offline import NoLetter
from relay.store.turned_away import RefusedLetter


def shape(one: RefusedLetter) -> dict[str, Any]:
    """The JSON of one."""
    return {
        "id": ids.show(one.id),
        "at": iso(one.at),
        "last_at": iso(one.last_at),
        "times": one.times,
        "client": one.client,
        "sender": one.sender,
        "recipients": list(one.recipients),
        "recipient_count": one.recipient_count,
        "subject": one.subject,
        "code": one.code,
        "reply": one.reply,
        "reason": one.reason,
        "size": one.size,
        "is_whole": one.is_whole,
    }


async def listed(state_dir: Path, limit: int) -> list[dict[str, Any]]:
    """The latest first. Raises NoStore, StoreError."""
    store = await offline.opened(state_dir)
    try:
        return [shape(one) for one in await store.refused(limit)]
    finally:
        await store.close()


async def kept(state_dir: Path, shown: str) -> tuple[dict[str, Any], bytes]:
    """One, and its octets. Raises NoLetter, NoStore, StoreError, ValueError."""
    message_id, _ = ids.read(shown)
    store = await offline.opened(state_dir)
    try:
        found = await store.refused_letter(message_id)
        return shape(found), await store.refused_octets(message_id)
    except KeyError:
        raise NoLetter(f"no refused letter {shown} is kept") from None
    finally:
        await store.close()
