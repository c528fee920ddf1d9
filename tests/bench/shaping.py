"""Score the shaping: python -m tests.bench.shaping [--draws 3] [--models gmail,yahoo] [--sides …].

Six models × four variants × seeded draws, each with two oracles; ours and the baselines, and, asked
for, the wrong shapers. Quick by default; `--draws 200` is the whole of it, for a night. Prints a
table of medians and tenth percentiles with the marks that are missed, and writes
tests/bench/results/shaping.json. Exit code 1 where ours misses a mark.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from relay.clock import SystemClock
from relay.lab.quotas import MODELS, VARIANTS
from relay.lab.rehearsing.baselines import BASELINES
from relay.lab.rehearsing.cases import HOURLY, HOURS, LETTERS, Case
from relay.lab.rehearsing.marks import Kind, Verdict, missed, tenth
from relay.lab.rehearsing.playing import staged, tried
from relay.lab.rehearsing.sides import OURS, Side
from relay.lab.rehearsing.wrong import WRONG
from relay.lab.virtual_time import Stalled
from relay.mail.instant import iso

RESULTS = Path(__file__).parent / "results" / "shaping.json"
SIDES: dict[str, tuple[Side, ...]] = {
    "ours": (OURS,),
    "baselines": (OURS, *BASELINES),
    "all": (OURS, *BASELINES, *WRONG),
}
QUICK = 3
METRICS = ("G", "G later", "throttled", "blocks", "inside", "lost", "wrongly bounced", "cpu s")
Row = tuple[str, str, Kind, bool]  # model, variant, kind of draw, short


@dataclass(frozen=True)
class Result:
    """One side in one draw, as it comes back from its process."""

    side: str
    verdict: Verdict
    cpu: float

    @property
    def row(self) -> Row:
        stage = self.verdict.stage
        return stage.case.model, stage.case.variant, stage.kind, stage.is_short

    def value(self, metric: str) -> float:
        verdict, score = self.verdict, self.verdict.score
        return {
            "G": verdict.speed,
            "G later": verdict.later,
            "throttled": score.throttled,
            "blocks": score.blocked,
            "inside": score.inside,
            "lost": score.lost,
            "wrongly bounced": score.wrongly_bounced + score.false_dead_bounced,
            "cpu s": self.cpu,
        }[metric]


def play(work: tuple[Case, str]) -> list[Result]:
    """All sides in one draw; in a process of its own."""
    logging.disable(logging.CRITICAL)  # throttled servers are what this is about
    case, sides = work
    stage, results = staged(case), []
    for side in SIDES[sides]:
        began = time.process_time()
        try:
            verdict = tried(stage, side)
        except Stalled as error:
            print(f"{side.name} in {case}: {error}", file=sys.stderr)
            if side is OURS:
                raise
            continue
        results.append(Result(side.name, verdict, time.process_time() - began))
    return results


def cases(options: argparse.Namespace) -> Iterator[Case]:
    for seed in range(options.first, options.first + options.draws):
        for variant in options.variants:
            for model in options.models:
                yield Case(model, variant, seed, options.letters, options.hourly, options.hours)


def rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """What README and JSON show: a row a case, side and metric."""
    found = []
    for (row, side), of_row in _grouped(results):
        name = _name(row)
        for metric in METRICS:
            values = [one.value(metric) for one in of_row]
            ratios = [round(value, 4) for value in sorted(values)]
            found.append(
                {
                    "case": name,
                    "side": side,
                    "metric": metric,
                    "median": round(median(values), 4),
                    "ratios": ratios,
                }
            )
    return found


def _grouped(results: Sequence[Result]) -> Iterator[tuple[tuple[Row, str], list[Result]]]:
    order = {side.name: n for n, side in enumerate(SIDES["all"])}

    def key(one: Result) -> tuple[Row, int]:
        return one.row, order[one.side]

    for (row, n), of_row in groupby(sorted(results, key=key), key):
        yield (row, SIDES["all"][n].name), list(of_row)


def _name(row: Row) -> str:
    model, variant, kind, is_short = row
    return f"{model} {variant} ({kind}{', short' if is_short else ''})"


def show(results: Sequence[Result]) -> list[str]:
    """Print the table; what ours has missed."""
    print(
        f"{'case':34} {'draws':>5} {'side':19} {'G':>6} {'p10':>6} {'later':>6} {'thr.':>6}"
        f" {'blocks':>6} {'cpu':>5}  missed"
    )
    ours: list[str] = []
    for (row, side), of_row in _grouped(results):
        speeds = [one.value("G") for one in of_row]
        faults = missed([one.verdict for one in of_row])
        if side == OURS.name:
            ours += [f"{_name(row)}: {fault}" for fault in faults]
        middle = {metric: median(one.value(metric) for one in of_row) for metric in METRICS}
        told = "; ".join(faults[:3]) + ("; …" if len(faults) > 3 else "")
        print(
            f"{_name(row):34} {len(of_row):5} {side:19} {middle['G']:6.3f} {tenth(speeds):6.3f}"
            f" {middle['G later']:6.3f} {middle['throttled']:6.0f} {middle['blocks']:6.0f}"
            f" {middle['cpu s']:5.1f}  {told or '–'}"
        )
    return ours


def _list(known: Sequence[str]) -> Any:
    def read(text: str) -> list[str]:
        named = text.split(",")
        for one in named:
            if one not in known:
                raise argparse.ArgumentTypeError(f"no {one!r}: one of {', '.join(known)}")
        return named

    return read


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench-shaping", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--draws", type=int, default=QUICK, help="of each; 200 is the whole of it")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--models", type=_list(MODELS), default=list(MODELS))
    parser.add_argument("--variants", type=_list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--sides", choices=list(SIDES), default="baselines")
    parser.add_argument("--letters", type=int, default=LETTERS)
    parser.add_argument("--hourly", type=int, default=HOURLY)
    parser.add_argument("--hours", type=int, default=HOURS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--to", type=Path, default=RESULTS, help="where the JSON goes")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    asked = options(arguments)
    began = SystemClock().monotonic()
    work = [(case, asked.sides) for case in cases(asked)]
    results: list[Result] = []
    with get_context("spawn").Pool(asked.processes, maxtasksperchild=8) as pool:
        for n, found in enumerate(pool.imap_unordered(play, work), 1):
            results += found
            if sys.stderr.isatty():
                print(f"\r{n}/{len(work)}", end="", file=sys.stderr, flush=True)
    ours = show(results)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    document = {"machine": machine, "at": iso(SystemClock().now()), "rows": rows(results)}
    asked.to.parent.mkdir(parents=True, exist_ok=True)
    asked.to.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{len(work)} draws in {SystemClock().monotonic() - began:.0f} s; {asked.to}")
    print("ours misses:" if ours else "ours misses no mark")
    for line in ours:
        print(f"  {line}")
    return 1 if ours else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
