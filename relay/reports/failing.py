"""Failing: what a log tells of the addresses that letters fail at; one that failed and one that
took letters are remembered, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from relay.mail.classification import Category
from relay.mail.instant import Instant
from relay.mail.strike import CAUSE_OF, History, Strike
from relay.replies import logline
from relay.reports.entries import Refused
from relay.reports.lines import TO_CORRECT, AddressLine
from relay.suppression import Standing, SuppressionSettings, standings

MOST: Final = 2_000_000  # addresses that took a letter; those beyond are counted
STRIKES: Final = 50  # failures of one address that are kept, the oldest and the newest ones
SAID: Final = 300  # characters of the last refusal


@dataclass(frozen=True, slots=True)
class Failure:
    """One letter that was given up; ``number``: which of the run. ``is_documented``: the provider
    publishes that the reply means just that."""

    at: Instant
    category: Category
    rule: str
    number: int
    is_documented: bool = False


@dataclass(slots=True)
class Failing:
    """One address; grows with the log."""

    first_at: Instant
    last_at: Instant
    missed: int = 0
    category: Category = Category.OTHER
    provider: str = ""
    rule: str = ""
    refused: Refused | None = None  # the last one
    failures: list[Failure] = field(default_factory=list)

    def add(self, refused: Refused, failure: Failure, provider: str) -> None:
        """One more, in whatever order the files were given."""
        self.missed += 1
        self.first_at = min(self.first_at, failure.at)
        if failure.at >= self.last_at:
            self.last_at, self.category, self.rule = failure.at, failure.category, failure.rule
            self.provider, self.refused = provider, refused
        self.failures.append(failure)
        if len(self.failures) > STRIKES:
            del self.failures[STRIKES // 2]


class Addresses:
    """All addresses of a log, by their octets in lower case."""

    def __init__(self) -> None:
        self.failing: Final[dict[bytes, Failing]] = {}
        self.accepted: Final[dict[bytes, Instant]] = {}
        self.not_kept = 0

    def took(self, to: bytes, at: Instant) -> None:
        """An address took a letter."""
        key = to.lower()
        before = self.accepted.get(key)
        if before is None and len(self.accepted) >= MOST:
            self.not_kept += 1
        elif before is None or at > before:
            self.accepted[key] = at

    def failed(self, refused: Refused, failure: Failure, provider: str) -> None:
        """A letter to it was given up, for a reason that is the address' own."""
        if failure.category not in TO_CORRECT:
            return
        key = refused.to.lower()
        one = self.failing.get(key)
        if one is None:
            one = self.failing[key] = Failing(failure.at, failure.at)
        one.add(refused, failure, provider)

    def lines(self, *, with_healed: bool = False) -> Iterator[AddressLine]:
        """Those to correct, the most letters missed first."""
        for key, one in sorted(self.failing.items(), key=lambda kv: (-kv[1].missed, kv[0])):
            line = AddressLine(
                address=shown(key),
                category=one.category,
                first_at=one.first_at,
                last_at=one.last_at,
                missed=one.missed,
                accepted_at=self.accepted.get(key),
                provider=one.provider,
                rule=one.rule,
                said=said_of(one.refused)[:SAID] if one.refused else "",
                given=shown(one.refused.given) if one.refused else "",
            )
            if with_healed or not line.is_healed:
                yield line

    def suppressed(
        self, now: Instant, settings: SuppressionSettings
    ) -> Iterator[tuple[str, Standing, Instant]]:
        """Those that a relay would not try now, each with the reason and the last failure."""
        for key in sorted(self.failing):
            strikes = self._strikes(key)
            history = History(shown(key), strikes, accepted_at=self.accepted.get(key))
            for standing in standings(history, now, settings):
                if not standing.is_due:
                    yield history.address, standing, strikes[-1].at

    def _strikes(self, key: bytes) -> tuple[Strike, ...]:
        made = [
            Strike(
                address=shown(key),
                at=one.at,
                cause=CAUSE_OF[one.category],
                rule=one.rule,
                message_id=one.number,
                n=1,
                is_documented=one.is_documented,
            )
            for one in self.failing[key].failures
            if one.category in CAUSE_OF
        ]
        return tuple(sorted(made, key=lambda one: one.at))


def said_of(refused: Refused) -> str:
    """The reply of a refusal on one line, as the log has it."""
    return str(logline.read(refused.text.decode("utf-8", "replace")).reply)


def shown(octets: bytes) -> str:
    """An address or a host of a log as text."""
    return octets.decode("utf-8", "backslashreplace")
