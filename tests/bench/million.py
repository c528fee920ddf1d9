"""Measure a relay that a million letters wait in: memory, restart, listings, drain, removal, log.

`python -m tests.bench.million [--letters N] [--kind own|shared] [--folder F]`: the
installed program on a store that was filled as the door fills it, in big groups. `own`: each
letter has a body of 4 KiB of its own; `shared`: announcements, 100 recipients to a body.

The marks stand in tests/bench/marks.py; what is found goes to results/million.json, each kind by
itself (`--to`), and `--show FILE --markdown` is README's table of it. The exit code is 1 where a
mark is missed, 2 for a fault. The CPU a letter is the relay's whole process (user and system)
over LETTERS deliveries from the 3,000th on, when its sessions stand; it is held against a store
with 30,000 letters for the same destinations, before and after it in the same run.
The longest stall is the largest `lpse_loop_lag_seconds` that /metrics showed meanwhile, without the
first sample, which tells of the start; beside it stands that of a process that does nothing but
sleep (`still_ms`): what the machine itself did. So does the CPU beside the time of a start or a
command: it does not tell of what else runs.
`--state DIR` takes a store that was filled before (`--fill DIR` does that), and empties it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from unittest.mock import patch

from relay.config import keys
from relay.control import client
from relay.lab import running
from relay.lab.dns import NameServer
from relay.lab.running import PROGRAM, Relay
from relay.mail.dkim import dns_record, load_key
from relay.observe.sampler import EVERY
from tests.bench import keeping, shown
from tests.bench.million_world import Around, address, fill, sinking, still, zone
from tests.bench.stalls import LAG, SAMPLED
from tests.e2e.site import CONFIG, FAST, UNHELD

SETTLED: Final = 3_000  # deliveries before the CPU counts
LETTERS: Final = 6_000  # deliveries that it is counted over
WHOLE: Final = 1_000_000  # letters that the marks are of
SMALL: Final = 30_000  # letters of the store that the CPU is held against: all sites have some left

T = TypeVar("T")


@dataclass
class Watch:
    """A relay's process, looked at twice a second."""

    relay: Relay
    metrics: str = ""
    peak_mb: float = 0.0
    wal_mb: float = 0.0
    lag_ms: float = 0.0
    _first: float | None = None  # when the sample was taken that tells of the start
    _looking: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        assert self.relay.process is not None
        return self.relay.process.pid

    def cpu(self) -> float:
        """Seconds, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def mb(self) -> float:
        """Its part of the memory (PSS)."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1e3
        raise AssertionError("no Pss in smaps_rollup")

    def begin(self, metrics: str) -> None:
        """Look until `end`; `metrics` is where they are asked."""
        self.metrics = f"http://{metrics}"
        self._looking = asyncio.create_task(self._look())

    async def end(self) -> None:
        """After one more sample of the gauges. Raises what a look raised: it ends them all."""
        assert self._looking is not None
        done, _ = await asyncio.wait([self._looking], timeout=EVERY + 1)
        if not done:
            self._looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._looking

    async def _look(self) -> None:
        while True:
            self.peak_mb = max(self.peak_mb, self.mb())
            wal = self.relay.state / "store.db-wal"
            self.wal_mb = max(self.wal_mb, wal.stat().st_size / 1e6 if wal.exists() else 0)
            self.lag_ms = max(self.lag_ms, await asyncio.to_thread(self._lag))
            await asyncio.sleep(0.5)

    def _lag(self) -> float:
        with urllib.request.urlopen(f"{self.metrics}/metrics", timeout=30) as page:
            lines = [line.split() for line in page.read().decode().splitlines()]
        found = {line[0]: float(line[1]) for line in lines if line[0] in (LAG, SAMPLED)}
        if self._first is None:
            self._first = found[SAMPLED]
        return found[LAG] * 1e3 if found[SAMPLED] > self._first else 0.0


async def timed(work: Awaitable[T]) -> tuple[T, float]:
    """What it answered, and the seconds it took."""
    began = time.perf_counter()
    return await work, time.perf_counter() - began


async def command(relay: Relay, name: str, *words: str) -> dict[str, float]:
    """Seconds of a command, its interpreter's start included, and its CPU."""
    given = ("--config", str(relay.config), "--state", str(relay.state))
    call = (*PROGRAM, *words, *given)
    run = asyncio.to_thread(subprocess.run, call, capture_output=True, text=True, check=False)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done, took = await timed(run)
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {f"{name}_s": took, f"{name}_cpu_s": cpu}


