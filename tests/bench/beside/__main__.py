"""Measure the installed relay beside Postfix + OpenDKIM: `python -m tests.bench.beside`.

Each case is played on each side in turn, and all of it again (`--repeat`); each play starts the
side anew on an empty queue, and counts at the sink what was sent. A fault in one is told and the
rest goes on. What was found is written down after each play, so that a run that is cut short has
what it played; the cases that are not played stay in the file, where they are of the same commit,
or with `--mixed`. The exit code is 1 where a mark is missed, 2 for a fault of the run itself.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench import keeping, marks
from tests.bench.beside import plotting, results, sides, tables
from tests.bench.beside.cases import Case, Unknown, chosen
from tests.bench.beside.playing import play
from tests.bench.beside.proving import prove, unproved
from tests.bench.beside.results import Run
from tests.peers.roots import available

IN_MEMORY: Final = {"tmpfs", "ramfs"}


def played(cases: Sequence[Case], names: Sequence[str], repeat: int, pem: bytes) -> Iterator[Run]:
    """Every case on every side, so often; the order of the sides turns with each repetition."""
    for case in cases:
        for repetition in range(repeat):
            turn = repetition % len(names)
            for side in [*names[turn:], *names[:turn]]:
                yield _one(case, side, repetition, pem)


def _one(case: Case, side: str, repetition: int, pem: bytes) -> Run:
    try:
        run = Run(case.name, side, repetition, play(case, side, pem))
    except Exception as error:
        run = Run(case.name, side, repetition, fault=f"{type(error).__name__}: {error}")
    shown = run.fault or ", ".join(
        f"{tables.HEADS[name]} {keeping.number(value)}"
        for name in results.FIGURES
        if (value := getattr(run.figures, name)) is not None
    )
    print(f"{case.name:11} {side:13} {repetition + 1}: {shown}", file=sys.stderr, flush=True)
    return run


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", default="", metavar="A,B", help="these cases only")
    parser.add_argument(
        "--sides", default="", metavar="A,B", help=", ".join((*sides.SIDES, *sides.ASKED_FOR))
    )
    parser.add_argument(
        "--program", type=Path, default=sides.PROGRAM, help="another venv's lpse-relay"
    )
    parser.add_argument("--quick", action="store_true", help="few cases, a few seconds each")
    parser.add_argument("--repeat", type=int, help="default 5; quick: 1")
    parser.add_argument("--to", "--out", type=Path, help="the results as JSON")
    parser.add_argument("--mixed", action="store_true", help="keep cases of other commits")
    parser.add_argument("--fresh", action="store_true", help="forget what the file has")
    parser.add_argument("--markdown", action="store_true", help="the table for a README")
    parser.add_argument("--plot", type=Path, help="an SVG: ours to Postfix, case by case")
    parser.add_argument("--show", type=Path, help="measure nothing, show these results")
    return parser.parse_args()


def listed(text: str) -> list[str]:
    """`a,b` or `a b` as a list."""
    return text.replace(",", " ").split()


def main() -> int:
    """Measure, show, write down; returns the exit code."""
    asked = arguments()
    try:
        if asked.show:
            return _shown(asked)
        cases, names = chosen(listed(asked.cases), asked.quick), sides.known(listed(asked.sides))
    except (ValueError, Unknown, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    if (reason := available("postfix")) is not None:
        print(f"bench: the postfix peer is missing: {reason}", file=sys.stderr)
        return 2
    if not os.access(asked.program, os.X_OK):
        print(f"bench: --program {asked.program}: no program is there", file=sys.stderr)
        return 2
    sides.PROGRAM = asked.program.absolute()
    before = results.setting(sides.PROGRAM)
    out = asked.to or keeping.RESULTS / f"beside{'-quick' if asked.quick else ''}.json"
    try:
        kept = None if asked.fresh else _kept(out, cases, before["commit"], asked.mixed)
    except (ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    if before["machine"]["filesystem"] in IN_MEMORY:
        where = tempfile.gettempdir()
        print(f"bench: {where} is in memory, no fsync costs there: set TMPDIR", file=sys.stderr)
        return 2
    pem = sides.key()
    proofs = prove(names, pem)
    runs: list[Run] = []
    for run in played(cases, names, asked.repeat or (1 if asked.quick else 5), pem):
        runs.append(run)
        keeping.write(out, results.document(runs, asked.quick, before, proofs, kept))
    found, every = results.read(out)
    show(found, every, asked.markdown)
    if asked.plot:
        plotting.draw(asked.plot, every)
    print(f"written to {out}", file=sys.stderr)
    is_at_fault = unproved(proofs) or any(run.fault for run in runs)
    return 2 if is_at_fault else marks.code(results.figures(runs), "beside")


def _kept(
    out: Path, cases: Sequence[Case], commit: str, is_mixed: bool
) -> tuple[dict[str, Any], list[Run]] | None:
    """What the file has already. Raises ValueError where that is of other code, OSError."""
    if not out.exists():
        return None
    document, runs = results.read(out)
    others = results.others(document, [case.name for case in cases], commit)
    if others and not is_mixed:
        told = ", ".join(f"{case} ({of})" for case, of in others.items())
        raise ValueError(
            f"{out} has cases of another commit than {commit}: {told}: --mixed keeps them,"
            " --fresh forgets them, another --to keeps both"
        )
    return document, runs


def _shown(asked: argparse.Namespace) -> int:
    """What was measured before. Raises ValueError, OSError naming the file."""
    found, runs = results.read(asked.show)
    show(found, runs, asked.markdown)
    if asked.plot:
        plotting.draw(asked.plot, runs)
    return marks.code(results.figures(runs), "beside")


def show(found: dict[str, Any], runs: Sequence[Run], is_markdown: bool) -> None:
    """The table on standard output, and each fault."""
    print(tables.markdown(found, runs) if is_markdown else tables.text(runs))
    if not is_markdown:
        print(f"\n{tables.caption(found)}")
        marks.told(results.figures(runs), "beside")
    for said in unproved(found.get("proofs", {})):
        print(f"not proved: {said}")
    for run in runs:
        if run.fault:
            print(f"fault: {run.case}, {run.side}, {run.repetition + 1}: {run.fault}")


if __name__ == "__main__":
    sys.exit(main())
