"""Playing: one case on one side, and what came of it; the counts at the sink must be exact."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from tests.bench.beside.cases import Case
from tests.bench.beside.sides import POSTFIX, Running, running
from tests.bench.beside.source import SENDER, Order, Report
from tests.bench.beside.tls_sink import TlsSink
from tests.bench.beside.weighing import Peak, used
from tests.bench.stalls import Stalls
from tests.peers.roots import Peer
from tests.peers.sink import SmtpSink

ROOT: Final = Path(__file__).resolve().parents[3]
REST: Final = 0.5  # seconds: what is written after the last delivery belongs to it, too
PATIENCE: Final = 300.0  # seconds a case may take
SESSIONS: Final = 4000  # that a sink serves at once where each of many domains is a next hop
SEARCH: Final = ("search.db",)
"""Rebuilt from the letters at any time, and weighed apart."""


class Fault(RuntimeError):
    """A case that cannot be counted; the text says why."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one case cost one side, once. None: not measured in this case.

    `accepted` and `delivered` are recipients a second, `cpu` seconds for 1,000 of them, `p50` and
    `p99` ms from the dot to the 250, `memory` MB (PSS), `room` octets a queued letter on disk;
    `stall` ms, the longest that our loop was late, and `still` that of a process that only sleeps.
    """

    accepted: float | None = None
    delivered: float | None = None
    cpu: float | None = None
    p50: float | None = None
    p99: float | None = None
    memory: float | None = None
    room: float | None = None
    stall: float | None = None
    still: float | None = None


def play(case: Case, side: str, pem: bytes) -> Figures:
    """Start the sink and the side, send, count, weigh. Raises Fault, and what a start raises."""
    with ExitStack() as stack:
        if case.is_waiting:
            sink: SmtpSink | TlsSink = SmtpSink()  # a port that nobody listens on: never entered
        elif case.is_tls_out or case.recipients > 1:
            # However many go in one transaction: smtp-sink counts transactions only.
            sink = stack.enter_context(TlsSink(is_plain=not case.is_tls_out))
        elif case.domains > 1:
            # Of itself smtp-sink serves 256 sessions and lets 200 wait: for one host it is enough.
            many = SmtpSink("-m", str(SESSIONS), address="0.0.0.0", backlog=SESSIONS)
            sink = stack.enter_context(many)
        else:
            sink = stack.enter_context(SmtpSink())
        world = stack.enter_context(running(side, case, sink.port, pem))
        try:
            if case.is_waiting:
                return _weigh_waiting(case, world, side)
            return Played(case, world, sink).figures()
        except (Fault, TimeoutError) as error:
            raise Fault(f"{error}; its log ends: {_tail(world.log)}") from None


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(line[:300] for line in lines[-3:])


class Played:
    """A case while it is played; how many recipients the sink must have by now is counted."""

    def __init__(self, case: Case, world: Running, sink: SmtpSink | TlsSink) -> None:
        self._case, self._world, self._sink = case, world, sink
        self._due = 0
        self._report = Report(0, 0, 0, [])
        self._delivered = 0.0

    def figures(self) -> Figures:
        """Warm up, measure, time the 250s. Raises Fault, TimeoutError."""
        if not self._world.metrics:
            return self._measured()
        with Stalls(self._world.metrics) as seen:
            found = self._measured()
        return replace(found, stall=round(seen.ms, 1), still=round(seen.still_ms, 1))

    def _measured(self) -> Figures:
        case, weight = self._case, self._world.weight
        source = timed if case.needs_our_source else _smtp_source
        self.send(replace(case, letters=case.warming), source)
        before = weight.cpu()
        with Peak(weight) as peak:
            self.send(case, source)
            time.sleep(REST)
        cpu = weight.cpu() - before
        report, delivered = self._report, self._delivered
        if not report.waits:
            self.send(replace(case, letters=case.probes), timed)
        self.check()
        waits, many = sorted(self._report.waits), case.letters * case.recipients
        return Figures(
            accepted=round(many / (report.ended - report.began) * 1e9, 1),
            delivered=round(many / delivered, 1),
            cpu=round(1000 * cpu / many, 4),
            p50=round(statistics.median(waits), 3),
            p99=round(waits[len(waits) * 99 // 100], 3),
            memory=round(peak.kib / 1024, 1),
        )

    def send(self, case: Case, source: Callable[[Case, int], Report]) -> Self:
        """Send, and wait until all is at the sink. Raises Fault, TimeoutError."""
        self._report = report = source(case, self._world.port)
        if report.fault or report.accepted != case.letters:
            raise Fault(f"{report.accepted} of {case.letters} letters accepted: {report.fault}")
        self._due += case.letters * case.recipients
        self._sink.await_messages(self._due, PATIENCE)
        self._delivered = (time.time_ns() - report.began) / 1e9
        return self

    def check(self) -> None:
        """All that was sent is at the sink, and nothing more. Raises Fault."""
        time.sleep(REST)
        if (taken := self._sink.messages()) != self._due:
            raise Fault(f"{taken} recipients at the sink, and {self._due} were due")


def _weigh_waiting(case: Case, world: Running, side: str) -> Figures:
    _smtp_source(replace(case, letters=case.warming), world.port)
    time.sleep(2 * REST)
    before = used(world.queue, SEARCH)
    report = _smtp_source(case, world.port)
    if report.fault:
        raise Fault(report.fault)
    if side in POSTFIX:
        _await_deferred(world.queue, case.letters + case.warming)
    time.sleep(4 * REST)
    return Figures(room=round((used(world.queue, SEARCH) - before) / case.letters, 1))


def _await_deferred(queue: Path, letters: int) -> None:
    """Postfix tries each letter once; then it lies in the deferred queue."""
    until = time.monotonic() + PATIENCE
    while (found := sum(path.is_file() for path in (queue / "deferred").rglob("*"))) < letters:
        if time.monotonic() > until:
            raise TimeoutError(f"{found} of {letters} letters deferred after {PATIENCE} s")
        time.sleep(0.2)


SENDING: Final = 'date +%s%N; "$@" || exit $?; date +%s%N'
"""The clock is read beside smtp-source: entering its root takes a while."""


def _smtp_source(case: Case, port: int) -> Report:
    words = [
        *("smtp-source", "-s", str(case.sessions), "-m", str(case.letters)),
        *("-r", str(case.recipients), "-l", str(case.octets)),
        *("-f", SENDER, "-t", "vendor@example.co.id"),
        *(() if case.is_one else ("-d",)),
        f"127.0.0.1:{port}",
    ]
    done = Peer("postfix").run(["sh", "-c", SENDING, "sh", *words], timeout=PATIENCE)
    if done.returncode != 0:
        return Report(0, 0, 0, [], done.stderr.decode("utf-8", "replace").strip())
    began, ended = map(int, done.stdout.split())
    return Report(case.letters, began, ended, [])


def timed(case: Case, port: int) -> Report:
    """By our own source."""
    order = Order(
        *(port, case.sessions, case.letters, case.octets, case.is_one),
        *(case.domains, case.recipients, case.is_auth_in),
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.beside.source", json.dumps(asdict(order))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    if done.returncode != 0:
        raise Fault(f"the source: {done.stderr.strip()[-500:]}")
    return Report(**json.loads(done.stdout))


def send_timed(case: Case, port: int, letters: int) -> Report:
    """Some letters in a case's manner, each 250 timed. Raises Fault."""
    report = timed(replace(case, letters=letters), port)
    if report.fault:
        raise Fault(report.fault)
    return report
