"""Feedback: how a destination is left alone, asked again and come back to, step by step.

    ok ──refusal──▶ paused ──time──▶ probing ──accepted──▶ slow ──clean time──▶ ok
                      ▲                 │                    │
                      └─────refused─────┴───────refusal──────┘

A pause counts from the LAST refusal of any session. After it one letter goes on one connection. A
refused probe makes the pause longer: a block's doubles, a throttle's grows by half; the length that
was enough is where the next pause of its kind begins. After an administrative block one new letter
is tried every few hours, also where it is refused for a reason of its own. Accepted, the
destination is come back to with one connection somewhat below what it bore (see learned.py);
connections and share rise in clean time. Never a leap back. A provider that was never sent to
begins in the same way, at a quarter of its limit. A table of pure steps over one mutable record;
`now` is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from relay.mail.classification import Action, Classification
from relay.mail.instant import DAY, HOUR, MINUTE, SECOND, Instant, millis
from relay.shaping.learned import Learned
from relay.shaping.lengths import NOTHING, jitter, pause_length
from relay.shaping.meaning import WEIGHT, Kind, Meaning, kind_of
from relay.shaping.settings import PauseSettings
from relay.shaping.spans import PACED

UNREACHED: Final = 3  # failures in a row after which a site rests as one
REST: Final = 30 * SECOND  # its first rest; each following failure doubles it
LONGEST_REST: Final = 15 * MINUTE
DOUBLINGS: Final = 5  # of its connections after a rest, from one; then it has all of them
ENOUGH: Final = 0.75  # of the pause that was enough: where the next one begins
WAIT_FOR_ROOM: Final = 2 * HOUR  # how long room is waited for before one letter asks
START: Final = 0.25  # of its limit: a provider without history
RAMP: Final = 1.5  # its growth …
RAMP_STEP: Final = 30 * SECOND  # … in so much time with letters
BACK: Final = 0.8  # of what was borne: after a refusal
STEP_UP: Final = 0.05  # of it, each step
SLOWEST: Final = 0.05  # of it, whatever a rule of the site asks for
FEW: Final = 5  # letters after a probe: who refuses again by then has not ended the refusal


class Mode(StrEnum):
    """Where a destination stands."""

    OK = "ok"
    PAUSED = "paused"
    PROBING = "probing"
    SLOW = "slow"


class Change(StrEnum):
    """What a step did, for the events."""

    NONE = ""
    PAUSED = "paused"
    LONGER = "longer"  # a probe was refused
    WORSE = "worse"  # paused already, it is found to be a block, or one that people must end
    PUT_OFF = "put off"  # a probe was refused for its own sake, or never arrived
    RESUMED = "resumed"


@dataclass(slots=True)
class Standing:
    """One destination's state; `by_hand` pauses end by hand only."""

    mode: Mode = Mode.OK
    until: Instant = 0
    why: str = ""
    kind: Kind = Kind.NONE
    by_hand: bool = False
    since: Instant = 0  # the first refusal of this time
    refusals: int = 0  # refused probes in a row
    unreached: int = 0
    share: float = 1.0  # of what may be sent, while slow
    connections: int = 1  # while slow
    step_at: Instant = 0  # when the next clean step is due
    is_asked: bool = False  # a probe is out; while paused: some of its recipients are unanswered
    asked_at: Instant = 0  # since then
    is_new: bool = False  # nothing is known of it: it ramps up by what it bears
    carried: int = 0  # letters since a probe was accepted, up to a few
    length: int = 0  # milliseconds of the pause at hand
    # Kind → where its next pause begins.
    enough: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    enough_at: Instant = 0
    closed_at: Instant = 0  # since when nothing but a probe goes there; 0: it is open
    refused_at: Instant = 0  # the last refusal, or the pause's beginning; of this process alone
    reached_at: Instant = 0  # again, after a rest; of this process alone
    last_reply: str = ""
    last_reply_at: Instant | None = None

    def dump(self) -> dict[str, Any]:
        """For the store: what must survive a restart."""
        kept = {name: getattr(self, name) for name in _KEPT}
        kept["enough"] = dict(self.enough)
        return kept | {"mode": self.mode.value, "kind": self.kind.value}

    @classmethod
    def load(cls, kept: dict[str, Any]) -> Standing:
        """What :meth:`dump` gave. Raises KeyError, TypeError, ValueError on anything else."""
        made = cls(**{name: kept[name] for name in _KEPT if name in kept})
        made.mode, made.kind = Mode(kept["mode"]), Kind(kept["kind"])
        return made

    def later(self, step: int) -> Standing:
        """The same, where all its moments are so many milliseconds later."""
        for name in _MOMENTS:
            if at := getattr(self, name):
                setattr(self, name, at + step)
        return self


