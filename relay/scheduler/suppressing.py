"""Suppressing: which deliveries are not tried, and what an attempt says against its address.

The list is asked when a letter is about to fly, not when it is accepted: a letter may wait for
hours, and an address be healed or struck meanwhile. What is known to be struck is held in memory,
so that a letter to a clean address costs nothing; the store says the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from relay.clock import Clock
from relay.mail.classification import Category, Classification
from relay.mail.delivery import Bounced, Deferred, Delivered, Delivery, Expired, Outcome
from relay.mail.instant import HOUR, Instant
from relay.mail.strike import CAUSE_OF, Cause, Ref, Strike, key_of
from relay.scheduler.asking import asked
from relay.shaping.fuse import is_about_the_address
from relay.store.base import Queue
from relay.store.suppressing import Suppressions
from relay.store.terms import Settlement
from relay.suppression import Asked, Decision, Probe, Send, Skip, SuppressionSettings, decide

FRESH = HOUR  # a fuse that blows within it takes a suppression back
_DEAD = (Cause.UNKNOWN, Cause.INACTIVE)


class Suppressing:
    """One a process; called in the loop."""

    def __init__(self, queue: Queue, list_: Suppressions, clock: Clock) -> None:
        """Nothing is read before the first question."""
        self._queue = queue
        self._list = list_
        self._clock = clock
        self._struck: set[str] | None = None  # or more: who is clean again is found out when asked
        self._probes: dict[str, tuple[Ref, Instant]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def decision(self, delivery: Delivery, settings: SuppressionSettings) -> Decision:
        """What becomes of a delivery that could fly. Where nobody can say it flies. Raises
        StoreDead."""
        key = key_of(delivery.recipient)
        if not settings.enabled or key not in await self._known():
            return Send()
        history = await asked(partial(self._list.history, key), f"what {delivery.ref} is known for")
        if history is None:
            return Send()
        if history.is_clean:
            self._known_now().discard(key)
            self._probes.pop(key, None)
            return Send()
        ref, now = (delivery.message_id, delivery.n), self._clock.now()
        was_answered = await self._was_answered(delivery)
        letter = Asked(delivery.urgency, ref, was_answered, self._probes.get(key))
        decision = decide(history, letter, now, settings)
        if isinstance(decision, Probe) and (letter.probe is None or letter.probe[0] != ref):
            self._probes[key] = (ref, now)
        return decision

    async def _was_answered(self, delivery: Delivery) -> bool:
        """Was it tried before, and did what was said speak against the address?"""
        if not delivery.tries:
            return False
        ask = partial(self._queue.attempts, delivery.message_id, delivery.n)
        past = await asked(ask, f"attempts of {delivery.ref}") or []
        return any(one.classification and one.classification.category in CAUSE_OF for one in past)

    async def refused_at(self, delivery: Delivery, accepted_at: Instant) -> Instant | None:
        """When its address was first refused as unknown or inactive after that moment, by any
        letter's attempt that no fuse left pending. Raises StoreDead."""
        key = key_of(delivery.recipient)
        if key not in await self._known():
            return None
        history = await asked(partial(self._list.history, key), f"what {delivery.ref} is known for")
        strikes = () if history is None else history.strikes
        told = [one.at for one in strikes if one.cause in _DEAD and not one.pending]
        return min((at for at in told if at > accepted_at), default=None)

    async def _known(self) -> set[str]:
        if self._struck is None:
            async with self._one_at_a_time:
                if self._struck is None:
                    found = await asked(self._list.struck, "the list of suppressed addresses")
                    if found is None:
                        return set()  # asked again the next time
                    self._struck = found
        return self._struck

    def _known_now(self) -> set[str]:
        return set() if self._struck is None else self._struck

    def note(self, addresses: Iterable[str]) -> None:
        """There is something on these now."""
        if self._struck is not None:
            self._struck.update(addresses)

    def written(self, settlement: Settlement, written: asyncio.Future[None]) -> None:
        """It was handed to the ledger: its address is struck now, and once more when it is safe,
        since who looked meanwhile may have found it clean."""
        if settlement.strike is not None:
            addresses = (settlement.strike.address,)
            self.note(addresses)
            written.add_done_callback(lambda _: self.note(addresses))

    def healed(self, delivery: Delivery, outcome: Outcome) -> str:
        """The address that a success heals; empty where there is nothing to heal."""
        if not isinstance(outcome, Delivered):
            return ""
        key = key_of(delivery.recipient)
        return key if self._struck is None or key in self._struck else ""


def strike_of(
    delivery: Delivery,
    read: Classification | None,
    outcome: Outcome,
    is_documented: bool,
    destination: str,
    fuse: str,
    now: Instant,
) -> Strike | None:
    """What a reply of that destination says against the address: each refusal for good as unknown
    or inactive, and of a full mailbox the letter that failed by it. `fuse`: the one that is blown
    there, by its name."""
    if read is None:
        return None
    if is_about_the_address(read):
        cause = CAUSE_OF[read.category]
        is_documented = is_documented and not isinstance(outcome, Deferred)  # not believed yet
    elif read.category is Category.MAILBOX_FULL and isinstance(outcome, Bounced | Expired):
        cause, fuse = Cause.FULL, ""
    else:
        return None
    return Strike(
        key_of(delivery.recipient),
        now,
        cause,
        read.rule,
        delivery.message_id,
        delivery.n,
        is_documented,
        "reply",
        destination,
        fuse,
    )


def is_fresh(skip: Skip, destination: str, now: Instant) -> bool:
    """True where a fuse of that destination that blows now would take it back."""
    standing = skip.standing
    is_said = standing.key == destination and standing.cause in _DEAD
    return is_said and now - standing.since < FRESH
