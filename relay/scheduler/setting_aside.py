"""Setting aside: units of limits are made durable before they are spent, many in one commit."""

from __future__ import annotations

import asyncio

from relay.scheduler.steady import Steady
from relay.shaping.base import Shaping
from relay.store.base import Queue


class SettingAside:
    """Saves what shaping says is short; who asks while one commit runs waits for it, and asks
    again."""

    def __init__(self, store: Queue, shaper: Shaping, steady: Steady) -> None:
        """The shaper says what is short, the store keeps it."""
        self._store = store
        self._shaper = shaper
        self._steady = steady
        self._saving: asyncio.Task[None] | None = None

    async def more(self) -> None:
        """Returns when what was short is durable, or another's was. Raises StoreError."""
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save(), name="setting aside")
        await asyncio.shield(self._saving)

    async def _save(self) -> None:
        rows = self._shaper.setting_aside(self._steady.now())
        if not rows:
            return
        try:
            await self._store.save_spent(rows)
        except BaseException:
            self._shaper.not_set_aside(rows)
            raise
        self._shaper.set_aside(rows, self._steady.now())
