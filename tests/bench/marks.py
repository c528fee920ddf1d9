"""Marks: what must be reached, all in one table, and whether the results reach it.

`python -m tests.bench.marks` says for each mark what the files in tests/bench/results/ have found,
and ends with 1 where one is missed. `--markdown` prints README's table of it, `--write` renews it
there, `--check` ends with 1 where README has another one. What no file has was not measured. The
shaping's marks are its own (relay/lab/rehearsing/marks.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench import keeping
from tests.bench.keeping import RESULTS, ROOT, number

README: Final = ROOT / "README.md"
BEGIN, END = "<!-- marks: python -m tests.bench.marks --write -->\n", "\n<!-- end of marks -->"
MANY, ONE = ("10-many", "50-many"), ("10-one", "50-one")
STOCK_ROOM: Final = 12.1 * 1024  # octets: Postfix' measured room, where it was not played itself
DESTINATIONS: Final = ("limited", "throttled", "stopped", "trickle")
WAITING: Final = DESTINATIONS[:3]

Found = Mapping[tuple[str, str, str], float]  # bench, case, figure → value


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure of a bench's case, and its bound: at most that, or at least. A ratio's name is
    `figure ÷ side`, ours to that side; or `figure, side ÷ side`."""

    bench: str
    case: str
    figure: str
    bound: float
    unit: str = "×"
    is_least: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Where its value stands."""
        return self.bench, self.case, self.figure

    @property
    def bounded(self) -> str:
        """≥ 4 ×."""
        return f"{'≥' if self.is_least else '≤'} {self.bound:g} {self.unit}"

    def is_met(self, value: float) -> bool:
        """True where it is."""
        return value >= self.bound if self.is_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the README: marks of one kind, in words."""

    what: str
    mark: str
    marks: tuple[Mark, ...]


def _each(
    bench: str,
    cases: Iterable[str],
    figure: str,
    bound: float,
    unit: str = "×",
    is_least: bool = False,
) -> tuple[Mark, ...]:
    return tuple(Mark(bench, case, figure, bound, unit, is_least) for case in cases)


KINDS: Final = ("own", "shared")  # of a million
STALLS: Final = (
    *_each("beside", ("worst",), "stall", 50.0, "ms"),
    *_each("million", KINDS, "lag_ms", 50.0, "ms"),
    *_each("million", KINDS, "rm_lag_ms", 50.0, "ms"),
    *_each("spread", ("spread",), "stall_ms", 50.0, "ms"),
    *_each("through", ("door",), "stall_ms", 50.0, "ms"),
    *_each("soak", ("soak",), "stall_ms", 50.0, "ms"),
)
STILL: Final = {
    "stall": "still",
    "lag_ms": "still_ms",
    "rm_lag_ms": "rm_still_ms",
    "stall_ms": "still_ms",
}
"""Beside each stall: that of a process that only sleeps."""

ROWS: Final = (
    Row(
        "delivered/s, 10 and 50 sessions, many letters a connection",
        "≥ 4 ×",
        _each("beside", MANY, "delivered ÷ postfix", 4.0, is_least=True),
    ),
    Row(
        "the same, one letter a connection",
        "≥ 3 ×",
        _each("beside", ONE, "delivered ÷ postfix", 3.0, is_least=True),
    ),
    Row(
        "CPU a letter, all processes: many; one a connection",
        "≤ 1/5; ≤ 1/4",
        _each("beside", MANY, "cpu ÷ postfix", 0.2) + _each("beside", ONE, "cpu ÷ postfix", 0.25),
    ),
    Row(
        "dot → 250: p50 at one session; p99 at 50",
        "≤ 1/2; ≤ 1 ×",
        _each("beside", ("1-many", "1-one"), "p50 ÷ postfix", 0.5)
        + _each("beside", ("50-many", "50-one"), "p99 ÷ postfix", 1.0),
    ),
    Row(
        "memory at 10 sessions (PSS), web role in the process",
        "≤ 1 ×",
        _each("beside", ("10-many", "10-one"), "memory ÷ postfix", 1.0),
    ),
    Row(
        "bytes on disk a queued 4 KiB letter (Postfix 12.1 KiB)",
        "≤ 1/2",
        _each("beside", ("waiting",), "room ÷ postfix", 0.5),
    ),
    Row(
        "1,000,000 queued: resident memory",
        "≤ 250 MB",
        _each("million", KINDS, "peak_mb", 250.0, "MB")
        + _each("million", KINDS, "rm_peak_mb", 250.0, "MB")
        + _each("through", ("door",), "peak_mb", 250.0, "MB"),
    ),
    Row(
        "restart with 1,000,000 queued to the first delivery",
        "≤ 2 s",
        _each("million", KINDS, "first_s", 2.0, "s"),
    ),
    Row(
        "`queue ls` with 1,000,000 queued: through the control socket; reading the store",
        "≤ 0.3 s; ≤ 0.6 s",
        _each("million", KINDS, "queue_ls_s", 0.3, "s")
        + _each("million", KINDS, "queue_ls_store_s", 0.6, "s"),
    ),
    Row(
        "2 ms added to every fsync, 50 sessions",
        "≥ 90 % of the rate without",
        _each(
            *("beside", ("50-many", "50-one"), "delivered, ours-slow-disk ÷ ours", 0.9),
            is_least=True,
        ),
    ),
    Row(
        "CPU a letter at 1,000,000 queued against 1,000",
        "≤ 1.2 ×",
        _each("million", KINDS, "cpu_ratio", 1.2),
    ),
    Row(
        "100,000 letters over 10,000 destinations: warm; cold DNS and connections",
        "≤ 1.3 ×; ≤ 2 ×",
        _each("spread", ("spread",), "warm_s_ratio", 1.3)
        + _each("spread", ("spread",), "cold_s_ratio", 2.0),
    ),
    Row("longest stall of the loop under any of these", "≤ 50 ms", STALLS),
    Row(
        "half an hour's soak: memory in its second half, a day",
        "≤ 100 MB",
        _each("soak", ("soak",), "slope.mb_a_day", 100.0, "MB"),
    ),
    Row(
        "10,000 destinations whose letters wait: CPU of a core; memory",
        "≤ 2 %; ≤ 20 MB",
        _each("destinations", WAITING, "cpu_percent", 2.0, "%")
        + _each("destinations", WAITING, "grown_mb", 20.0, "MB"),
    ),
)

