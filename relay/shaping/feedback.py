"""Feedback: what a reply does to the destination that said it — stop, ask again, come back slowly.

    ok ──refusal──▶ paused ──time──▶ probing ──accepted──▶ slow ──clean time──▶ ok
                      ▲                 │                    │
                      └─────refused─────┴───────refusal──────┘

A pause counts from the LAST refusal of any session. After it one letter goes on one connection;
if that is refused the pause is longer (a block's doubles up to `longest`), if it is accepted,
connections and rate rise step by step from somewhat below what was accepted before. Never a leap
back. A table of pure steps over one mutable record a destination; `now` is handed in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import FailureKind
from relay.mail.instant import MINUTE, SECOND, Instant, millis
from relay.shaping.settings import PauseSettings

UNREACHED: Final = 3  # failures in a row after which a site rests as one
REST: Final = 30 * SECOND  # its first rest; each following failure doubles it
LONGEST_REST: Final = 15 * MINUTE
REST_KIND: Final = "rest"
BELOW: Final = 0.75  # of the rate that was accepted before a refusal
RISE: Final = 1.5  # a clean step's growth of the rate
LOOKED_BACK: Final = 6  # pauses: how far back accepted letters count for the rate
SLOWEST: Final = 1.0  # RCPTs a minute
JITTER: Final = (0.02, 0.12)  # of a pause


class Mode(StrEnum):
    """Where a destination stands."""

    OK = "ok"
    PAUSED = "paused"
    PROBING = "probing"
    SLOW = "slow"


@dataclass(slots=True)
class Standing:
    """One destination's state; `by_hand` pauses end by hand only."""

    mode: Mode = Mode.OK
    until: Instant = 0
    why: str = ""
    kind: str = ""  # throttle, block, rest; empty: nothing was refused
    by_hand: bool = False
    refusals: int = 0  # refused probes in a row
    unreached: int = 0
    rate: float = 0.0  # RCPTs a minute while slow
    connections: int = 1  # while slow
    step_at: Instant = 0  # when the next clean step is due
    is_asked: bool = False  # a probe is out
    asked_at: Instant = 0  # since then
    accepted: deque[Instant] = field(default_factory=lambda: deque(maxlen=5000))
    last_reply: str = ""
    last_reply_at: Instant | None = None

    def dump(self) -> dict[str, Any]:
        """For the store: what must survive a restart."""
        return {
            "mode": self.mode.value,
            "until": self.until,
            "why": self.why,
            "kind": self.kind,
            "by_hand": self.by_hand,
            "refusals": self.refusals,
            "rate": self.rate,
            "connections": self.connections,
            "step_at": self.step_at,
            "last_reply": self.last_reply,
            "last_reply_at": self.last_reply_at,
        }

    @classmethod
    def load(cls, kept: dict[str, Any]) -> Standing:
        """What :meth:`dump` gave. Raises KeyError, TypeError, ValueError on anything else."""
        made = cls(**{name: kept[name] for name in cls().dump() if name != "mode"})
        made.mode = Mode(kept["mode"])
        return made


class Change(StrEnum):
    """What a step did, for the events."""

    NONE = ""
    PAUSED = "paused"
    RESUMED = "resumed"


class Meaning(StrEnum):
    """What a reading says of the destination."""

    REFUSAL = "refusal"  # its patience, a block, or our own fault there
    UNREACHED = "unreached"  # nobody answered, or only to say not now
    ALIVE = "alive"  # it took the letter, or refused it for the letter's or recipient's own sake
    NOTHING = "nothing"


SIGNING: Final = f"failure.{FailureKind.SIGNING}"  # our own house: no provider has said anything
_NOT_NOW: Final = frozenset(
    {Category.NETWORK, Category.SERVER_ERROR, Category.PROTOCOL, Category.AUTH_FAILED}
)


def meaning(read: Classification | None, mode: Mode) -> Meaning:
    """The table: what a reply (None: accepted) means for the destination that said it.

    What is unclear counts as alive, but never as the answer to a probe.
    """
    if read is None:
        return Meaning.ALIVE
    if read.rule == SIGNING:
        return Meaning.NOTHING
    if read.scope in (Scope.RECIPIENT, Scope.MESSAGE):
        is_unsure = read.category is Category.NETWORK  # lost after the dot
        return Meaning.NOTHING if is_unsure else Meaning.ALIVE
    if read.action in (Action.SLOW_DOWN_PROVIDER, Action.FIX_CONFIG):
        return Meaning.REFUSAL
    if read.category is Category.GREYLISTED:
        return Meaning.ALIVE
    if read.category in _NOT_NOW or mode is Mode.PROBING:
        return Meaning.UNREACHED
    return Meaning.ALIVE