_KEPT: Final = (
    "until",
    "why",
    "by_hand",
    "since",
    "refusals",
    "share",
    "connections",
    "step_at",
    "is_new",
    "carried",
    "length",
    "enough",
    "enough_at",
    "closed_at",
    "last_reply",
    "last_reply_at",
)


_MOMENTS: Final = ("until", "since", "step_at", "enough_at", "closed_at", "last_reply_at")


def is_late(state: Standing, began_at: Instant | None) -> bool:
    """True for the answer to what had begun before the last refusal: it says nothing of the time
    since."""
    return began_at is not None and began_at <= state.refused_at


def is_asking(state: Standing) -> bool:
    """True where an answer may be a probe's: of one letter to many the first may have put off the
    next letter, and the second be accepted."""
    return state.mode is Mode.PROBING or (state.mode is Mode.PAUSED and state.is_asked)


def begin(state: Standing) -> None:
    """A provider without history: a quarter of its limit."""
    state.mode, state.share, state.is_new, state.step_at = Mode.SLOW, START, True, 0


def refused(
    state: Standing,
    learned: Learned,
    read: Classification,
    reply: str,
    now: Instant,
    settings: PauseSettings,
    began_at: Instant | None = None,
) -> Change:
    """A reply that stops the destination. Every one moves the end of the pause; one that is late
    makes it no longer, and teaches nothing that was not known."""
    was = Mode.PROBING if is_asking(state) else state.mode
    kind, late = kind_of(read, reply), is_late(state, began_at)
    state.is_asked, state.refused_at = False, now
    if late:
        was = Mode.PAUSED if was is Mode.PROBING else was  # no probe was refused
    elif was is Mode.SLOW and not state.is_new and state.carried <= FEW and state.kind:
        was, state.refusals = Mode.PROBING, 0  # it was not over yet, or we were in a hurry
    if was in (Mode.OK, Mode.SLOW):
        state.since, state.refusals, state.kind = now, 0, kind
        is_of_rate = kind is not Kind.ADMINISTRATIVE or _is_of_rate_too(read, learned, now)
        if is_of_rate and not late:
            learned.refused(now, kind is not Kind.THROTTLE)
    elif was is Mode.PROBING:
        state.refusals += 1
        learned.refused_again(now)
    else:
        learned.refused_too()
    if is_worse := WEIGHT[kind] > WEIGHT[state.kind]:
        state.kind = kind
    state.length = pause_length(state, learned, now, settings)
    state.until = max(state.until, now + int(state.length * jitter(now)))
    if state.kind in (Kind.THROTTLE, Kind.BLOCK) and learned.blamed < PACED and learned.is_capped:
        room = learned.relief_at(now)  # before that it would only be refused again
        state.until = max(state.until, min(room, now + WAIT_FOR_ROOM))
    state.mode = Mode.PAUSED
    if not state.by_hand:
        state.why = reply
    return _found(was, is_worse and kind is not Kind.THROTTLE)


def _found(was: Mode, is_worse: bool) -> Change:
    """What a refusal changed for who looks on: of one pause each graver kind is news, once."""
    if is_worse:
        return Change.WORSE
    if was is Mode.PROBING:
        return Change.LONGER
    return Change.NONE if was is Mode.PAUSED else Change.PAUSED


