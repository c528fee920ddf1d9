"""From the selector of a command to the store's Selector, each value checked and named."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from relay.mail import address, ids
from relay.mail.delivery import State
from relay.mail.urgency import Urgency
from relay.store.base import Selector

KEYS: Final = ("message", "subject", "class", "domain", "provider", "recipient", "state")
DomainsOf = Callable[[str], Collection[str]]  # provider → the domains whose mail goes there


def selector(given: Mapping[str, Any], domains_of: DomainsOf) -> Selector:
    """Raises ValueError with a sentence that names the key and the value."""
    unknown = set(given) - set(KEYS)
    if unknown:
        raise ValueError(f"unknown selector {', '.join(sorted(unknown))}: one of {', '.join(KEYS)}")
    message_id = n = None
    if "message" in given:
        message_id, n = ids.read(str(given["message"]))
    domains: frozenset[str] | None = None
    if "domain" in given:
        domains = frozenset({str(given["domain"]).strip().lower().rstrip(".")})
    if "provider" in given:
        found = frozenset(domains_of(str(given["provider"])))
        domains = found if domains is None else domains & found
    recipient = None
    if "recipient" in given:
        recipient = address.parse(str(given["recipient"])).key
    return Selector(
        message_id=message_id,
        n=n,
        subject=given.get("subject"),
        urgency=Urgency.of(str(given["class"])) if "class" in given else None,
        domains=domains,
        recipient=recipient,
        states=_states(given["state"]) if "state" in given else None,
    )


def _states(word: Any) -> frozenset[State]:
    unfinished = {state.word: state for state in State if not state.is_final}
    if str(word) not in unfinished:
        raise ValueError(f"unknown state {word!r}: one of {', '.join(unfinished)}")
    return frozenset({unfinished[str(word)]})
