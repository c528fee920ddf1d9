"""Reactions: a site's own rules from a reply to what shaping does, by a trigger.

Reactions are asked in their order. Each that meets the reply counts it for itself; the first whose
trigger is reached acts, and those after it neither count nor act. Once it has acted it counts from
nothing. Counted is by rule and by key: the destination's (a provider, a site, a route), or the
domain's where the rule says so; what one key did never moves another.

Pure. A clock that is set back makes a counted reply as young as now: never older, never younger.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from relay.mail.classification import Category, Classification
from relay.mail.instant import MINUTE, Instant
from relay.shaping.destination import Destination
from relay.shaping.directives import Action, Alarm, Directive, SlowBy
from relay.shaping.reaction_settings import Trigger

EVERY: Final = "*"
AGAIN: Final = MINUTE  # replies to letters that were under way already slow nothing down twice
MAX_COUNTED: Final = 10_000  # keys; above it those are forgotten that count nothing any more
SHOWN: Final = 200  # characters of a reply in an alert


@dataclass(frozen=True, slots=True)
class Reaction:
    """One rule. `fits`: the patterns and codes, asked of the reply's text (None: any text)."""

    id: str
    actions: tuple[Action, ...]
    trigger: Trigger
    provider: str = EVERY
    fits: Callable[[str], bool] | None = None
    categories: frozenset[Category] = frozenset()
    rules: frozenset[str] = frozenset()
    is_of_domain: bool = False
    where: str = ""  # site.d/reactions.yaml:12

    def meets(self, provider: str | None, said: Classification, reply: str) -> bool:
        """Whether a reply of that provider (None: no known one) is one that this is about."""
        return (
            self.provider in (EVERY, provider)
            and (not self.categories or said.category in self.categories)
            and (not self.rules or said.rule in self.rules)
            and (self.fits is None or self.fits(reply))
        )

    def key(self, destination: Destination, domain: str) -> str:
        """What it counts by and acts on."""
        return f"@{domain}" if self.is_of_domain else destination.key


class Reactions:
    """The rules and what they have counted."""

    def __init__(self, rules: Sequence[Reaction] = ()) -> None:
        self._rules = tuple(rules)
        self._counted: dict[tuple[str, str], list[Instant]] = {}
        self._acted_at: dict[tuple[str, str], Instant] = {}  # slowed or alerted

    @property
    def rules(self) -> tuple[Reaction, ...]:
        """In the order in which they are asked."""
        return self._rules

    def renew(self, rules: Sequence[Reaction]) -> None:
        """After a reload; what rules of the same id have counted stays."""
        self._rules = tuple(rules)
        known = {rule.id for rule in rules}
        self._counted = {at: seen for at, seen in self._counted.items() if at[0] in known}
        self._acted_at = {at: when for at, when in self._acted_at.items() if at[0] in known}

    def read(
        self,
        destination: Destination,
        domain: str,
        said: Classification,
        reply: str,
        now: Instant,
    ) -> list[Directive]:
        """What follows from a reply that refused or deferred; `reply` with its codes in front."""
        for rule in self._rules:
            if not rule.meets(destination.provider, said, reply):
                continue
            key = rule.key(destination, domain)
            if self._is_reached(rule, key, now):
                return self._issued(rule, key, reply, now)
        return []

    def _is_reached(self, rule: Reaction, key: str, now: Instant) -> bool:
        """Counts the reply."""
        if rule.trigger.count == 1:
            return True
        at = (rule.id, key)
        counted = self._counted.get(at, [])
        seen = [min(when, now) for when in counted if now - when < rule.trigger.span]
        seen.append(now)
        if len(seen) >= rule.trigger.count:
            self._counted.pop(at, None)
            return True
        self._counted[at] = seen
        if len(self._counted) > MAX_COUNTED:
            self._forget(now)
        return False

    def _issued(self, rule: Reaction, key: str, reply: str, now: Instant) -> list[Directive]:
        at = (rule.id, key)
        last = self._acted_at.get(at)
        is_again = last is not None and abs(now - last) < AGAIN
        if not is_again:
            self._acted_at[at] = now
            if len(self._acted_at) > MAX_COUNTED:
                self._forget(now)
        said = " ".join(reply.split())[:SHOWN]
        why = f"{key}: reaction {rule.id} ({rule.trigger}), on: {said}"
        return [
            action.issue(rule.id, key, now, why)
            for action in rule.actions
            if not (is_again and isinstance(action, SlowBy | Alarm))
        ]

    def _forget(self, now: Instant) -> None:
        """What counts nothing any more; and where that is not enough, what is oldest."""
        spans = {rule.id: rule.trigger.span for rule in self._rules}
        alive = {
            at: seen for at, seen in self._counted.items() if now - seen[-1] < spans.get(at[0], 0)
        }
        youngest = sorted(alive, key=lambda at: alive[at][-1])[-MAX_COUNTED // 2 :]
        self._counted = {at: alive[at] for at in youngest}
        recent = {at: when for at, when in self._acted_at.items() if now - when < AGAIN}
        latest = sorted(recent, key=lambda at: recent[at])[-MAX_COUNTED // 2 :]
        self._acted_at = {at: recent[at] for at in latest}

    def dump(self) -> str:
        """What is counted, as JSON; empty where nothing is."""
        if not self._counted and not self._acted_at:
            return ""
        counted = [[*at, seen] for at, seen in sorted(self._counted.items())]
        acted = [[*at, when] for at, when in sorted(self._acted_at.items())]
        return json.dumps({"counted": counted, "acted": acted}, separators=(",", ":"))

    def load(self, text: str) -> None:
        """What :meth:`dump` wrote; rules that are no more are passed over. Raises ValueError, and
        then nothing is taken."""
        if not text:
            return
        known = {rule.id for rule in self._rules}
        try:
            kept: dict[str, Any] = json.loads(text)
            counted = {
                (str(rule), str(key)): sorted(int(when) for when in seen)
                for rule, key, seen in kept["counted"]
                if rule in known and seen
            }
            acted = {
                (str(rule), str(key)): int(when)
                for rule, key, when in kept["acted"]
                if rule in known
            }
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"reactions: not what was kept: {error}") from None
        self._counted, self._acted_at = counted, acted
