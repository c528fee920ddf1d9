"""The demo: the real relay, a fake internet, LPSE's letters; it ends by itself, and proves it.

`python -m relay.lab.demo [--keep]`. Exit code 0 only if every line of the last table holds; 130
where Ctrl-C came before that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import smtplib
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from relay.clock import SystemClock
from relay.config import keys
from relay.control import ControlError
from relay.lab import letters, models
from relay.lab.internet import GMAIL, GOVERNMENT, OUTLOOK, WORKSPACE, YAHOO, House, Internet
from relay.lab.letters import Draft
from relay.lab.proof import Proof, prove
from relay.lab.running import Relay
from relay.lab.story import NAMES, Story, fault, quoted
from relay.mail.dkim import dns_record, load_key
from relay.mail.instant import SECOND

ANNOUNCED: Final = 60
QUOTA: Final = 25  # letters in four seconds that the fake Gmail bears
DEADLINE: Final = 90.0  # seconds from the sending on, then it is proved as it stands
DEAD: Final = "rekanan.lama@yahoo.com"
FULL: Final = "penuh@dinas.example.go.id"
CLIENT_THREADS: Final = 8
GOODBYE: Final = 8.0  # seconds for the relay to end
INTERRUPTED: Final = 130

CONFIG: Final = """
# The demo's relay. Its limits are deliberately too high, so that Gmail has reason to block.
hostname: relay.lpse.example.go.id
listen: [{{address: "127.0.0.1:0", tls: off}}]
allowed_senders: ["@lpse.example.go.id"]
state_dir: state
dns: {{servers: ["{dns}"]}}
dkim: [{{domain: lpse.example.go.id, selector: s1, key_file: keys/s1.pem}}]
limits:
  gmail.com: {{rate: 6000/min, connections: 4, messages_per_connection: 20}}
  yahoo.com: 600/min
  outlook.com: 600/min
  "*": {{rate: 600/min, connections: 2, messages_per_connection: 10}}
pause: {{throttle: 1s, block: 1s, longest: 6s}}
retry: {{schedule: [3s, 6s, 30s]}}
web: {{listen: "127.0.0.1:0"}}
metrics: {{listen: "127.0.0.1:0"}}
log: {{to: relay.log, addresses: full}}
lab: true
testing_smtp_port: {port}
"""


def scene() -> list[Draft]:
    """Single letters to every provider, a dead and a full address, one announcement."""
    single = [
        letters.receipt("cv.maju@gmail.com", 1),
        letters.cancellation("direktur@ptmaju.example.co.id", 2),
        letters.cancellation("rekanan.baru@yahoo.com", 3),
        letters.cancellation(DEAD, 4),
        letters.receipt("ptjaya@outlook.com", 5),
        letters.receipt("panitia@dinas.example.go.id", 6),
        letters.receipt(FULL, 7),
    ]
    many = [letters.announcement(f"vendor{n:02d}@gmail.com", 100 + n) for n in range(ANNOUNCED)]
    return single + many


def houses() -> list[House]:
    """The providers, with quotas and penalties short enough to be watched."""
    gmail = models.Gmail(models.Window(QUOTA, 4 * SECOND), penalty=2 * SECOND)
    return [
        House(GMAIL, "127.0.1.1", gmail, ("gmail.com",)),
        House(WORKSPACE, "127.0.1.2", gmail, ("ptmaju.example.co.id",)),
        House(YAHOO, "127.0.1.3", models.Yahoo(dead=frozenset({DEAD})), ("yahoo.com",)),
        House(OUTLOOK, "127.0.1.4", models.Outlook(), ("outlook.com",)),
        House(
            GOVERNMENT,
            "127.0.1.5",
            models.Greylisting(delay=2 * SECOND, full=frozenset({FULL})),
            ("dinas.example.go.id",),
        ),
        House("mx.lpse.example.go.id", "127.0.1.6", models.Yahoo(), ("lpse.example.go.id",)),
    ]


def send(address: tuple[str, int], drafts: Iterable[Draft]) -> None:
    """One connection a letter, as LPSE's application does it, from several threads."""
    clock = SystemClock()

    def one(draft: Draft) -> None:
        with smtplib.SMTP(*address, timeout=30) as client:
            client.sendmail(letters.SENDER, [draft.to], draft.octets(clock.now()))

    with ThreadPoolExecutor(CLIENT_THREADS) as threads:
        list(threads.map(one, drafts))


