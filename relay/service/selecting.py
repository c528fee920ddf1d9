"""From the selector of a command to the store's Selector, each value checked and named."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from relay.mail import address, ids
from relay.mail.delivery import State
from relay.mail.urgency import Urgency
from relay.store import codec
from relay.store.base import Selector

KEYS: Final = (
    "message",
    "subject",
    "class",
    "domain",
    "provider",
    "recipient",
    "state",
    "message_id",
)
DomainsOf = Callable[[str], Collection[str]]  # provider → the domains whose mail goes there


def selector(given: Mapping[str, Any], domains_of: DomainsOf) -> Selector:
    """Raises ValueError with a sentence that names the key and the value.

    An empty value is refused: an unset variable of a script must not mean everything.
    """
    unknown = set(given) - set(KEYS)
    if unknown:
        raise ValueError(f"unknown selector {', '.join(sorted(unknown))}: one of {', '.join(KEYS)}")
    texts = {key: _text(key, value) for key, value in given.items()}
    message_id = n = None
    if "message" in texts:
        message_id, n = ids.read(texts["message"])
    domains: frozenset[str] | None = None
    if "domain" in texts:
        domains = frozenset({_domain(texts["domain"])})
    if "provider" in texts:
        found = frozenset(domains_of(texts["provider"].lower()))
        domains = found if domains is None else domains & found
    return Selector(
        message_id=message_id,
        n=n,
        subject=texts.get("subject"),
        urgency=Urgency.of(texts["class"]) if "class" in texts else None,
        domains=domains,
        recipient=mailbox_key(texts["recipient"]) if "recipient" in texts else None,
        states=_states(texts["state"]) if "state" in texts else None,
        header_id=texts.get("message_id"),
    )


def mailbox_key(text: str) -> str:
    """The key of an address, of one that is no mailbox too: the door took it as it was given, and
    the store keeps ``?`` for octets that are no UTF-8."""
    try:
        return address.parse(text).key
    except address.AddressError:
        return codec.text(text.lower())


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key}: a text is needed, not {value!r}")
    return value.strip() if key != "subject" else value


def _domain(text: str) -> str:
    try:
        return address.parse_domain(text).name
    except address.AddressError as error:
        raise ValueError(f"domain {text!r}: {error}") from None


def _states(word: str) -> frozenset[State]:
    unfinished = {state.word: state for state in State if not state.is_final}
    if word.lower() not in unfinished:
        raise ValueError(f"unknown state {word!r}: one of {', '.join(unfinished)}")
    return frozenset({unfinished[word.lower()]})
