"""Ourselves: is it our own fault? Then everything stops, but only if enough of them agree.

A provider that refuses us for our set-up (PTR, SPF, DKIM, a list that names our address) closes its
own door, and no other. Where three of them say so within an hour it is no mood of one: whatever
else we send makes it worse. One is enough where our own check has found the fault that it means.
Only providers have a voice: anybody can put up three mail servers. What names one of our domains is
about that domain alone, and accuses nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from relay.mail.classification import Action, Classification
from relay.mail.instant import HOUR, Instant
from relay.shaping.destination import Destination
from relay.shaping.meaning import Kind, kind_of

AGREE: Final = 3  # different providers
WITHIN: Final = HOUR
MAX_SAID: Final = 300  # characters of a reply that are kept


@dataclass(frozen=True, slots=True)
class Accusation:
    """What a provider said last of our set-up; `is_of_set_up`: of something in our own hands."""

    at: Instant
    said: str
    is_of_set_up: bool = False


def accusation(
    destination: Destination, read: Classification, reply: str, now: Instant
) -> Accusation | None:
    """Of a refusal; None where it is about our pace, or where nobody of weight said it."""
    if destination.provider is None or kind_of(read, reply) is not Kind.ADMINISTRATIVE:
        return None
    return Accusation(now, reply[:MAX_SAID], read.action is Action.FIX_CONFIG)


@dataclass(slots=True)
class Ourselves:
    """Who accused us of late, and what our own check found."""

    accused: dict[str, Accusation] = field(default_factory=dict)  # by the provider's name
    fault: str = ""  # what our own check found; empty: nothing

    def hear(self, provider: str, said: Accusation) -> str:
        """One more; returns why everything must stop, empty where it must not."""
        self.accused[provider] = said
        return self.verdict(said.at)

    def verdict(self, now: Instant) -> str:
        """Why everything must stop; empty where it must not."""
        recent = {name: a for name, a in self.accused.items() if now - WITHIN < a.at <= now}
        self.accused = recent
        if len(recent) >= AGREE:
            latest = max(recent.values(), key=lambda one: one.at)
            names = sorted(recent)
            return f"{', '.join(names[:-1])} and {names[-1]} refuse us alike: {latest.said}"
        if self.fault:
            for name, one in sorted(recent.items()):
                if one.is_of_set_up:
                    return f"{name} refuses us ({one.said}), and our own check says: {self.fault}"
        return ""

    def dump(self) -> list[Any]:
        """For JSON. What our own check found is not kept: it is made anew at each start."""
        return [[name, one.at, one.said, one.is_of_set_up] for name, one in self.accused.items()]

    @classmethod
    def load(cls, kept: Any, now: Instant) -> Ourselves:
        """What `dump` made; nothing of it lies in the future. Raises ValueError, TypeError."""
        found = {}
        for name, at, said, is_of_set_up in kept:
            found[str(name)] = Accusation(min(int(at), now), str(said), bool(is_of_set_up))
        return cls(found)
