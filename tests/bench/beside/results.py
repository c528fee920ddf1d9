"""Results: what was found, on which machine, as JSON that a later run can be compared with."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.bench.beside.playing import Figures
from tests.bench.beside.sides import OURS
from tests.peers.roots import Peer

FIGURES: Final = tuple(one.name for one in fields(Figures))
ROOT: Final = Path(__file__).resolve().parents[3]
IN_MEMORY: Final = {"tmpfs", "ramfs"}


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


def ratio(runs: Sequence[Run], case: str, side: str, figure: str) -> float | None:
    """Ours to the side's: the median of the ratios of each repetition, in which both ran one after
    the other; None where no repetition has both."""
    by_side = {
        (run.side, run.repetition): getattr(run.figures, figure) for run in runs if run.case == case
    }
    ratios = [
        value / theirs
        for (name, repetition), value in by_side.items()
        if name == OURS and value is not None and (theirs := by_side.get((side, repetition)))
    ]
    return statistics.median(ratios) if ratios else None


def machine(program: Path) -> dict[str, Any]:
    """What the figures depend on; `program` is the installed relay."""
    cpus = Path("/proc/cpuinfo").read_text().split("model name")
    folder = Path(tempfile.gettempdir())
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


BUILD: Final = """
import platform, sysconfig
told = sysconfig.get_config_var("CONFIG_ARGS") or ""
plain = "" if "--enable-optimizations" in told else ", built without --enable-optimizations"
print(platform.python_version() + plain)
"""


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


def peers() -> str:
    """The other side's versions."""
    script = "postconf -h mail_version; opendkim -V | head -n1"
    said = Peer("postfix").run(["sh", "-c", script]).stdout.decode().split("\n")
    return f"Postfix {said[0].strip()}, {said[1].strip()}"


def commit() -> str:
    """What was measured."""
    words = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def setting(program: Path) -> dict[str, Any]:
    """What is the same for a whole run; asked before it, since its own results change the tree."""
    return {"commit": commit(), "peers": peers(), "machine": machine(program)}


def document(runs: Sequence[Run], is_quick: bool, before: dict[str, Any]) -> dict[str, Any]:
    """All of it, with the medians and ratios that the tables show."""
    cases = list(dict.fromkeys(run.case for run in runs))
    sides = list(dict.fromkeys(run.side for run in runs))
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "is_quick": is_quick,
        **before,
        "machine": before["machine"] | {"load_after": os.getloadavg()[0]},
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
    }


def write(path: Path, found: dict[str, Any]) -> None:
    """The whole file, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def read(path: Path) -> tuple[dict[str, Any], list[Run]]:
    """A file that was written. Raises ValueError naming it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        runs = [Run(**one | {"figures": Figures(**one["figures"])}) for one in found["runs"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no file of this bench: {error!r}") from error
    return found, runs
