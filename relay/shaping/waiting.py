"""Waiting: what says *not before* besides the limits — states, hours, warm-up, what was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from relay.mail import events
from relay.mail.classification import Classification
from relay.mail.events import Event
from relay.mail.instant import MINUTE, SECOND, Instant
from relay.mail.urgency import Urgency
from relay.shaping import feedback, telling
from relay.shaping.base import NOBODY, URGENT, Identity, Reason, Wait
from relay.shaping.counting import Counted, Counting, is_inside
from relay.shaping.destination import Destination
from relay.shaping.feedback import Mode, Standing
from relay.shaping.meaning import Kind, Meaning
from relay.shaping.operating import EVERYTHING, UNLIMITED
from relay.shaping.stopping import BY_HAND, PATIENCE, Stopping
from relay.shaping.warmup import Warmup

_NONE: Final[Mapping[str, Instant]] = MappingProxyType({})


class Waiting(Stopping):
    """Asked before any unit is spent; spends nothing."""

    _next: dict[str, float]  # where a learned pace lets the next unit go

    def __init__(self, counting: Counting) -> None:
        super().__init__(counting)
        self._told_idle: set[str] = set()  # limits of which was told that something does nothing

    def _besides(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        ahead: int,
        urgency: Urgency,
        identity: Identity,
    ) -> Wait | None:
        """What says no besides the limits."""
        wait = (
            self._stopped(destination, now, identity)
            or self._closed(destination, now, urgency, units + ahead)
            or self._closed_inside(destination, domain, now, urgency, units + ahead)
        )
        if wait is not None:
            return wait
        wait = self._learned_wait(destination, units, now, ahead, urgency in URGENT)
        return wait or self._reacting.wait(destination.key, domain, now, ahead)

    def _stopped(
        self, destination: Destination, now: Instant, identity: Identity = NOBODY
    ) -> Wait | None:
        wait = self._all_wait(destination, now)
        if wait is not None:
            return wait
        self._tick(destination, now)
        wait = self._state_wait(destination.key, now)
        if wait is None and destination.key in self._named_keys and identity is not NOBODY:
            for name in identity.names:
                wait = wait or self._named_wait(destination, name, now)
        return wait

    def _named_wait(self, destination: Destination, name: str, now: Instant) -> Wait | None:
        """What letters with that name of ours wait for."""
        key = f"{destination.key}|{name}"
        state = self._states.get(key)
        if state is None:
            return None
        feedback.tick(state, now, self._pauses, self._full(destination))
        wait = self._state_wait(key, now)
        return None if wait is None else replace(wait, name=name)

    def _shown_wait(self, wait: Wait | None, key: str, domain: str, now: Instant) -> Wait | None:
        """What is shown: a reaction's pause before what would be over earlier, save a hand's."""
        states = map(self._states.get, (EVERYTHING, key))
        if wait is None or any(state is not None and state.by_hand for state in states):
            return wait
        lasting = self._reacting.wait(key, domain, now)
        is_pause = lasting is not None and lasting.reason is Reason.PAUSE
        return lasting if lasting is not None and is_pause and lasting.until > wait.until else wait

    def wants_new(self, destination: Destination, now: Instant) -> bool:
        """See Shaping.wants_new."""
        state = self._states.get(destination.key)
        return self._all_want_new() or (
            state is not None
            and state.kind is Kind.ADMINISTRATIVE
            and state.mode in (Mode.PROBING, Mode.PAUSED)
        )

    def is_probing(self, destination: Destination, now: Instant) -> bool:
        """See Shaping.is_probing."""
        state = self._states.get(destination.key)
        return state is not None and state.mode is Mode.PROBING

    def shut_names(self, destination: Destination, now: Instant) -> Mapping[str, Instant]:
        """See Shaping.shut_names."""
        keys = self._named_keys.get(destination.key)
        if keys is None:
            return _NONE
        shut = {}
        for key in keys:
            name = key.partition("|")[2]
            wait = self._named_wait(destination, name, now)
            if wait is not None:
                shut[name] = wait.until
            elif self._states[key].mode is Mode.PROBING:
                shut[name] = now
        return shut

    def _shut(self, destination: Destination, now: Instant) -> tuple[Wait, ...]:
        """What letters of our names wait for there."""
        names = (key.partition("|")[2] for key in self._named_keys.get(destination.key, ()))
        waits = (self._named_wait(destination, name, now) for name in names)
        return tuple(wait for wait in waits if wait is not None)

    def _answered_besides(
        self,
        key: str,
        said: Meaning,
        read: Classification,
        now: Instant,
        identity: Identity,
        began_at: Instant | None,
    ) -> None:
        """No acceptance: what it asked for beside the destination is asked anew, at once or where
        people must open the door later."""
        for name in named_keys(key, identity) if key in self._named_keys else ():
            own = self._states.get(name)
            if own is None or own.mode is not Mode.PROBING or feedback.is_late(own, began_at):
                continue
            if said is Meaning.ALIVE:
                feedback.refused_itself(own, read, now, self._pauses)
            elif said is Meaning.UNREACHED:
                feedback.cut_short(own, now, self._pauses)
            else:
                own.is_asked = False
            self._dirty.add(name)

    def _asking(self, key: str, identity: Identity) -> list[Standing]:
        """The states of those names of a letter that the destination is asked for."""
        if key not in self._named_keys:
            return []
        states = map(self._states.get, named_keys(key, identity))
        return [one for one in states if one is not None and one.mode is Mode.PROBING]

    def _state_wait(self, key: str, now: Instant) -> Wait | None:
        state = self._states.get(key)
        if state is None or state.mode in (Mode.OK, Mode.SLOW):
            return None
        if state.mode is Mode.PAUSED:
            until = now + BY_HAND if state.by_hand else state.until
            return Wait(until, f"{key} is paused: {state.why}", reason=Reason.PAUSE)
        if state.is_asked and now - state.asked_at < PATIENCE:
            why = f"{key} is asked with one letter"
            return Wait(now + SECOND, why, reason=Reason.PROBING)
        return None

    def _closed(
        self, destination: Destination, now: Instant, urgency: Urgency, units: int
    ) -> Wait | None:
        """Its hours, which never hold kritis, and its warm-up, which urgent classes do not ask."""
        profile, key = destination.profile, destination.key
        if profile.hours is not None and urgency is not Urgency.KRITIS:
            at = profile.hours.open_at(now)
            if at > now:
                why = f"{key} is sent to only at {profile.hours}"
                return Wait(at, why, reason=Reason.HOURS)
        if profile.warmup is None:
            return None
        return self._warming_wait(key, profile.warmup, units, now, urgency)

    def _warming_wait(
        self, key: str, plan: Warmup, units: int, now: Instant, urgency: Urgency
    ) -> Wait | None:
        if urgency in URGENT:
            return None
        warming = self._warming_of(key)
        at = warming.free_at(plan, units, now)
        if at <= now:
            return None
        name, most = key.removeprefix("@"), plan.of_day(warming.day)
        why = f"the warm-up of {name}: {most} on sending day {warming.day + 1}"
        return Wait(at, why, reason=Reason.WARM_UP)

    def _closed_inside(
        self, destination: Destination, domain: str, now: Instant, urgency: Urgency, units: int
    ) -> Wait | None:
        """The hours and the warm-up of a domain, or of its site, inside what it is sent to."""
        if urgency is Urgency.KRITIS:
            return None
        for limit in self._counting.of(domain):
            if limit.warmup is not None and is_inside(limit, destination):
                wait = self._warming_wait(limit.key, limit.warmup, units, now, urgency)
                if wait is not None:
                    return replace(wait, domain=domain)
            if limit.hours is not None and is_inside(limit, destination):
                at = limit.hours.open_at(now)
                if at > now:
                    why = f"{limit.key.removeprefix('@')} is sent to only at {limit.hours}"
                    return Wait(at, why, domain, Reason.HOURS)
        return None

    def _warmed(self, destination: Destination, domain: str) -> Sequence[tuple[str, Warmup]]:
        """The warm-ups of a domain, or of its site, inside what it is sent to; mostly none."""
        within = self._counting.of(domain)
        if not within:
            return ()
        plans = ((one.key, one.warmup) for one in within if is_inside(one, destination))
        return [(key, plan) for key, plan in plans if plan is not None]

    def _frozen(self, destination: Destination, key: str, now: Instant, domain: str) -> list[Event]:
        """A block freezes the warm-ups that a letter there counts for; each is told of once."""
        warming = [destination.key] if destination.profile.warmup is not None else []
        warming += [name for name, _ in self._warmed(destination, domain)]
        told: list[Event] = []
        for name in warming:
            if self._warming_of(name).freeze():
                whose = key if name == destination.key else name.removeprefix("@")
                said = telling.frozen(whose, self._states[key])
                told.append(events.Alert(now, f"warmup_frozen:{whose}", said))
                self._touched.add(name)
        return told

    def _idle(self, destination: Destination, domain: str, now: Instant) -> list[Event]:
        """Once since the start or a reload: what is written for the domain and is not obeyed."""
        told: list[Event] = []
        for limit in self._counting.of(domain):
            is_idle = limit.idle and is_inside(limit, destination)
            if is_idle and limit.key not in self._told_idle:
                self._told_idle.add(limit.key)
                name = f"not_in_force:{limit.key.removeprefix('@')}"
                told.append(events.Alert(now, name, telling.idle(limit, destination.key)))
        return told

    def _learned_wait(
        self, destination: Destination, units: int, now: Instant, ahead: int, is_urgent: bool
    ) -> Wait | None:
        key = destination.key
        state, learned = self._states.get(key), self._learned.get(key)
        if state is not None and state.mode is Mode.PROBING:
            return None  # one letter asks, whatever was learned
        share = 1.0 if state is None else state.share
        if learned is not None and learned.is_capped:
            at = learned.room_at(units + ahead, share, now, is_urgent)
            if at > now:
                why = f"what {key} bore before it refused: {telling.pace(learned)}"
                learned.fold()
                return Wait(at, why, reason=Reason.PACE)
        if state is None:
            return None
        interval = self._interval(destination, state)
        if not interval:
            return None
        at = int(max(self._next.get(key, 0.0), float(now) if ahead else 0.0) + ahead * interval)
        if at <= now:
            return None
        why = telling.slow(key, MINUTE / interval, state)
        return Wait(at + 1, why, reason=Reason.PACE)

    def _interval(self, destination: Destination, state: Standing) -> float:
        """Milliseconds between two units that what was learned asks for; 0: none."""
        learned = self._learned.get(destination.key)
        interval = learned.interval(state.share) if learned is not None else 0.0
        if state.mode is Mode.SLOW and state.share < 1:
            rate = telling.a_minute(destination.profile.rates)
            if rate is not None:
                interval = max(interval, MINUTE / (rate * state.share))
        return interval

    def _connections(self, destination: Destination, now: Instant) -> int | None:
        state = self._states.get(destination.key)
        allowed = destination.profile.connections
        of_rule = self._reacting.connections(destination.key, now)
        if of_rule is not None:
            allowed = of_rule if allowed is None else min(allowed, of_rule)
        returning = None if state is None else feedback.returning(state, now)
        if returning is not None:
            allowed = returning if allowed is None else min(allowed, returning)
        states = [state]
        for key in self._named_keys.get(destination.key, ()):
            own = self._states.get(key)  # while it is refused others go on as ever
            if own is not None and (own.mode is Mode.SLOW or self._is_only(key)):
                states.append(own)
        for one in states:
            if one is None or one.mode is Mode.OK or one.is_new:
                continue
            learned = 1 if one.mode is not Mode.SLOW else one.connections
            allowed = learned if allowed is None else min(learned, allowed)
        return allowed

    def is_full(self, destination: Destination, now: Instant) -> bool:
        """See Shaping.is_full."""
        allowed = self._connections(destination, now)
        return self._open.get(destination.key, 0) >= (UNLIMITED if allowed is None else allowed)

    def _tick(self, destination: Destination, now: Instant) -> None:
        key = destination.key
        self._known[key] = destination
        state = self._states.get(key)
        learned = self._learned.get(key)
        is_clean = state is None or state.mode is Mode.OK
        if is_clean and learned is not None and learned.is_capped and learned.rise(now):
            learned.lift(telling.spans(destination.profile.rates))
            self._dirty.add(key)
        if state is None:
            self._begin(destination)
            return
        if state.mode is Mode.OK:
            return
        before = state.mode
        feedback.tick(state, now, self._pauses, self._full(destination))
        if state.mode is not before:
            self._dirty.add(key)

    def _begin(self, destination: Destination) -> None:
        """A provider that nothing is known of; its sites and our own hops are not asked so much."""
        if self._is_ramping and destination.provider is not None and destination.profile.rates:
            feedback.begin(self._state(destination))

    def _full(self, destination: Destination) -> int:
        return destination.profile.connections or UNLIMITED


def named_keys(key: str, identity: Identity) -> list[str]:
    """The states of whom of us a destination may have named."""
    return [f"{key}|{name}" for name in identity.names]


def full(
    asked: Sequence[Counted],
    key: str,
    domain: str,
    units: int,
    now: Instant,
    ahead: int,
    urgency: Urgency,
) -> Wait | None:
    """The first of the limits that has no room."""
    for one in asked:
        at = one.meter.free_at(units, now, ahead, urgency)
        if at > now:
            limit = one.meter.binding(units + ahead, now, urgency)
            own = domain if one.name.startswith(("@", "mx:")) else None
            name = key if one.name == key else one.name.removeprefix("@")
            return Wait(at, f"the limit of {name}: {limit or one.meter.rates[0]}", own)
    return None
