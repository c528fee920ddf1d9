"""Tables: the rows of the shaping benchmark for a terminal, for the README, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from relay.lab.rehearsing.baselines import BASELINES
from relay.lab.rehearsing.sides import OURS
from relay.lab.rehearsing.wrong import WRONG
from tests.bench.rows import Cell, Row

_TOLD: Final = 3  # faults of a cell that are told
_BAR, _GAP, _LEFT, _WIDTH, _TOP = 7, 10, 190, 640, 56
_COLOURS: Final = ("#1f5fa8", "#d98c21", "#7a9a3a", "#a8557a", "#888888")


def text(found: Sequence[Row]) -> list[str]:
    """A line a side, for a terminal."""
    lines = [
        f"{'case':26} {'side':19} {'draws':>5} {'short':>5} {'G':>6} {'p10':>6} {'later':>6}"
        f" {'thr.':>6} {'blocks':>6} {'lost':>5} {'wrong':>5} {'inside':>6} {'cpu':>5}"
        f"  {'mark':12} state"
    ]
    for row in found:
        for cell in row.cells:
            told = "; ".join(cell.missed[:_TOLD]) + ("; …" if cell.missed[_TOLD:] else "")
            lines.append(
                f"{row.name:26} {cell.side:19} {cell.draws:5} {cell.short:5} {cell.speed:6.3f}"
                f" {cell.tenth:6.3f} {cell.later:6.3f} {cell.throttled:6.0f} {cell.blocks:6.1f}"
                f" {cell.lost:5} {cell.wrong:5} {cell.inside:6} {cell.cpu:5.1f}"
                f"  {row.mark:12} {cell.state}{told and ': '}{told}"
            )
        if row.cell(OURS.name) is not None and len(row.cells) > 1:
            lines.append(f"{'':26} best: {_best(row)}")
    return lines


def markdown(found: Sequence[Row], sides: Sequence[str] = ()) -> list[str]:
    """The README's table: a row of it a row; then each wrong shaper with what it fails."""
    names = sides or [side.name for side in BASELINES]
    head = (
        *("case", "mark", "draws", "G", "p10", "later", "throttled", "blocks", "lost", "wrong"),
        *("in a pause", "state", *(f"G {name}" for name in names), "better than every baseline"),
    )
    lines = [_piped(head), _piped(["---"] * len(head))]
    for row in found:
        ours = row.cell(OURS.name)
        if ours is None:
            continue
        others = [row.cell(name) for name in names]
        lines.append(_piped([*_ours(row, ours), *map(_speed, others), _best(row)]))
    failing = list(_failing(found))
    if failing:
        lines += ["", "| wrong shaper | draws | rows failed | for instance |", _piped(["---"] * 4)]
        lines += failing
    return lines


def _ours(row: Row, ours: Cell) -> list[str]:
    state = ours.state
    if ours.missed:
        state = f"missed: {'; '.join(ours.missed[:_TOLD])}{'; …' if ours.missed[_TOLD:] else ''}"
    short = f" ({ours.short} short)" if ours.short else ""
    return [
        row.name,
        row.mark,
        f"{ours.draws}{short}",
        f"{ours.speed:.2f}",
        f"{ours.tenth:.2f}",
        f"{ours.later:.2f}",
        f"{ours.throttled:.0f}",
        f"{ours.blocks:.1f}".removesuffix(".0"),
        *map(str, (ours.lost, ours.wrong, ours.inside)),
        state,
    ]


