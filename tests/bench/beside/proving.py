"""Proving: that each side signs with RSA-2048 and syncs before its 250, before it is measured."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.bench.beside.cases import CASES
from tests.bench.beside.playing import Fault, send_timed
from tests.bench.beside.sides import Running, running
from tests.peers.sink import SmtpSink

LETTERS: Final = 20
SIGNED: Final = rb"(?is)\bb=([A-Za-z0-9+/=\s]+)"
CALLS: Final = "fsync,fdatasync,write,writev,sendto,sendmsg"
SYNCED: Final = re.compile(rb"\bf(?:data)?sync(?:\(| resumed>).*= 0")
GO_ON: Final = re.compile(rb'\b(?:write|writev|sendto|sendmsg)\(.*"354 ')
TAKEN: Final = re.compile(rb'\b(?:write|writev|sendto|sendmsg)\(.*"250 2\.0\.0 ')


def prove(sides: Sequence[str], pem: bytes) -> dict[str, Any]:
    """Side → what was seen: `is_signed`, and where strace is installed `syncs_a_letter`, those of
    its delivery too, and `is_synced`: a sync between each 354 and its 250."""
    found: dict[str, Any] = {}
    for side in sides:
        try:
            found[side] = _prove(side, pem)
        except Exception as error:  # told in the results; the cases are played all the same
            found[side] = {"fault": f"{type(error).__name__}: {error}"}
        print(f"proof       {side:13} {found[side]}", flush=True)
    return found


def _prove(side: str, pem: bytes) -> dict[str, Any]:
    case = CASES[0]
    with (
        SmtpSink(keep=True) as sink,
        running(side, case, sink.port, pem) as world,
    ):
        send_timed(case, world.port, 2)
        sink.await_messages(2)
        syncs = _syncs(case_port=world.port, world=world)
        sink.await_messages(2 + (LETTERS if syncs is not None else 0))
        time.sleep(0.2)
        letter = next(iter(sink.kept.iterdir())).read_bytes()
    if syncs is None:
        print(f"proof       {side:13} no strace here: its syncs were not looked at", flush=True)
    return {"is_signed": is_signed(letter, pem), **(syncs or {})}


def unproved(found: dict[str, Any]) -> list[str]:
    """What was seen not to hold, in words; what strace did not look at is none of it."""
    said = []
    for side, seen in found.items():
        if "fault" in seen:
            said.append(f"{side}: {seen['fault']}")
        elif not seen["is_signed"]:
            said.append(f"{side}: its signature does not hold")
        elif not seen.get("is_synced", True):
            said.append(f"{side}: it said 250 before a sync")
    return said


def is_signed(kept: bytes, pem: bytes) -> bool:
    """Whether the one signature of a letter holds, with a key of 2048 bits. Raises Fault."""
    letter = kept[re.search(rb"(?m)^(DKIM-Signature|Received):", kept).start() :]  # type: ignore[union-attr]
    letter = letter.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if letter.count(b"DKIM-Signature:") != 1:
        raise Fault("a letter without its one DKIM-Signature")
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey) and key.key_size == 2048
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = b"v=DKIM1; k=rsa; p=" + b"".join(public.splitlines()[1:-1])
    return bool(dkim.verify(letter, dnsfunc=lambda name, timeout=5: record))


def _syncs(case_port: int, world: Running) -> dict[str, Any] | None:
    """Of some letters that are sent one after the other; None without strace."""
    if shutil.which("strace") is None:
        return None
    numbers = [word for n in world.weight.processes() for word in ("-p", str(n))]
    with tempfile.NamedTemporaryFile() as trace:  # a pipe that nobody reads would stop the side
        words = ["strace", "-f", "-q", "-s", "16", "-o", trace.name, "-e", f"trace={CALLS}"]
        watching = subprocess.Popen([*words, *numbers], stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            send_timed(CASES[0], case_port, LETTERS)
        finally:
            watching.send_signal(signal.SIGINT)
            watching.wait(30)
        said = Path(trace.name).read_bytes()
    return seen_in(said)


def seen_in(trace: bytes) -> dict[str, Any]:
    """What a trace of LETTERS letters shows. Each must be seen from its 354 to its 250."""
    syncs, taken = 0, 0
    is_open = is_synced = False
    is_each = True
    for line in trace.splitlines():
        if GO_ON.search(line):
            is_open, is_synced = True, False
        elif SYNCED.search(line):
            syncs, is_synced = syncs + 1, True
        elif is_open and TAKEN.search(line):
            taken, is_open, is_each = taken + 1, False, is_each and is_synced
    return {"syncs_a_letter": syncs / LETTERS, "is_synced": is_each and taken == LETTERS}
