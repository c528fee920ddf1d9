"""Where the CPU of the relay's main thread goes, by room, while letters are played through it.

`python -m tests.bench.profile [--letters N] [--sessions S] [--top N] [--json]`: the installed
program runs under cProfile from when it is warm until the last letter is at the sink. Letters of
4 KiB come over S sessions (tests/bench/beside/source.py) and go to a sink in a process of its own.
The shares are kept in tests/bench/results/profile.json; `--show FILE --markdown` makes README's
table of them.

A room is a package of relay/; `cryptography` is signing, hashing and TLS; `uvloop` is what the
thread used beside all Python functions: the loop's own work, the system beneath it, and waits for
the interpreter's lock that burn CPU. What other libraries and built-ins use counts for the room
that called them, in proportion. Other threads, as the store's writer, are not in it.

cProfile costs something for each call: the shares favour rooms with many small calls, and the CPU a
letter is a multiple of the true one. So compare shares before and after a change, not with a clock.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import relay
from relay.config import keys
from relay.lab.dns import NameServer
from relay.lab.running import Relay
from relay.mail.dkim import dns_record, load_key
from tests.bench import keeping
from tests.bench.beside.source import Order, Report, domain
from tests.bench.million_world import sinking, zone
from tests.e2e.site import CONFIG, FAST, UNHELD

WHOLE: Final = 3000
WARM: Final = 300  # letters before the profile begins
OCTETS: Final = 4096
PATIENCE: Final = 300.0  # seconds for all letters, and for the profile to be written
PROFILED: Final = "LPSE_PROFILED"  # environment: the file that the profile goes to
PACKAGE: Final = Path(relay.__file__).parent
# Another's file, or a built-in's name, and the room that it belongs to.
ROOMS: Final = (
    (re.compile(r"/aiosmtpd/"), "ingress"),
    (re.compile(r"/cryptography/|cryptography\.|/ssl\.py$|_ssl\.|hashlib"), "cryptography"),
    (re.compile(r"/asyncio/|_asyncio|_contextvars"), "asyncio"),
    (re.compile(r"uvloop"), "uvloop"),
)

Function = tuple[str, int, str]  # file, line, name; the file of a built-in is ~
Calls = tuple[int, int, float, float]  # without and with recursion; seconds of its own, and in all
Stats = Mapping[Function, tuple[int, int, float, float, Mapping[Function, Calls]]]


def room_of(function: Function) -> str | None:
    """The room that a function belongs to by its own name."""
    file, _, name = function
    if Path(file).is_relative_to(PACKAGE):
        return Path(file).relative_to(PACKAGE).parts[0].removesuffix(".py")
    said = name if file == "~" else file
    return next((room for pattern, room in ROOMS if pattern.search(said)), None)


class Rooms:
    """Whose each function is; what belongs to no room is its callers'."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._known: dict[Function, dict[str, float]] = {}

    def seconds(self) -> Counter[str]:
        """Own time of all functions, by room."""
        found: Counter[str] = Counter()
        for function, (_, _, own, _, _) in self._stats.items():
            for room, part in self._parts(function, frozenset()).items():
                found[room] += own * part  # type: ignore[assignment]
        return found

    def _parts(self, function: Function, below: frozenset[Function]) -> dict[str, float]:
        """Rooms and their parts of one; `below` are those that are asked about already."""
        if function in self._known:
            return self._known[function]
        room = room_of(function)
        if room is not None:
            parts = {room: 1.0}
        else:
            callers = self._stats[function][4] if function in self._stats else {}
            weights = {
                caller: max(calls[3], 1e-9)
                for caller, calls in callers.items()
                if caller != function and caller not in below
            }
            total, shared = sum(weights.values()), Counter[str]()
            for caller, weight in weights.items():
                for name, part in self._parts(caller, below | {function}).items():
                    shared[name] += part * weight / total  # type: ignore[assignment]
            parts = dict(shared) or {"other": 1.0}
        if not below:
            self._known[function] = parts
        return parts


@dataclass(frozen=True, slots=True)
class Profile:
    """`shares` in percent, by room; `cpu_ms` of the main thread a letter, under the profiler."""

    letters: int
    cpu_ms: float
    shares: dict[str, float]
    dearest: list[tuple[float, str]]  # percent, function


def profile(stats: Stats, cpu: float, letters: int, top: int) -> Profile:
    """Of `cpu` seconds what the functions did not use is the loop's."""
    seconds = Rooms(stats).seconds()
    total = max(cpu, sum(seconds.values()))
    seconds["uvloop"] += total - sum(seconds.values())  # type: ignore[assignment]
    dearest = sorted(((row[2], function) for function, row in stats.items()), reverse=True)[:top]
    return Profile(
        letters,
        round(1000 * cpu / letters, 3),
        {room: round(100 * own / total, 1) for room, own in seconds.most_common()},
        [(round(100 * own / total, 1), _shown(function)) for own, function in dearest],
    )


