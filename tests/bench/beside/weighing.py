"""Weighing: the CPU, the memory and the room on disk of all processes of one side.

The processes of a side share a cgroup of their own where one can be made (as root, cgroup 1 or 2):
then no process escapes, however short it lives, and the CPU is exact. Elsewhere they are the
descendants of the side's first processes, and the CPU of those that ended is what their parents
were told of them, in ticks of 10 ms.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

TICK: Final = os.sysconf("SC_CLK_TCK")
_NUMBERS: Final = count(1)  # a folder that is slow to go is in nobody's way
SAMPLING: Final = 1.0  # seconds between two looks at the memory: each costs ms a process


class Weight(Protocol):
    """What weighs a side."""

    def cpu(self) -> float:
        """Seconds of CPU so far, user and system."""
        ...

    def processes(self) -> list[int]:
        """Those that live now."""
        ...


class Group:
    """A cgroup that the processes of a side are started in."""

    def __init__(self, place: Path, back: Path) -> None:
        self._place, self._back = place, back

    @classmethod
    def made(cls, name: str) -> Self | None:
        """A new one; None where none can be made."""
        for below in _hierarchies():
            place = below / f"lpse-bench-{os.getpid()}-{next(_NUMBERS)}-{name}"
            try:
                place.mkdir()
            except OSError:
                continue
            return cls(place, below)
        return None

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """What this process starts meanwhile belongs to the group."""
        (self._place / "cgroup.procs").write_text(str(os.getpid()))
        try:
            yield
        finally:
            (self._back / "cgroup.procs").write_text(str(os.getpid()))

    def cpu(self) -> float:
        nanoseconds = self._place / "cpuacct.usage"
        if nanoseconds.exists():
            return int(nanoseconds.read_text()) / 1e9
        said = dict(line.split() for line in (self._place / "cpu.stat").read_text().splitlines())
        return int(said["usage_usec"]) / 1e6

    def processes(self) -> list[int]:
        return [int(line) for line in (self._place / "cgroup.procs").read_text().split()]

    def remove(self) -> None:
        """After the last of its processes is gone; one that is still going leaves the folder."""
        for _ in range(100):
            try:
                self._place.rmdir()
            except OSError:
                time.sleep(0.02)
            else:
                return


def _hierarchies() -> Iterator[Path]:
    """Where this process stands in the hierarchies that count CPU."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        for _, mounted, kind, options, *_ in mounts:
            is_first = kind == "cgroup" and "cpuacct" in controllers.split(",")
            is_second = kind == "cgroup2" and number == "0"
            if is_second or (is_first and "cpuacct" in options.split(",")):
                yield Path(mounted + path)


class Tree:
    """The descendants of some processes, as /proc shows them."""

    def __init__(self, roots: Sequence[int]) -> None:
        self._roots = tuple(roots)

    def cpu(self) -> float:
        ticks = 0
        for process in self.processes():
            fields = _stat(process)
            ticks += sum(map(int, fields[11:15])) if fields else 0
        return ticks / TICK

    def processes(self) -> list[int]:
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                parents[int(entry.name)] = int(fields[1])
        found = [root for root in self._roots if root in parents]
        for process in found:  # it grows meanwhile
            found += [child for child, parent in parents.items() if parent == process]
        return found


def _stat(process: int) -> list[str]:
    """The fields of /proc/N/stat behind the name; empty where the process is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def pss(processes: Iterable[int]) -> int:
    """Proportional set size, in KiB: shared pages are counted once."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


def used(folder: Path, besides: Sequence[str] = ()) -> int:
    """Octets on disk of all files below a folder, as `du` counts them; `besides` are names left
    out."""
    total = 0
    for at, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            if not name.startswith(tuple(besides)) or not besides:
                with contextlib.suppress(FileNotFoundError):
                    total += os.lstat(Path(at, name)).st_blocks * 512
    return total


class Peak:
    """The greatest memory of a side while the context lasts, in `kib`."""

    def __init__(self, weight: Weight) -> None:
        self.kib = 0
        self._weight = weight
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while True:
            self.kib = max(self.kib, pss(self._weight.processes()))
            if self._over.wait(SAMPLING):
                self.kib = max(self.kib, pss(self._weight.processes()))
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
