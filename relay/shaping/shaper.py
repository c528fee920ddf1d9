"""Shaper: two permits, feedback, and what survives a restart; exact, since there is one a process.

`admit` asks in this order: the pause by hand for everything, the destination's own state, its
windows, the domain's windows. Units are spent only where all say yes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from relay.mail import events
from relay.mail.classification import Action, Classification
from relay.mail.events import Event
from relay.mail.instant import MINUTE, SECOND, Instant, millis
from relay.shaping import base, feedback
from relay.shaping.base import Wait
from relay.shaping.destination import Destination, Rate
from relay.shaping.feedback import Change, Meaning, Mode, Standing
from relay.shaping.settings import PauseSettings
from relay.shaping.windows import Meter

EVERYTHING: Final = "*"
ALL: Final = "all"  # its word where a provider's name stands
LATER: Final = 10 * SECOND  # how soon is asked again where no moment is known
PATIENCE: Final = 30 * MINUTE  # a probe that was never heard of again counts as gone
MANY: Final = 100_000.0  # RCPTs a minute: as good as no limit
LOOKED_AT: Final = 500  # meters a second that are looked at for emptiness
FORGET: Final = 20_000  # destinations; above it those without any state are forgotten

DomainRates = Callable[[str], tuple[Rate, ...]]


class Shaper:
    """Implements shaping.base.Shaping."""

    def __init__(
        self, pauses: PauseSettings, domain_rates: DomainRates, providers: Collection[str] = ()
    ) -> None:
        """`providers`: the names that are keys too. All are replaced by :meth:`use` at a reload."""
        self.use(pauses, domain_rates, providers)
        self._states: dict[str, Standing] = {}
        self._known: dict[str, Destination] = {}
        self._meters: dict[str, Meter] = {}
        self._open: dict[str, int] = {}
        self._slow_next: dict[str, float] = {}
        self._kept: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._round: list[str] = []  # meters still to be looked at for emptiness

    def use(
        self, pauses: PauseSettings, domain_rates: DomainRates, providers: Collection[str] = ()
    ) -> None:
        """A new configuration; what was counted and learned stays."""
        self._pauses = pauses
        self._domain_rates = domain_rates
        self._providers = frozenset(providers)

    # --- permit one

    def connect(self, destination: Destination, now: Instant) -> Wait | None:
        """See Shaping.connect."""
        key = destination.key
        wait = self._stopped(destination, now)
        if wait is not None:
            return wait
        allowed = self._connections(destination)
        if allowed is not None and self._open.get(key, 0) >= allowed:
            return Wait(now + SECOND, f"{allowed} connections to {key} are open, as many as may be")
        self._open[key] = self._open.get(key, 0) + 1
        return None

    def disconnected(self, destination: Destination, now: Instant) -> None:
        """See Shaping.disconnected."""
        left = self._open.get(destination.key, 0) - 1
        if left > 0:
            self._open[destination.key] = left
        else:
            self._open.pop(destination.key, None)

    def connections(self, destination: Destination, now: Instant) -> int:
        """How many connections may be open to it now."""
        self._tick(destination, now)
        allowed = self._connections(destination)
        return 20 if allowed is None else allowed

    def _connections(self, destination: Destination) -> int | None:
        state = self._states.get(destination.key)
        allowed = destination.profile.connections
        if state is None or state.mode is Mode.OK:
            return allowed
        learned = 1 if state.mode is not Mode.SLOW else state.connections
        return learned if allowed is None else min(learned, allowed)

    # --- permit two

    def peek(
        self, destination: Destination, domain: str, units: int, now: Instant, ahead: int = 0
    ) -> Wait | None:
        """See Shaping.peek."""
        wait = self._stopped(destination, now)
        if wait is not None:
            return wait
        key = destination.key
        state = self._states.get(key)
        if state is not None and state.mode is Mode.SLOW:
            at = self._slow_next.get(key, 0.0)
            if ahead:
                at = max(at, float(now)) + ahead * MINUTE / max(state.rate, feedback.SLOWEST)
            if at > now:
                return Wait(
                    int(at) + 1, f"{key} is slow after a refusal: {state.rate:.1f} a minute"
                )
        for meter, name in self._asked(destination, domain):
            at = meter.free_at(units, now, ahead)
            if at > now:
                limit = meter.binding(units + ahead, now)
                own = None if name == key else name
                return Wait(at, f"the limit of {name}: {limit or meter.rates[0]}", own)
        return None

    def admit(self, destination: Destination, domain: str, units: int, now: Instant) -> Wait | None:
        """See Shaping.admit."""
        wait = self.peek(destination, domain, units, now)
        if wait is not None:
            return wait
        state = self._states.get(destination.key)
        if state is not None and state.mode is Mode.PROBING:
            state.is_asked, state.asked_at = True, now
        if state is not None and state.mode is Mode.SLOW and state.rate > 0:
            last = max(self._slow_next.get(destination.key, 0.0), float(now))
            self._slow_next[destination.key] = last + units * MINUTE / state.rate
        for meter, _ in self._asked(destination, domain):
            meter.add(units, now)
        return None

    def refund(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        admitted_at: Instant | None = None,
    ) -> None:
        """See Shaping.refund."""
        state = self._states.get(destination.key)
        if state is not None:
            state.is_asked = False
        for meter, _ in self._asked(destination, domain):
            meter.take_back(units, admitted_at)

    def _asked(self, destination: Destination, domain: str) -> list[tuple[Meter, str]]:
        asked = []
        if destination.profile.rates:
            asked.append((self._meter(destination.key, destination.profile.rates), destination.key))
        rates = self._domain_rates(domain) if domain != destination.key else ()
        if rates:
            asked.append((self._meter(f"@{domain}", rates), domain))
        return asked

    def _meter(self, key: str, rates: tuple[Rate, ...]) -> Meter:
        meter = self._meters.get(key)
        if meter is None or meter.rates != rates:
            fresh = Meter(rates)
            kept = meter.dump() if meter is not None else json.loads(self._kept.pop(key, "{}"))
            fresh.load(kept)
            meter = self._meters[key] = fresh
        return meter

    def _stopped(self, destination: Destination, now: Instant) -> Wait | None:
        everything = self._states.get(EVERYTHING)
        if everything is not None and self.is_paused(EVERYTHING, now):
            until = now + LATER if everything.by_hand else everything.until
            return Wait(until, f"everything is paused: {everything.why}")
        self._tick(destination, now)
        state = self._states.get(destination.key)
        if state is None or state.mode in (Mode.OK, Mode.SLOW):
            return None
        if state.mode is Mode.PAUSED:
            until = now + LATER if state.by_hand else state.until
            return Wait(until, f"{destination.key} is paused: {state.why}")
        if state.is_asked and now - state.asked_at < PATIENCE:
            return Wait(now + SECOND, f"{destination.key} is asked with one letter")
        return None

    def _tick(self, destination: Destination, now: Instant) -> None:
        self._known[destination.key] = destination
        state = self._states.get(destination.key)
        if state is None or state.mode is Mode.OK:
            return
        before = state.mode
        profile = destination.profile
        rate = _a_minute(profile.rates)
        full = (MANY if rate is None else rate, profile.connections or 20)
        feedback.tick(state, now, self._pauses, full)
        if state.mode is not before:
            self._dirty.add(destination.key)

    # --- feedback

    def feedback(
        self,
        destination: Destination,
        classification: Classification | None,
        reply: str,
        now: Instant,
    ) -> Sequence[Event]:
        """See Shaping.feedback."""
        key, read = destination.key, classification
        self._known[key] = destination
        state = self._states.setdefault(key, Standing())
        change = Change.NONE
        meaning = feedback.meaning(read, state.mode)
        if read is not None:
            state.last_reply, state.last_reply_at = reply, now
        if meaning is Meaning.ALIVE:
            change = feedback.accepted(state, now, self._pauses)
        elif meaning is Meaning.UNREACHED:
            change = feedback.unreached(state, reply, now, self._pauses)
        elif meaning is Meaning.REFUSAL and read is not None:
            change = feedback.refused(state, read, reply, now, self._pauses)
        else:
            state.is_asked = False
        if change is not Change.NONE or state.mode is not Mode.OK:
            self._dirty.add(key)
        return self._events(destination, state, read, change, now)

    def _events(
        self,
        destination: Destination,
        state: Standing,
        read: Classification | None,
        change: Change,
        now: Instant,
    ) -> list[Event]:
        label, key = destination.label, destination.key
        if change is Change.RESUMED:
            self._slow_next.pop(key, None)
            return [
                events.Resumed(now, label, key, "a letter was accepted; step by step from here")
            ]
        if change is not Change.PAUSED:
            return []
        found: list[Event] = [events.Paused(now, label, key, state.until, state.why)]
        if state.kind == "block":
            is_ours = read is not None and read.action is Action.FIX_CONFIG
            name = f"{'fix_config' if is_ours else 'blocked'}:{key}"
            found.append(events.Alert(now, name, f"{key} refuses our mail: {state.why}"))
        return found

    def messages_per_connection(self, destination: Destination, now: Instant) -> int | None:
        """See Shaping.messages_per_connection."""
        return destination.profile.messages_per_connection

    # --- by hand

    def pause(self, destination: str, until: Instant | None, why: str, now: Instant) -> None:
        """See Shaping.pause."""
        feedback.pause(self._states.setdefault(destination, Standing()), until, why)
        self._dirty.add(destination)

    def resume(self, destination: str, why: str, now: Instant) -> bool:
        """See Shaping.resume. `*` ends the pause of everything and each pause by hand."""
        if destination == EVERYTHING:
            names = [k for k, s in self._states.items() if k == EVERYTHING or s.by_hand]
        else:
            names = [destination]
        done = False
        for name in names:
            state = self._states.get(name)
            if state is not None and feedback.resume(state, now):
                self._dirty.add(name)
                done = True
        return done

    def is_paused(self, destination: str, now: Instant) -> bool:
        """See Shaping.is_paused."""
        for key in (EVERYTHING, destination):
            state = self._states.get(key)
            if state is not None and state.mode is Mode.PAUSED:
                return state.by_hand or now < state.until
        return False

    # --- showing and keeping

    def standings(self, now: Instant) -> list[base.Standing]:
        """See Shaping.standings."""
        keys = set(self._known)
        keys |= {k for k, s in self._states.items() if s.mode is not Mode.OK or self._named(k)}
        return [self._shown(key, now) for key in sorted(keys)]

    def _named(self, key: str) -> str | None:
        """A provider's name by its key alone: it may be paused before any letter went there."""
        if key == EVERYTHING:
            return ALL
        return key if key in self._providers else None

    def _shown(self, key: str, now: Instant) -> base.Standing:
        destination = self._known.get(key)
        if destination is not None:
            self._tick(destination, now)
        state = self._states.get(key, Standing())
        limits = destination.profile.rates if destination else ()
        rate = _a_minute(limits)
        if state.mode is Mode.SLOW:
            rate = state.rate if rate is None else min(rate, state.rate)
        elif state.mode is not Mode.OK:
            rate = 0.0
        until = None if state.by_hand or state.mode is not Mode.PAUSED else state.until
        return base.Standing(
            key,
            destination.provider if destination else self._named(key),
            state.mode.value,
            until,
            state.why if state.mode is not Mode.OK else "",
            limits,
            rate,
            (self._connections(destination) or 20) if destination else 0,
            self._open.get(key, 0),
            state.last_reply,
            state.last_reply_at,
        )

    def dirty(self, now: Instant) -> Mapping[str, str]:
        """See Shaping.dirty."""
        changed: dict[str, str] = {}
        for key in self._dirty:
            state = self._states.get(key)
            is_worth = state is not None and (state.mode is not Mode.OK or bool(state.last_reply))
            changed[f"state:{key}"] = json.dumps(state.dump()) if state and is_worth else ""
        self._dirty.clear()
        for key, meter in self._meters.items():
            if meter.is_dirty:
                changed[f"meter:{key}"] = json.dumps(meter.dump(), separators=(",", ":"))
                meter.is_dirty = False
        changed.update(self._emptied(now))
        self._forget()
        return changed

    def _emptied(self, now: Instant) -> dict[str, str]:
        """Some meters in turn: those that count nothing any more are given up, here and kept."""
        if not self._round:
            self._round = list(self._meters)
        some, self._round = self._round[:LOOKED_AT], self._round[LOOKED_AT:]
        empty = [key for key in some if self._meters[key].is_empty(now)]
        for key in empty:
            del self._meters[key]
        return {f"meter:{key}": "" for key in empty}

    def _forget(self) -> None:
        if len(self._known) <= FORGET:
            return
        for key in [k for k in self._known if k not in self._open]:
            state = self._states.get(key)
            if state is None or state.mode is Mode.OK:
                self._known.pop(key)
                self._states.pop(key, None)

    def restore(self, states: Mapping[str, str], now: Instant) -> None:
        """See Shaping.restore."""
        faults = []
        for name, text in states.items():
            kind, _, key = name.partition(":")
            try:
                kept: Any = json.loads(text)
                if kind == "state":
                    self._states[key] = self._believed(Standing.load(kept), now)
                elif kind == "meter":
                    self._meters_kept(key, kept, text)
                else:
                    raise ValueError("neither a state nor a meter")
            except (ValueError, KeyError, TypeError) as error:
                faults.append(f"{name}: {type(error).__name__}: {error}")
        if faults:
            raise ValueError("what was learned could not all be read: " + "; ".join(faults))

    def _believed(self, state: Standing, now: Instant) -> Standing:
        """No pause that was kept is longer than one can be, whatever the clock did meanwhile."""
        longest = now + 2 * millis(max(self._pauses.longest, self._pauses.throttle))
        state.until = min(state.until, longest)
        state.step_at = min(state.step_at, longest)
        return state

    def _meters_kept(self, key: str, kept: Any, text: str) -> None:
        if not isinstance(kept, dict):
            raise TypeError("a meter is a mapping")
        self._kept[key] = text


def _a_minute(rates: Sequence[Rate]) -> float | None:
    """RCPTs a minute that the shortest window allows: longer ones say how many, not how fast."""
    shortest = min(rates, key=lambda rate: rate.window, default=None)
    return shortest.count * MINUTE / millis(shortest.window) if shortest else None
