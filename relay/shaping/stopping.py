"""Stopping: the pause of everything that the relay itself begins, and how it ends.

It is asked for by :mod:`relay.shaping.ourselves`, and goes like an administrative block of one
provider: everything waits, then one new letter asks; for an hour one to a provider, then wherever
it goes, so that a relay without such mail does not stand still for ever. Refused for our set-up
once more: everything waits again. Accepted, all go on; each that accused us keeps its own pause. An
operator's `resume --all` ends it at once, and forgets who accused us.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from relay.mail import events
from relay.mail.classification import Classification
from relay.mail.events import Event
from relay.mail.instant import HOUR, MINUTE, SECOND, Instant, iso, millis
from relay.shaping import telling
from relay.shaping.base import Reason, Wait
from relay.shaping.counting import Counting
from relay.shaping.destination import Destination
from relay.shaping.feedback import Mode, Standing, is_late
from relay.shaping.meaning import Kind, Meaning, kind_of
from relay.shaping.operating import EVERYTHING, Operating
from relay.shaping.ourselves import Ourselves, accusation

KEPT: Final = "ourselves"
LATER: Final = 10 * SECOND  # how soon is asked again where no moment is known
BY_HAND: Final = (
    MINUTE  # the same of a pause by hand: `resume` wakes all, and ten thousand may wait
)
FIRST: Final = HOUR  # for which only a provider is asked
PATIENCE: Final = 30 * MINUTE  # a probe that was never heard of again counts as gone


class Stopping(Operating):
    """Holds nothing while all is well."""

    def __init__(self, counting: Counting) -> None:
        super().__init__(counting)
        self._ourselves = Ourselves()
        self._accused_anew = False

    def _all_wait(self, destination: Destination, now: Instant) -> Wait | None:
        """What the pause of everything says, by hand or our own."""
        state = self._states.get(EVERYTHING)
        if state is None or state.mode is Mode.OK:
            return None
        if self.is_paused(EVERYTHING, now):
            until = now + BY_HAND if state.by_hand else state.until
            return Wait(until, f"everything is paused: {state.why}", reason=Reason.PAUSE)
        if not state.kind:
            return None  # one by hand whose time is over
        if state.mode is Mode.PAUSED:
            state.mode, state.is_asked = Mode.PROBING, False
            self._dirty.add(EVERYTHING)
        is_asked = state.is_asked and now - state.asked_at < PATIENCE
        if is_asked or (destination.provider is None and now - state.until < FIRST):
            why = f"everything waits for one letter that asks: {state.why}"
            return Wait(now + LATER, why, reason=Reason.PROBING)
        return None

    def _all_spent(self, now: Instant) -> None:
        """A letter was admitted: where everything waits it is the one that asks."""
        state = self._probing()
        if state is not None:
            state.is_asked, state.asked_at = True, now

    def _all_refunded(self) -> None:
        """It was not written after all."""
        state = self._probing()
        if state is not None:
            state.is_asked = False

    def _probing(self) -> Standing | None:
        state = self._states.get(EVERYTHING)
        return state if state is not None and state.mode is Mode.PROBING else None

    def _all_want_new(self) -> bool:
        """No letter that was refused may be the one that asks."""
        state = self._states.get(EVERYTHING)
        return state is not None and bool(state.kind)

    def _all_heard(
        self,
        destination: Destination,
        said: Meaning,
        read: Classification | None,
        reply: str,
        now: Instant,
        is_named: bool,
        began_at: Instant | None,
    ) -> list[Event]:
        """What a reply means for everything. `is_named`: it is about one of our domains."""
        heard, why, is_of_us = None, "", False
        if said is Meaning.REFUSAL and read is not None and not is_named:
            heard = accusation(destination, read, reply, now)
            is_of_us = kind_of(read, reply) is Kind.ADMINISTRATIVE
        if heard is not None:
            why = self._ourselves.hear(destination.label, heard)
            self._accused_anew = True
        state = self._probing()
        if state is None or not state.is_asked:
            return self._stop(why, now) if why else []
        if is_late(state, began_at) and not is_of_us:
            return []
        state.is_asked = False
        if said is Meaning.ALIVE:
            self._go_on()
            told = "a letter was accepted; what accused us is asked by itself"
            return [events.Resumed(now, telling.ALL, EVERYTHING, told)]
        return self._stop(state.why, now) if is_of_us else []

    def confirm(self, fault: str, now: Instant) -> list[Event]:
        """Our own check's answer, empty where it found nothing: with one provider that says so,
        too, everything stops. Returns Paused and Alert."""
        self._ourselves.fault = fault
        why = self._ourselves.verdict(now)
        return self._stop(why, now) if why and self._probing() is None else []

    def _stop(self, why: str, now: Instant) -> list[Event]:
        """Everything pauses, unless it does already."""
        state = self._states.setdefault(EVERYTHING, Standing())
        if state.mode is Mode.PAUSED and (state.kind or state.by_hand):
            return []
        state.mode, state.kind, state.is_asked = Mode.PAUSED, Kind.ADMINISTRATIVE, False
        state.until = max(state.until, now + millis(self._pauses.administrative))
        state.why, state.refused_at = why, now
        self._dirty.add(EVERYTHING)
        detail = (
            f"it is our own fault: {why}; nothing is sent to anybody, and one new letter asks at"
            f" {iso(state.until)}"
        )
        return [
            events.Paused(now, telling.ALL, EVERYTHING, state.until, why),
            events.Alert(now, f"own_fault:{telling.ALL}", detail),
        ]

    def _go_on(self) -> None:
        self._states[EVERYTHING] = Standing()
        self._dirty.add(EVERYTHING)
        self._ourselves.accused = {}
        self._accused_anew = True

    def resume(self, destination: str, why: str, now: Instant) -> bool:
        """See Shaping.resume."""
        state = self._states.get(EVERYTHING)
        if destination != EVERYTHING or state is None or not state.kind:
            return super().resume(destination, why, now)
        super().resume(destination, why, now)
        self._go_on()
        return True

    # --- what survives a restart

    def dirty(self, now: Instant, is_last: bool = False) -> Mapping[str, str]:
        """See Shaping.dirty."""
        changed = dict(super().dirty(now, is_last))
        if self._accused_anew:
            self._accused_anew = False
            kept = self._ourselves.dump()
            changed[f"{KEPT}:"] = json.dumps(kept) if kept else ""
        return changed

    def _take(self, kind: str, key: str, kept: Any, now: Instant, step: int) -> None:
        if kind == KEPT:
            self._ourselves = Ourselves.load(kept, now)
        else:
            super()._take(kind, key, kept, now, step)
