"""Settle: the one decision between retry, bounce, expire and hold, as a total pure function.

Laws, each tested: what is accepted is delivered; a classification that keeps the mail never
bounces; a letter whose time is over is never tried again; while the fuse is blown nothing that it
watches bounces; an address that took a letter lately is believed dead only the second time; what
is a provider's patience or our own fault never advances the letter's own backoff. It follows the
action, since a mail loop is our own fault and must not go round again all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import (
    MISSING,
    Attempt,
    Bounced,
    Deferred,
    Delivered,
    Delivery,
    Expired,
    FailureKind,
    Held,
    Outcome,
    expires_at,
)
from relay.mail.instant import DAY, HOUR, Instant, millis
from relay.mail.urgency import Urgency
from relay.shaping import backoff
from relay.shaping.fuse import WHOLE, Fuse, is_about_the_address
from relay.shaping.settings import NxdomainSettings, RetrySettings

_BEHIND_A_PAUSE: Final = (Action.SLOW_DOWN_PROVIDER, Action.FIX_CONFIG)
_ABOUT_US: Final = (Scope.SENDER, Scope.DESTINATION, Scope.OURSELVES)
_URGENT: Final = (Urgency.KRITIS, Urgency.MENDESAK)
RECENT: Final = 30 * DAY  # a success so long ago still speaks for an address
APART: Final = 24 * HOUR  # then two refusals so far from each other are needed
LATELY: Final = "the address took a letter within 30 days: asked again a day after its refusal"


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier attempts found: look-ups in a row without the domain, and since when; when the
    address last took a letter of ours, and when it was first refused as unknown or inactive after
    that, with this letter or with another."""

    missing: int = 0
    missing_since: Instant = 0
    accepted_at: Instant | None = None
    refused_at: Instant | None = None


NONE_EARLIER: Final = Earlier()


def settle(
    delivery: Delivery,
    attempt: Attempt,
    read: Classification | None,
    now: Instant,
    retry: RetrySettings,
    nxdomain: NxdomainSettings,
    earlier: Earlier = NONE_EARLIER,
    fuse: Fuse = WHOLE,
) -> Outcome:
    """What becomes of a delivery after an attempt; `read` is None only for an accepted one. `fuse`
    is the one that watches refusals of this kind, after this one was counted."""
    if attempt.is_accepted or read is None:
        return Delivered()
    lives_until = expires_at(delivery, attempt.started_at)
    served = replace(delivery, expires_at=lives_until)
    outcome = _settled(served, attempt, read, now, retry, nxdomain, earlier, fuse)
    if isinstance(outcome, Deferred) and lives_until != delivery.expires_at:
        return replace(outcome, expires_at=lives_until)
    return outcome


def _settled(
    delivery: Delivery,
    attempt: Attempt,
    read: Classification,
    now: Instant,
    retry: RetrySettings,
    nxdomain: NxdomainSettings,
    earlier: Earlier,
    fuse: Fuse,
) -> Outcome:
    """The same, of a delivery whose end knows already how long it stood unserved."""
    why = attempt.said()
    if not read.keeps_the_mail:
        if attempt.failure is not None and attempt.failure.kind in MISSING:
            missing = _still_looked_up(delivery, read, why, now, retry, nxdomain, earlier)
            if missing is not None:
                return missing
        return _refused(delivery, read, why, now, earlier, fuse)
    if now >= delivery.expires_at:
        return Expired(why, read.category)
    if read.action in _BEHIND_A_PAUSE and read.scope in _ABOUT_US and attempt.reply is not None:
        return Deferred(now, why, read.category, counts=False)
    counts = read.action is not Action.FIX_CONFIG
    return Deferred(_next(delivery, attempt, read, now, retry), why, read.category, counts)


def _refused(
    delivery: Delivery,
    read: Classification,
    why: str,
    now: Instant,
    earlier: Earlier,
    fuse: Fuse,
) -> Outcome:
    """A refusal for good, where it is believed. What asks again by itself comes before the hold
    that only an operator ends; but where its time would be over first, he may still decide."""
    again_at = _again_at(read, now, earlier)
    lives = again_at < delivery.expires_at
    if again_at > now and (lives or not fuse.is_blown):
        if now >= delivery.expires_at:
            return Expired(why, read.category)
        until = min(again_at, delivery.expires_at)
        return Deferred(until, f"{LATELY}; {why}", read.category)
    if fuse.is_blown:
        return Held(f"{fuse.why}; {why}", read.category)
    return Bounced(why, read.category)


def _again_at(read: Classification, now: Instant, earlier: Earlier) -> Instant:
    """From when on the refusal of an address is believed."""
    took = earlier.accepted_at
    if not is_about_the_address(read) or took is None or now - took >= RECENT:
        return now
    return (now if earlier.refused_at is None else earlier.refused_at) + APART


def _still_looked_up(
    delivery: Delivery,
    read: Classification,
    why: str,
    now: Instant,
    retry: RetrySettings,
    nxdomain: NxdomainSettings,
    earlier: Earlier,
) -> Outcome | None:
    """None where the domain was looked up often and long enough to be believed missing."""
    since = earlier.missing_since if earlier.missing else now
    if earlier.missing + 1 >= nxdomain.lookups and now - since >= millis(nxdomain.hold):
        return None
    if now >= delivery.expires_at:
        return Expired(why, read.category)
    until = min(backoff.due_at(delivery, now, retry), delivery.expires_at)
    return Deferred(until, why, read.category)


def _next(
    delivery: Delivery, attempt: Attempt, read: Classification, now: Instant, retry: RetrySettings
) -> Instant:
    """The next try of the letter itself; never after its time is over."""
    until = backoff.due_at(delivery, now, retry)
    if read.category is Category.GREYLISTED and attempt.reply is not None:
        until = backoff.hinted(attempt.reply.text, now) or until
    if _is_one_recipients_limit(attempt, read):
        until = max(until, now + HOUR)
    if read.category is Category.MAILBOX_FULL and delivery.urgency not in _URGENT:
        # Nobody empties a mailbox within minutes, and each try is one letter less to others.
        until = max(until, now + min(millis(retry.full) << min(delivery.tries, 8), DAY))
    if attempt.failure is not None and attempt.failure.kind is FailureKind.AMBIGUOUS:
        until = max(until, now + millis(retry.ambiguous))
    return min(until, delivery.expires_at)


def _is_one_recipients_limit(attempt: Attempt, read: Classification) -> bool:
    """A 5yz that means *not so many to this one an hour*: asked again over an hour later."""
    return (
        read.category is Category.RATE_LIMITED
        and read.scope is Scope.RECIPIENT
        and attempt.reply is not None
        and attempt.reply.is_permanent
    )
