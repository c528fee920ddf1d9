"""Results: what was found, on which machine, as JSON that a later run can be compared with."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from tests.bench import keeping
from tests.bench.beside.cases import CASES
from tests.bench.beside.playing import Figures
from tests.bench.beside.sides import OURS, SLOW_DISK
from tests.bench.marks import STOCK_ROOM
from tests.peers.roots import Peer

FIGURES: Final = tuple(one.name for one in fields(Figures))
ORDER: Final = {case.name: n for n, case in enumerate(CASES)}


@dataclass(frozen=True, slots=True)
class Run:
    """One side in one case, once; `fault` says why there are no figures."""

    case: str
    side: str
    repetition: int
    figures: Figures = field(default_factory=Figures)
    fault: str = ""


def median(runs: Sequence[Run], case: str, side: str, figure: str) -> float | None:
    """The median of a figure; None where no run has one."""
    found = [
        value
        for run in runs
        if (run.case, run.side) == (case, side)
        and (value := getattr(run.figures, figure)) is not None
    ]
    return statistics.median(found) if found else None


def ratio(runs: Sequence[Run], case: str, side: str, figure: str, of: str = OURS) -> float | None:
    """Ours (or another's) to the side's: the median of the ratios of each repetition, in which both
    ran one after the other; None where no repetition has both."""
    by_side = {
        (run.side, run.repetition): getattr(run.figures, figure) for run in runs if run.case == case
    }
    ratios = [
        value / theirs
        for (name, repetition), value in by_side.items()
        if name == of and value is not None and (theirs := by_side.get((side, repetition)))
    ]
    return statistics.median(ratios) if ratios else None


def peers() -> str:
    """The other side's versions."""
    script = "postconf -h mail_version; opendkim -V | head -n1"
    said = Peer("postfix").run(["sh", "-c", script]).stdout.decode().split("\n")
    return f"Postfix {said[0].strip()}, {said[1].strip()}"


def setting(program: Path) -> dict[str, Any]:
    """What is the same for a whole run; asked before it, since its own results change the tree."""
    return {"peers": peers(), **keeping.setting(program)}


def document(
    runs: Sequence[Run],
    is_quick: bool,
    before: dict[str, Any],
    proofs: dict[str, Any],
    kept: tuple[dict[str, Any], Sequence[Run]] | None = None,
) -> dict[str, Any]:
    """All of it, with the medians and ratios that the tables show; the cases of `kept` that were
    not played now stay, and `played` says of which commit and day each case is."""
    stamp = {**keeping.stamped(before), "is_quick": is_quick}
    played = {run.case: stamp for run in runs}
    if kept is not None:
        document, others = kept
        others = [run for run in others if run.case not in played]
        stamps = stamps_of(document)
        played = {run.case: stamps[run.case] for run in others} | played
        runs = sorted([*others, *runs], key=lambda run: ORDER.get(run.case, len(ORDER)))
        proofs = document.get("proofs", {}) | proofs
    cases = list(dict.fromkeys(run.case for run in runs))
    sides = list(dict.fromkeys(run.side for run in runs))
    return {
        **stamp,
        "played": {case: played[case] for case in cases},
        "medians": {
            case: {
                side: {name: median(runs, case, side, name) for name in FIGURES} for side in sides
            }
            for case in cases
        },
        "ratios": {
            case: {
                side: {name: ratio(runs, case, side, name) for name in FIGURES}
                for side in sides
                if side != OURS
            }
            for case in cases
        },
        "runs": [asdict(run) for run in runs],
        "proofs": proofs,
    }


def stamps_of(document: dict[str, Any]) -> dict[str, Any]:
    """Case → when, by which commit and on which machine it was played."""
    names = ("when", "commit", "peers", "machine", "is_quick")
    whole = {name: document[name] for name in names}
    stamps: dict[str, Any] = {run["case"]: whole for run in document["runs"]}
    stamps.update(document.get("played", {}))
    return stamps


def others(document: dict[str, Any], cases: Sequence[str], commit: str) -> dict[str, str]:
    """The cases of a file that are not among these and are of another commit, and of which."""
    stamps = stamps_of(document)
    return {
        case: of["commit"]
        for case, of in stamps.items()
        if case not in cases and of["commit"] != commit
    }


def figures(runs: Sequence[Run]) -> dict[tuple[str, str, str], float]:
    """The figures that marks.py judges: ours to Postfix, the slow disk to none, the stalls."""
    found: dict[tuple[str, str, str], float | None] = {}
    for case in dict.fromkeys(run.case for run in runs):
        for name in FIGURES:
            found["beside", case, f"{name} ÷ postfix"] = ratio(runs, case, "postfix", name)
        slow = ratio(runs, case, OURS, "delivered", of=SLOW_DISK)
        found["beside", case, f"delivered, {SLOW_DISK} ÷ ours"] = slow
        if (room := median(runs, case, OURS, "room")) is not None:
            key = ("beside", case, "room ÷ postfix")
            found[key] = found[key] or room / STOCK_ROOM
    stalled = [run.figures for run in runs if run.figures.stall is not None]
    if stalled:
        worst = max(stalled, key=lambda one: one.stall or 0.0)
        found["beside", "worst", "stall"] = worst.stall
        found["beside", "worst", "still"] = worst.still
    return {key: value for key, value in found.items() if value is not None}


def read(path: Path) -> tuple[dict[str, Any], list[Run]]:
    """A file that was written. Raises ValueError naming it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        runs = [Run(**one | {"figures": Figures(**one["figures"])}) for one in found["runs"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no file of this bench: {error!r}") from error
    return found, runs
