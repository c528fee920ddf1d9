"""History: has anything been sent from here yet? What `check` says of an address that is new.

Large providers trust an address by what they had from it before. From a new one 6,000 letters in an
hour are what a spammer sends, whatever the limits say; so a new one begins with few a day.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from relay.config import Config, Problem
from relay.store.base import StoreError
from relay.store.connections import NAME
from relay.store.reader import open_readonly

NAMED: Final = 3  # providers that are named in the warning
ADVICE: Final = (
    'limits: {"*": {warmup: {start: 500/day, growth: 1.4, end: 20000/day}}}, or for one provider by'
    " its domain; where the address has sent before, by another program, write nothing"
)


async def warnings_of_history(config: Config) -> list[Problem]:
    """A warning where a new address of ours has no warm-up at a provider; none where nobody knows
    what was sent before, in a laboratory, and where all goes by a host of `routes:`."""
    settings = config.settings
    bare = [name for name, one in config.profiles.items().items() if one.warmup is None]
    rest = settings.routes.get("*")
    if settings.lab or not bare or (rest is not None and rest.to.strip().lower() != "mx"):
        return []
    source = settings.delivery.source_address
    source = None if source is None else str(ip_address(source))
    if await _has_sent(config, source):
        return []
    others = f" and {len(bare) - NAMED} others" if len(bare) > NAMED else ""
    message = (
        f"warning: nothing was sent from {source or 'here'} yet, and {', '.join(bare[:NAMED])}"
        f"{others} have no warm-up: what sends much on its first day is blocked"
    )
    return [config.problem(("limits",), message, ADVICE)]


async def _has_sent(config: Config, source: str | None) -> bool:
    """True also where it cannot be told."""
    try:
        if not (config.state_dir / NAME).exists():
            return False
        store = await open_readonly(config.state_dir)
    except (StoreError, OSError):
        return True
    try:
        return await store.has_sent_from(source)
    except StoreError:
        return True
    finally:
        await store.close()
