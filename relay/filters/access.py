"""access: who may relay, and in whose name — by the envelope, then by the From that people see.

A client may relay from a trusted network or authenticated; and only for an allowed sender. An
empty list allows nobody. `<>` passes where the client may relay: then From alone is asked.
A From field must name exactly one address, in a way that all readers understand alike.
Refusals of the client or the envelope are said at RCPT (554 5.7.1), so that the log has the
recipient too; a From that does not match is refused at the end of DATA.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from relay.filters.author import MAX_FROM, author
from relay.filters.base import Filter, Transaction
from relay.mail.address import AddressError, allowed_entry, matches_allowed, parse
from relay.mail.envelope import Recipient
from relay.mail.reply import EnhancedCode, Reply
from relay.mail.verdict import NOTHING, Proposal, Reject

_DENIED: Final = EnhancedCode(5, 7, 1)
NO_RELAY: Final = Proposal(
    Reject(Reply(554, _DENIED, "Relay access denied: authenticate first"), "no_relay")
)
NO_SENDER: Final = Proposal(
    Reject(Reply(554, _DENIED, "Sender address not allowed here"), "sender_not_allowed")
)
NO_FROM: Final = Proposal(
    Reject(Reply(554, _DENIED, "The From address is not allowed here"), "from_not_allowed")
)


class Access(Filter):
    """See the file's first lines. `allowed` are the lines of `allowed_senders`."""

    name = "access"

    def __init__(self, allowed: Sequence[str]) -> None:
        """Raises AddressError for an entry that is neither `@domain` nor an address."""
        entries = tuple(allowed_entry(entry) for entry in allowed)

        @lru_cache(maxsize=1024)
        def is_allowed(sender: str) -> bool:
            try:
                return matches_allowed(parse(sender), entries)
            except AddressError:
                return False

        self._entries = entries
        self._is_allowed = is_allowed

    async def rcpt(self, transaction: Transaction, recipient: Recipient) -> Proposal:
        """The client and the envelope's sender."""
        if not transaction.source.may_relay:
            return NO_RELAY
        if not self._entries or (transaction.sender and not self._is_allowed(transaction.sender)):
            return NO_SENDER
        return NOTHING

    async def data(self, transaction: Transaction) -> Proposal:
        """The author of every From field; none at all is mended by the filter `headers`, as is a
        field without a word in it."""
        fields = transaction.headers.all("From") if transaction.headers else ()
        if sum(len(field.raw) for field in fields) > MAX_FROM:
            return NO_FROM
        for field in fields:
            if not field.unfolded:
                continue
            found = author(field)
            if found is None or not matches_allowed(found, self._entries):
                return NO_FROM
        return NOTHING
