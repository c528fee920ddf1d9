"""Plot: deliveries by day as a picture. Matplotlib draws it, where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from relay.reports.grouped import day_text
from relay.reports.lines import DeliveryLine

INCHES = (10.0, 6.0)
DPI = 120
_COLOURS = {"delivered": "#2f7d4f", "waiting": "#c9a227", "failed": "#b3382c"}
MOST_NAMES = 16  # days that are named below the axis


def lacks() -> str:
    """What is missing to draw; empty where nothing is."""
    if find_spec("matplotlib") is not None:
        return ""
    return "a picture needs matplotlib: pip install 'lpse-relay[plot]'"


def draw(file: Path, lines: Sequence[DeliveryLine], span: tuple[int, int], zone: str) -> None:
    """Write a PNG: above what became of each day's letters, below how long they took.

    ``lines``: told apart by day only; ``span``: the first and the last day. Raises OSError.
    """
    from matplotlib.figure import Figure

    days = [day_text(day) for day in range(span[0], span[1] + 1)]
    by_day = {line.day: line for line in lines}
    figure = Figure(figsize=INCHES, dpi=DPI, layout="constrained")
    letters, times = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    letters.set_title(f"Letters accepted {days[0]} to {days[-1]}, by day ({zone})")
    _letters(letters, days, by_day)
    _times(times, days, by_day)
    step = max(1, -(-len(days) // MOST_NAMES))
    times.set_xticks(range(0, len(days), step), days[::step], rotation=30, ha="right")
    times.set_xlim(-0.6, len(days) - 0.4)
    times.set_xlabel("day of acceptance")
    with file.open("wb") as out:
        figure.savefig(out, format="png")


def _letters(axes: Any, days: Sequence[str], by_day: dict[str | None, DeliveryLine]) -> None:
    base = [0] * len(days)
    for name, colour in _COLOURS.items():
        heights = [getattr(by_day[day], name) if day in by_day else 0 for day in days]
        axes.bar(range(len(days)), heights, bottom=base, label=name, color=colour, width=0.8)
        base = [low + height for low, height in zip(base, heights, strict=True)]
    axes.set_ylabel("letters (a recipient each)")
    axes.set_ylim(0, max(1, *base) * 1.08)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_axisbelow(True)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _times(axes: Any, days: Sequence[str], by_day: dict[str | None, DeliveryLine]) -> None:
    for name, label, style in (("p50", "half within", "o-"), ("p95", "95 % within", "s--")):
        told = [(n, getattr(by_day[day], name)) for n, day in enumerate(days) if day in by_day]
        points = [(n, seconds) for n, seconds in told if seconds is not None]
        axes.plot([n for n, _ in points], [s for _, s in points], style, label=label, markersize=4)
    axes.set_ylabel("time to deliver")
    axes.set_yscale("log")
    axes.set_ylim(0.04, 1_000_000)
    ticks = {0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h"}
    ticks |= {21_600: "6 h", 86_400: "1 d", 432_000: "5 d"}
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    axes.set_axisbelow(True)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
