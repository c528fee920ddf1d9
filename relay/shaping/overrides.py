"""Overrides: what reactions have asked for and what still lasts, by key.

Several rules may speak of one key: the strictest counts. A key is a destination's, or `@domain`.
Only what is past goes away by itself; a clock set back never makes anything last longer than it was
asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from relay.mail.instant import Instant, millis
from relay.shaping.destination import Rate
from relay.shaping.directives import ConnectionsFor, Lasting, Pause, RateFor

MANY: Final = 1_000  # keys; above it what is past is looked for, each time that they have doubled
_KINDS: Final[dict[type[Lasting], str]] = {
    Pause: "pause",
    RateFor: "rate",
    ConnectionsFor: "connections",
}


@dataclass(slots=True)
class _Held:
    directive: Lasting
    since: Instant  # it was asked for last
    begun: Instant  # and first; a restart forgets that


class Overrides:
    """What lasts, held for the shaper."""

    def __init__(self) -> None:
        self._held: dict[str, dict[tuple[str, str], _Held]] = {}
        self._many = MANY

    def hold(self, directive: Lasting, now: Instant) -> None:
        """From now on; it takes the place of what the same rule said before, where it ends later
        or says something else."""
        kept = self._held.setdefault(directive.key, {})
        at = (_KINDS[type(directive)], directive.rule)
        old, begun = kept.get(at), now
        if old and now < old.directive.until:
            begun = min(begun, old.begun)
        if old and old.directive.until > directive.until and old.since <= now:
            directive = replace(directive, until=old.directive.until)
        kept[at] = _Held(directive, now, begun)
        if len(self._held) > self._many:
            self.prune(now)
            self._many = max(MANY, 2 * len(self._held))

    def active(self, key: str, now: Instant) -> list[Lasting]:
        """What lasts for a key, to be shown."""
        kept = self._held.get(key)
        if kept is None:
            return []
        for at, held in list(kept.items()):
            if now < held.since:  # the clock was set back
                back = held.since - now
                until = held.directive.until - back
                held.since, held.directive = now, replace(held.directive, until=until)
                held.begun = min(held.begun, now)
            if held.directive.until <= now:
                del kept[at]
        if not kept:
            del self._held[key]
        return [held.directive for held in kept.values()]

    def rate(self, key: str, now: Instant) -> Rate | None:
        """The slowest that is asked for; None: none."""
        if key not in self._held:
            return None
        rates = [one.rate for one in self.active(key, now) if isinstance(one, RateFor)]
        return min(rates, key=lambda rate: rate.count / rate.window.total_seconds(), default=None)

    def connections(self, key: str, now: Instant) -> int | None:
        """The fewest that are asked for; None: no bound."""
        if key not in self._held:
            return None
        held = self.active(key, now)
        counts = (one.connections for one in held if isinstance(one, ConnectionsFor))
        return min(counts, default=None)

    def pause_until(self, key: str, now: Instant) -> Instant | None:
        """The latest end of a pause; None: it is not paused."""
        if key not in self._held:
            return None
        pauses = (one.until for one in self.active(key, now) if isinstance(one, Pause))
        return max(pauses, default=None)

    def paused_since(self, key: str, now: Instant) -> Instant | None:
        """When the first pause began that lasts; None: it is not paused."""
        if self.pause_until(key, now) is None:
            return None
        held = self._held[key].values()
        return min(one.begun for one in held if isinstance(one.directive, Pause))

    def clear(self, key: str) -> bool:
        """By hand: nothing lasts there any more. False: nothing did."""
        return self._held.pop(key, None) is not None

    def prune(self, now: Instant) -> None:
        """Forget what is past, of every key."""
        for key in list(self._held):
            self.active(key, now)

    def keys(self) -> list[str]:
        """The keys that something may last for."""
        return list(self._held)

    def dump(self) -> str:
        """What lasts, as JSON; empty where nothing does."""
        rows = [
            [*at, key, held.since, held.directive.until, _what(held.directive)]
            for key, kept in sorted(self._held.items())
            for at, held in sorted(kept.items())
        ]
        return json.dumps(rows, separators=(",", ":")) if rows else ""

    def load(self, text: str, now: Instant, step: int = 0) -> list[str]:
        """What :meth:`dump` wrote, each moment `step` milliseconds later, without what is past;
        returns the keys that were paused, also those whose pause is past. Raises ValueError, and
        then nothing is taken."""
        held: dict[str, dict[tuple[str, str], _Held]] = {}
        try:
            for kind, rule, key, since, until, what in json.loads(text) if text else ():
                directive = _made(kind, str(rule), str(key), int(until) + step, what)
                held.setdefault(str(key), {})[str(kind), str(rule)] = _Held(
                    directive, int(since) + step, int(since) + step
                )
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"overrides: not what was kept: {error}") from None
        self._held = held
        paused = [key for key, kept in held.items() if any(kind == "pause" for kind, _ in kept)]
        self.prune(now)
        return paused


def _what(directive: Lasting) -> object:
    if isinstance(directive, RateFor):
        return [directive.rate.count, millis(directive.rate.window)]
    return directive.connections if isinstance(directive, ConnectionsFor) else None


def _made(kind: str, rule: str, key: str, until: Instant, what: Any) -> Lasting:
    if kind == "rate":
        count, window = (int(n) for n in what)
        if count < 1 or window < 1:
            raise ValueError(f"{what} is no rate")
        return RateFor(rule, key, Rate(count, timedelta(milliseconds=window)), until)
    if kind == "connections":
        if int(what) < 1:
            raise ValueError(f"{what} are no connections")
        return ConnectionsFor(rule, key, int(what), until)
    if kind == "pause":
        return Pause(rule, key, until)
    raise ValueError(f"{kind!r} is nothing that lasts")