@dataclass(slots=True)
class Stage:
    """Where it is shown: lines with the seconds since the start, and a picture on a screen."""

    console: Console
    _clock: SystemClock = field(default_factory=SystemClock)
    _start: float = field(default_factory=SystemClock().monotonic)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self._clock.monotonic() - self._start

    def say(self, style: str, *lines: str) -> None:
        """News; what hangs over, and further lines, stand under the words, not under the time."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=7, justify="right", style="dim")
        grid.add_column()
        grid.add_row(f"{self.seconds:.1f} s", Text(lines[0], style))
        for line in lines[1:]:
            grid.add_row("", Text(line))
        self.console.print(grid)

    @contextmanager
    def picture(self) -> Iterator[Live | None]:
        """The changing table under the lines; none where the output is no screen."""
        if not self.console.is_terminal:
            yield None
            return
        with Live(console=self.console, refresh_per_second=4, transient=True) as live:
            yield live


def picture(queue: dict[str, Any], providers: list[dict[str, Any]], arrived: int) -> Table:
    """Who is served, who rests, what is queued."""
    states = ", ".join(f"{n} {state}" for state, n in queue["by_state"].items() if n)
    title = f"arrived: {arrived}    in the queue: {states or 'nothing'}"
    grid = Table(title=title, title_justify="left", box=None, header_style="bold", expand=True)
    for name, ratio in (("destination", 5), ("state", 2), ("queued", 2), ("last reply", 12)):
        grid.add_column(name, no_wrap=True, overflow="ellipsis", ratio=ratio)
    for row in providers:
        colour = {"paused": "red", "probing": "yellow", "slow": "yellow"}.get(row["state"], "green")
        name = NAMES.get(row["provider"], row["provider"])
        reply = quoted(row["last_reply"]) if row["last_reply"] else ""
        grid.add_row(Text(name), Text(row["state"], colour), str(row["queued"]), Text(reply))
    return grid


def whole_lines(log: TextIO) -> Iterator[str]:
    """What was written since the last time; a line that is only half there waits for the next."""
    at = log.tell()
    while (line := log.readline()).endswith("\n"):
        at = log.tell()
        yield line
    log.seek(at)


async def watch(relay: Relay, internet: Internet, drafts: int, stage: Stage) -> None:
    """Tell the story until only what must wait is left, or the time is over."""
    begun = stage.seconds  # a slow machine's setting up is no part of it
    story, log = Story(ANNOUNCED // 4), (relay.config.parent / "relay.log").open(encoding="ascii")
    with log, stage.picture() as live:
        while True:
            for line in whole_lines(log):
                for style, lines in story.tell(json.loads(line)):
                    stage.say(style, *lines)
            queue = await relay.call("queue.ls", selector={}, limit=1)
            arrived = len(internet.ledger.arrivals)
            if live is not None:
                rows = (await relay.call("providers"))["providers"]
                live.update(picture(queue, rows, arrived))
            if queue["total"] <= 1 and arrived >= drafts - 2:
                stage.say(
                    "bold", "all that can arrive has arrived; one letter waits for its vendor"
                )
                return
            if stage.seconds - begun > DEADLINE:
                stage.say("red", f"{DEADLINE:.0f} s are over")
                return
            await asyncio.sleep(0.25)


def prepare(folder: Path, dns: str, port: int) -> tuple[Path, str, str]:
    """Key and configuration; returns the file, and the DNS record's name and text."""
    keys.make(folder / "keys" / "s1.pem")
    key = load_key((folder / "keys" / "s1.pem").read_bytes(), "lpse.example.go.id", "s1")
    config = folder / "relay.yaml"
    config.write_text(CONFIG.format(dns=dns, port=port), encoding="utf-8")
    return config, key.record_name, dns_record(key)


async def connect(internet: Internet, folder: Path, stage: Stage) -> Path:
    """Start the internet, and publish the relay's key there; returns the configuration file."""
    dns, port = await internet.start()
    config, name, record = prepare(folder, dns, port)
    internet.zone.txt[name] = record
    stage.say(
        "",
        f"the internet is up: DNS {dns}; Gmail (with a Workspace domain), Yahoo, Outlook,",
        f"a go.id server and LPSE's own on 127.0.1.1 to .6, port {port}",
    )
    return config


async def begin(relay: Relay, stage: Stage) -> dict[str, Any]:
    """Start the relay; returns what `status` answers."""
    about = await relay.start()
    stage.say(
        "",
        f"the relay is up: SMTP {about['smtp'][0]}, inbox page {about['web']},",
        f"metrics {about['metrics']}; it signs with a key made just now",
    )
    return about


async def hand_in(smtp: str, drafts: list[Draft], stage: Stage) -> None:
    """All letters, to the relay's SMTP address. Raises OSError, SMTPException where one is not
    taken."""
    stage.say(
        "bold",
        f"LPSE sends {len(drafts)} letters: an announcement to {ANNOUNCED} Gmail vendors, and "
        f"{len(drafts) - ANNOUNCED} single ones",
        f"(our limits are too high on purpose: this Gmail bears {QUOTA} letters in 4 s)",
    )
    host, _, port = smtp.rpartition(":")
    await asyncio.to_thread(send, (host, int(port)), drafts)
    stage.say("green", "every letter got its 250: it is on disk, in the queue and in an inbox")


