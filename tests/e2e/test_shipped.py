"""The shipped configuration, run as `make run` runs it; only its ports are free ones."""

from __future__ import annotations

import asyncio
import signal
import smtplib
import stat
import sys
from pathlib import Path
from typing import Any

from relay.control import ControlClient, Unreachable

SHIPPED = Path(__file__).parent.parent.parent / "config" / "relay.yaml"
PORTS = ("2525", "8025", "9325")
START = 60.0  # seconds until it must answer


async def answers(client: ControlClient) -> dict[str, Any]:
    """What `status` says, as soon as somebody says it."""
    async with asyncio.timeout(START):
        while True:
            try:
                return await asyncio.to_thread(client.call, "status")
            except Unreachable:
                await asyncio.sleep(0.05)


async def test_make_run_makes_the_key_starts_takes_a_letter_and_ends(tmp_path: Path) -> None:
    file, state = tmp_path / "relay.yaml", tmp_path / "var"
    text = SHIPPED.read_text()
    for port in PORTS:
        text = text.replace(f'127.0.0.1:{port}"', '127.0.0.1:0"')
    # No letter may leave here: the test stands on a machine with a network.
    file.write_text(text.replace('routes: {"*": mx}', 'routes: {"*": "smtp://127.0.0.1:9"}'))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", "run", "--make-keys"),
        *("--config", str(file), "--state", str(state)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        client = ControlClient(state / "run" / "control.sock")
        about = await answers(client)
        key = tmp_path / "keys" / "s1.pem"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        host, _, port = about["smtp"][0].rpartition(":")

        def send() -> None:
            with smtplib.SMTP(host, int(port), timeout=30) as smtp:
                letter = b"From: lpse@lpse.example.go.id\r\nSubject: x\r\n\r\nisi\r\n"
                smtp.sendmail("lpse@lpse.example.go.id", ["vendor@example.co.id"], letter)

        await asyncio.to_thread(send)
        queue = await asyncio.to_thread(client.call, "queue.ls", selector={}, limit=10)
        assert queue["total"] == 1
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in err
    assert b"v\\u2026@example.co.id" in out  # the log on standard output, addresses masked
    assert b"vendor@example.co.id" not in out
