"""Story: what happens in the demo, a sentence when it happens; made from the relay's own log.

What comes again and again is told once: the sixtieth letter to Gmail is no news. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

NAMES: Final = {"gmail": "Gmail", "yahoo": "Yahoo", "outlook": "Outlook"}
QUOTED: Final = 120  # characters of a reply that are shown

FAULT: Final = {
    "unknown_user": "the address: nobody has it any more",
    "inactive_user": "the address: it sleeps",
    "mailbox_full": "the address: its mailbox is full",
    "bad_domain": "the address: its domain does not exist",
    "greylisted": "nobody's: its server lets every new sender wait",
    "spam_content": "the letter: its content",
    "message_too_big": "the letter: its size",
    "policy": "the other side's own rule",
    "sender_blocked": "ours: too many letters at once for this provider",
    "rate_limited": "ours: too many letters at once for this provider",
    "auth_failed": "ours: something to mend here",
}
"""Whose fault it is that a letter waits or came back."""

WHAT_THEN: Final = {
    "mailbox_full": "tried again for days; the inbox page has it meanwhile",
    "greylisted": "it asks again in a moment",
}

Told = tuple[str, tuple[str, ...]]
"""A style of `rich`, and lines without markup: the news, then what there is to know about it."""


def quoted(reply: str) -> str:
    """The beginning of a foreign text on one line, printable characters only."""
    line = "".join(c if c.isprintable() else " " for c in reply)
    return f"“{line}”" if len(line) <= QUOTED else f"“{line[: QUOTED - 1].rstrip()}…”"


def fault(category: str | None) -> str:
    """Whose fault a category is, in words."""
    return FAULT.get(category or "", "not known")


@dataclass(slots=True)
class Story:
    """Told what the log says, line after line; `milestone` letters of a provider are news again."""

    milestone: int
    _told: set[tuple[str, ...]] = field(default_factory=set)
    _delivered: Counter[str] = field(default_factory=Counter)
    _is_resting: set[str] = field(default_factory=set)

    def tell(self, event: Mapping[str, Any]) -> Iterator[Told]:
        """The sentences for one event; none where it is no news."""
        kinds = {
            "paused": self._paused,
            "resumed": self._resumed,
            "deferred": self._deferred,
            "bounced": self._bounced,
            "delivered": self._deliver,
        }
        if event["event"] in kinds:
            yield from kinds[event["event"]](event)

    def _paused(self, event: Mapping[str, Any]) -> Iterator[Told]:
        name, until = _name(event), event["until"]
        rest = (_moment(until) - _moment(event["at"])).total_seconds() if until else 0
        if name in self._is_resting:
            yield "red", (f"{name} says no again, to the one letter that asked: {rest:.0f} s more",)
            return
        self._is_resting.add(name)
        yield (
            "red",
            (
                f"{name} blocks us: {quoted(event['why'])}",
                "fault: our pace, not the letters nor their addresses: every one of them waits",
                f"and {name} rests for {rest:.0f} s; the other providers go on",
            ),
        )

    def _resumed(self, event: Mapping[str, Any]) -> Iterator[Told]:
        name = _name(event)
        self._is_resting.discard(name)
        yield "green", (f"{name} took one letter again: the others follow, step by step",)

    def _deferred(self, event: Mapping[str, Any]) -> Iterator[Told]:
        category, who = event["category"] or "other", event["recipient"]
        # A provider's block is told when it pauses, not for each letter that waits for it.
        if category in ("sender_blocked", "rate_limited") or not self._is_new(category, who):
            return
        then = WHAT_THEN.get(category)
        why = f"fault: {fault(category)}" + (f"; {then}" if then else "")
        yield "yellow", (f"{who} waits: {quoted(event['why'])}", why)

    def _bounced(self, event: Mapping[str, Any]) -> Iterator[Told]:
        why = f"fault: {fault(event['category'])}; LPSE gets a report"
        yield "red", (f"{event['recipient']} bounces: {quoted(event['why'])}", why)

    def _deliver(self, event: Mapping[str, Any]) -> Iterator[Told]:
        name = _name(event)
        self._delivered[name] += 1
        count = self._delivered[name]
        if count % self.milestone == 0:
            yield "green", (f"{name} has accepted {count} letters",)

    def _is_new(self, *what: str) -> bool:
        is_new = what not in self._told
        self._told.add(what)
        return is_new


def _name(event: Mapping[str, Any]) -> str:
    provider = str(event["provider"])
    return NAMES.get(provider, str(event.get("destination", "another server")))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