def _shown(function: Function) -> str:
    file, line, name = function
    return name if file == "~" else f"{'/'.join(Path(file).parts[-3:])}:{line} {name}"


def relay_profiled(file: Path) -> None:
    """The relay in this process: USR1 begins the profile of the main thread, USR2 writes it."""
    from relay.cli import main as relay_main

    profiler = cProfile.Profile(time.thread_time)
    began = 0.0

    def begin(number: int, frame: FrameType | None) -> None:
        nonlocal began
        began = time.thread_time()
        profiler.enable()

    def write(number: int, frame: FrameType | None) -> None:
        profiler.disable()
        cpu = time.thread_time() - began
        profiler.dump_stats(file.with_suffix(".stats"))
        file.with_suffix(".new").write_text(str(cpu))
        file.with_suffix(".new").rename(file)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, write)
    relay_main()


async def play(order: Order) -> None:
    """Send it, from a process of its own."""
    source = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.beside.source", json.dumps(asdict(order))),
        stdout=asyncio.subprocess.PIPE,
    )
    report = Report(**json.loads((await source.communicate())[0]))
    assert report.accepted == order.letters, report.fault


async def until(what: Any) -> None:
    """Until it is true. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not what():
            await asyncio.sleep(0.02)


async def measured(folder: Path, letters: int, sessions: int, top: int = 10) -> Profile:
    """A relay, warm letters, the profile of the others."""
    names = zone()
    names.host("mx.example.co.id", "127.0.2.250")
    names.domain(domain(0, 1), "mx.example.co.id")
    keys.make(folder / "keys" / "s1.pem")
    key = load_key((folder / "keys" / "s1.pem").read_bytes(), "lpse.example.go.id", "s1")
    names.txt[key.record_name] = dns_record(key)
    server, file = NameServer(names), folder / "profile"
    dns = await server.start()
    with sinking() as (port, taken, _):
        text = CONFIG.format(dns=dns, port=port, smtp="127.0.0.1:0") + FAST + UNHELD
        (folder / "relay.yaml").write_text(text)
        program = (sys.executable, "-m", "tests.bench.profile")
        where = (folder / "relay.yaml", folder / "state")
        running = Relay(*where, program, {PROFILED: str(file)})
        try:
            about = await running.start()
            assert running.process is not None
            order = Order(int(about["smtp"][0].rpartition(":")[2]), sessions, WARM, OCTETS)
            await play(order)
            await until(lambda: taken.value == WARM)
            os.kill(running.process.pid, signal.SIGUSR1)
            await play(Order(order.port, sessions, letters, OCTETS))
            await until(lambda: taken.value == WARM + letters)
            os.kill(running.process.pid, signal.SIGUSR2)
            await until(file.exists)
        finally:
            await running.stop()
            await server.stop()
    stats: Any = pstats.Stats(str(file.with_suffix(".stats")))
    return profile(stats.stats, float(file.read_text()), letters, top)


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Measure and keep; returns all parts of the file."""
    is_whole = asked.letters == WHOLE
    to, before = keeping.place(asked, "profile", is_whole), keeping.setting()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measured(Path(folder), asked.letters, asked.sessions, asked.top))
    figures = asdict(found) | {"sessions": asked.sessions}
    print(f"written to {to}", file=sys.stderr)
    return keeping.keep(to, {"profile": figures}, before)


def lines(figures: Mapping[str, Any], is_markdown: bool) -> Iterator[str]:
    """What is said of one profile."""
    rooms = [(f"{share} %", room) for room, share in figures["shares"].items()]
    dearest = [(f"{share} %", function) for share, function in figures["dearest"]]
    if is_markdown:
        yield keeping.table([("CPU of the main thread", "room"), *rooms])
        yield ""
        yield keeping.table([("of which by itself", "function"), *dearest])
        return
    yield (
        f"{figures['letters']} letters over {figures['sessions']} sessions,"
        f" {figures['cpu_ms']} ms of CPU each, the profiler's own included"
    )
    yield "its shares favour rooms with many small calls"
    yield from (f"  {share:>7} {name}" for share, name in rooms)
    yield "of which by themselves:"
    yield from (f"  {share:>7} {name}" for share, name in dearest)


def main() -> int:
    """Measure and print, or be the relay that is measured; returns the exit code, 2 for a fault."""
    if PROFILED in os.environ:
        relay_profiled(Path(os.environ[PROFILED]))
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--letters", type=int, default=WHOLE)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--top", type=int, default=10, help="how many functions are named")
    parser.add_argument("--json", action="store_true")
    keeping.options(parser)
    asked = parser.parse_args()
    try:
        parts = keeping.read(asked.show) if asked.show else measure(asked)
        if asked.json:
            print(json.dumps(parts))
            return 0
        for part in parts.values():
            print("\n".join(lines(part["figures"], asked.markdown)))
        print(f"\n{keeping.captions(parts)}")
        return 0
    except (Exception, KeyboardInterrupt):
        traceback.print_exc()
        return 2


if __name__ == "__main__":
    sys.exit(main())
