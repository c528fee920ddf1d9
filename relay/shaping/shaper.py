"""Shaper: two permits, feedback, and what survives a restart; exact, since there is one a process.

`admit` asks in this order: the pause by hand for everything, the destination's own state and that
of whom of us it has named, its hours, what was learned of it, its windows, the domain's, the sums
over destinations, its warm-up. Units are spent only where all say yes and all are set aside.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from relay.mail import events
from relay.mail.classification import Action, Classification
from relay.mail.events import Event
from relay.mail.instant import MINUTE, SECOND, Instant
from relay.mail.spent import Spent
from relay.mail.urgency import Urgency
from relay.shaping import feedback, meaning, telling
from relay.shaping.base import NOBODY, SHORT, Explained, Identity, Reason, Short, Wait
from relay.shaping.counting import Counting, Within
from relay.shaping.destination import Destination, Profile, Sum
from relay.shaping.feedback import Change, Mode, Standing
from relay.shaping.meaning import Kind, Meaning
from relay.shaping.operating import UNLIMITED, closing
from relay.shaping.reacting import Reacting
from relay.shaping.reactions import Reaction
from relay.shaping.settings import PauseSettings
from relay.shaping.waiting import Waiting, full, named_keys


class Shaper(Waiting):
    """Implements shaping.base.Shaping."""

    def __init__(
        self,
        pauses: PauseSettings,
        within: Within,
        providers: Collection[str] = (),
        sums: Sequence[Sum] = (),
        source: str = "",
        is_ramping: bool = True,
        reactions: Sequence[Reaction] = (),
    ) -> None:
        """`providers`: the names that are keys too; all of these are replaced by :meth:`use` at a
        reload. `source`: the address that we dial from, where it is known. `is_ramping` False: a
        provider without history gets its whole limit at once."""
        super().__init__(Counting(within, sums))
        self._pauses = pauses
        self._providers = frozenset(providers)
        self._source = source
        self._is_ramping = is_ramping
        self._reacting = Reacting(reactions)
        self._open: dict[str, int] = {}
        self._next: dict[str, float] = {}  # where a learned pace lets the next unit go

    def use(
        self,
        pauses: PauseSettings,
        within: Within,
        providers: Collection[str] = (),
        sums: Sequence[Sum] = (),
        reactions: Sequence[Reaction] = (),
        profiles: Mapping[str, Profile] | None = None,
    ) -> None:
        """A new configuration; what was counted and learned stays. `profiles`: the providers', so
        that their new limits are shown before the next letter goes there."""
        for key, profile in (profiles or {}).items():
            known = self._known.get(key)
            if known is not None:
                self._known[key] = replace(known, profile=profile)
        self._reacting.use(reactions)
        self._told_idle = set()
        self._pauses = pauses
        self._providers = frozenset(providers)
        self._counting.use(within, sums)

    # --- permit one

    def connect(
        self, destination: Destination, now: Instant, urgency: Urgency = Urgency.TRANSAKSI
    ) -> Wait | Short | None:
        """See Shaping.connect."""
        key = destination.key
        wait = self._stopped(destination, now)
        if wait is not None:
            return wait
        allowed = self._connections(destination, now)
        if allowed is not None and self._open.get(key, 0) >= allowed:
            why = f"{allowed} connections to {key} are open, as many as may be"
            return Wait(now + SECOND, why, reason=Reason.CONNECTIONS)
        for one in self._counting.dialled(destination):
            at = one.meter.free_at(1, now)
            if at > now:
                limit = one.meter.binding(1, now, Urgency.TRANSAKSI) or one.meter.rates[0]
                why = f"the limit of connections to {key}: {limit}"
                return Wait(at, why, reason=Reason.CONNECTIONS)
            if self._counting.are_short([one], 1, now):
                return SHORT
            self._counting.spend([one], 1, now, Urgency.TRANSAKSI)
        self._open[key] = self._open.get(key, 0) + 1
        return None

    def disconnected(self, destination: Destination, now: Instant) -> None:
        """See Shaping.disconnected."""
        left = self._open.get(destination.key, 0) - 1
        if left > 0:
            self._open[destination.key] = left
        else:
            self._open.pop(destination.key, None)

    def connections(
        self, destination: Destination, now: Instant, urgency: Urgency = Urgency.TRANSAKSI
    ) -> int:
        """See Shaping.connections; from two on, one is closed to massal."""
        self._tick(destination, now)
        allowed = self._connections(destination, now)
        allowed = UNLIMITED if allowed is None else allowed
        return allowed - 1 if urgency is Urgency.MASSAL and allowed > 1 else allowed

    # --- permit two

    def peek(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        ahead: int = 0,
        urgency: Urgency = Urgency.TRANSAKSI,
        identity: Identity = NOBODY,
    ) -> Wait | None:
        """See Shaping.peek."""
        wait = self._besides(destination, domain, units, now, ahead, urgency, identity)
        if wait is not None:
            return wait
        asked = self._counting.asked(destination, domain, identity.ip or self._source)
        return full(asked, destination.key, domain, units, now, ahead, urgency)

    def admit(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        urgency: Urgency = Urgency.TRANSAKSI,
        identity: Identity = NOBODY,
    ) -> Wait | Short | None:
        """See Shaping.admit."""
        wait = self._besides(destination, domain, units, now, 0, urgency, identity)
        if wait is not None:
            return wait
        asked = self._counting.asked(destination, domain, identity.ip or self._source)
        wait = full(asked, destination.key, domain, units, now, 0, urgency)
        if wait is not None:
            return wait
        if self._counting.are_short(asked, units, now):
            return SHORT
        self._counting.spend(asked, units, now, urgency)
        self._spent(destination, domain, units, now, identity)
        self._carried(destination.key, identity)
        self._reacting.spent(destination.key, domain, units, now)
        return None

    def _spent(
        self, destination: Destination, domain: str, units: int, now: Instant, identity: Identity
    ) -> None:
        """What an admitted letter does to the destination's state."""
        self._all_spent(now)
        key, profile = destination.key, destination.profile
        state = self._states.get(key)
        for own in self._asking(key, identity):
            own.is_asked, own.asked_at = True, now
        if state is not None:
            if state.mode is Mode.PROBING:
                state.is_asked, state.asked_at = True, now
            interval = self._interval(destination, state)
            if interval:
                # What was late by up to one interval is made up for: the pace is a mean.
                begins = max(self._next.get(key, 0.0), now - min(interval, MINUTE))
                self._next[key] = begins + units * interval
            feedback.wrote(state, now)
        self._learned_of(key).add(units, now)
        if profile.warmup is not None:
            self._warmed_by(key, profile.warmup, units, now)
        for name, plan in self._warmed(destination, domain):
            self._warmed_by(name, plan, units, now)

    def refund(
        self,
        destination: Destination,
        domain: str,
        units: int,
        now: Instant,
        admitted_at: Instant | None = None,
        identity: Identity = NOBODY,
    ) -> None:
        """See Shaping.refund."""
        key = destination.key
        for state in (self._states.get(key), *self._asking(key, identity)):
            if state is not None and (admitted_at is None or admitted_at >= state.asked_at):
                state.is_asked = False  # the letter that comes back was the one that asked
        self._all_refunded()
        asked = self._counting.asked(destination, domain, identity.ip or self._source)
        self._counting.take_back(asked, units, admitted_at)
        for name in (key, *(own for own, _ in self._warmed(destination, domain))):
            if name in self._warming:
                self._warming[name].take_back(units, admitted_at)
                self._touched.add(name)

    def setting_aside(self, now: Instant) -> Sequence[Spent]:
        """See Shaping.setting_aside."""
        return self._counting.setting_aside(now)

    def set_aside(self, rows: Sequence[Spent], now: Instant) -> None:
        """See Shaping.set_aside."""
        self._counting.set_aside(rows, now)

    def not_set_aside(self, rows: Sequence[Spent]) -> None:
        """See Shaping.not_set_aside."""
        self._counting.not_set_aside(rows)

    def corrections(self, now: Instant) -> Sequence[Spent]:
        """See Shaping.corrections."""
        return self._counting.corrections(now)

    # --- feedback

    def feedback(
        self,
        destination: Destination,
        classification: Classification | None,
        reply: str,
        now: Instant,
        identity: Identity = NOBODY,
        domain: str = "",
        began_at: Instant | None = None,
    ) -> Sequence[Event]:
        """See Shaping.feedback."""
        self._known[destination.key], read = destination, classification
        idle = self._idle(destination, domain, now)
        heard = self._heard(destination, read, reply, now, identity, domain, began_at)
        return [*idle, *heard] if idle else heard

    def _heard(
        self,
        destination: Destination,
        read: Classification | None,
        reply: str,
        now: Instant,
        identity: Identity,
        domain: str,
        began_at: Instant | None,
    ) -> Sequence[Event]:
        key = destination.key
        is_known = key in self._states or key in self._named_keys
        if read is None and not is_known:  # all is well, as ever
            return self._all_heard(destination, Meaning.ALIVE, read, reply, now, False, began_at)
        state = self._state(destination)
        if read is not None:
            state.last_reply, state.last_reply_at = reply, now
        said = meaning.meaning(read, state.mode is Mode.PROBING)
        late, counted = feedback.is_late(state, began_at), key
        if said is Meaning.REFUSAL and (name := meaning.named(reply, identity)):
            key = f"{key}|{name}={getattr(identity, name)}"
            state.is_asked = state.is_asked and late
            state = self._note_named(key)
            counted = self._counted(destination, key)
        learned = self._learned_of(counted)
        if read is not None:
            self._answered_besides(destination.key, said, read, now, identity, began_at)
        if said is Meaning.REFUSAL and read is not None:
            change = feedback.refused(state, learned, read, reply, now, self._pauses, began_at)
        elif read is None:
            change = self._alive(destination, state, now, identity, began_at)
        else:
            change = feedback.answered(state, said, read, reply, now, self._pauses, began_at)
        closing(state, now)
        told = [] if read is None else self._react(destination, domain, read, reply, now)
        if change is not Change.NONE or state.mode is not Mode.OK:
            self._dirty.add(key)
        named = key != destination.key
        told += self._all_heard(destination, said, read, reply, now, named, began_at)
        return [*self._events(destination, key, read, change, now, domain), *told]

    def _react(
        self, destination: Destination, domain: str, read: Classification, reply: str, now: Instant
    ) -> list[Event]:
        """The site's own reactions, after what every relay does."""
        told, factor = self._reacting.react(destination, domain, read, reply, now)
        if factor < 1:
            feedback.slow(self._state(destination), factor, now, self._pauses)
            self._dirty.add(destination.key)
        return told

    def _alive(
        self,
        destination: Destination,
        state: Standing,
        now: Instant,
        identity: Identity,
        began_at: Instant | None,
    ) -> Change:
        """It bears us, and so does each name of ours that the letter carried; but what is late
        says so of a time that is past."""
        change = Change.NONE
        if not feedback.is_late(state, began_at):
            change = feedback.accepted(state, self._learned_of(destination.key), now, self._pauses)
        if destination.key in self._named_keys:
            for key in named_keys(destination.key, identity):
                own = self._states.get(key)
                is_asking = own is not None and feedback.is_asking(own)
                if own is not None and is_asking and not feedback.is_late(own, began_at):
                    learned = self._learned_of(self._counted(destination, key))
                    feedback.accepted(own, learned, now, self._pauses)
                    self._dirty.add(key)
        return change

    def _counted(self, destination: Destination, key: str) -> str:
        """Whose counts a refusal of one of our names is about: where all that goes there carries
        that one name, the destination's."""
        return destination.key if self._is_only(key) else key

    def _events(
        self,
        destination: Destination,
        key: str,
        read: Classification | None,
        change: Change,
        now: Instant,
        domain: str,
    ) -> list[Event]:
        label, state = destination.label, self._states[key]
        if change is Change.RESUMED:
            self._next.pop(destination.key, None)
            why = "a letter was accepted; step by step from here"
            return [events.Resumed(now, label, key, why)]
        if change is Change.NONE:
            return []
        is_blocked = state.kind in (Kind.BLOCK, Kind.ADMINISTRATIVE)
        found: list[Event] = []
        if not state.by_hand:  # that one ends when it was told to
            found.append(events.Paused(now, label, key, state.until, state.why))
        if change is Change.PUT_OFF:
            return found  # nothing was said of us
        if change is Change.LONGER and state.kind is not Kind.REST:
            found.append(events.Alert(now, f"probe_refused:{key}", telling.refused(key, state)))
        elif is_blocked:
            is_ours = read is not None and read.action is Action.FIX_CONFIG
            name = f"{'fix_config' if is_ours else 'blocked'}:{key}"
            found.append(events.Alert(now, name, telling.blocked(key, state)))
        return [*found, *self._frozen(destination, key, now, domain)] if is_blocked else found

    def messages_per_connection(self, destination: Destination, now: Instant) -> int | None:
        """See Shaping.messages_per_connection."""
        return destination.profile.messages_per_connection

    # --- showing

    def explain(
        self, destination: Destination, domain: str, now: Instant, urgency: Urgency
    ) -> Explained:
        """See Shaping.explain."""
        wait = self.peek(destination, domain, 1, now, 0, urgency)
        wait = self._shown_wait(wait, destination.key, domain, now)
        inside = self._counting.inside(destination, domain)
        warmups = [
            (one.key, ahead)
            for one in inside
            if one.warmup and (ahead := self._warming_of(one.key).ahead(one.warmup, now))
        ]
        told = telling.explained(
            self.shown(destination.key, now),
            self._counting.shown(destination, domain, self._source, now),
            self._learned.get(destination.key),
            self._states.get(destination.key, Standing()),
            wait,
            now,
            urgency,
            inside,
            warmups,
        )
        idle = tuple(telling.idle(one, destination.key) for one in inside if one.idle)
        return replace(told, shut=self._shut(destination, now), idle=idle)
