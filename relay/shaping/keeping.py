"""Keeping: the shaper's records by destination, and how they survive a restart.

Text by key: `state:` where a destination stands, `learned:` what it bears, `warmup:` how far its
warm-up is, `ourselves:` who accuses us. What counts for exact limits is kept row by row instead
(see aside.py). A record that only time has touched is written again once a minute at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from relay.mail.instant import MINUTE, Instant, millis
from relay.mail.spent import Spent
from relay.shaping.base import Identity
from relay.shaping.counting import Counting
from relay.shaping.destination import Destination
from relay.shaping.feedback import Mode, Standing
from relay.shaping.learned import Learned
from relay.shaping.reacting import Reacting
from relay.shaping.settings import PauseSettings
from relay.shaping.warmup import Warming, Warmup

FORGET: Final = 20_000  # destinations; above it those without any state are forgotten
OTHERS: Final = ("fuse:", "meter:")  # kept by others under the same roof, or of old
SOURCE: Final = "source:address"  # that we dial from, as it is kept
CLOCK: Final = "clock:step"  # by how much the clock was set forward since the start, as it is kept
REACTION: Final = "reaction:"
AGAIN: Final = MINUTE
# Written for each letter that goes slowly; looking for circles would be a third of it.
_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
AT_ONCE: Final = 250  # destinations to a look: ten thousand held the loop for 36 ms
USUAL: Final = 10 * MINUTE  # the pause that all times of learning are made for


def step_of(states: Mapping[str, str]) -> int:
    """By how many milliseconds the clock had been set forward when these were kept; 0: it had not,
    or that cannot be read."""
    try:
        return int(states.get(CLOCK) or 0)
    except ValueError:
        return 0


def _is_of_address(kind: str, key: str, kept: Any) -> bool:
    """True for what providers made of the address that we had: another one begins anew. A pause by
    hand stays, and what they said of one of our names."""
    if kind == "state":
        return "|" not in key and not kept["by_hand"]
    return kind == "learned"


class Keeping:
    """The records, and their texts."""

    _pauses: PauseSettings
    _reacting: Reacting
    _source: str  # the address that we dial from; empty: not known

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._states: dict[str, Standing] = {}
        self._learned: dict[str, Learned] = {}
        self._warming: dict[str, Warming] = {}
        self._known: dict[str, Destination] = {}
        self._open: dict[str, int] = {}
        self._dirty: set[str] = set()
        self._source_kept = ""
        self._outdated: set[str] = set()  # names of what is kept of another address of ours
        self._warmed_up: set[str] = set()  # whose warm-up is to be kept
        self._touched: set[str] = set()
        self._touched_kept_at: Instant = 0
        self._round: list[str] = []  # those of the last minute whose turn is still to come
        # Destination → the one d=, and the one domain in MAIL FROM, seen there; empty: several.
        self._signers: dict[str, str] = {}
        self._senders: dict[str, str] = {}
        self._named_keys: dict[str, list[str]] = {}  # destination → the keys of ours it has named

    def _state(self, destination: Destination) -> Standing:
        state = self._states.get(destination.key)
        if state is None:
            state = self._states[destination.key] = Standing()
        return state

    def _note_named(self, key: str) -> Standing:
        """The state of one of our names at a destination: `gmail|dkim=lpse.example.go.id`."""
        keys = self._named_keys.setdefault(key.partition("|")[0], [])
        if key not in keys:
            keys.append(key)
        return self._states.setdefault(key, Standing())

    def _carried(self, key: str, identity: Identity) -> None:
        """A letter goes there, with these names of ours."""
        if self._signers.setdefault(key, identity.dkim) != identity.dkim:
            self._signers[key] = ""
        if self._senders.setdefault(key, identity.envelope) != identity.envelope:
            self._senders[key] = ""

    def _is_only(self, key: str) -> bool:
        """True where all that goes to the destination carries that one name of ours."""
        to, _, name = key.partition("|")
        kind, _, value = name.partition("=")
        return (self._signers if kind == "dkim" else self._senders).get(to) == value

    def _learned_of(self, key: str) -> Learned:
        learned = self._learned.get(key)
        if learned is None:
            learned = self._learned[key] = Learned(self._scale())
        self._touched.add(key)
        return learned

    def _scale(self) -> float:
        """Below 1 in a laboratory: its pauses are short, and what is learned must be, too."""
        return min(1.0, millis(self._pauses.throttle) / USUAL)

    def _warming_of(self, key: str) -> Warming:
        warming = self._warming.get(key)
        if warming is None:
            warming = self._warming[key] = Warming(source=self._source)
        return warming

    def _warmed_by(self, key: str, plan: Warmup, units: int, now: Instant) -> None:
        """Letters were written that count for it."""
        warming = self._warming_of(key)
        warming.add(plan, units, now)
        self._touched.add(key)
        if warming.is_due:
            self._warmed_up.add(key)

    def dirty(self, now: Instant, is_last: bool = False) -> Mapping[str, str]:
        """See Shaping.dirty."""
        changed: dict[str, str] = self._reacting.dirty() | dict.fromkeys(self._outdated, "")
        self._outdated.clear()
        if self._source != self._source_kept:
            changed[SOURCE] = self._source_kept = self._source
        for key in self._dirty:
            changed[f"state:{key}"] = self._state_text(key)
        for key in self._dirty.union(self._due(now, is_last)):
            changed |= self._counts(key, now)
        warming = self._warming if is_last else self._warmed_up
        for key in warming:
            changed[f"warmup:{key}"] = json.dumps(self._warming[key].dump(is_last))
        self._warmed_up.clear()
        self._dirty.clear()
        self._forget()
        return changed

    def _due(self, now: Instant, is_last: bool) -> Sequence[str]:
        """Of those that only time has touched some, in turn; at the end all."""
        is_time = now - self._touched_kept_at >= AGAIN or now < self._touched_kept_at
        if is_last or (is_time and not self._round):
            self._touched_kept_at = now
            self._round, self._touched = [*self._round, *self._touched], set()
        some = len(self._round) if is_last else AT_ONCE
        due, self._round = self._round[:some], self._round[some:]
        return due

    def _state_text(self, key: str) -> str:
        state = self._states.get(key)
        if state is None:
            return ""
        destination = self._known.get(key)
        is_provider = destination is not None and destination.provider is not None
        is_worth = state.mode is not Mode.OK or bool(state.last_reply) or is_provider
        return json.dumps(state.dump()) if is_worth else ""

    def _counts(self, key: str, now: Instant) -> dict[str, str]:
        texts = {}
        learned = self._learned.get(key)
        if learned is not None:
            if learned.is_empty(now):
                del self._learned[key]
                texts[f"learned:{key}"] = ""
            elif learned.is_capped or self._is_provider(key):
                texts[f"learned:{key}"] = _COMPACT(learned.dump())
                learned.fold()
        if key in self._warming:
            self._warmed_up.add(key)
        state = self._states.get(key)
        if state is not None and (state.is_new or self._is_provider(key)):
            texts[f"state:{key}"] = self._state_text(key)
        return texts

    def _is_provider(self, key: str) -> bool:
        destination = self._known.get(key)
        return destination is not None and destination.provider is not None

    def _forget(self) -> None:
        if len(self._known) <= FORGET:
            return
        for key in [k for k in self._known if k not in self._open]:
            state, learned = self._states.get(key), self._learned.get(key)
            is_idle = state is None or state.mode is Mode.OK
            if is_idle and not (learned is not None and learned.is_capped):
                self._known.pop(key)
                self._states.pop(key, None)
                self._learned.pop(key, None)
                self._signers.pop(key, None)
                self._senders.pop(key, None)

    def restore(self, states: Mapping[str, str], now: Instant, spent: Sequence[Spent] = ()) -> None:
        """See Shaping.restore."""
        step = step_of(states)
        self._counting.restore(spent, now, step)
        was = self._source_kept = states.get(SOURCE, "")
        is_another = bool(was and self._source) and was != self._source
        ours = [(name, text) for name, text in states.items() if name.startswith(REACTION)]
        faults = self._reacting.restore(ours, now, step)
        for name, text in states.items():
            if name.startswith((*OTHERS, REACTION)) or name in (CLOCK, SOURCE):
                continue
            kind, _, key = name.partition(":")
            try:
                kept = json.loads(text)
                if is_another and _is_of_address(kind, key, kept):
                    self._outdated.add(name)
                else:
                    self._take(kind, key, kept, now, step)
            except (ValueError, KeyError, TypeError) as error:
                faults.append(f"{name}: {type(error).__name__}: {error}")
        if faults:
            raise ValueError("what was learned could not all be read: " + "; ".join(faults))

    def _take(self, kind: str, key: str, kept: Any, now: Instant, step: int) -> None:
        if step:  # the moments in it are others from now on
            self._dirty.add(key)
        if kind == "state":
            self._states[key] = self._believed(Standing.load(kept).later(step), now)
            if "|" in key:
                self._note_named(key)
        elif kind == "learned":
            self._learned[key] = Learned.load(kept, self._scale(), now)
        elif kind == "warmup":
            warming = Warming.load(kept, now, step)
            if warming.is_of(self._source):  # else another address begins anew
                self._warming[key] = warming
        else:
            raise ValueError("neither a state nor what was learned")

    def _believed(self, state: Standing, now: Instant) -> Standing:
        """No pause that was kept is longer than one can be, whatever the clock did meanwhile."""
        pauses = self._pauses
        longest = now + 2 * millis(max(pauses.longest, pauses.throttle, pauses.administrative))
        state.until = min(state.until, longest)
        state.step_at = min(state.step_at, longest)
        state.enough_at = min(state.enough_at, now)
        state.closed_at = min(state.closed_at, now)
        return state
