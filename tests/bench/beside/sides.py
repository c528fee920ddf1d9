"""Sides: the installed relay, alone or otherwise, and Postfix with OpenDKIM, stock and tuned.

Each start is fresh, in a folder of its own; all sides sign with one RSA-2048 key.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relay.config.keys import generate
from relay.control import ControlClient, Unreachable
from tests.bench import keeping
from tests.bench.beside.cases import Case, Unknown
from tests.bench.beside.sasl import Sasl
from tests.bench.beside.slow_disk import built
from tests.bench.beside.source import PASSWORD, USER, domain
from tests.bench.beside.weighing import Group, Tree, Weight
from tests.peers.certificates import self_signed
from tests.peers.ports import POLL, await_greeting, free_port
from tests.peers.postfix import PostfixRelay

OURS: Final = "ours"
WORKERS: Final = "ours-workers"
"""The relay with a process of its own for the door: one, since the machine has two cores."""
SLOW_DISK: Final = "ours-slow-disk"
"""The relay where each fsync takes 2 ms more."""
GROUPED: Final = "ours-grouped"
"""The relay with up to 50 recipients of a letter in one transaction, as Postfix does of itself."""
ALONE: Final = {OURS: "", WORKERS: "workers: 1\n", SLOW_DISK: "", GROUPED: ""}
"""What each way to run the relay adds to its configuration."""
STOCK: Final = {
    "in_flow_delay": "1s",
    "smtp_destination_concurrency_limit": "20",
    "initial_destination_concurrency": "5",
}
TUNED: Final = {"smtp_tls_connection_reuse": "yes"}
"""Beside what every PostfixRelay has; where STARTTLS goes out, sessions are used again."""

POSTFIX: Final = {"postfix": TUNED, "postfix-stock": STOCK}
SIDES: Final = (OURS, *POSTFIX)
ASKED_FOR: Final = (WORKERS, SLOW_DISK, GROUPED)  # only where they are named
PROGRAM = keeping.PROGRAM  # --program names another
START: Final = 60.0  # seconds, on a machine that has other work, too
TRANSACTION: Final = {
    **dict.fromkeys(ALONE, 1),
    **dict.fromkeys((GROUPED, *POSTFIX), 50),
}
"""Recipients that a side puts into one transaction to a next hop; its shipped setting, but for
`ours-grouped`."""

CONFIG: Final = """\
hostname: relay.peer.example.net
listen: [{{address: "127.0.0.1:{door}", tls: {tls}}}]
allowed_senders: ["@lpse.example.go.id"]
state_dir: state
routes:
{routes}
limits:
{limits}
dkim: [{{domain: lpse.example.go.id, selector: s1, key_file: s1.pem}}]
ingress: {{ceiling: 100000000}}
web: {{listen: "127.0.0.1:{web}"}}
metrics: {{listen: "127.0.0.1:{metrics}"}}
log: {{to: relay.log}}
"""
LIMIT: Final = (
    "{{rate: [600000/min, 10000000/day], connections: 50, messages_per_connection: 1000,"
    " recipients_per_transaction: {each}}}"
)
"""Of each next hop: it counts and is kept on disk, and does not bind; as many connections as the
tuned Postfix may open."""
GUARDED: Final = """\
trusted_networks: [192.0.2.1/32]
certificate: {certificate_file: certificate.pem, key_file: certificate.key}
auth: {enabled: true}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A side that takes mail: its door, what weighs it, and where its queue lies; `metrics` of the
    relay only, as host:port."""

    port: int
    weight: Weight
    queue: Path
    log: Path
    metrics: str = ""


def known(names: list[str]) -> list[str]:
    """The sides of these names; all where none is named. Raises Unknown."""
    for name in names:
        if name not in (*SIDES, *ASKED_FOR):
            there = ", ".join((*SIDES, *ASKED_FOR))
            raise Unknown(f"{name}: no such side; there are {there}")
    return names or list(SIDES)


def key() -> bytes:
    """An RSA-2048 key for a whole run of the bench, in PEM."""
    return generate(2048)


@contextlib.contextmanager
def running(side: str, case: Case, next_hop: int, pem: bytes) -> Iterator[Running]:
    """The side, started for this case before that next hop; gone at the end, whatever happens."""
    with ExitStack() as stack:
        group = Group.made(side)
        if group is not None:
            stack.callback(group.remove)
        if side in ALONE:
            yield stack.enter_context(_ours(side, case, next_hop, pem, group))
        else:
            yield stack.enter_context(_postfix(side, case, next_hop, pem, group))


def hops(case: Case, next_hop: int) -> Iterator[tuple[str, str]]:
    """Domain and the address of its next hop, where each has one of its own."""
    for n in range(case.domains):
        yield domain(n, case.domains), f"127.1.{n // 250}.{n % 250 + 1}:{next_hop}"


def _entered(group: Group | None) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if group is None else group.entered()


@contextlib.contextmanager
def _ours(
    side: str, case: Case, next_hop: int, pem: bytes, group: Group | None
) -> Iterator[Running]:
    home = Path(tempfile.mkdtemp(prefix="lpse-bench-"))
    door = free_port()
    text = _configured(home, side, case, next_hop, door)
    (home / "relay.yaml").write_text(text)
    (home / "s1.pem").write_bytes(pem)
    (home / "s1.pem").chmod(0o600)
    state = home / "state"
    options = ("--config", str(home / "relay.yaml"), "--state", str(state))
    slow = {"LD_PRELOAD": str(built(home))} if side == SLOW_DISK else {}
    with (home / "said").open("wb") as said, _entered(group):
        process = subprocess.Popen(
            [str(PROGRAM), "run", *options],
            stdout=said,
            stderr=subprocess.STDOUT,
            env=os.environ | slow,
        )
    try:
        about = _await(process, state / "run" / "control.sock", home / "said")
        if case.is_auth_in:
            (home / "password").write_text(PASSWORD)
            words = ("users", "add", USER, "--password-file", str(home / "password"))
            subprocess.run([str(PROGRAM), *words, *options], check=True, capture_output=True)
        weight = group or Tree([process.pid])
        yield Running(door, weight, state, home / "relay.log", about["metrics"])
    finally:
        _stop(process)
        shutil.rmtree(home)


def _configured(home: Path, side: str, case: Case, next_hop: int, door: int) -> str:
    """The relay's YAML for a case, its certificate made where it needs one."""
    routes = {"*": f"127.0.0.1:{next_hop}"} if case.domains == 1 else dict(hops(case, next_hop))
    limit = LIMIT.format(each=TRANSACTION[side])
    text = CONFIG.format(
        door=door,
        tls="starttls" if case.is_auth_in else "off",
        routes="\n".join(f'  "{name}": smtp://{hop}' for name, hop in routes.items()),
        limits="\n".join(f'  "smtp://{hop}": {limit}' for hop in routes.values()),
        web=free_port(),
        metrics=free_port(),
    )
    if case.is_auth_in:
        self_signed(home, "127.0.0.1")
        text += GUARDED
    return text + ALONE[side]


