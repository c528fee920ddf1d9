"""Spread the same letters over ten thousand destinations: time and CPU against one destination.

`python -m tests.bench.spread [--letters N] [--domains D] [--repeat R] [--json]`: the installed
program takes letters at its door and carries them to a sink, each destination a domain with an MX
host and an address of its own in a real name server. Three rounds in turn, each of as many letters:

one    one destination
cold   D destinations, by a relay that has just started: no answer of DNS is known, no session open
warm   the same D again, at once, by the same relay

The time is from the first letter handed in until the last one is at the sink; the CPU is the
relay's whole process. Both as the median of the rounds' ratios to `one`. The marks stand in
tests/bench/marks.py; what is found goes to results/spread.json (`--to`), and `--show FILE
--markdown` is README's table of it. The exit code is 1 where a mark is missed, 2 for a fault.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from relay.lab import dns
from relay.lab.dns import NameServer, Zone
from tests.bench import keeping, shown
from tests.bench.beside.source import Order, domain
from tests.bench.million import Watch, begun
from tests.bench.million_world import Around, sinking
from tests.bench.stalls import Stalls

SESSIONS: Final = 10
OCTETS: Final = 4096
TTL: Final = 3600  # seconds; within a round no answer grows old
PATIENCE: Final = 900.0
WHOLE: Final = (100_000, 10_000)  # letters and destinations that the marks are of
KINDS: Final = ("one", "cold", "warm")

Figures = dict[str, float]


def zone(domains: int) -> Zone:
    """Each domain has a host of its own, and that host an address of its own."""
    made = Zone()
    for n in range(domains):
        name = domain(n, domains)
        made.host(f"mx.{name}", f"127.1.{n // 250}.{n % 250 + 1}")
        made.domain(name, f"mx.{name}")
    return made


def _serve(names: Zone, address: Any) -> None:
    """The name server's process."""

    async def serve() -> None:
        with patch.object(dns, "TTL", TTL):
            address.send(await NameServer(names).start())
            await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def naming(names: Zone) -> Iterator[str]:
    """A name server in a process of its own, so that it takes no time from what is measured."""
    context = get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(names, there), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.kill()
        process.join()


async def send(port: int, letters: int, domains: int, is_own: bool = False) -> None:
    """Hand so many letters in, over as many sessions as the bench has; `is_own`: each with a body
    of its own."""
    order = Order(port, SESSIONS, letters, OCTETS, domains=domains, is_own=is_own)
    source = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.beside.source", json.dumps(asdict(order))),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await source.communicate()
    report = json.loads(said)
    assert report["accepted"] == letters and not report["fault"], report["fault"]


async def round_of(watch: Watch, around: Around, port: int, letters: int, domains: int) -> Figures:
    """One round, counted at the sink."""
    before, cpu, began = around.taken.value, watch.cpu(), time.monotonic()
    await send(port, letters, domains)
    while (there := around.taken.value - before) < letters:
        assert time.monotonic() - began < PATIENCE, f"{there} of {letters} at the sink"
        await asyncio.sleep(0.02)
    return {"s": time.monotonic() - began, "cpu_s": watch.cpu() - cpu, "mb": watch.mb()}


async def rounds(folder: Path, letters: int, domains: int) -> dict[str, Figures]:
    """The three kinds; the one destination by a relay of its own."""
    found: dict[str, Figures] = {}
    for n, kinds in ((1, ("one",)), (domains, ("cold", "warm"))):
        names = zone(n)
        with naming(names) as address, sinking() as (port, taken, first_at):
            around = Around(address, port, names, taken, first_at)
            relay = await begun(folder / str(n), around)
            about = await relay.start()
            door = int(about["smtp"][0].rpartition(":")[2])
            try:
                with Stalls(about["metrics"]) as seen:
                    for kind in kinds:
                        found[kind] = await round_of(Watch(relay), around, door, letters, n)
                        print(f"{kind:5} {_told(found[kind])}", file=sys.stderr, flush=True)
                for kind in kinds:
                    found[kind] |= {"stall_ms": seen.ms, "still_ms": seen.still_ms}
            finally:
                await relay.stop()
    return found


def _told(figures: Figures) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in figures.items())


def summary(found: list[dict[str, Figures]]) -> dict[str, float]:
    """Medians, and the ratios to one destination, round by round."""
    told: dict[str, float] = {}
    for kind in KINDS:
        for name in found[0][kind]:
            told[f"{kind}_{name}"] = statistics.median(one[kind][name] for one in found)
    for kind in ("warm", "cold"):
        for name in ("s", "cpu_s"):
            ratios = [one[kind][name] / one["one"][name] for one in found]
            told[f"{kind}_{name}_ratio"] = statistics.median(ratios)
    worst = max((one[kind] for one in found for kind in KINDS), key=lambda of: of["stall_ms"])
    return told | {name: worst[name] for name in ("stall_ms", "still_ms")}


async def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """All rounds; returns what was kept of them."""
    is_whole = (asked.letters, asked.domains) == WHOLE
    to, before = keeping.place(asked, "spread", is_whole), keeping.setting()
    found = []
    for _ in range(asked.repeat):
        with tempfile.TemporaryDirectory() as folder:
            found.append(await rounds(Path(folder), asked.letters, asked.domains))
    told = summary(found)
    sizes = {"letters": asked.letters, "domains": asked.domains, "repeat": asked.repeat}
    kept = keeping.keep(to, {"spread": sizes | told}, before)
    if asked.json:
        print(json.dumps(sizes | told))
    elif not asked.markdown:
        print(f"{asked.letters} letters over {asked.domains} destinations, against one")
        for name, value in told.items():
            print(f"  {name:16} {value:10.2f}")
    print(f"written to {to}", file=sys.stderr)
    return kept


def main() -> int:
    """Measure and print; returns the exit code: 1 where a mark is missed, 2 for a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--letters", type=int, default=WHOLE[0])
    parser.add_argument("--domains", type=int, default=WHOLE[1])
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    keeping.options(parser)
    asked = parser.parse_args()
    try:
        parts = keeping.read(asked.show) if asked.show else asyncio.run(measure(asked))
        return shown.finished("spread", parts, asked.markdown)
    except (Exception, KeyboardInterrupt):
        traceback.print_exc()
        return 2


if __name__ == "__main__":
    sys.exit(main())