NAMES: Final = {
    "queue_ls_s": "socket",
    "queue_ls_store_s": "store",
    "warm_s_ratio": "warm",
    "cold_s_ratio": "cold",
    "rm_peak_mb": "while all is removed",
    "rm_lag_ms": "while all is removed",
    "cpu_ratio": "against 30,000, of which some are left for each site",
}


def marks(bench: str) -> list[Mark]:
    """Those of one bench."""
    return [mark for row in ROWS for mark in row.marks if mark.bench == bench]


def of(bench: str, case: str, figure: str) -> Mark | None:
    """The mark of a figure; None where it has none."""
    return next((mark for mark in marks(bench) if mark.key == (bench, case, figure)), None)


def judged(found: Found, bench: str) -> Iterator[str]:
    """A line for each mark of a bench that was measured: figure · mark · met or missed."""
    for mark in marks(bench):
        if (value := found.get(mark.key)) is not None:
            word = "met" if mark.is_met(value) else "MISSED"
            name = f"{bench} {mark.case}, {mark.figure}"
            yield f"{name}: {_valued(mark, value, found)} · {mark.bounded} · {word}"


def code(found: Found, bench: str) -> int:
    """1 where a mark that was measured is missed."""
    values = [(mark, found.get(mark.key)) for mark in marks(bench)]
    return int(any(value is not None and not mark.is_met(value) for mark, value in values))


def told(found: Found, bench: str) -> int:
    """Print the lines; returns the exit code."""
    for line in judged(found, bench):
        print(line, flush=True)
    return code(found, bench)


def of_parts(bench: str, parts: Mapping[str, Any]) -> dict[tuple[str, str, str], float]:
    """The figures of a file's parts, as the marks name them."""
    return {
        (bench, case, name): float(value)
        for case, part in parts.items()
        for name, value in _flat(part["figures"])
        if isinstance(value, int | float)
    }


def _flat(figures: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What stands within another has both their names: `slope.mb_a_day`."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield name, value


def gathered(folder: Path = RESULTS) -> dict[tuple[str, str, str], float]:
    """What all files there have found. Raises ValueError, OSError naming the file."""
    from tests.bench.beside import results

    found: dict[tuple[str, str, str], float] = {}
    if (file := folder / "beside.json").exists():
        found |= results.figures(results.read(file)[1])
    for bench in ("million", "through", "spread", "destinations", "soak"):
        if (file := folder / f"{bench}.json").exists():
            found |= of_parts(bench, keeping.read(file))
    return found


def markdown(found: Found) -> str:
    """README's table."""
    rows = [(row.what, row.mark, "; ".join(_cells(row, found))) for row in ROWS]
    return keeping.table([("what", "mark", "found"), *rows])


def _cells(row: Row, found: Found) -> Iterator[str]:
    if not any(mark.key in found for mark in row.marks):
        yield "not measured"
        return
    for mark in row.marks:
        value = found.get(mark.key)
        if value is None:
            yield f"{_named(mark)}: not measured"
        else:
            word = "met" if mark.is_met(value) else "**missed**"
            yield f"{_named(mark)}: {_valued(mark, value, found)}, {word}"


def _named(mark: Mark) -> str:
    name = NAMES.get(mark.figure, "")
    case = {"beside": mark.case, "spread": "", "soak": ""}.get(mark.bench, mark.case)
    bench = mark.bench if mark in STALLS else ""
    return " ".join(filter(None, (bench, case, name)))


def _valued(mark: Mark, value: float, found: Found) -> str:
    still = found.get((mark.bench, mark.case, STILL.get(mark.figure, "")))
    beside = "" if still is None or mark not in STALLS else f" (only sleeping: {still:.0f})"
    return f"{number(value)} {mark.unit}{beside}"


def within(text: str, table: str) -> str:
    """README with this table in the place of its own. Raises ValueError where it has no place."""
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (begun and ended):
        raise ValueError(f"README has no place for the marks: {BEGIN.strip()} … {END.strip()}")
    return before + BEGIN + table + END + after


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code; 2 for a file that cannot be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the results")
    parser.add_argument("--readme", type=Path, default=README)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--markdown", action="store_true", help="print README's table")
    what.add_argument("--write", action="store_true", help="put it into README")
    what.add_argument("--check", action="store_true", help="1 where README has another")
    asked = parser.parse_args(arguments)
    try:
        found = gathered(asked.results)
        return _done(asked, found)
    except (ValueError, OSError) as error:
        print(f"marks: {error}", file=sys.stderr)
        return 2


def _done(asked: argparse.Namespace, found: Found) -> int:
    if asked.markdown:
        print(markdown(found))
    elif asked.write or asked.check:
        text = asked.readme.read_text(encoding="utf-8")
        renewed = within(text, markdown(found))
        if asked.check and renewed != text:
            print("README's marks are not those of the results: --write", file=sys.stderr)
            return 1
        if asked.write:
            asked.readme.write_text(renewed, encoding="utf-8")
    else:
        codes = [
            told(found, bench) for bench in dict.fromkeys(m.bench for r in ROWS for m in r.marks)
        ]
        return max(codes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
