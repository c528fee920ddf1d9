"""Proving: that each side signs with RSA-2048 and syncs before its 250, before it is measured."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
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
CALLS: Final = "fsync,fdatasync,sync_file_range,msync"


def prove(sides: Sequence[str], pem: bytes) -> dict[str, Any]:
    """Side → what was seen: `is_signed`, and `syncs` for a letter where strace is installed."""
    found = {}
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
    return {"is_signed": is_signed(letter, pem), "syncs_a_letter": syncs}


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


def _syncs(case_port: int, world: Running) -> float | None:
    """Syncs for each of some letters that are sent one after the other; None without strace."""
    if shutil.which("strace") is None:
        return None
    numbers = [word for n in world.weight.processes() for word in ("-p", str(n))]
    watching = subprocess.Popen(
        ["strace", "-f", "-q", "-e", f"trace={CALLS}", *numbers],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        time.sleep(0.5)
        send_timed(CASES[0], case_port, LETTERS)
    finally:
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=30)
    return len(re.findall(rb"(?m)\b(?:fsync|fdatasync)\(", said)) / LETTERS
