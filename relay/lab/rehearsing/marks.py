"""Marks: what a side must reach in a draw of its kind, and whether it did.

The kinds: *within* the quota throughout; *soft* replies only; *short* penalties of some minutes;
*long* ones, or a quota that falls; and a *warm-up*, whose arithmetic says when all are through:
the oracle keeps to it as to the limits. Speed is asked of a draw only where the oracle itself needs
a day: else beginning slowly is all that is seen. The rest is asked of every draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Final, Protocol

from relay.lab.rehearsing.cases import Case, is_within
from relay.lab.rehearsing.scoring import Progress, Score, ratio, second_half
from relay.mail.instant import DAY, HOUR

SHORT_RUN: Final = 24 * HOUR
TENTH: Final = 0.8  # of the mark: what the tenth percentile must reach
THROTTLED: Final = (10, 0.01)  # replies, or that share of the recipients tried
BOUNCED_BY_LIES: Final = 30
UNHELD: Final = 2  # days of a warm-up on which no limit holds it; of later ones G tells
URGENT_WAIT: Final = 300.0  # seconds: what a limit may cost, where a warm-up would cost hours
_SOFT: Final = ("outlook", "go.id", "small")
# Microsoft 365 says 15 minutes, but a day with a refusal forgoes the next day's growth: whoever has
# to learn the quota by a refusal pays a day for it, and so does the causal oracle (0.54 to 0.70 of
# the clairvoyant's speed).
_LONG: Final = ("yahoo", "m365")
_FALLING: Final = ("fall", "diurnal")


class Kind(StrEnum):
    """What a draw asks for."""

    WITHIN = "a"
    SOFT = "b"
    SHORT = "c"
    LONG = "d"
    WARMING = "w"


@dataclass(frozen=True, slots=True)
class Mark:
    """The least G, in the whole run and in its second half."""

    speed: float
    later: float | None = None
    is_causal: bool = False  # by the causal oracle


MARKS: Final = {
    Kind.WITHIN: Mark(0.98),
    Kind.SOFT: Mark(0.85),
    Kind.SHORT: Mark(0.75, 0.85),
    Kind.LONG: Mark(0.80, is_causal=True),
    Kind.WARMING: Mark(0.95),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A case with what the oracles made of it."""

    case: Case
    kind: Kind
    clairvoyant: Progress
    causal: Progress

    @property
    def oracle(self) -> Progress:
        """The one that its mark speaks of."""
        return self.causal if MARKS[self.kind].is_causal else self.clairvoyant

    @property
    def is_short(self) -> bool:
        """True where no mark is put on its speed."""
        return self.oracle.t95 < SHORT_RUN


class Judged(Protocol):
    """What marks over many draws ask of one: a Verdict, or what was written down of it."""

    @property
    def kind(self) -> Kind:
        """What the draw asks for."""
        ...

    @property
    def is_short(self) -> bool:
        """True where no mark is put on its speed."""
        ...

    @property
    def speed(self) -> float:
        """G."""
        ...

    @property
    def later(self) -> float:
        """G in the second half."""
        ...

    @property
    def faults(self) -> tuple[str, ...]:
        """What must not be, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """One side in one draw: its speed, and every fault in words."""

    stage: Stage
    score: Score
    speed: float
    later: float
    faults: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        """See Judged."""
        return self.stage.kind

    @property
    def is_short(self) -> bool:
        """See Judged."""
        return self.stage.is_short


def kind_of(case: Case) -> Kind:
    """Which of them a draw is."""
    if case.is_warming:
        return Kind.WARMING
    if is_within(case.run()):
        return Kind.WITHIN
    if case.variant in _FALLING or case.model in _LONG:
        return Kind.LONG
    return Kind.SOFT if case.model in _SOFT else Kind.SHORT


def judged(stage: Stage, score: Score) -> Verdict:
    """What must hold in every draw; speeds are judged over many, by :func:`missed`."""
    speed, later = ratio(stage.oracle, score.progress), second_half(stage.oracle, score.progress)
    faults = []
    if score.over:
        faults.append(f"a limit was exceeded by {score.over}")
    if score.throttled > max(THROTTLED[0], THROTTLED[1] * score.tried):
        faults.append(f"{score.throttled} throttled of {score.tried}")
    if score.inside:
        faults.append(f"{score.inside} tries inside a published pause")
    if score.lost:
        faults.append(f"{score.lost} letters lost")
    if score.wrongly_bounced:
        faults.append(f"{score.wrongly_bounced} wrongly bounced")
    if score.suppressed and stage.case.variant == "false-dead":
        faults.append(f"{score.suppressed} addresses suppressed by a lie")
    if score.false_dead_bounced > BOUNCED_BY_LIES:
        faults.append(f"{score.false_dead_bounced} bounced by a lie")
    faults += _blocked(stage.kind, score)
    return Verdict(stage, score, speed, later, (*faults, *_unplanned(score)))


def _blocked(kind: Kind, score: Score) -> list[str]:
    if kind in (Kind.WITHIN, Kind.WARMING):
        said = [(score.throttled, "throttled"), (score.blocked, "blocks")]
        return [f"{count} {word} within the quota" for count, word in said if count]
    if kind is Kind.SHORT:
        first, *later = score.blocks
        if first > 3 or any(count > 1 for count in later):
            return [f"blocked {'+'.join(map(str, score.blocks))} times a day"]
    return []


def _unplanned(score: Score) -> list[str]:
    """Where a warm-up was not kept to: too many on a day, too few while the announcement waited,
    urgent letters held by it."""
    found = []
    for n, day in enumerate(score.days, 1):
        if day.over:
            found.append(f"a limit was exceeded by {day.over} on sending day {n} of a warm-up")
    ended = score.announced[-1] if score.announced else 0
    begun = [day.began_at for day in score.days]
    full = [day for day in score.days if day.began_at + DAY <= begun[0] + ended]
    for n, day in enumerate(full[:UNHELD], 1):
        if day.written < day.allowed:
            found.append(f"{day.written} of {day.allowed} on sending day {n} of a warm-up")
    if score.days and score.kritis_wait > URGENT_WAIT:
        found.append(f"a kritis letter waited {score.kritis_wait:.0f} s in a warm-up")
    return found


def tenth(values: Sequence[float]) -> float:
    """The tenth percentile: the value that one in ten does not reach."""
    ordered = sorted(values)
    return ordered[int(0.1 * len(ordered))]


def missed(verdicts: Sequence[Judged]) -> list[str]:
    """What one side has missed over the draws of one kind: in words, none where all is well."""
    return [fault for verdict in verdicts for fault in verdict.faults] + slow(verdicts)


def slow(verdicts: Sequence[Judged]) -> list[str]:
    """The same of speeds alone: median and tenth percentile of the draws that are not short."""
    long = [verdict for verdict in verdicts if not verdict.is_short]
    if not long:
        return []
    mark = MARKS[long[0].kind]
    found = _slow("G", [verdict.speed for verdict in long], mark.speed)
    if mark.later is not None:
        found += _slow("G later", [verdict.later for verdict in long], mark.later)
    return found


def _slow(word: str, speeds: Sequence[float], mark: float) -> list[str]:
    middle, low = median(speeds), tenth(speeds)
    found = []
    if middle < mark:
        found.append(f"{word} {middle:.2f} < {mark}")
    if low < TENTH * mark:
        found.append(f"{word} p10 {low:.2f} < {TENTH * mark:.2f}")
    return found
