"""What it costs to hold ten thousand destinations with mail: CPU of a core, and memory.

`python -m tests.bench.destinations [--destinations N] [--seconds S] [--json] [CASE …]`: the real
scheduler, shaper, settle, classifier and SQLite store, in real time; only the other side is a
function. Each destination has mail that may not leave yet:

limited   its limit (1/hour) is spent
throttled it was refused (421 4.7.0 …), and rests
stopped   everything is paused by hand
trickle   a limit of 1/min: a letter a minute leaves to each (167 a second to ten thousand), and
          their carriage is in the figure; whole minutes are measured, and each has letters enough

Each case runs in a process of its own. The CPU is the whole process' (user and system, the
store's threads too) from when the first letter to each was written, and nothing moves any more
(of a trickle: from when the first was written); the memory is what the process grew by (PSS,
after the allocator gave back what is free) from when the letters lay in the store and the routes in
their cache. `--objects` traces instead what is held at the end, by the room that asked for it; that
is slow, so the other figures mean nothing then. The marks stand in tests/bench/marks.py; what is
found goes to results/destinations.json, each case by itself (`--to`), and `--show FILE --markdown`
is README's table of it. The exit code is 1 where a mark is missed, 2 for a fault.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import math
import multiprocessing
import queue
import re
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from relay.clock import Clock, SystemClock
from relay.config.shipped import shipped_classifier
from relay.mail import reply as replies
from relay.mail.delivery import Attempt, Failure
from relay.mail.ids import Ids
from relay.mail.reply import Stage
from relay.scheduler import Parts, Scheduler, Tuning
from relay.shaping.profiles import Layer, Profiles
from relay.shaping.settings import LimitSettings, PauseSettings
from relay.shaping.shaper import Shaper
from relay.store import sqlite
from relay.store.base import Store
from relay.transports.base import Host, Job, NotYet, Permits, Route
from tests.bench import keeping, shown
from tests.scheduling import shipped_profiles
from tests.store.letters import Post

WHOLE: Final = 10_000  # destinations that the marks are of
ROUND: Final = 900.0  # seconds that the first letter to each may take
MINUTE: Final = 60.0  # of a trickle
BETWEEN: Final = 5.0  # seconds after a round: none ends as the measuring does, a little late
SAVED: Final = 65.0  # seconds: what was learned is written once a minute, and once more after it
OK: Final = "250 2.0.0 OK"
THROTTLED: Final = "421 4.7.0 Too many messages from your host, slow down. Try again later"
ROOM: Final = re.compile(r"\b(?:relay/\w+|tests)\b(?=.*\.py$)")
FRAMES: Final = 8  # of a trace: enough to find the room behind asyncio and dataclasses
CASES: Final = {
    "limited": ("1/hour", OK),
    "throttled": ("10/min", THROTTLED),
    "stopped": ("1/hour", OK),
    "trickle": ("1/min", OK),
}


class Routes:
    """Each domain is a site of its own."""

    def __init__(self, book: Profiles) -> None:
        self._book = book
        self._routes: dict[str, Route] = {}

    def known(self, domain: str) -> Route | None:
        return self._routes.get(domain)

    def last(self, domain: str) -> Route | None:
        return self._routes.get(domain)

    async def route(self, domain: str) -> Route | Failure:
        host = f"mx.{domain}"
        route = Route(self._book.destination_of(domain, [host]), (Host(host, 25),))
        self._routes[domain] = route
        return route


class OtherSide:
    """Asks for both permits and says always the same."""

    def __init__(self, says: str, clock: Clock) -> None:
        self._reply = replies.parse(says, Stage.EOD)
        self._clock = clock
        self.written = 0

    async def deliver(self, job: Job, permits: Permits) -> Sequence[Attempt] | NotYet:
        not_yet = await permits.connect()
        if not_yet is not None:
            return not_yet
        try:
            not_yet = await permits.admit(len(job.deliveries), job.deliveries[0].domain)
            if not_yet is not None:
                return not_yet
            self.written += len(job.deliveries)
            return [self._attempt(job, one.message_id, one.n, one.tries) for one in job.deliveries]
        finally:
            permits.disconnected()

    def _attempt(self, job: Job, message_id: int, n: int, tries: int) -> Attempt:
        mx, key = job.route.hosts[0].name, job.route.destination.key
        return Attempt(
            *(message_id, n, tries + 1, self._clock.now(), 1, "192.0.2.1", mx, "192.0.2.9"),
            *(None, Stage.EOD, self._reply, None),
            route_key=key,
        )

    async def hang_up(self, *destinations: str) -> None:
        pass

    async def close(self) -> None:
        pass


def resident() -> float:
    """MB of this process in memory, its share of what is shared; without what is only reserved."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    rolled = Path("/proc/self/smaps_rollup").read_text()
    found = re.search(r"^Pss: +(\d+) kB", rolled, re.MULTILINE)
    assert found, rolled
    return int(found[1]) * 1024 / 1e6


