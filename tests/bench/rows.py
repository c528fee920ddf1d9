"""Rows: draws of one model, variant and kind; what each side made of them, and who was better.

A baseline is better only if it is faster and as good a sender: one that loses or wrongly bounces a
letter is none, and where it was faster by being blocked more often, the row says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Final

from relay.lab.rehearsing.baselines import BASELINES
from relay.lab.rehearsing.marks import MARKS, Kind, slow, tenth
from relay.lab.rehearsing.sides import OURS
from relay.lab.rehearsing.wrong import WRONG
from tests.bench.lines import Line

EVEN: Final = 0.005  # of G: nearer than that is as fast
OVER: Final = "a limit was exceeded"  # as relay.lab.rehearsing.marks says it
SHORT: Final = "in short runs, where a careful beginning is all that is seen"
_ORDER: Final = {side.name: n for n, side in enumerate((OURS, *BASELINES, *WRONG))}
_NUMBER: Final = re.compile(r"\d[\d+.]*")


@dataclass(frozen=True, slots=True)
class Cell:
    """One side in the draws of a row. Counts are sums over the draws; `throttled` and `blocks` are
    medians. G is that of the draws that are not short, where there are any."""

    side: str
    draws: int
    short: int
    speed: float
    tenth: float
    later: float
    throttled: float
    blocks: float
    lost: int
    wrong: int
    inside: int
    cpu: float
    missed: tuple[str, ...]

    @property
    def state(self) -> str:
        """met, missed or short."""
        if self.missed:
            return "missed"
        return "short" if self.short == self.draws else "met"


@dataclass(frozen=True, slots=True)
class Row:
    """`compared`: the baselines that have played draws of ours. `against`: of each of them that
    was not slower than ours, why ours is better all the same (True), or that it is not (False)."""

    model: str
    variant: str
    kind: Kind
    cells: tuple[Cell, ...]
    compared: tuple[str, ...]
    against: tuple[tuple[bool, str], ...]

    @property
    def name(self) -> str:
        """gmail fall (d)."""
        return f"{self.model} {self.variant} ({self.kind})"

    @property
    def mark(self) -> str:
        """What it must reach."""
        mark = MARKS[self.kind]
        later = "" if mark.later is None else f"/{mark.later:.2f}"
        return f"{mark.speed:.2f}{later}{' causal' if mark.is_causal else ''}"

    def cell(self, side: str) -> Cell | None:
        """That side's."""
        return next((cell for cell in self.cells if cell.side == side), None)

    @property
    def is_best(self) -> bool | None:
        """True where no baseline is better, or it says why; None: ours was compared with none."""
        if not self.compared:
            return None
        return all(is_explained for is_explained, _ in self.against)


def rows(lines: Iterable[Line]) -> list[Row]:
    """All rows, in the order of their names."""

    def of_row(line: Line) -> tuple[str, str, Kind]:
        return line.model, line.variant, line.kind

    made = []
    for (model, variant, kind), found in groupby(sorted(lines, key=of_row), of_row):
        by_side: dict[str, list[Line]] = {}
        for line in found:
            by_side.setdefault(line.side, []).append(line)
        sides = sorted(by_side, key=lambda side: _ORDER.get(side, len(_ORDER)))
        cells = tuple(_cell(side, by_side[side]) for side in sides)
        compared = tuple(side.name for side in BASELINES if _both(by_side, side.name))
        made.append(Row(model, variant, kind, cells, compared, _against(by_side, compared)))
    return made


def _cell(side: str, lines: Sequence[Line]) -> Cell:
    judged = [line for line in lines if not line.is_short] or lines
    speeds = [line.speed for line in judged]
    return Cell(
        side,
        len(lines),
        sum(line.is_short for line in lines),
        median(speeds),
        tenth(speeds),
        median(line.later for line in judged),
        median(line.throttled for line in lines),
        median(sum(line.blocks) for line in lines),
        sum(line.lost for line in lines),
        sum(line.wrong for line in lines),
        sum(line.inside for line in lines),
        median(line.cpu for line in lines),
        _gathered(lines),
    )


def _gathered(lines: Sequence[Line]) -> tuple[str, ...]:
    """What was missed: speeds first, then faults of single draws, alike ones together."""
    alike: dict[str, list[str]] = {}
    for line in lines:
        for fault in line.faults:
            alike.setdefault(_NUMBER.sub("#", fault), []).append(fault)
    told = [
        found[0] + (f" (and the like: {len(found)} of {len(lines)} draws)" if found[1:] else "")
        for found in alike.values()
    ]
    return (*slow(lines), *told)


def _both(by_side: dict[str, list[Line]], name: str) -> list[tuple[Line, Line]]:
    """Ours and that side's in each draw that both have played."""
    seeds = {line.seed: line for line in by_side.get(name, ())}
    return [(line, seeds[line.seed]) for line in by_side.get(OURS.name, ()) if line.seed in seeds]


def _against(
    by_side: dict[str, list[Line]], compared: Sequence[str]
) -> tuple[tuple[bool, str], ...]:
    """Each baseline that is as fast as ours or faster, in the draws that both have played."""
    told = []
    for name in compared:
        both = _both(by_side, name)
        pairs = [pair for pair in both if not pair[0].is_short] or both
        ours, theirs = (median(pair[n].speed for pair in pairs) for n in (0, 1))
        if theirs >= ours - EVEN and theirs > 0:
            cost = _cost([pair[0] for pair in both], [pair[1] for pair in both])
            if all(pair[0].is_short for pair in pairs):
                cost = "; ".join(filter(None, (cost, SHORT)))
            is_even = theirs <= ours + EVEN
            word = "as fast" if is_even else f"G {theirs:.2f}"
            told.append((is_even or bool(cost), f"{name}: {word}{cost and ', but '}{cost}"))
    return tuple(told)


def _cost(ours: Sequence[Line], theirs: Sequence[Line]) -> str:
    """What a baseline's speed costs that ours does not; empty: nothing."""
    costs = []
    if any(OVER in fault for line in theirs for fault in line.faults):
        costs.append("it does not keep to the configured limit")
    for word, name in (("lost", "lost"), ("bounced wrongly", "wrong"), ("in a pause", "inside")):
        mine, its = (sum(getattr(line, name) for line in lines) for lines in (ours, theirs))
        if its > mine:
            costs.append(f"{its - mine} more {word}")
    for word, count in (("blocks", _blocks), ("throttled", _throttled), ("expired", _expired)):
        mine, its = (sum(map(count, lines)) / len(lines) for lines in (ours, theirs))
        if its > mine * 1.2 and its - mine >= 1:
            costs.append(f"{its:.0f} {word} a draw, not {mine:.0f}")
    return "; ".join(costs)


def _blocks(line: Line) -> int:
    return sum(line.blocks)


def _throttled(line: Line) -> int:
    return line.throttled


def _expired(line: Line) -> int:
    return line.expired


def unfailed(found: Sequence[Row]) -> list[str]:
    """The wrong shapers that were tried and missed no mark anywhere: the benchmark is none."""
    tried = {cell.side for row in found for cell in row.cells}
    failed = {cell.side for row in found for cell in row.cells if cell.missed}
    return [side.name for side in WRONG if side.name in tried - failed]