def _speed(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    faults = [f"{n} {word}" for n, word in ((cell.lost, "lost"), (cell.wrong, "wrong")) if n]
    return f"{cell.speed:.2f}" + (f" ({', '.join(faults)})" if faults else "")


def _best(row: Row) -> str:
    """Yes, or who was not slower, and at what cost."""
    if row.is_best is None:
        return "–"  # there is nothing to be better than
    if not row.against:
        return "yes"
    word = "yes" if row.is_best else "no"
    return f"{word}; {'; '.join(told for _, told in row.against)}"


def _failing(found: Sequence[Row]) -> list[str]:
    lines = []
    for side in WRONG:
        cells = [(row, cell) for row in found if (cell := row.cell(side.name)) is not None]
        if not cells:
            continue
        failed = [(row, cell) for row, cell in cells if cell.missed]
        worst = f"{failed[0][0].name}: {failed[0][1].missed[0]}" if failed else "none: passes all"
        draws = sum(cell.draws for _, cell in cells)
        lines.append(_piped((side.name, str(draws), f"{len(failed)} of {len(cells)}", worst)))
    return lines


def _piped(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def shapes(found: Sequence[Row]) -> list[dict[str, Any]]:
    """For JSON: a row, its sides, and who was better."""
    return [
        {
            "case": row.name,
            "model": row.model,
            "variant": row.variant,
            "kind": str(row.kind),
            "mark": row.mark,
            "is_best": row.is_best,
            "against": [told for _, told in row.against],
            "sides": [
                {
                    "side": cell.side,
                    "draws": cell.draws,
                    "short": cell.short,
                    "G": round(cell.speed, 4),
                    "p10": round(cell.tenth, 4),
                    "later": round(cell.later, 4),
                    "throttled": cell.throttled,
                    "blocks": cell.blocks,
                    "lost": cell.lost,
                    "wrongly_bounced": cell.wrong,
                    "inside_a_pause": cell.inside,
                    "state": cell.state,
                    "missed": list(cell.missed),
                }
                for cell in row.cells
            ],
        }
        for row in found
    ]


def picture(found: Sequence[Row], draws: int) -> str:
    """An SVG: a group of bars a row, one a side; the mark as a line through its group."""
    names = [OURS.name, *(side.name for side in BASELINES)]
    groups = [row for row in found if row.cell(OURS.name) is not None]
    step = _BAR * len(names) + _GAP
    height = _TOP + step * len(groups) + 50
    most = max([1.0, *(cell.speed for row in groups for cell in row.cells)])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 30}" height="{height}"'
        ' font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_LEFT}" y="18" font-size="15">Speed of shaping by provider, variant and mark'
        f" (median of up to {draws} draws)</text>",
    ]
    for n, name in enumerate(names):
        x, colour = _LEFT + n * 150, _COLOURS[n % len(_COLOURS)]
        parts.append(f'<rect x="{x}" y="28" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="37">{escape(name)}</text>')
    for n, row in enumerate(groups):
        parts += _group(row, names, _TOP + n * step, most)
    bottom = _TOP + step * len(groups)
    for tenth in range(0, int(most * 10) + 1, 2):
        x = _LEFT + round(_WIDTH * tenth / 10 / most)
        parts.append(f'<path d="M{x} {_TOP - 6}V{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{bottom + 14}" text-anchor="middle">{tenth / 10}</text>')
    axis = "G: the oracle's time until 95 % are delivered, divided by the side's (no unit)"
    parts.append(f'<text x="{_LEFT}" y="{bottom + 34}">{axis}; the red line is the mark</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _group(row: Row, names: Sequence[str], top: int, most: float) -> list[str]:
    middle = top + _BAR * len(names) // 2 + 4
    parts = [f'<text x="{_LEFT - 8}" y="{middle}" text-anchor="end">{escape(row.name)}</text>']
    for n, name in enumerate(names):
        cell = row.cell(name)
        width = round(_WIDTH * cell.speed / most) if cell else 0
        y, colour = top + n * _BAR, _COLOURS[n % len(_COLOURS)]
        parts.append(
            f'<rect x="{_LEFT}" y="{y}" width="{width}" height="{_BAR - 1}" fill="{colour}"/>'
        )
    x = _LEFT + round(_WIDTH * float(row.mark.split("/")[0].split()[0]) / most)
    parts.append(f'<path d="M{x} {top - 2}V{top + _BAR * len(names) + 2}" stroke="#c22"/>')
    return parts