def refused(
    state: Standing, read: Classification, reply: str, now: Instant, settings: PauseSettings
) -> Change:
    """A reply that stops the destination. Every one moves the end of the pause."""
    was = state.mode
    is_probe = was is Mode.PROBING
    state.is_asked = False
    state.refusals = state.refusals + 1 if is_probe else max(1, state.refusals)
    state.kind = "throttle" if read.category is Category.RATE_LIMITED else "block"
    first = settings.throttle if state.kind == "throttle" else settings.block
    pause = millis(first)
    if state.kind == "block":
        pause = min(pause << min(state.refusals - 1, 20), max(pause, millis(settings.longest)))
    if was in (Mode.OK, Mode.SLOW):
        state.rate = _below(state, now, pause)
    low, high = JITTER
    drawn = (now * 2654435761 % 2**32) / 2**32
    state.until = max(state.until, now + int(pause * (1 + low + (high - low) * drawn)))
    state.mode = Mode.PAUSED
    if not state.by_hand:
        state.why = reply
    state.step_at = 0
    return Change.NONE if was is Mode.PAUSED else Change.PAUSED


def _below(state: Standing, now: Instant, pause: int) -> float:
    """Somewhat below the rate that was accepted lately, in RCPTs a minute."""
    since = now - LOOKED_BACK * pause
    lately = [at for at in state.accepted if at >= since]
    if not lately:
        return SLOWEST
    minutes = max((now - lately[0]) / MINUTE, pause / MINUTE)
    return max(SLOWEST, BELOW * len(lately) / minutes)


def accepted(state: Standing, now: Instant, settings: PauseSettings) -> Change:
    """A letter was accepted, or refused for a reason of its own: the destination bears us."""
    state.accepted.append(now)
    state.unreached = 0
    if state.mode is Mode.PROBING and state.kind == REST_KIND:
        # It had only been out of reach, and has refused nothing.
        state.mode, state.is_asked, state.kind, state.why = Mode.OK, False, "", ""
        return Change.RESUMED
    if state.mode is Mode.PROBING:
        state.mode, state.is_asked = Mode.SLOW, False
        state.refusals = 0
        state.connections = 1
        state.rate = max(state.rate, SLOWEST)
        state.step_at = now + _step(state, settings)
        return Change.RESUMED
    return Change.NONE


def _step(state: Standing, settings: PauseSettings) -> int:
    return millis(settings.throttle if state.kind == "throttle" else settings.block)


def unreached(state: Standing, failure: str, now: Instant, settings: PauseSettings) -> Change:
    """Refused, timed out or lost connections in a row: the site rests as one."""
    state.unreached += 1
    state.is_asked = False
    if state.unreached < UNREACHED and state.mode is not Mode.PROBING:
        return Change.NONE
    was = state.mode
    over = max(0, state.unreached - UNREACHED)
    if was is Mode.OK:
        state.kind = REST_KIND  # after a refusal it stays a refusal's way back
    if not state.by_hand:
        state.why = failure
    state.mode = Mode.PAUSED
    longest = min(LONGEST_REST, millis(settings.longest))
    state.until = max(state.until, now + min(REST << min(over, 10), longest))
    return Change.NONE if was is Mode.PAUSED else Change.PAUSED


def tick(state: Standing, now: Instant, settings: PauseSettings, full: tuple[float, int]) -> None:
    """What time alone does. `full`: the rate a minute and the connections of the limits."""
    if state.mode is Mode.PAUSED and not state.by_hand and now >= state.until:
        state.mode, state.is_asked = Mode.PROBING, False
    while state.mode is Mode.SLOW and now >= state.step_at:
        rate, connections = full
        if state.rate >= rate and state.connections >= connections:
            state.mode, state.kind, state.why = Mode.OK, "", ""
            return
        state.rate = min(rate, state.rate * RISE)
        state.connections = min(connections, state.connections + 1)
        state.step_at += max(SECOND, _step(state, settings))


def pause(state: Standing, until: Instant | None, why: str) -> None:
    """By hand."""
    state.mode, state.why, state.by_hand = Mode.PAUSED, why, until is None
    state.until = max(state.until, until or 0)


def resume(state: Standing, now: Instant) -> bool:
    """By hand: one letter first, then step by step, unless nothing had been refused."""
    if state.mode is not Mode.PAUSED:
        return False
    state.by_hand, state.until, state.is_asked = False, now, False
    state.mode = Mode.PROBING if state.kind else Mode.OK
    return True
