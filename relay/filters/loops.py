"""loops: a letter that has been here before, or nearly everywhere, is refused (RFC 5321 6.3)."""

from __future__ import annotations

import re
from typing import Final

from relay.filters.base import Filter, Transaction
from relay.mail.address import parse_domain
from relay.mail.reply import EnhancedCode, Reply
from relay.mail.verdict import NOTHING, Proposal, Reject

MAX_RECEIVED: Final = 50
MAX_OURS: Final = 3  # a letter may pass twice on purpose: a route to a filter and back
LOOP: Final = Proposal(
    Reject(Reply(554, EnhancedCode(5, 4, 6), "Mail loop: the letter has been here before"), "loop")
)
_BY: Final = re.compile(r"(?:^|[\s)])by\s+([^\s;()]+)", re.IGNORECASE)


class Loops(Filter):
    """Counts `Received` fields: all of them, and those that this host wrote."""

    name = "loops"

    def __init__(
        self, hostname: str, max_received: int = MAX_RECEIVED, max_ours: int = MAX_OURS
    ) -> None:
        """`hostname` as this relay writes it after `by`."""
        self._ours = parse_domain(hostname).name
        self._max_received = max_received
        self._max_ours = max_ours

    async def data(self, transaction: Transaction) -> Proposal:
        """Over 50 in all, or three of our own."""
        received = transaction.headers.all("Received") if transaction.headers else ()
        if len(received) > self._max_received:
            return LOOP
        ours = 0
        for field in received:
            by = _BY.search(field.unfolded[:1024])
            ours += by is not None and by[1].lower().rstrip(".") == self._ours
        return LOOP if ours >= self._max_ours else NOTHING
