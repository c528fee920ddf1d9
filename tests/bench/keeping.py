"""Keeping: results as JSON, each part with the machine, the commit and the day it is of.

A file has parts, each played by itself and replaced by itself: `{"parts": {name: {"when", "commit",
"machine", "figures"}}}`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = Path(__file__).resolve().parent / "results"
PROGRAM: Final = Path(sys.executable).with_name("lpse-relay")
MEASURED: Final = (
    *("relay", "requirements", "pyproject.toml", "tests/bench"),
    *("tests/e2e/site.py", "tests/peers", "tests/store/letters.py"),  # what the benches stand on
    *(":(exclude)tests/bench/results", ":(exclude)tests/bench/test_*"),
)
BUILD: Final = """
import platform, sysconfig
told = sysconfig.get_config_var("CONFIG_ARGS") or ""
plain = "" if "--enable-optimizations" in told else ", built without --enable-optimizations"
print(platform.python_version() + plain)
"""


class NoResults(ValueError):
    """A file that no bench wrote; the text names it."""


def machine(program: Path = PROGRAM, folder: Path | None = None) -> dict[str, Any]:
    """What the figures depend on; `program` is the installed relay, `folder` where stores lie."""
    cpus = Path("/proc/cpuinfo").read_text().split("model name")
    folder = folder or Path(tempfile.gettempdir())
    return {
        "cpu": cpus[1].split("\n")[0].strip(" \t:") if len(cpus) > 1 else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "kernel": platform.release(),
        "python": python(program),
        "filesystem": filesystem(folder),
        "fsync_ms": fsync(folder),
        "load": os.getloadavg()[0],
    }


def python(program: Path) -> str:
    """The Python that a relay is installed for, and whether its build was a fast one."""
    words = [str(program.with_name("python")), "-I", "-c", BUILD]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def filesystem(folder: Path) -> str:
    """The kind of file system that a folder lies on."""
    best = ("", "?")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, at, kind, *_ = line.split()
        if folder.resolve().is_relative_to(at) and len(at) >= len(best[0]):
            best = (at, kind)
    return best[1]


def fsync(folder: Path, times: int = 100) -> float:
    """The median of an appended 4 KiB block's fdatasync, in ms."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(times):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return round(1000 * statistics.median(took), 3)


def commit(root: Path = ROOT) -> str:
    """What was measured: the last commit that changed the relay or its benches. Neither results nor
    what is written of them make it another one."""
    words = ["git", "log", "-1", "--format=%h", "--", *MEASURED]
    last = subprocess.run(words, cwd=root, capture_output=True, text=True).stdout.strip()
    words = ["git", "diff", "--quiet", "HEAD", "--", *MEASURED]
    is_dirty = subprocess.run(words, cwd=root, capture_output=True).returncode == 1
    return f"{last}-dirty" if is_dirty else last


def setting(program: Path = PROGRAM, folder: Path | None = None) -> dict[str, Any]:
    """What is the same for a whole run; asked before it, since its own results change the tree."""
    return {"commit": commit(), "machine": machine(program, folder)}


def stamped(before: Mapping[str, Any]) -> dict[str, Any]:
    """The setting with the moment, and the load that the machine has now."""
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **before,
        "machine": before["machine"] | {"load_after": os.getloadavg()[0]},
    }


def caption(found: Mapping[str, Any]) -> str:
    """Where and when a part was measured, in one sentence."""
    of = found["machine"]
    return (
        f"{found['when'][:10]}, {found['commit']}; {of['cpu']}, {of['cores']} cores,"
        f" {of['memory_gb']} GB, {of['filesystem']} (an fdatasync {of['fsync_ms']} ms), Linux"
        f" {of['kernel']}, Python {of['python']}; the load of the machine was {of['load']:.1f}"
        f" before and {of['load_after']:.1f} after."
    )


def write(path: Path, found: Mapping[str, Any]) -> None:
    """The whole file, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def keep(
    path: Path, figures: Mapping[str, Mapping[str, Any]], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Put these parts into the file, beside the others that it has; returns all parts. Raises
    NoResults, OSError."""
    parts = read(path) if path.exists() else {}
    parts |= {name: {**stamped(before), "figures": dict(of)} for name, of in figures.items()}
    write(path, {"parts": parts})
    return parts


def read(path: Path) -> dict[str, Any]:
    """The parts of a file. Raises NoResults, OSError."""
    try:
        parts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["parts"]
        for part in parts.values():
            caption(part), part["figures"].items()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NoResults(f"{path} is no file of this bench: {error!r}") from error
    return parts


def options(parser: argparse.ArgumentParser) -> None:
    """Where the results go, and how kept ones are shown."""
    parser.add_argument("--to", type=Path, help="the results as JSON")
    parser.add_argument("--show", type=Path, help="measure nothing, show these results")
    parser.add_argument("--markdown", action="store_true", help="the table for a README")


def place(asked: argparse.Namespace, bench: str, is_whole: bool) -> Path:
    """Where they go where nothing is said: what is not the whole of it goes to another file."""
    to: Path | None = asked.to
    return to or RESULTS / f"{bench}{'' if is_whole else '-quick'}.json"


def captions(parts: Mapping[str, Any]) -> str:
    """The captions of all parts, one for those that share it."""
    told: dict[str, list[str]] = {}
    for name, part in parts.items():
        told.setdefault(caption(part), []).append(name)
    if len(told) == 1:
        return next(iter(told))
    return " ".join(f"{', '.join(names)}: {said}" for said, names in told.items())


def number(value: float | None) -> str:
    """Three digits that count; a count is told whole."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def table(rows: Iterable[Iterable[str]]) -> str:
    """Rows as Markdown, the first one the heads."""
    heads, *others = [list(row) for row in rows]
    lines = [heads, ["---"] * len(heads), *others]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)
