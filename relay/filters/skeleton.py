"""skeleton: a site's own filter to copy; as it stands it refuses letters without a word in them.

How to
1. Copy this file into a package of your own that Python finds, such as `mysite/no_empty.py`, and
   its test (`tests/filters/test_skeleton.py`) beside it.
2. Name it in `relay.yaml`, where it shall be asked in the order:
   `- {use: "mysite.no_empty:NoEmpty", deadline: 2s, on_error: accept, options: {least: 3}}`
   Anywhere behind `access`, which must have judged before a site's filter can say Accept.
3. `lpse-relay check`, then reload.

Rules
- Override only the hooks that you need; the others are not called.
- Keep nothing of a session in `self`: many letters pass at the same time. Ask the `Transaction`.
- Propose, never change: edits are values (`relay/mail/verdict.py`), the pipeline applies them.
- Refusing is the last resort: LPSE's application never sends a refused letter again.
- Waiting (a socket, a database) is allowed with `await` only; past the deadline you have failed.
"""

from __future__ import annotations

from typing import Any, Final

from relay.filters.base import Alerts, Filter, Transaction
from relay.filters.text import words
from relay.mail.reply import EnhancedCode, Reply
from relay.mail.verdict import NOTHING, Proposal, Reject

EMPTY: Final = Reject(Reply(554, EnhancedCode(5, 6, 0), "The letter says nothing"), "empty")


class Skeleton(Filter):
    """Built once a configuration: `options` are the YAML's, `alerts` reach the administrator."""

    name = "skeleton"

    def __init__(self, options: dict[str, Any], alerts: Alerts) -> None:
        """Check the options here: a ValueError stops the start and names the filter."""
        least = options.get("least", "1")
        if not str(least).isdigit():
            raise ValueError(f"least must be a number of words, not {least!r}")
        self._least = int(least)
        self._alerts = alerts

    async def data(self, transaction: Transaction) -> Proposal:
        """Asked once a letter, when all of it is here."""
        if transaction.headers is None or transaction.content is None:
            return NOTHING
        found = words(transaction.headers, transaction.content.body)
        if len(found.split(maxsplit=self._least)) >= self._least:
            return NOTHING
        self._alerts.alert("empty_letter", "the application sends letters without text")
        return Proposal(EMPTY)