def _is_of_rate_too(read: Classification, learned: Learned, now: Instant) -> bool:
    """A door that is shut soon after a throttle, and not for our set-up: it is the last of them."""
    soon = now - learned.blamed_at < DAY and learned.is_capped
    return read.action is not Action.FIX_CONFIG and soon


def answered(
    state: Standing,
    said: Meaning,
    read: Classification,
    reply: str,
    now: Instant,
    settings: PauseSettings,
    began_at: Instant | None = None,
) -> Change:
    """Neither accepted nor a refusal that stops the destination; what is late answers no probe."""
    if state.mode is Mode.PROBING and is_late(state, began_at):
        return Change.NONE
    if said is Meaning.ALIVE:
        return refused_itself(state, read, now, settings)
    if said is Meaning.UNREACHED:
        if was_shown(state):  # whatever came of it, for its other recipients too
            return _put_off(state, now, settings) if state.mode is Mode.PROBING else Change.NONE
        return unreached(state, reply, now, settings)
    state.is_asked = False
    return Change.NONE


def was_shown(state: Standing) -> bool:
    """A recipient was named at a door that people must open: there is one letter in some hours."""
    return state.kind is Kind.ADMINISTRATIVE and state.is_asked and is_asking(state)


def cut_short(state: Standing, now: Instant, settings: PauseSettings) -> None:
    """The connection that a letter asked on did not last."""
    if was_shown(state):
        _put_off(state, now, settings)
    else:
        state.is_asked = False


def _as_before(state: Standing, now: Instant) -> None:
    """Nothing had been refused: it stands where it stood, and time that it was left alone in is no
    clean time. Only its connections come back one after the other if it was out of reach: all at
    once they may be what it could not bear."""
    if state.kind is Kind.REST:
        state.reached_at = now
    state.kind, state.why = Kind.NONE, ""
    state.mode = Mode.SLOW if state.share < 1 else Mode.OK
    state.step_at = 0 if state.is_new else max(state.step_at, now)


def returning(state: Standing, now: Instant) -> int | None:
    """How many connections may be open soon after a rest: twice as many after each further time of
    a first rest. None: that is over."""
    if not state.reached_at:
        return None
    doublings = (now - state.reached_at) // REST
    return 1 << doublings if 0 <= doublings < DOUBLINGS else None


def refused_itself(
    state: Standing, read: Classification, now: Instant, settings: PauseSettings
) -> Change:
    """A letter was refused for a reason of its own. Nobody knows whether it would have been taken
    else: who says so at RCPT may still refuse us at the dot. Where people must open the door it was
    the one letter of these hours, unless the address is blamed: who calls all addresses dead is
    found out by the next ones, and by one in four hours never."""
    state.unreached = 0
    if state.mode is not Mode.PROBING:
        return Change.NONE
    if state.kind is Kind.ADMINISTRATIVE and read.action is not Action.BOUNCE_ADDRESS:
        return _put_off(state, now, settings)
    state.is_asked = False
    if state.kind is Kind.REST:
        _as_before(state, now)
        return Change.RESUMED
    return Change.NONE


def _put_off(state: Standing, now: Instant, settings: PauseSettings) -> Change:
    """It was the one letter of these hours, and told nothing of the door."""
    state.mode, state.is_asked = Mode.PAUSED, True
    state.until = now + int(millis(settings.administrative) * jitter(now))
    return Change.PUT_OFF


def accepted(state: Standing, learned: Learned, now: Instant, settings: PauseSettings) -> Change:
    """A letter was accepted: the destination bears us."""
    state.unreached = 0
    if not is_asking(state):
        return Change.NONE
    state.is_asked, state.until = False, min(state.until, now)
    if state.kind is Kind.REST or (state.is_new and not state.kind):
        # It had only been out of reach, or paused by hand, and has refused nothing.
        _as_before(state, now)
        return Change.RESUMED
    if state.refusals and state.kind in (Kind.THROTTLE, Kind.BLOCK):
        state.enough = {**state.enough, state.kind.value: int(ENOUGH * state.length)}
        state.enough_at = now
    learned.borne_again(state.since, now, state.refusals)
    state.mode, state.is_new, state.carried = Mode.SLOW, False, 0
    state.connections, state.share = 1, BACK if state.kind else min(BACK, state.share)
    state.step_at = now + _step(settings)
    return Change.RESUMED