async def drained(watch: Watch, around: Around, letters: int) -> dict[str, float]:
    """Deliveries a second and CPU a letter, once its sessions stand."""
    settled = min(SETTLED, letters // 3)
    most = min(LETTERS, letters // 3)
    while around.taken.value < settled:
        await asyncio.sleep(0.02)
    taken, cpu, began = around.taken.value, watch.cpu(), time.perf_counter()
    while around.taken.value < taken + most:
        await asyncio.sleep(0.02)
    took, sent = time.perf_counter() - began, around.taken.value - taken
    return {"a_second": sent / took, "cpu_ms": (watch.cpu() - cpu) / max(sent, 1) * 1e3}


def page(url: str) -> int:
    """A page of an inbox, as a browser gets it: the link makes a session first."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(url, timeout=60) as answer:
        return len(answer.read())


async def begun(folder: Path, around: Around) -> Relay:
    """A relay's folder with its configuration and key; nothing runs yet."""
    folder.mkdir(parents=True, exist_ok=True)
    keys.make(folder / "keys" / "s1.pem")
    key = load_key((folder / "keys" / "s1.pem").read_bytes(), "lpse.example.go.id", "s1")
    around.zone.txt[key.record_name] = dns_record(key)
    text = CONFIG.format(dns=around.dns, port=around.port, smtp="127.0.0.1:0") + FAST + UNHELD
    (folder / "relay.yaml").write_text(text)
    return Relay(folder / "relay.yaml", folder / "state")


async def started(relay: Relay, around: Around) -> tuple[Watch, dict[str, float]]:
    """Run it: seconds until it answers, and until its first letter is delivered."""
    around.taken.value, around.first_at.value = 0, 0.0
    watch, began = Watch(relay), time.monotonic()
    about = await relay.start()
    answers = time.monotonic() - began
    watch.begin(about["metrics"])
    while not around.first_at.value:
        await asyncio.sleep(0.01)
    first = {"first_s": around.first_at.value - began, "first_cpu_s": watch.cpu()}
    return watch, {"answers_s": answers} | first


async def small(folder: Path, around: Around, kind: str) -> dict[str, float]:
    """The drain of a store with few letters."""
    relay = await begun(folder, around)
    await fill(relay.state, SMALL, kind)
    async with contextlib.AsyncExitStack() as ends:
        ends.push_async_callback(relay.stop)  # whatever fails: it would take a core from all others
        watch, _ = await started(relay, around)
        ends.push_async_callback(watch.end)
        return await drained(watch, around, SMALL)


async def measured(
    folder: Path, around: Around, letters: int, kind: str, filled: Path | None
) -> dict[str, Any]:
    """Everything of one kind of store."""
    relay = await begun(folder, around)
    found: dict[str, Any] = {"kind": kind, "letters": letters}
    if filled is None:
        found["put_a_second"] = await fill(relay.state, letters, kind)
    else:
        filled.rename(relay.state)
    found["disk_octets"] = sum(f.stat().st_blocks * 512 for f in relay.state.iterdir()) / letters
    async with contextlib.AsyncExitStack() as ends:
        ends.push_async_callback(relay.stop)
        watch, restart = await started(relay, around)
        ends.push_async_callback(watch.end)
        drain = await drained(watch, around, letters)
        found |= restart | {f"drain_{name}": value for name, value in drain.items()}
        await relay.call("pause", provider="*", reason="measured")
        found |= await listed(relay)
        await watch.end()
        began = time.monotonic()
    found |= {"peak_mb": watch.peak_mb, "wal_mb": watch.wal_mb, "lag_ms": watch.lag_ms}
    found["stop_s"] = time.monotonic() - began
    found |= await command(relay, "queue_ls_store", "queue", "ls")  # it waits there still
    return found | await emptied(relay, around)


async def emptied(relay: Relay, around: Around) -> dict[str, float]:
    """Everything removed again, by a relay that was paused before it stopped."""
    watch = Watch(relay)
    about = await relay.start()
    watch.begin(about["metrics"])
    try:
        with still() as stalled:
            found = await removed(relay, watch)
            await watch.end()
            found["rm_still_ms"] = stalled.value * 1e3
    finally:
        await relay.stop()
    names = {"peak_mb": watch.peak_mb, "wal_mb": watch.wal_mb, "lag_ms": watch.lag_ms}
    return found | {f"rm_{name}": value for name, value in names.items()}


async def listed(relay: Relay) -> dict[str, float]:
    """What an operator and a vendor see, with nothing moving."""
    found: dict[str, float] = {}
    _, found["queue_ls_call_s"] = await timed(relay.call("queue.ls", limit=50))
    found |= await command(relay, "queue_ls", "queue", "ls")
    found |= await command(relay, "inbox_ls", "inbox", "ls", address(3))
    link = (await relay.call("inbox.link", address=address(3)))["url"]
    _, found["inbox_page_s"] = await timed(asyncio.to_thread(page, link))
    return found


async def removed(relay: Relay, watch: Watch) -> dict[str, float]:
    """A site's letters, an announcement's, and then everything."""
    found: dict[str, float] = {}
    for name, wanted in (
        ("domain", {"domain": "site7.co.id"}),
        ("subject", {"subject": "Pengumuman 7"}),
        ("all", {"class": "massal"}),
    ):
        asked = {"change": "remove", "selector": wanted, "reason": "measured"}
        shown, found[f"preview_{name}_s"] = await timed(relay.call("queue.preview", **asked))
        cpu = watch.cpu()
        done, found[f"rm_{name}_s"] = await timed(relay.call("queue.change", **asked))
        found[f"rm_{name}_cpu_s"] = watch.cpu() - cpu
        assert done["moved"] == shown["count"], (done, shown)
        found[f"rm_{name}"] = done["moved"]
    return found


async def measure(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Each kind, and the small store that its CPU is held against; each is kept when it is found.
    Returns what was kept."""
    to = keeping.place(asked, "million", asked.letters == WHOLE)
    before = keeping.setting(folder=folder)
    parts: dict[str, Any] = {}
    for kind in [asked.kind] if asked.kind else ["own", "shared"]:
        names = zone()
        server = NameServer(names)
        with sinking() as (port, taken, first_at):
            around = Around(await server.start(), port, names, taken, first_at)
            few = [await small(folder / f"{kind}-before", around, kind)]
            with still() as stalled:
                found = await measured(folder / kind, around, asked.letters, kind, asked.state)
                found["still_ms"] = stalled.value * 1e3
            few.append(await small(folder / f"{kind}-after", around, kind))
        await server.stop()
        found |= {f"{name}_few": sum(one[name] for one in few) / 2 for name in few[0]}
        found["cpu_ratio"] = found["drain_cpu_ms"] / found["cpu_ms_few"]
        shutil.rmtree(folder / kind)
        kept = keeping.keep(to, {kind: found}, before)
        parts[kind] = kept[kind]
        show(found, asked.json)
    print(f"written to {to}", file=sys.stderr)
    return parts


def show(found: dict[str, Any], is_json: bool) -> None:
    """A line a figure."""
    if is_json:
        print(json.dumps(found), flush=True)
        return
    print(f"{found['letters']} letters, {found['kind']}")
    for name, value in found.items():
        if isinstance(value, int | float) and name != "letters":
            print(f"  {name:18} {value:12.3f}", flush=True)


def main() -> int:
    """Measure and print; returns the exit code: 1 where a mark is missed, 2 for a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--letters", type=int, default=WHOLE)
    parser.add_argument("--kind", choices=("own", "shared"))
    parser.add_argument("--folder", type=Path, help="where the stores lie meanwhile")
    parser.add_argument("--fill", type=Path, help="only fill a store there")
    parser.add_argument("--state", type=Path, help="a store that was filled so")
    parser.add_argument("--json", action="store_true")
    keeping.options(parser)
    asked = parser.parse_args()
    if asked.state and not asked.kind:
        parser.error("--state needs --kind: how the store was filled")
    try:
        return _done(asked)
    except (Exception, KeyboardInterrupt):
        traceback.print_exc()
        return 2


def _done(asked: argparse.Namespace) -> int:
    if asked.show:
        return shown.finished("million", keeping.read(asked.show), asked.markdown)
    if asked.fill:
        asyncio.run(fill(asked.fill, asked.letters, asked.kind or "own"))
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    patient = (
        patch.object(running, "START", 180.0),
        patch.object(client, "CLIENT_TIMEOUT", 900.0),
    )
    with patient[0], patient[1], tempfile.TemporaryDirectory(dir=asked.folder) as made:
        parts = asyncio.run(measure(asked, Path(made)))
    return shown.finished("million", parts, asked.markdown)


if __name__ == "__main__":
    sys.exit(main())
