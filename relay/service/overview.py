"""Overview: where each destination stands, and what waits there; a few at a time.

An announcement leaves thousands of destinations behind, and a look at one takes as long as a good
part of a letter: whoever looks at all of them lets letters pass in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from relay.mail.instant import Instant
from relay.service import shapes
from relay.service.listing import OTHER
from relay.service.shapes import NOTHING, Waiting
from relay.shaping.base import Shaping, Standing
from relay.shaping.destination import Rate
from relay.shaping.operating import EVERYTHING
from relay.store.base import Depth

STANDINGS: Final = 40  # in a turn of the loop: 3 ms
DEPTHS: Final = 2_000


class Places(Protocol):
    """What an overview asks about who is where."""

    def key_of(self, domain: str) -> str | None:
        """A domain's destination, None where it is not known yet."""
        ...

    def limits_of(self, key: str) -> tuple[Rate, ...]:
        """A provider's limits; none for what is no provider."""
        ...

    async def look_up(self, domains: Iterable[str]) -> None:
        """Ask where mail goes that is not known, or not any more; waits for a moment at most."""
        ...


class Overview:
    """What `providers` tells, and what is paused."""

    def __init__(
        self,
        shaper: Shaping,
        places: Places,
        depths: Callable[[], Awaitable[Sequence[Depth]]],
        steady: Callable[[], Instant],
    ) -> None:
        """`depths` are the store's; `steady` is the moment that shaping goes by."""
        self._shaper = shaper
        self._places = places
        self._depths = depths
        self._steady = steady

    async def rows(self, now: Instant) -> list[dict[str, Any]]:
        """Each destination's standing, and each that has mail waiting; `now` by the wall."""
        depths = await self._depths()
        await self._places.look_up({depth.domain for depth in depths})
        waiting = await self._waiting(depths)
        step = now - self._steady()
        rows, seen = [], set()
        async for one in self._standings():
            seen.add(one.key)
            if one.key != EVERYTHING or one.state != "ok":
                rows.append(shapes.provider(one, waiting.get(one.key, NOTHING), now, step))
        for n, key in enumerate(sorted(waiting.keys() - seen)):
            if not key.startswith("@") and key != EVERYTHING:
                rows.append(shapes.provider(self._untried(key), waiting[key], now, step))
            if n % DEPTHS == 0:
                await asyncio.sleep(0)
        return rows

    async def paused(self) -> set[str]:
        """The keys of what is."""
        return {one.key async for one in self._standings() if one.state == "paused"}

    def is_paused(self, key: str) -> bool:
        """True where it is now."""
        return self._shaper.shown(key, self._steady()).state == "paused"

    def label(self, key: str) -> str:
        """What events call it."""
        return self._shaper.shown(key, self._steady()).provider or OTHER

    async def _standings(self) -> AsyncIterator[Standing]:
        for n, key in enumerate(self._shaper.shown_keys(), 1):
            yield self._shaper.shown(key, self._steady())
            if n % STANDINGS == 0:
                await asyncio.sleep(0)

    async def _waiting(self, depths: Iterable[Depth]) -> dict[str, Waiting]:
        """By destination, by `@domain`, and of all together."""
        found: dict[str, Waiting] = {}
        for n, depth in enumerate(depths, 1):
            for name in (EVERYTHING, f"@{depth.domain}", self._places.key_of(depth.domain)):
                if name is not None:
                    found[name] = found.get(name, NOTHING).more(depth)
            if n % DEPTHS == 0:
                await asyncio.sleep(0)
        return found

    def _untried(self, key: str) -> Standing:
        """Of a destination that no letter went to since the start."""
        limits = self._places.limits_of(key)
        return Standing(key, None, "ok", None, "", limits, None, 0, 0, "", None)
