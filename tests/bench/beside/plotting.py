"""Plotting: ours to Postfix + OpenDKIM, case by case, as an SVG; matplotlib draws it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.figure import Figure

from tests.bench import marks
from tests.bench.beside.results import Run, ratio

THEIRS: Final = "postfix"
PANELS: Final = {
    "delivered": "delivered a second: longer is better",
    "cpu": "CPU a letter: shorter is better",
}
COLOURS: Final = {"delivered": "#2f7d4f", "cpu": "#35618f"}


def draw(file: Path, runs: Sequence[Run]) -> None:
    """A bar a case: the ratio, pair by pair; a line where a mark is. Raises OSError."""
    cases = list(dict.fromkeys(run.case for run in runs))
    with rc_context({"svg.hashsalt": "lpse-relay", "svg.fonttype": "path"}):  # the same each time
        figure = Figure(figsize=(10.0, 1.2 + 0.36 * len(cases)), layout="constrained")
        panels = figure.subplots(1, len(PANELS), sharey=True)
        for axes, name in zip(panels, PANELS, strict=True):
            _panel(axes, name, cases, {case: ratio(runs, case, THEIRS, name) for case in cases})
        panels[0].set_yticks(range(len(cases)), cases)
        panels[0].invert_yaxis()
        figure.suptitle("lpse-relay ÷ Postfix + OpenDKIM (tuned)")
        figure.savefig(file, format="svg", metadata={"Date": None})


def _panel(axes: Any, name: str, cases: Sequence[str], found: dict[str, float | None]) -> None:
    bars = [(n, value) for n, case in enumerate(cases) if (value := found[case]) is not None]
    axes.barh([n for n, _ in bars], [value for _, value in bars], color=COLOURS[name], height=0.6)
    for n, value in bars:
        axes.annotate(f" {value:.2f}", (value, n), va="center", fontsize=8)
    for n, case in enumerate(cases):
        if (mark := marks.of("beside", case, f"{name} ÷ {THEIRS}")) is not None:
            axes.plot([mark.bound] * 2, [n - 0.4, n + 0.4], color="#b3382c", linewidth=2)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_title(PANELS[name], fontsize=10)
    axes.set_xlabel("× (red: the mark)")
    axes.margins(x=0.12)
