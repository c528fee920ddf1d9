"""Reacting: the site's own reactions at work: what they ask for, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from relay.mail import events
from relay.mail.classification import Classification
from relay.mail.events import Event
from relay.mail.instant import Instant, millis
from relay.shaping.base import Reason, Standing, Wait
from relay.shaping.destination import Destination
from relay.shaping.directives import Alert, Pause, Slow
from relay.shaping.overrides import Overrides
from relay.shaping.reactions import Reaction, Reactions

COUNTED: Final = "reaction:counted"
LASTING: Final = "reaction:lasting"


class Reacting:
    """Asked beside the limits; holds nothing where the site has written no reactions."""

    def __init__(self, rules: Sequence[Reaction] = ()) -> None:
        self._reactions = Reactions(rules)
        self._overrides = Overrides()
        self._next: dict[str, float] = {}  # where a rule's rate lets the next unit go
        self._kept: dict[str, str] = {}
        self._paused: dict[str, str] = {}  # key → label; until it is told that it is over

    def use(self, rules: Sequence[Reaction]) -> None:
        """New rules; what lasts already stays until its end."""
        self._reactions.renew(rules)

    def wait(self, key: str, domain: str, now: Instant, ahead: int = 0) -> Wait | None:
        """Not before some moment, where a rule says so of the destination or the domain."""
        if not self._overrides.keys():
            return None
        for name, own in ((key, None), (f"@{domain}", domain)):
            until = self._overrides.pause_until(name, now)
            if until is not None:
                why = f"{own or key} is paused by {self._rule(name, now)}"
                return Wait(until, why, own, Reason.PAUSE)
            rate = self._overrides.rate(name, now)
            if rate is not None:
                interval = millis(rate.window) / rate.count
                at = max(self._next.get(name, 0.0), float(now) if ahead else 0.0) + ahead * interval
                if at > now:
                    why = f"{own or key} is held to {rate} by {self._rule(name, now)}"
                    return Wait(int(at) + 1, why, own)
        return None

    def _rule(self, name: str, now: Instant) -> str:
        rules = sorted({one.rule for one in self._overrides.active(name, now)})
        return f"the reaction {', '.join(rules)}"

    def spent(self, key: str, domain: str, units: int, now: Instant) -> None:
        """Units were written."""
        if not self._overrides.keys():
            return
        for name in (key, f"@{domain}"):
            rate = self._overrides.rate(name, now)
            if rate is None:
                self._next.pop(name, None)
            else:
                last = max(self._next.get(name, 0.0), float(now))
                self._next[name] = last + units * millis(rate.window) / rate.count

    def connections(self, key: str, now: Instant) -> int | None:
        """The fewest that a rule asks for; None: none does."""
        return self._overrides.connections(key, now)

    def react(
        self,
        destination: Destination,
        domain: str,
        read: Classification,
        reply: str,
        now: Instant,
    ) -> tuple[list[Event], float]:
        """What follows from a reply: what to tell, and the factor to slow the destination by."""
        told: list[Event] = []
        factor = 1.0
        for one in self._reactions.read(destination, domain, read, reply, now):
            if isinstance(one, Slow):
                factor *= one.factor
            elif isinstance(one, Alert):
                told.append(events.Alert(now, f"reaction:{one.rule}", one.text))
            else:
                self._overrides.hold(one, now)
                if isinstance(one, Pause):
                    self._paused[one.key] = destination.label
                    why = f"the reaction {one.rule}: {reply}"
                    until = self._overrides.pause_until(one.key, now)
                    told.append(events.Paused(now, destination.label, one.key, until, why))
        return told, factor

    def lapsed(self, now: Instant) -> dict[str, str]:
        """What was paused and is so no longer, each once: its key, and its label, which is empty
        after a restart."""
        ends = {key: self._overrides.pause_until(key, now) for key in self._paused}
        return {key: self._paused.pop(key) for key, until in ends.items() if until is None}

    def paused(self) -> list[str]:
        """What a pause was told of, and not its end: a destination's key, or `@domain`."""
        return list(self._paused)

    def is_paused(self, key: str, now: Instant) -> bool:
        """True while a rule's pause lasts."""
        return self._overrides.pause_until(key, now) is not None

    def paused_since(self, key: str, now: Instant) -> Instant | None:
        """When a rule's pause that lasts began; None: there is none."""
        return self._overrides.paused_since(key, now)

    def shown(self, standing: Standing, now: Instant) -> Standing:
        """With what a rule's pause does to it, unless it is paused for longer."""
        until, other = self._overrides.pause_until(standing.key, now), standing.paused_until
        if until is None or (standing.state == "paused" and (other is None or other >= until)):
            return standing
        why = self._rule(standing.key, now)
        return replace(standing, state="paused", paused_until=until, why=why, rate_now=0.0)

    def clear(self, key: str) -> bool:
        """By hand."""
        self._paused.pop(key, None)
        return self._overrides.clear(key)

    def dirty(self) -> dict[str, str]:
        """What changed since the last call, to be kept."""
        texts = {COUNTED: self._reactions.dump(), LASTING: self._overrides.dump()}
        changed = {name: text for name, text in texts.items() if text != self._kept.get(name, "")}
        self._kept |= changed
        return changed

    def restore(self, states: Iterable[tuple[str, str]], now: Instant, step: int = 0) -> list[str]:
        """What was kept, by a clock that was set forward by `step` milliseconds after that; returns
        what could not be read."""
        faults = []
        for name, text in states:
            try:
                if name == COUNTED:
                    self._reactions.load(text)
                elif name == LASTING:
                    self._paused = dict.fromkeys(self._overrides.load(text, now, step), "")
                self._kept[name] = text
            except ValueError as error:
                faults.append(f"{name}: {error}")
        return faults
