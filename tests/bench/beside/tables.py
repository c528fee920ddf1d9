"""Tables: medians and ratios, for a terminal and for a README."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tests.bench.beside.cases import CASES
from tests.bench.beside.results import Run, median, ratio
from tests.bench.beside.sides import OURS

HEADS: Final = {
    "accepted": "accepted/s",
    "delivered": "delivered/s",
    "cpu": "CPU-s per 1,000",
    "p50": "dot → 250 p50, ms",
    "p99": "p99, ms",
    "memory": "memory, MB",
    "room": "octets on disk a queued letter",
}


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def rows(runs: Sequence[Run]) -> list[list[str]]:
    """A row for each case and side; behind each figure of another side ours to its, as a ratio."""
    says = {case.name: case.says for case in CASES}
    made = []
    for case, side in dict.fromkeys((run.case, run.side) for run in runs):
        cells = [says.get(case, case), side]
        for name in HEADS:
            cell = number(median(runs, case, side, name))
            times = None if side == OURS else ratio(runs, case, side, name)
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
    lines = [heads, ["---"] * len(heads), *_pairs(runs, shown)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in lines)
    return f"{table}\n\n{caption(found)}"


def _pairs(runs: Sequence[Run], shown: Sequence[str]) -> list[list[str]]:
    says = {case.name: case.says for case in CASES}
    made = []
    for case, side in dict.fromkeys((run.case, run.side) for run in runs if run.side != OURS):
        cells = [says.get(case, case), side]
        for name in shown:
            ours, theirs = (median(runs, case, one, name) for one in (OURS, side))
            times = ratio(runs, case, side, name)
            both = "" if ours is theirs is None else f"{number(ours)} ÷ {number(theirs)}"
            cells.append(both if times is None else f"{both} = {number(times)} ×")
        made.append(cells)
    return made


def caption(found: dict[str, Any]) -> str:
    """Where and how it was measured, in one paragraph."""
    of = found["machine"]
    many = 1 + max((run["repetition"] for run in found["runs"]), default=0)
    return (
        f"{found['when'][:10]}, {found['commit']}; {of['cpu']}, {of['cores']} cores,"
        f" {of['memory_gb']} GB, {of['filesystem']} (an fdatasync {of['fsync_ms']} ms), Linux"
        f" {of['kernel']}, Python {of['python']}; {found['peers']}. Medians of {many},"
        f" and the ratio pair by pair. The load of the machine was {of['load']:.1f} before"
        f" and {of['load_after']:.1f} after{', quick sizes' if found['is_quick'] else ''}."
    )