def _await(process: subprocess.Popen[bytes], control: Path, said: Path) -> dict[str, Any]:
    until = time.monotonic() + START
    while True:
        try:
            return ControlClient(control).call("status")
        except Unreachable:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the relay did not start: {said.read_text()[-2000:]}") from None
            time.sleep(POLL)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _postfix(
    side: str, case: Case, next_hop: int, pem: bytes, group: Group | None
) -> Iterator[Running]:
    relay = PostfixRelay(next_hop, key_pem=pem, settings=POSTFIX[side])
    with ExitStack() as stack:
        if case.domains > 1:
            table = relay.home / "transport"
            table.write_text(
                "".join(
                    f"{name} smtp:[{host}]:{port}\n"
                    for name, hop in hops(case, next_hop)
                    for host, port in [hop.split(":")]
                )
            )
            relay.configure(relayhost="", transport_maps=f"texthash:{table}")
        if case.is_tls_out:
            relay.configure(smtp_tls_security_level="may")
        if case.is_auth_in:
            sasl = stack.enter_context(Sasl(relay.home / "sasl"))
            relay.configure(**_guarded(relay.home, sasl.path))
        with _entered(group):
            stack.enter_context(relay)
        await_greeting(relay.address, relay.port, relay.log)
        weight = group or Tree(relay.processes)
        yield Running(relay.port, weight, relay.home / "queue", relay.home / "postfix.log")


def _guarded(home: Path, sasl: Path) -> dict[str, str]:
    """Nobody is trusted by address, and a password is asked for within TLS."""
    certificate = self_signed(home, "127.0.0.1")
    return {
        "mynetworks": "192.0.2.1/32",
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_cert_file": str(certificate.certificate_file),
        "smtpd_tls_key_file": str(certificate.key_file),
        "smtpd_tls_auth_only": "yes",
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": str(sasl),
    }