def _step(settings: PauseSettings) -> int:
    return max(SECOND, millis(settings.throttle))


def unreached(state: Standing, failure: str, now: Instant, settings: PauseSettings) -> Change:
    """Refused, timed out or lost connections in a row: the site rests as one. A probe of a block
    that does not get there answers nothing: what the provider said of us still is why it waits."""
    state.unreached += 1
    state.is_asked = False
    if state.unreached < UNREACHED and state.mode is not Mode.PROBING:
        return Change.NONE
    was = state.mode
    over = max(0, state.unreached - UNREACHED)
    if was in (Mode.OK, Mode.SLOW) and not state.kind:
        state.kind = Kind.REST  # after a refusal it stays a refusal's way back
    is_blocked = was is Mode.PROBING and state.kind in (Kind.BLOCK, Kind.ADMINISTRATIVE)
    if not (state.by_hand or is_blocked):
        state.why = failure
    state.mode, state.refused_at = Mode.PAUSED, now
    longest = min(LONGEST_REST, millis(settings.longest))
    state.until = max(state.until, now + min(REST << min(over, 10), longest))
    if is_blocked:
        return Change.PUT_OFF
    return Change.NONE if was is Mode.PAUSED else Change.PAUSED


def tick(state: Standing, now: Instant, settings: PauseSettings, connections: int) -> None:
    """What time alone does. `connections`: what the limits allow."""
    if state.mode is Mode.PAUSED and not state.by_hand and now >= state.until:
        state.mode, state.is_asked = Mode.PROBING, False
    while state.mode is Mode.SLOW and not state.is_new and now >= state.step_at:
        if state.share >= 1 and state.connections >= connections:
            state.mode, state.kind, state.why = Mode.OK, Kind.NONE, ""
            return
        state.share = min(1.0, state.share + STEP_UP)
        state.connections = min(connections, state.connections + 1)
        state.step_at += _step(settings)


def wrote(state: Standing, now: Instant) -> None:
    """A letter went to a destination that ramps up: it grows with what it is given, and what it is
    given in silence teaches nothing."""
    if state.mode is not Mode.SLOW:
        return
    if state.carried <= FEW:
        state.carried += 1
    if not state.is_new:
        return
    if not state.step_at:
        state.step_at = now + RAMP_STEP
    elif now >= state.step_at:
        state.share *= RAMP
        state.step_at = now + RAMP_STEP
        if state.share >= 1:
            state.mode, state.share, state.is_new = Mode.OK, 1.0, False


def slow(state: Standing, factor: float, now: Instant, settings: PauseSettings) -> None:
    """A rule of the site asks for so much less; it comes back by the same steps."""
    if state.mode in (Mode.OK, Mode.SLOW):
        share = state.share if state.mode is Mode.SLOW else 1.0
        state.mode, state.is_new = Mode.SLOW, False
        state.share = max(SLOWEST, share * factor)
        state.step_at = now + _step(settings)


def pause(state: Standing, until: Instant | None, why: str, now: Instant) -> None:
    """By hand."""
    state.mode, state.why, state.by_hand = Mode.PAUSED, why, until is None
    state.refused_at, state.is_asked = now, False
    state.until = max(state.until, until or 0)


def resume(state: Standing, now: Instant) -> bool:
    """By hand: one letter first, then step by step, unless nothing had been refused."""
    if state.mode is not Mode.PAUSED:
        return False
    state.by_hand, state.until, state.is_asked = False, now, False
    if state.kind is Kind.ADMINISTRATIVE:
        state.kind = Kind.BLOCK  # somebody has seen to it: a refused letter may ask, too
    if state.kind:
        state.mode = Mode.PROBING
    else:
        _as_before(state, now)
    return True
