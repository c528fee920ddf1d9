"""Hops: what our own next hop says of us is our configuration, whatever it would mean at an MX.

A host of `routes:` was chosen by us, and takes mail for others only because it knows us. Where it
refuses the sender or a recipient on grounds of policy or of authentication, it does not know us
(any more): every letter on that road would be refused alike, and none for its own sake. Pure.
"""

from __future__ import annotations

from dataclasses import replace

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Attempt
from relay.mail.reply import Reply, Stage
from relay.shaping.destination import Destination

_OF_US = (Category.POLICY, Category.AUTH_FAILED)


def is_hop(destination: Destination) -> bool:
    """True for a host of `routes:`, whose key is its URL."""
    return is_hop_key(destination.key)


def is_hop_key(key: str) -> bool:
    """The same for a destination's key, as an attempt keeps it."""
    return "://" in key


def _is_of_relaying(rule: str) -> bool:
    """True for `text.relay`, `sendmail.relaying` …: what decided is about relaying."""
    return rule.rpartition(".")[2].startswith("relay")


def reading(read: Classification, attempt: Attempt, destination: Destination) -> Classification:
    """The reading as it stands for that destination: at our own hop a refusal up to RCPT on
    grounds of policy, and any that speaks of relaying, keeps the letter and calls us.

    A host may also put off what it does not relay (Postfix does so by default, 454): it counts
    the same, but nothing else that is temporary does.
    """
    if attempt.reply is None:
        return read
    return said_by(destination.key, read, replace(attempt.reply, stage=attempt.stage))


def said_by(key: str, read: Classification, reply: Reply) -> Classification:
    """The same of a reply that the destination of that key gave, at the stage that it names."""
    if not is_hop_key(key) or reply.stage is None or reply.stage > Stage.RCPT:
        return read
    is_of_us = reply.is_permanent and read.category in _OF_US
    if not is_of_us and not _is_of_relaying(read.rule):
        return read
    return replace(
        read,
        category=Category.AUTH_FAILED,
        scope=Scope.OURSELVES,
        action=Action.FIX_CONFIG,
        rule=f"hop.{read.rule}",
    )
