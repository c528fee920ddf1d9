"""Score the shaping: python -m tests.bench.shaping [--draws 3] [--models gmail,yahoo] [--sides …].

Six models × four variants × seeded draws, and a warm-up at one of them, each with two oracles; ours
and the baselines, and, asked for, the wrong shapers. Quick by default; `--draws 200` is the whole
of it, for a night. What was played is kept in the file of `--to` once a minute; called again, it
goes on where it stopped, and `--merge A.json B.json` puts files of several draws or sides together
without playing anything.

Exit code 1 where ours misses a mark, where a baseline is better and the row cannot say at what
cost, or where a wrong shaper passes everything.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from relay.clock import SystemClock
from relay.lab.quotas import MODELS, VARIANTS
from relay.lab.rehearsing.baselines import BASELINES
from relay.lab.rehearsing.cases import HOURLY, HOURS, LETTERS, WARM_UP, WARMED, Case, case_of
from relay.lab.rehearsing.playing import staged, tried
from relay.lab.rehearsing.sides import OURS, Side
from relay.lab.rehearsing.wrong import WRONG
from relay.lab.virtual_time import Stalled
from relay.mail.instant import iso
from tests.bench import tables
from tests.bench.lines import Line, Mixed, key_of, line_of, merged, read, source, write
from tests.bench.rows import Row, rows, unfailed

RESULTS = Path(__file__).parent / "results" / "shaping.json"
SIDES: dict[str, tuple[Side, ...]] = {
    "ours": (OURS,),
    "baselines": (OURS, *BASELINES),
    "others": BASELINES,
    "wrong": WRONG,
    "all": (OURS, *BASELINES, *WRONG),
}
QUICK = 3
ALL_VARIANTS = (*VARIANTS, WARM_UP)
KEPT_EVERY = 60.0  # seconds between two writings of what was played
Work = tuple[Case, tuple[str, ...]]  # a draw, and the sides that are to be tried in it
Judgement = list[str]


def play(work: Work) -> list[Line]:
    """Those sides in one draw; in a process of its own."""
    case, names = work
    stage, lines = staged(case), []
    for side in SIDES["all"]:
        if side.name not in names:
            continue
        began = time.process_time()
        try:
            verdict = tried(stage, side)
        except Stalled as error:
            print(f"{side.name} in {case}: {error}", file=sys.stderr)
            if side is OURS:
                raise
            continue
        lines.append(line_of(side.name, verdict, time.process_time() - began))
    return lines


def _quiet() -> None:
    logging.disable(logging.CRITICAL)  # throttled servers are what this is about


def wanted(options: argparse.Namespace, done: Sequence[Line]) -> Iterator[Work]:
    """What is still to be played, a seed after the other."""
    known = {line.key for line in done}
    sizes = (options.letters, options.hourly, options.hours)
    for seed in range(options.first, options.first + options.draws):
        for variant in options.variants:
            for model in options.models:
                if variant == WARM_UP and model != WARMED:
                    continue
                case = case_of(model, variant, seed, *sizes)
                names = tuple(
                    side.name
                    for side in SIDES[options.sides]
                    if key_of(side.name, case) not in known
                )
                if names:
                    yield case, names


def _list(known: Sequence[str]) -> Any:
    def read_list(text: str) -> list[str]:
        named = text.split(",")
        for one in named:
            if one not in known:
                raise argparse.ArgumentTypeError(f"no {one!r}: one of {', '.join(known)}")
        return named

    return read_list


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench-shaping", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--draws", type=int, default=QUICK, help="of each; 200 is the whole of it")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--models", type=_list(MODELS), default=list(MODELS))
    parser.add_argument(
        "--variants",
        type=_list(ALL_VARIANTS),
        default=list(ALL_VARIANTS),
        help=f"{WARM_UP} is of {WARMED} alone",
    )
    parser.add_argument("--sides", choices=list(SIDES), default="baselines")
    parser.add_argument("--letters", type=int, default=LETTERS)
    parser.add_argument("--hourly", type=int, default=HOURLY)
    parser.add_argument("--hours", type=int, default=HOURS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--to", type=Path, default=RESULTS, help="where the JSON goes")
    parser.add_argument("--fresh", action="store_true", help="forget what the file has")
    parser.add_argument("--merge", type=Path, nargs="+", help="files of it; nothing is played")
    parser.add_argument("--mixed", action="store_true", help="merge what different code played")
    parser.add_argument("--markdown", action="store_true", help="print the table of the README")
    parser.add_argument("--plot", type=Path, help="an SVG of the speeds")
    found = parser.parse_args(arguments)
    if set(found.variants) == {WARM_UP} and WARMED not in found.models:
        parser.error(f"{WARM_UP} is a row of {WARMED}")
    return found


def main(arguments: Sequence[str]) -> int:
    asked = options(arguments)
    try:
        code, lines = _put_together(asked) if asked.merge else _played(asked)
    except (OSError, ValueError) as error:
        print(f"bench-shaping: {error}", file=sys.stderr)
        return 2
    found = rows(lines)
    write(asked.to, code, lines, _about(found))
    if asked.plot:
        asked.plot.write_text(
            tables.picture(found, max((c.draws for row in found for c in row.cells), default=0)),
            encoding="utf-8",
        )
    for line in tables.markdown(found) if asked.markdown else tables.text(found):
        print(line)
    faults = judgement(found)
    for line in faults or ["every mark is met"]:
        print(line, file=sys.stderr)
    return 1 if faults else 0


def _put_together(asked: argparse.Namespace) -> tuple[str, list[Line]]:
    """Raises Mixed, ValueError, OSError, which name the file."""
    code, _ = read(asked.merge[0])
    files = [read(path, None if asked.mixed else code)[1] for path in asked.merge]
    return ("mixed" if asked.mixed else code), merged(files)


def _played(asked: argparse.Namespace) -> tuple[str, list[Line]]:
    """Play what is missing. Raises Mixed where the file there is of other code."""
    code, clock = source(), SystemClock()
    lines: list[Line] = []
    if asked.to.exists() and not asked.fresh:
        try:
            _, lines = read(asked.to, code)
        except Mixed as error:
            raise Mixed(f"{error}: --fresh begins anew, another --to keeps both") from error
    work = list(wanted(asked, lines))
    began = kept_at = clock.monotonic()
    with get_context("spawn").Pool(asked.processes, _quiet, maxtasksperchild=8) as pool:
        for n, found in enumerate(pool.imap_unordered(play, work), 1):
            lines = [*lines, *found]
            if sys.stderr.isatty():
                print(f"\r{n}/{len(work)}", end="", file=sys.stderr, flush=True)
            if clock.monotonic() - kept_at > KEPT_EVERY:
                kept_at = clock.monotonic()
                write(asked.to, code, merged([lines]), {})
    took = clock.monotonic() - began
    print(f"{len(work)} draws in {took:.0f} s; {asked.to}", file=sys.stderr)
    return code, merged([lines])


def _about(found: Sequence[Row]) -> dict[str, Any]:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {"machine": machine, "at": iso(SystemClock().now()), "rows": tables.shapes(found)}


def judgement(found: Sequence[Row]) -> Judgement:
    """What makes the benchmark fail, in words."""
    faults = []
    for row in found:
        ours = row.cell(OURS.name)
        if ours is not None:
            faults += [f"ours misses in {row.name}: {fault}" for fault in ours.missed]
        better = [told for is_explained, told in row.against if not is_explained]
        faults += [f"better than ours in {row.name}: {told}" for told in better]
    return faults + [f"wrong, and passes everything: {name}" for name in unfailed(found)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
