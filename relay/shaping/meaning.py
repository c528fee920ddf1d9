"""Meaning: what a reply says of the destination that said it — its patience, its door, or nothing.

A table over readings: category, scope and action, and whether the reply looks final. Whom of us a
reply names is read here too: what it leaves unnamed is taken to mean all at once, as Google says.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import FailureKind
from relay.shaping.base import NOBODY, Identity

# What we saw ourselves, before or without any word of the provider's.
_OWN: Final = frozenset(
    f"failure.{kind}"
    for kind in (
        FailureKind.SIGNING,
        FailureKind.UNSUPPORTED,
        FailureKind.NO_EHLO,
        FailureKind.ADDRESS,
        FailureKind.NXDOMAIN,
        FailureKind.NULL_MX,
        FailureKind.NO_ADDRESS,
        FailureKind.FORBIDDEN_ADDRESS,
    )
)
_NOT_NOW: Final = frozenset(
    {Category.NETWORK, Category.SERVER_ERROR, Category.PROTOCOL, Category.AUTH_FAILED}
)
# What a block says where it is for how fast or how much we send; it ends by itself.
_OF_RATE: Final = (
    "unusual rate",
    "unusual amount",
    "too many",
    "too fast",
    "too much mail",
    "exceed",
    "rate limit",
    "frequency",
    "volume",
)
# And where people keep a list, or want something done first.
_OF_PEOPLE: Final = (
    "block list",
    "blocklist",
    "blacklist",
    "black list",
    "block-list",
    "spamhaus",
    "spamcop",
    "barracudacentral",
    "sorbs",
    "dnsbl",
    "rbl",
    "listed",
    "banned",
    "delist",
    "removal",
    "dynamic ip",
    "residential",
    "reputation",
    "will not succeed",
    "ptr record",
    "reverse dns",
)
_CODES: Final = re.compile(
    r"\b[45]\.7\.(5\d\d|60[6-9]|610|649|708|750)\b|\b(sc|dy|ou)-00\d|\(s(3140|3150|3113|3115|8001)\)"
    r"|\[bl\d\d\]|\[tss?(09|11)\]|access denied"
)


_DOMAIN: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")


class Meaning(StrEnum):
    """What a reading says of the destination."""

    REFUSAL = "refusal"  # its patience, a block, or our own fault there
    UNREACHED = "unreached"  # nobody answered, or only to say not now
    ALIVE = "alive"  # it took the letter, or refused it for the letter's or recipient's own sake
    NOTHING = "nothing"


class Kind(StrEnum):
    """How a destination refuses, and so how it is asked again; ordered by `WEIGHT`."""

    NONE = ""
    REST = "rest"  # out of reach
    THROTTLE = "throttle"  # too fast: said as temporary
    BLOCK = "block"  # too fast: said as final, and heals by itself
    ADMINISTRATIVE = "administrative"  # a list, a policy, our own set-up: people end it


WEIGHT: Final = {kind: n for n, kind in enumerate(Kind)}


def meaning(read: Classification | None, is_probing: bool) -> Meaning:
    """What a reply (None: accepted) means for the destination that said it.

    What is unclear counts as alive, but never as the answer to a probe.
    """
    if read is None:
        return Meaning.ALIVE
    if read.rule in _OWN:
        return Meaning.NOTHING
    if read.scope in (Scope.RECIPIENT, Scope.MESSAGE):
        # Lost after the dot: nobody knows of the letter, but the connection did not last.
        return Meaning.UNREACHED if read.category is Category.NETWORK else Meaning.ALIVE
    if read.action in (Action.SLOW_DOWN_PROVIDER, Action.FIX_CONFIG):
        return Meaning.REFUSAL
    if read.category is Category.GREYLISTED:
        return Meaning.ALIVE
    if read.category in _NOT_NOW or is_probing:
        return Meaning.UNREACHED
    return Meaning.ALIVE


def kind_of(read: Classification, reply: str) -> Kind:
    """Of a refusal: `reply` is what was said, its code first.

    Our own set-up and lists that people keep end only when somebody sees to it. What is said as
    final for our rate heals by itself, and so, to be asked gently, does a block without a reason.
    """
    is_final = reply[:1] == "5"
    if read.action is Action.FIX_CONFIG:
        return Kind.ADMINISTRATIVE
    if read.category is Category.RATE_LIMITED:
        return Kind.BLOCK if is_final else Kind.THROTTLE
    if read.category is Category.SENDER_BLOCKED:
        said = reply.lower()
        is_of_rate = any(word in said for word in _OF_RATE)
        if not is_of_rate and (_CODES.search(said) or any(word in said for word in _OF_PEOPLE)):
            return Kind.ADMINISTRATIVE
        return Kind.BLOCK
    return Kind.BLOCK if is_final else Kind.THROTTLE  # of whatever else asks to slow down


def named(reply: str, identity: Identity) -> str:
    """Which of our names a refusal is about: `dkim` or `envelope`; empty for our address or
    whatever else: then everything that we send there is meant."""
    if identity == NOBODY:
        return ""
    said = reply.lower()
    if "dkim domain" in said and _is_in(identity.dkim, said):
        return "dkim"
    if ("spf domain" in said or "mail from domain" in said) and _is_in(identity.envelope, said):
        return "envelope"
    return ""


def _is_in(name: str, said: str) -> bool:
    """Is that domain, or one above it, written there?"""
    written = _DOMAIN.findall(said)
    return bool(name) and any(name == one or name.endswith(f".{one}") for one in written)
