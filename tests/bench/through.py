"""A million letters through the whole relay: taken at the door, restarted on, every one sent.

`python -m tests.bench.through [--letters N] [--json]`: the installed program takes letters of
4 KiB, each with a body of its own, over ten sessions while all sending is paused; it is stopped and
started again; then everything is resumed and goes to a sink, to a hundred destinations, until the
last one is there. Memory (PSS) and the write-ahead log are looked at twice a second; `*_mb_1` to
`*_mb_4` are the means of memory over the four quarters of taking and of sending, which show
whether it grows. A million takes an hour or more, and 6 GB of disk.

The marks stand in tests/bench/marks.py; what is found goes to results/through.json (`--to`), and
`--show FILE --markdown` is README's table of it. The exit code is 1 where a mark is missed, 2 for
a fault.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from relay.lab.running import Relay
from tests.bench import keeping, shown
from tests.bench.million import Watch, begun
from tests.bench.million_world import Around, sinking
from tests.bench.spread import naming, send, zone
from tests.bench.stalls import Stalls

WHOLE: Final = 1_000_000  # letters that the marks are of
DOMAINS: Final = 100
EVERY: Final = 0.5  # seconds between two looks
PATIENCE: Final = 120.0  # seconds in which at least one letter must have come to the sink
QUARTERS: Final = 4

Figures = dict[str, float]


class Looked:
    """What a phase was like: its memory over time, its largest log, its CPU, its longest stall."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._watch = Watch(relay)
        self._mb: list[float] = []
        self._wal_mb = 0.0

    async def look(self) -> None:
        """Until cancelled."""
        wal = self._relay.state / "store.db-wal"
        while True:
            self._mb.append(self._watch.mb())
            self._wal_mb = max(self._wal_mb, wal.stat().st_size / 1e6 if wal.exists() else 0.0)
            await asyncio.sleep(EVERY)

    def cpu(self) -> float:
        """Seconds so far."""
        return self._watch.cpu()

    def told(self, phase: str) -> Figures:
        """By name."""
        found = {"peak_mb": max(self._mb), "wal_mb": self._wal_mb}
        found |= {f"mb_{n}": mean for n, mean in enumerate(quarters(self._mb), 1)}
        return {f"{phase}_{name}": value for name, value in found.items()}


def quarters(samples: list[float]) -> Iterator[float]:
    """The mean of each quarter."""
    for n in range(QUARTERS):
        first = n * len(samples) // QUARTERS
        last = max(first + 1, (n + 1) * len(samples) // QUARTERS)
        yield statistics.mean(samples[first:last])


@asynccontextmanager
async def phase(
    relay: Relay, metrics: str, name: str, letters: int, found: Figures
) -> AsyncIterator[None]:
    """What goes on within is looked at, and told in `found` under that name."""
    looked = Looked(relay)
    with Stalls(metrics) as seen:
        looking = asyncio.create_task(looked.look())
        cpu, started = looked.cpu(), time.monotonic()
        try:
            yield
        finally:
            looking.cancel()
        took = time.monotonic() - started
        found |= looked.told(name)
        found[f"{name}_s"] = took
        found[f"{name}_a_second"] = letters / took
        found[f"{name}_cpu_ms"] = (looked.cpu() - cpu) / letters * 1e3
    found[f"{name}_stall_ms"] = seen.ms
    found[f"{name}_still_ms"] = seen.still_ms


async def all_there(around: Around, letters: int) -> None:
    """Wait for the last letter at the sink, as long as they come. Raises AssertionError."""
    before, since = -1, time.monotonic()
    while (there := around.taken.value) < letters:
        if there != before:
            before, since = there, time.monotonic()
        assert time.monotonic() - since < PATIENCE, f"{there} of {letters} at the sink"
        await asyncio.sleep(0.05)


async def through(folder: Path, letters: int) -> Figures:
    """All of it; each letter is counted at the sink."""
    found: Figures = {"letters": letters}
    names = zone(DOMAINS)
    with naming(names) as address, sinking() as (port, taken, first_at):
        around = Around(address, port, names, taken, first_at)
        relay = await begun(folder, around)
        about = await relay.start()
        try:
            await relay.call("pause", provider="*", reason="measured")
            door = int(about["smtp"][0].rpartition(":")[2])
            async with phase(relay, about["metrics"], "taken", letters, found):
                await send(door, letters, DOMAINS, is_own=True)
        finally:
            await relay.stop()
        found["disk_octets"] = sum(f.stat().st_blocks * 512 for f in relay.state.iterdir())
        found["disk_octets"] /= letters
        assert taken.value == 0, f"{taken.value} letters left in spite of the pause"
        about = await relay.start()
        try:
            async with phase(relay, about["metrics"], "sent", letters, found):
                await relay.call("resume", provider="*", reason="measured")
                await all_there(around, letters)
            await emptied(relay)
            found["last_mb"] = Watch(relay).mb()
        finally:
            await relay.stop()
    found["peak_mb"] = max(found["taken_peak_mb"], found["sent_peak_mb"])
    worst = max(("taken", "sent"), key=lambda name: found[f"{name}_stall_ms"])
    return found | {name: found[f"{worst}_{name}"] for name in ("stall_ms", "still_ms")}


async def emptied(relay: Relay) -> None:
    """The last outcomes are written a moment after the sink's replies."""
    for _ in range(200):
        if (await relay.call("queue.ls", limit=1))["total"] == 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("letters are in the queue that the sink has taken")


async def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Returns what was kept of it."""
    to, before = keeping.place(asked, "through", asked.letters == WHOLE), keeping.setting()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        found = await through(Path(folder), asked.letters)
    if asked.json:
        print(json.dumps(found))
    elif not asked.markdown:
        for name, value in found.items():
            print(f"  {name:16} {value:14,.2f}")
    kept = keeping.keep(to, {"door": found}, before)
    print(f"written to {to}", file=sys.stderr)
    return kept


def main() -> int:
    """Measure and print; returns the exit code: 1 where a mark is missed, 2 for a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--letters", type=int, default=WHOLE)
    parser.add_argument("--folder", type=Path, help="where the store lies meanwhile")
    parser.add_argument("--json", action="store_true")
    keeping.options(parser)
    asked = parser.parse_args()
    try:
        parts = keeping.read(asked.show) if asked.show else asyncio.run(measure(asked))
        return shown.finished("through", parts, asked.markdown)
    except (Exception, KeyboardInterrupt):
        traceback.print_exc()
        return 2


if __name__ == "__main__":
    sys.exit(main())