def held(before: tracemalloc.Snapshot, destinations: int) -> dict[str, int]:
    """Bytes a destination that are held more than before, by the room whose code made them."""
    gc.collect()
    rooms: Counter[str] = Counter()
    for one in tracemalloc.take_snapshot().compare_to(before, "traceback"):
        files = (ROOM.search(frame.filename) for frame in reversed(list(one.traceback)))
        rooms[next((file[0] for file in files if file), "other")] += one.size_diff
    return {room: round(size / destinations) for room, size in rooms.most_common()}


async def begun(other: OtherSide, destinations: int, limit: float = ROUND) -> None:
    """Until the first letter to each destination was written. Raises TimeoutError."""
    deadline = time.monotonic() + limit
    while other.written < destinations:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{other.written} of {destinations} written in {limit:g} s")
        await asyncio.sleep(0.1)


async def settled(other: OtherSide, scheduler: Scheduler) -> None:
    """Until nothing moves any more, and what was learned of it is written."""
    before, calm = -1, 0
    while calm < 4:
        await asyncio.sleep(0.5)
        is_calm = other.written == before and not scheduler.flying()
        calm = calm + 1 if is_calm else 0
        before = other.written
    await asyncio.sleep(SAVED)


async def filled(store: Store, destinations: int, clock: Clock, each: int) -> None:
    """So many letters to each."""
    post = Post(clock.now())
    for first in (n for _ in range(each) for n in range(0, destinations, 500)):
        await store.put(
            *(
                post.entry((f"a@d{n}.example", f"b@d{n}.example"), body=b"Isi.\r\n")
                for n in range(first, min(first + 500, destinations))
            )
        )


async def road(case: str, destinations: int, store: Store, clock: Clock) -> tuple[Parts, OtherSide]:
    """With the case's limit, and each destination's route known."""
    rate, says = CASES[case]
    limit = LimitSettings.model_validate({"rate": rate, "connections": 1})
    book = Profiles(shipped_profiles(), [Layer({"*": limit}, {}, "relay.yaml")])
    other, routes = OtherSide(says, clock), Routes(book)
    shaper = Shaper(PauseSettings(), book.within, is_ramping=False)
    for n in range(destinations):
        await routes.route(f"d{n}.example")
    parts = Parts(
        *(store, routes, other, shaper, shipped_classifier(), clock, Ids()),
        *(lambda event: None, Tuning("relay.lpse.example.go.id")),
    )
    return parts, other


async def watched(other: OtherSide, seconds: float) -> dict[str, Any]:
    """What this process uses in so many seconds, and how many letters leave."""
    written, cpu, began = other.written, time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {
        "cpu_percent": round(100 * cpu / took, 2),
        "letters": other.written - written,
        "seconds": round(took, 1),
    }


