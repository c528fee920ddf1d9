"""The demo: the real relay, a fake internet, LPSE's letters; it ends by itself, and proves it.

`python -m relay.lab.demo [--keep]`. Exit code 0 only if every line of the last table holds.
"""

from __future__ import annotations

import argparse
import asyncio
import smtplib
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from relay.clock import SystemClock
from relay.config import keys
from relay.control import ControlClient, ControlError
from relay.lab import letters, models
from relay.lab.internet import GMAIL, GOVERNMENT, OUTLOOK, WORKSPACE, YAHOO, House, Internet
from relay.lab.letters import Draft
from relay.lab.proof import Proof, prove
from relay.lab.running import Relay
from relay.mail.dkim import dns_record, load_key
from relay.mail.instant import SECOND

ANNOUNCED: Final = 60
QUOTA: Final = 25  # letters in ten seconds that the fake Gmail bears
DEADLINE: Final = 50.0  # seconds for the letters to arrive
DEAD: Final = "rekanan.lama@yahoo.com"
FULL: Final = "penuh@dinas.example.go.id"
CLIENT_THREADS: Final = 8

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
pause: {{throttle: 3s, block: 3s, longest: 5s}}
retry: {{schedule: [3s, 6s, 30s]}}
web: {{listen: "127.0.0.1:0"}}
metrics: {{listen: "127.0.0.1:0"}}
log: {{to: relay.log}}
lab: true
testing_smtp_port: {port}
"""

FAULT: Final = {
    "unknown_user": "the address: nobody has it any more",
    "inactive_user": "the address: it sleeps",
    "mailbox_full": "the address: its mailbox is full",
    "bad_domain": "the address: its domain does not exist",
    "spam_content": "the letter: its content",
    "message_too_big": "the letter: its size",
    "policy": "the other side's own rule",
    "sender_blocked": "the provider's patience",
    "rate_limited": "the provider's patience",
    "auth_failed": "our own: something to mend here",
}


@dataclass(slots=True)
class Scene:
    """What is played: the drafts, and what must become of each address."""

    drafts: list[Draft] = field(default_factory=list)

    @property
    def vendors(self) -> list[str]:
        """The Gmail addresses of the announcement."""
        return [d.to for d in self.drafts if d.subject.startswith("LPSE Pengumuman Tender")]


def scene() -> Scene:
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
    return Scene(single + many)


def houses() -> list[House]:
    """The providers, with quotas and penalties short enough to be watched."""
    gmail = models.Gmail(models.Window(QUOTA, 10 * SECOND), penalty=2 * SECOND)
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

    def one(draft: Draft) -> None:
        with smtplib.SMTP(*address, timeout=30) as client:
            client.sendmail(letters.SENDER, [draft.to], draft.octets())

    with ThreadPoolExecutor(CLIENT_THREADS) as threads:
        list(threads.map(one, drafts))


def picture(queue: dict[str, Any], providers: list[dict[str, Any]], arrived: int) -> Group:
    """What is shown while it goes on."""
    grid = Table("provider", "state", "queued", "last reply", box=None, header_style="bold")
    for row in providers:
        colour = {"paused": "red", "probing": "yellow", "slow": "yellow"}.get(row["state"], "green")
        reply = Text(row["last_reply"].replace("\n", " ")[:70])
        grid.add_row(
            Text(row["provider"]), Text(row["state"], style=colour), str(row["queued"]), reply
        )
    states = ", ".join(f"{n} {state}" for state, n in queue["by_state"].items() if n)
    line = f"arrived at the providers: {arrived}   in the queue: {states or 'nothing'}"
    return Group(grid, Text(line))


async def watch(relay: Relay, internet: Internet, drafts: int, console: Console) -> None:
    """Show the road until only what must wait is left, or the time is over."""
    client = ControlClient(relay.control)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE
    with Live(console=console, refresh_per_second=4, transient=not console.is_terminal) as live:
        while loop.time() < deadline:
            queue = await asyncio.to_thread(client.call, "queue.ls", selector={}, limit=1)
            rows = (await asyncio.to_thread(client.call, "providers"))["providers"]
            live.update(picture(queue, rows, len(internet.ledger.arrivals)))
            if queue["total"] <= 1 and len(internet.ledger.arrivals) >= drafts - 2:
                return
            await asyncio.sleep(0.25)


async def play(folder: Path, console: Console, keep: bool) -> bool:
    """The whole scene; True if everything was proved."""
    internet = Internet(SystemClock(), houses())
    dns, port = await internet.start()
    keys.make(folder / "keys" / "s1.pem")
    key = load_key((folder / "keys" / "s1.pem").read_bytes(), "lpse.example.go.id", "s1")
    internet.zone.txt[key.record_name] = dns_record(key)
    config = folder / "relay.yaml"
    config.write_text(CONFIG.format(dns=dns, port=port), encoding="utf-8")
    console.print(f"A fake internet is up (DNS {dns}, SMTP port {port} on 127.0.1.1–6).")
    relay = Relay(config, folder / "state")
    try:
        about = await relay.start()
        console.print(f"The relay is up: SMTP {about['smtp'][0]}, web {about['web']}.")
        played = scene()
        console.print(f"LPSE sends {len(played.drafts)} letters, {ANNOUNCED} of them to Gmail …")
        host, _, smtp_port = about["smtp"][0].rpartition(":")
        await asyncio.to_thread(send, (host, int(smtp_port)), played.drafts)
        await watch(relay, internet, len(played.drafts), console)
        proof = await prove(relay, internet, [(d.to, d.subject) for d in played.drafts], DEAD)
        report(proof, console)
        if keep:
            await linger(relay, about, console)
        return proof.holds
    finally:
        await relay.stop()
        await internet.stop()


def report(proof: Proof, console: Console) -> None:
    """What was delivered, what waits and why, what bounced and whose fault; then the proof."""
    outcome = Table("outcome", "how many", "why", box=None, header_style="bold")
    for state, category, count, said in proof.outcomes:
        why = FAULT.get(category or "", "")
        if state == "waiting" and category != "unknown_user":
            why = f"{category}: {said}"
        outcome.add_row(state, str(count), Text(why))
    console.print(outcome)
    checks = Table("", "", box=None, show_header=False)
    for text, is_true in proof.checks:
        checks.add_row(Text("✓" if is_true else "✗", "green" if is_true else "red"), Text(text))
    console.print(checks)


async def linger(relay: Relay, about: dict[str, Any], console: Console) -> None:
    """Leave it running to look around, until Ctrl-C."""
    console.print(f"\nStill running; look around:\n  lpse-relay queue ls --config {relay.config}")
    console.print(f"  lpse-relay providers --config {relay.config}")
    console.print(f"  lpse-relay inbox link vendor00@gmail.com --config {relay.config}")
    console.print(f"  curl http://{about['metrics']}/metrics\nCtrl-C ends it.")
    await asyncio.Event().wait()


def main() -> int:
    """Play it in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave it running to look around")
    keep = parser.parse_args().keep
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="lpse-demo-") as folder:
        try:
            return 0 if asyncio.run(play(Path(folder), console, keep)) else 1
        except KeyboardInterrupt:
            return 0
        except ControlError as error:
            console.print(Text(f"the demo failed: {error}", "red"))
            return 1


if __name__ == "__main__":
    sys.exit(main())
