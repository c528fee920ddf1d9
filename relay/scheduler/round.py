"""Round: a look at everything there is, a few to a turn of the loop, and each once a round.

What has its turn late is not lost: a round that is begun anew adds to the one under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

AT_ONCE: Final = 100  # lanes to a turn of the loop: 5 ms


class Round:
    """`begin` in the loop; the first few are looked at before it returns."""

    def __init__(self, look: Callable[[str], None]) -> None:
        """`look` is called with each key."""
        self._look = look
        self._left: dict[str, None] = {}

    def begin(self, keys: Iterable[str]) -> None:
        """Look at all of these."""
        is_under_way = bool(self._left)
        self._left |= dict.fromkeys(keys)
        if not is_under_way:
            self._some()

    def _some(self) -> None:
        few = list(islice(self._left, AT_ONCE))
        for key in few:
            del self._left[key]
        if self._left:
            asyncio.get_running_loop().call_soon(self._some)
        for key in few:
            self._look(key)
