"""Shown: README's tables, from what was kept of million, through, spread, destinations and soak."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench import keeping, marks
from tests.bench.keeping import number

Parts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: a figure in its unit, and in brackets what else is said of it."""

    what: str
    figure: str
    unit: str
    beside: tuple[tuple[str, str, str], ...] = ()  # word, figure, unit


def _cpu(figure: str) -> tuple[tuple[str, str, str], ...]:
    return (("CPU", figure, "s"),)


def _quarters(phase: str) -> tuple[tuple[str, str, str], ...]:
    return tuple(("then", f"{phase}_mb_{n}", "MB") for n in (2, 3, 4))


KINDS: Final = {"own": "a body each", "shared": "100 recipients a body"}
MILLION: Final = (
    Line("memory (PSS), at most", "peak_mb", "MB"),
    Line("restart to the first delivery", "first_s", "s", _cpu("first_cpu_s")),
    Line(
        "CPU a letter, against a store of 30,000 for the same destinations",
        "cpu_ratio",
        "×",
        (("now", "drain_cpu_ms", "ms"), ("then", "cpu_ms_few", "ms")),
    ),
    Line(
        "`queue ls` through the socket",
        *("queue_ls_s", "s"),
        (*_cpu("queue_ls_cpu_s"), ("the relay's answer", "queue_ls_call_s", "s")),
    ),
    Line("`queue ls` reading the store", "queue_ls_store_s", "s", _cpu("queue_ls_store_cpu_s")),
    Line("a page of an inbox", "inbox_page_s", "s"),
    Line("`queue rm` of all of it", "rm_all_s", "s", _cpu("rm_all_cpu_s")),
    Line("memory while all is removed", "rm_peak_mb", "MB"),
    Line("write-ahead log, at most", "wal_mb", "MB", (("all removed", "rm_wal_mb", "MB"),)),
    Line("disk a letter", "disk_octets", "octets"),
    Line("longest stall of the loop", "lag_ms", "ms", (("only sleeping", "still_ms", "ms"),)),
    Line(
        *("the same while all is removed", "rm_lag_ms", "ms"),
        (("only sleeping", "rm_still_ms", "ms"),),
    ),
)
SPREAD: Final = (
    Line("warm, against one destination: time", "warm_s_ratio", "×"),
    Line("cold, against one destination: time", "cold_s_ratio", "×"),
    Line("warm: CPU", "warm_cpu_s_ratio", "×"),
    Line("cold: CPU", "cold_cpu_s_ratio", "×"),
    Line(
        "memory (PSS): one", "one_mb", "MB", (("cold", "cold_mb", "MB"), ("warm", "warm_mb", "MB"))
    ),
    Line("longest stall of the loop", "stall_ms", "ms", (("only sleeping", "still_ms", "ms"),)),
)
THROUGH: Final = (
    Line(
        "taken: letters a second", "taken_a_second", "", (("CPU a letter", "taken_cpu_ms", "ms"),)
    ),
    Line("sent: letters a second", "sent_a_second", "", (("CPU a letter", "sent_cpu_ms", "ms"),)),
    Line("memory (PSS), at most", "peak_mb", "MB"),
    Line("memory in the four quarters of taking", "taken_mb_1", "MB", _quarters("taken")),
    Line("memory in the four quarters of sending", "sent_mb_1", "MB", _quarters("sent")),
    Line("memory after the last letter", "last_mb", "MB"),
    Line("write-ahead log, at most", "taken_wal_mb", "MB", (("while sent", "sent_wal_mb", "MB"),)),
    Line("disk a letter", "disk_octets", "octets"),
    Line("longest stall of the loop", "stall_ms", "ms", (("only sleeping", "still_ms", "ms"),)),
)
CASES: Final = {
    "limited": "their limit is spent",
    "throttled": "they refused us and rest",
    "stopped": "everything is paused by hand",
    "trickle": "letters leave meanwhile, a minute each",
}


def _cell(bench: str, case: str, figures: Mapping[str, Any], line: Line) -> str:
    if (value := figures.get(line.figure)) is None:
        return "not measured"
    besides = [
        f"{word} {number(figures[name])} {unit}"
        for word, name, unit in line.beside
        if figures.get(name) is not None
    ]
    told = f"{number(value)} {line.unit}" + (f" ({', '.join(besides)})" if besides else "")
    mark = marks.of(bench, case, line.figure)
    if mark is None:
        return told
    return f"{told}: {'met' if mark.is_met(value) else '**missed**'}"


def _table(bench: str, parts: Parts, heads: Mapping[str, str], lines: Sequence[Line]) -> str:
    """A line a figure, a column a part, and the mark."""
    there = [name for name in heads if name in parts]
    letters = next((int(parts[name]["figures"]["letters"]) for name in there), 0)
    rows = [[f"{letters:,} letters", *(heads[name] for name in there), "mark"]]
    for line in lines:
        mark = next((m for name in heads if (m := marks.of(bench, name, line.figure))), None)
        cells = [_cell(bench, name, parts[name]["figures"], line) for name in there]
        rows.append([line.what, *cells, mark.bounded if mark else ""])
    return keeping.table(rows)


def million(parts: Parts) -> str:
    """What a million waiting letters cost."""
    return _table("million", parts, KINDS, MILLION)


def spread(parts: Parts) -> str:
    """The same letters over many destinations."""
    domains = f"{int(parts['spread']['figures']['domains']):,} destinations"
    return _table("spread", parts, {"spread": domains}, SPREAD)


def through(parts: Parts) -> str:
    """A million letters taken at the door and sent."""
    return _table("through", parts, {"door": "a body each"}, THROUGH)


def destinations(parts: Parts) -> str:
    """What many destinations with waiting mail cost."""
    rows = [["all wait, because", "CPU, of one core", "the process grew by"]]
    for name, what in CASES.items():
        if name in parts:
            figures = parts[name]["figures"]
            cells = [
                _cell("destinations", name, figures, line)
                for line in (Line("", "cpu_percent", "%"), Line("", "grown_mb", "MB"))
            ]
            rows.append([f"{what} ({figures['letters']:,} letters left)", *cells])
    return keeping.table(rows)


def soak(parts: Parts) -> str:
    """What a soaked relay held before and after."""
    figures = parts["soak"]["figures"]
    rows = [["", "before", "after"]]
    rows += [
        [name, number(value), number(figures["after"][name])]
        for name, value in figures["before"].items()
    ]
    counts = ("accepted", "refused", "twice", "in_the_clear", "a_second", "stall_ms", "still_ms")
    rows += [[name.replace("_", " "), "", number(figures.get(name))] for name in counts]
    for name in ("faults", "grown"):
        rows.append([name, "", str(figures[name] or "none")])
    return keeping.table(rows)


TABLES: Final[dict[str, Callable[[Parts], str]]] = {
    "million": million,
    "through": through,
    "spread": spread,
    "destinations": destinations,
    "soak": soak,
}


def finished(bench: str, parts: Parts, is_markdown: bool) -> int:
    """README's table, or a line a mark; returns the exit code, 1 where a mark is missed."""
    found = marks.of_parts(bench, parts)
    if not is_markdown:
        return marks.told(found, bench)
    print(f"{TABLES[bench](parts)}\n\n{keeping.captions(parts)}")
    return marks.code(found, bench)
