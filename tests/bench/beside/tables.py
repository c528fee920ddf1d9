"""Tables: medians and ratios, for a terminal and for a README."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.bench import keeping
from tests.bench.beside.cases import CASES
from tests.bench.beside.results import Run, median, ratio, stamps_of
from tests.bench.beside.sides import GROUPED, OURS, POSTFIX
from tests.bench.keeping import number

HEADS: Final = {
    "accepted": "accepted/s",
    "delivered": "delivered/s",
    "cpu": "CPU-s per 1,000",
    "p50": "dot → 250 p50, ms",
    "p99": "p99, ms",
    "memory": "memory, MB",
    "room": "octets on disk a queued letter",
    "stall": "longest stall, ms",
    "still": "only sleeping, ms",
}
THEIRS: Final = "postfix"
OWN: Final = ("stall", "still")  # of the relay alone: there is none of another side


def rows(runs: Sequence[Run]) -> list[list[str]]:
    """A row for each case and side; behind each figure of another side ours to its, as a ratio."""
    says = {case.name: case.says for case in CASES}
    made = []
    for case, side in dict.fromkeys((run.case, run.side) for run in runs):
        cells = [says.get(case, case), side]
        for name in HEADS:
            cell = number(median(runs, case, side, name))
            times = None if side == OURS or name in OWN else ratio(runs, case, side, name)
            cells.append(cell if times is None else f"{cell} (×{number(times)})")
        made.append(cells)
    return made


def text(runs: Sequence[Run]) -> str:
    """For a terminal."""
    table = [["case", "side", *HEADS.values()], *rows(runs)]
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def markdown(found: dict[str, Any], runs: Sequence[Run]) -> str:
    """For a README: ours ÷ theirs, a row for each case and other side, the machine named."""
    shown = [name for name in HEADS if any(getattr(run.figures, name) is not None for run in runs)]
    heads = ["case", "against", *(HEADS[name] for name in shown)]
    return f"{keeping.table([heads, *_pairs(runs, shown)])}\n\n{caption(found)}"


def _pairs(runs: Sequence[Run], shown: Sequence[str]) -> list[list[str]]:
    """Ours against each side; grouped as Postfix groups it is against Postfix itself."""
    says = {case.name: case.says for case in CASES}
    made = []
    for case, side in dict.fromkeys((run.case, run.side) for run in runs if run.side != OURS):
        of, what = OURS, says.get(case, case)
        if side == GROUPED:
            of, side, what = GROUPED, THEIRS, f"{what}, 50 a transaction ({GROUPED})"
        made.append([what, side, *(_cell(runs, case, (of, side), name) for name in shown)])
    return made


def _cell(runs: Sequence[Run], case: str, sides: tuple[str, str], name: str) -> str:
    """One figure of ours, of theirs, and the ratio."""
    ours, theirs = (median(runs, case, one, name) for one in sides)
    if ours is None and theirs is None:
        return ""
    if name in OWN and sides[1] in POSTFIX:
        return number(ours)
    times = None if name in OWN else ratio(runs, case, sides[1], name, of=sides[0])
    both = f"{number(ours)} ÷ {number(theirs)}"
    return both if times is None else f"{both} = {number(times)} ×"


def caption(found: dict[str, Any]) -> str:
    """Where, when and how it was measured, in one paragraph; cases of one play together."""
    repeats: dict[str, int] = {}
    for run in found["runs"]:
        repeats[run["case"]] = max(repeats.get(run["case"], 0), run["repetition"] + 1)
    plays: dict[str, list[str]] = {}
    for case, stamp in stamps_of(found).items():
        quick = " Quick sizes." if stamp["is_quick"] else ""
        many = f"Medians of {repeats[case]}, and the ratio pair by pair."
        said = f"{keeping.caption(stamp)} {stamp['peers']}. {many}{quick}"
        plays.setdefault(said, []).append(case)
    if len(plays) == 1:
        return next(iter(plays))
    return "\n\n".join(f"{', '.join(cases)}: {said}" for said, cases in plays.items())
