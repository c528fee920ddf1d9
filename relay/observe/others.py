"""Others: the destinations that are no provider, summed up to one standing for the gauges.

Rates and connections are sums, limits the lowest of each window, and they count as paused while
one of them is.
"""

from __future__ import annotations

from collections.abc import Sequence

from relay.observe.snapshot import Rate, Standing


class Others:
    """Implements snapshot.Standing; of ten thousand destinations nothing else is kept."""

    def __init__(self) -> None:
        """None was added yet."""
        self.is_any = False
        self.provider: str | None = None
        self.state = "ok"
        self.rate_now: float | None = None
        self.connections_open = 0
        self._lowest: dict[str, Rate] = {}

    @property
    def limits(self) -> Sequence[Rate]:
        """The lowest of each window."""
        return tuple(self._lowest.values())

    def add(self, one: Standing) -> None:
        """It counts, too."""
        self.is_any = True
        if one.state == "paused":
            self.state = one.state
        if one.rate_now is not None:
            self.rate_now = (self.rate_now or 0.0) + one.rate_now
        self.connections_open += one.connections_open
        for rate in one.limits:
            window = str(rate).partition("/")[2]
            had = self._lowest.get(window)
            if had is None or rate.count < had.count:
                self._lowest[window] = rate
