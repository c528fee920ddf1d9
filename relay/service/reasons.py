"""Reasons: what unfinished deliveries wait for, in one word each, for the metric.

A closed list. Shaping's own words (limit, pace, pause, probing, hours, warm-up, connections) are of
ready letters; the others are here. All are asked as a letter of class transaksi would be: kritis
goes by night too, and massal finds a little less room; and as one that carries no name of ours that
is refused there. Where a name is refused and nothing else holds a letter, those that stay are the
ones that carry it: the others leave, so they are told apart as `name` without being counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from relay.mail.delivery import State
from relay.mail.instant import Instant
from relay.shaping.base import Reason, Shaping
from relay.transports.base import Route

ROUTE: Final = "route"  # where its mail goes is not known yet
NEXT: Final = "next"  # nothing holds it: it leaves as soon as there is room
RETRY: Final = "retry"  # its own backoff, after a refusal
UNDER_WAY: Final = "under-way"
HOLD: Final = "hold"
NAME: Final = "name"  # the destination refuses a name of ours that they carry
_OF_STATES: Final = {State.WAITING: RETRY, State.LEASED: UNDER_WAY, State.HELD: HOLD}
WORDS: Final = (*(reason.value for reason in Reason), ROUTE, NEXT, NAME, RETRY, UNDER_WAY, HOLD)

BEHIND: Final = 100  # the last of them is asked for, but none that stands further behind


class Routes(Protocol):
    """What is asked about where mail goes."""

    def last(self, domain: str) -> Route | None:
        """See Router.last."""
        ...


class Reasons:
    """Asks shaping, and spends nothing."""

    def __init__(self, shaper: Shaping, routes: Routes, steady: Callable[[], Instant]) -> None:
        """The running relay's own; `steady` is the moment that shaping goes by."""
        self._shaper = shaper
        self._routes = routes
        self._steady = steady

    def of(self, domain: str, state: State, count: int) -> str:
        """What `count` deliveries of a domain in that state wait for."""
        if state is not State.READY:
            return _OF_STATES[state]
        route = self._routes.last(domain)
        if route is None:
            return ROUTE
        to, shaper, now = route.destination, self._shaper, self._steady()
        is_name_refused = any(until > now for until in shaper.shut_names(to, now).values())
        behind = 0 if is_name_refused else min(count - 1, BEHIND)
        wait = shaper.peek(to, domain, 1, now, behind)
        if wait is not None:
            return wait.reason.value
        if shaper.is_full(to, now):
            return Reason.CONNECTIONS.value
        return NAME if is_name_refused else NEXT