async def measured(
    case: str, destinations: int, seconds: float, folder: Path, is_traced: bool = False
) -> dict[str, Any]:
    """One case."""
    clock, each = SystemClock(), 2
    if case == "trickle":
        seconds = math.ceil(seconds / MINUTE) * MINUTE
        each += round(seconds / MINUTE)  # one before, one left over
    store = await sqlite.open(folder, clock)
    await filled(store, destinations, clock, each)
    parts, other = await road(case, destinations, store, clock)
    scheduler = Scheduler(parts)
    before, traced = resident(), None
    if is_traced:
        tracemalloc.start(FRAMES)
        traced = tracemalloc.take_snapshot()
    await scheduler.start()
    running = asyncio.create_task(scheduler.run())
    await begun(other, destinations)
    if case == "trickle":
        await asyncio.sleep(BETWEEN)
    else:
        await settled(other, scheduler)
    if case == "stopped":
        parts.shaper.pause("*", None, "by hand", clock.now())
        scheduler.nudge()
        await asyncio.sleep(5)
    used = await watched(other, seconds)
    found = used | {
        "case": case,
        "destinations": destinations,
        "lanes": len(scheduler._lanes),
        "grown_mb": round(resident() - before, 1),
        "held": None if traced is None else held(traced, destinations),
    }
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await scheduler.stop(5)
    await store.close()
    return found


def _run(case: str, destinations: int, seconds: float, is_traced: bool, answers: Any) -> None:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        measuring = measured(case, destinations, seconds, Path(folder), is_traced)
        answers.put(asyncio.run(measuring))


def answered(process: BaseProcess, answers: Any, limit: float) -> Any:
    """What the process puts. Raises RuntimeError where it ends without, or is too long about it."""
    deadline = time.monotonic() + limit
    while True:
        is_over = not process.is_alive()  # asked first: what it has put is read all the same
        try:
            return answers.get(timeout=1)
        except queue.Empty:
            if is_over:
                raise RuntimeError(f"it ended with {process.exitcode}, and no figures") from None
            if time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"no figures in {limit:g} s") from None


def main() -> int:
    """Print each case as it is found; returns the exit code: 1 where a mark is missed, 2 for a
    fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--destinations", type=int, default=WHOLE)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--objects", action="store_true", help="what holds the memory")
    parser.add_argument("--json", action="store_true")
    keeping.options(parser)
    asked = parser.parse_args()
    unknown = [case for case in asked.cases if case not in CASES]
    if unknown:
        parser.error(f"{unknown[0]}: no such case; there are {', '.join(CASES)}")
    try:
        parts = keeping.read(asked.show) if asked.show else _measure(asked)
    except (RuntimeError, ValueError, OSError) as fault:
        print(f"bench-destinations: {fault}", file=sys.stderr)
        return 2
    return shown.finished("destinations", parts, asked.markdown)


def _measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Each case in a process of its own; returns what was kept. Raises RuntimeError."""
    to = keeping.place(asked, "destinations", asked.destinations == WHOLE)
    before, parts = keeping.setting(), {}
    for case in asked.cases or CASES:
        found = _in_a_process(case, asked)
        if asked.json:
            print(json.dumps(found), flush=True)
        elif found["held"]:
            rooms = ", ".join(f"{room} {size}" for room, size in found["held"].items() if size)
            print(f"{case:9} {sum(found['held'].values())} B a destination: {rooms}", flush=True)
        elif not asked.markdown:
            print(
                f"{case:9} {found['cpu_percent']:6.2f} % of a core, {found['grown_mb']:6.1f} MB for"
                f" {found['destinations']} destinations; {found['letters']} letters left in"
                f" {found['seconds']} s",
                flush=True,
            )
        if not found["held"]:  # traced, the figures mean nothing
            parts[case] = keeping.keep(to, {case: found}, before)[case]
    return parts


def _in_a_process(case: str, asked: argparse.Namespace) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(
        target=_run, args=(case, asked.destinations, asked.seconds, asked.objects, answers)
    )
    process.start()
    try:
        found: dict[str, Any] = answered(process, answers, 1800 + asked.seconds)
    except RuntimeError as fault:
        raise RuntimeError(f"{case}: {fault}") from None
    process.join()
    return found


if __name__ == "__main__":
    sys.exit(main())
