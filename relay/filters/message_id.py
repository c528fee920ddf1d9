"""message_id: a Message-ID of its own for a delivery where the letter's would do harm.

One id on many copies is itself a cause for Gmail's 4.7.28, and an id without a dot in its domain
(`@localhost`) is no world-wide name. The new one is made of the delivery's own name, so a retry
says the same; the original stays in `X-LPSE-Message-ID`, and `queue ls --message-id` finds it.
"""

from __future__ import annotations

import re
from typing import Final

from relay.filters.base import Departure, Filter
from relay.mail import ids
from relay.mail.verdict import NOTHING, AddHeader, ChangeHeader, Proposal

MANY: Final = 20
ORIGINAL: Final = "X-LPSE-Message-ID"
_SOUND: Final = re.compile(r"<[^<>@\s]{1,200}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+>")


class MessageIds(Filter):
    """See the file's first lines. `hostname` is the domain of the new ids."""

    name = "message_id"

    def __init__(self, hostname: str, many: int = MANY) -> None:
        self._hostname = hostname
        self._many = many

    async def depart(self, departure: Departure) -> Proposal:
        """More than 20 siblings at one provider, or an id that is none."""
        field = departure.headers.get("Message-ID")
        original = field.unfolded if field else ""
        if departure.siblings_at_provider <= self._many and _SOUND.fullmatch(original):
            return NOTHING
        delivery = departure.delivery
        made = f"<{ids.show(delivery.message_id, delivery.n)}@{self._hostname}>"
        change = ChangeHeader("Message-ID", made)
        if not original:
            return Proposal(edits=(change,))
        kept = "".join(letter if letter.isprintable() else "?" for letter in original[:900])
        return Proposal(edits=(change, AddHeader(ORIGINAL, kept, at_end=True)))
