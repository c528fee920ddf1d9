"""Operating: what a person does to destinations, and what is shown of them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from relay.mail import events
from relay.mail.events import Event
from relay.mail.instant import SECOND, Instant, millis
from relay.mail.urgency import Urgency
from relay.shaping import base, feedback, telling
from relay.shaping.destination import Destination
from relay.shaping.feedback import Mode, Standing
from relay.shaping.keeping import Keeping
from relay.shaping.reacting import Reacting

EVERYTHING: Final = "*"
UNLIMITED: Final = 20  # connections to a destination without a limit of them
OTHER: Final = "other"  # the label of a destination that is no provider
LAPSED: Final = "the pause by a reaction is over"
CLOSED: Final = (Mode.PAUSED, Mode.PROBING)


class Operating(Keeping):
    """The half of the shaper that people see; time and limits are the other half's."""

    _is_ramping: bool  # a provider without history begins at a part of its limit
    _providers: frozenset[str]
    _reacting: Reacting

    @abstractmethod
    def _tick(self, destination: Destination, now: Instant) -> None:
        """What time alone does to it."""

    @abstractmethod
    def _connections(self, destination: Destination, now: Instant) -> int | None:
        """How many may be open; None: no limit."""

    @abstractmethod
    def _closed(
        self, destination: Destination, now: Instant, urgency: Urgency, units: int
    ) -> base.Wait | None:
        """What its hours and its warm-up say."""

    def pause(self, destination: str, until: Instant | None, why: str, now: Instant) -> None:
        """See Shaping.pause."""
        state = self._states.get(destination)
        if state is None:
            state = self._states[destination] = Standing()
            if self._is_ramping and destination in self._providers:
                feedback.begin(state)  # it is as new after the pause
        feedback.pause(state, until, why, now)
        closing(state, now)
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
                closing(state, now)
                self._dirty.add(name)
                done = True
            done = self._reacting.clear(name) or done
        return done

    def is_paused(self, destination: str, now: Instant) -> bool:
        """See Shaping.is_paused."""
        for key in (EVERYTHING, destination):
            state = self._states.get(key)
            is_set = state is not None and state.mode is Mode.PAUSED
            if state is not None and is_set and (state.by_hand or now < state.until):
                return True
        return self._reacting.is_paused(destination, now)

    def lapsed(self, now: Instant) -> list[Event]:
        """See Shaping.lapsed."""
        told: list[Event] = []
        for key, label in self._reacting.lapsed(now).items():
            state, destination = self._states.get(key), self._known.get(key)
            if state is None or state.mode not in CLOSED:  # else that ends by itself
                named = destination.label if destination else self._named(key) or OTHER
                told.append(events.Resumed(now, label or named, key, LAPSED))
        return told

    def closed_since(self, destination: str, now: Instant) -> Instant | None:
        """See Shaping.closed_since."""
        state = self._states.get(destination)
        since = self._reacting.paused_since(destination, now)
        if state is None or state.mode not in CLOSED:
            return since
        return state.closed_at if since is None else min(since, state.closed_at)

    def standings(self, now: Instant) -> list[base.Standing]:
        """All of them at once; see Shaping.shown_keys."""
        return [self.shown(key, now) for key in self.shown_keys()]

    def shown_keys(self) -> list[str]:
        """See Shaping.shown_keys."""
        keys = {*self._known, *self._reacting.paused()}
        keys |= {k for k, s in self._states.items() if s.mode is not Mode.OK or self._named(k)}
        return sorted(keys)

    def open_keys(self) -> list[str]:
        """See Shaping.open_keys."""
        return list(self._open)

    def _named(self, key: str) -> str | None:
        """A provider's name by its key alone: it may be paused before any letter went there."""
        if key == EVERYTHING:
            return telling.ALL
        return key if key in self._providers else None

    def shown(self, key: str, now: Instant) -> base.Standing:
        """See Shaping.shown."""
        destination = self._known.get(key)
        if destination is not None:
            self._tick(destination, now)
        connections, warmup, closed = 0, None, None
        if destination is not None:
            allowed = self._connections(destination, now)
            connections = UNLIMITED if allowed is None else allowed
            if destination.profile.warmup is not None:
                warmup = self._warming_of(key).ahead(destination.profile.warmup, now)
            closed = self._closed(destination, now, Urgency.TRANSAKSI, 1)
        standing = telling.standing(
            key,
            destination,
            destination.provider if destination else self._named(key),
            self._states.get(key, Standing()),
            self._learned.get(key),
            connections,
            self._open.get(key, 0),
            warmup,
            closed.why if closed else "",
            max(SECOND, millis(self._pauses.throttle)),
        )
        return self._reacting.shown(standing, now)


def closing(state: Standing, now: Instant) -> None:
    """Note since when it is closed, after whatever step: probes in between do not count anew."""
    state.closed_at = (state.closed_at or now) if state.mode in CLOSED else 0