async def play(folder: Path, console: Console, keep: bool) -> bool:
    """The whole scene; True if everything was proved."""
    stage = Stage(console)
    console.print("A real relay, a small internet on loopback, letters like LPSE's.", style="bold")
    internet = Internet(SystemClock(), houses())
    relay = Relay(await connect(internet, folder, stage), folder / "state")
    try:
        about = await begin(relay, stage)
        drafts = scene()
        await hand_in(about["smtp"][0], drafts, stage)
        await watch(relay, internet, len(drafts), stage)
        sent = [(draft.to, draft.subject) for draft in drafts]
        proof = await prove(relay, internet, sent, DEAD, ANNOUNCED)
        report(proof, console)
        verdict = "All of it holds" if proof.holds else "NOT all of it holds"
        console.print(f"{verdict}, after {stage.seconds:.0f} s.", style="bold")
        if keep:
            await linger(relay, about, console)
        return proof.holds
    finally:
        await goodbye(relay)
        await internet.stop()


async def goodbye(relay: Relay) -> None:
    """End the relay; one that hangs is killed."""
    try:
        async with asyncio.timeout(GOODBYE):
            await relay.stop()
    except TimeoutError:
        await relay.stop(signal.SIGKILL)


def report(proof: Proof, console: Console) -> None:
    """What was delivered, what waits and why, what bounced and whose fault; then the proof."""
    outcome = Table("letters", "became", "whose fault", "last reply", box=None, header_style="bold")
    for state, category, count, said in proof.outcomes:
        blame = "" if state == "delivered" else fault(category)
        outcome.add_row(str(count), state, Text(blame), Text(quoted(said) if said else ""))
    console.print()
    console.print(outcome)
    console.print("\nA vendor's inbox page, as it came by the signed link:", style="bold")
    for line in proof.page:
        console.print(Text(f"   {line}"), no_wrap=True, overflow="ellipsis")
    console.print("From /metrics:", style="bold")
    for line in proof.metrics:
        console.print(Text(f"   {line}"), no_wrap=True, overflow="ellipsis")
    console.print("Proved at the receiving side and the front door:", style="bold")
    checks = Table.grid(padding=(0, 1))
    for text, is_true in proof.checks:
        checks.add_row(Text("✓" if is_true else "✗", "green" if is_true else "red"), Text(text))
    console.print(checks)


def looking(relay: Relay, about: dict[str, Any]) -> Iterator[str]:
    """Commands to paste into another terminal in the same folder."""
    program = os.path.relpath(Path(sys.executable).with_name("lpse-relay"))
    yield f"export RELAY_CONFIG={relay.config}"
    yield f"{program} queue ls"
    yield f"{program} providers"
    yield f"{program} inbox ls vendor00@gmail.com"
    yield f"{program} inbox link {DEAD}"
    yield f"curl -s http://{about['metrics']}/metrics | grep ^lpse_deliveries_total"
    yield (
        f"printf 'From: {letters.SENDER}\\nSubject: coba\\n\\nisi\\n' | curl -sS --crlf -T - \\\n"
        f"    --mail-from {letters.SENDER} --mail-rcpt vendor01@gmail.com \\\n"
        f"    smtp://{about['smtp'][0]}"
    )
    yield f"tail -f {relay.config.parent}/relay.log"


async def linger(relay: Relay, about: dict[str, Any], console: Console) -> None:
    """Leave it running to look around, until Ctrl-C or TERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    link = (await relay.call("inbox.link", address="vendor00@gmail.com"))["url"]
    console.print("\nStill running. In another terminal, in this folder:", style="bold")
    for line in looking(relay, about):
        console.print(Text(f"  {line}"), soft_wrap=True)
    console.print("In a browser, once, within a quarter of an hour:", style="bold")
    console.print(Text(f"  {link}"), soft_wrap=True)
    console.print("Ctrl-C ends it and removes its folder.", style="bold")
    await stop.wait()
    console.print("Ending …")


def main() -> int:
    """Play it in a folder of its own."""
    parser = argparse.ArgumentParser(prog="python -m relay.lab.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave it running to look around")
    keep = parser.parse_args().keep
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="lpse-demo-") as folder:
        try:
            return 0 if asyncio.run(play(Path(folder), console, keep)) else 1
        except KeyboardInterrupt:
            console.print("Stopped before the end: nothing was proved.")
            return INTERRUPTED
        except (ControlError, OSError, smtplib.SMTPException) as error:
            console.print(Text(f"The demo failed: {error}", "red"))
            return 1


if __name__ == "__main__":
    sys.exit(main())
