"""dkim: where letters without a key are noticed; in the order it also marks where signing stands.

The signature itself is made at departure, after the last depart filter, by the transport: nothing
may change a header after it. What is asked here, at the door, is whether there will be one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from relay.filters.author import author
from relay.filters.base import Alerts, Filter, Transaction
from relay.mail.verdict import NOTHING, Proposal, SetParticulars


class Dkim(Filter):
    """Reads the From domain into the particulars; alerts where no key signs for it."""

    name = "dkim"

    def __init__(self, domains: Collection[str], alerts: Alerts) -> None:
        """`domains` are those that keys were loaded for, as A-labels in lower case."""
        self._domains = frozenset(domains)
        self._alerts = alerts

    async def data(self, transaction: Transaction) -> Proposal:
        """One From with one address and a key is the rule; anything else goes unsigned."""
        domain, particulars = from_domain(transaction), transaction.particulars
        notes = particulars.notes
        if domain not in self._domains:
            why = f"no DKIM key for {domain}" if domain else "not exactly one From address"
            self._alerts.alert("unsigned", f"letters go unsigned: {why}")
            notes = (*notes, f"unsigned, {why}")
        elif domain == particulars.from_domain:
            return NOTHING
        return Proposal(
            edits=(SetParticulars(replace(particulars, from_domain=domain, notes=notes)),)
        )


def from_domain(transaction: Transaction) -> str | None:
    """The domain of the only address of the only From field; None where it has none or several."""
    fields = transaction.headers.all("From") if transaction.headers else ()
    found = author(fields[0]) if len(fields) == 1 else None
    return found.domain.name if found is not None else None
