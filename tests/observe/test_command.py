"""A command is a real program: what it is given, and that nothing it does holds anything up."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from relay.clock import Clock, SystemClock
from relay.observe.command import SHOWN, Command
from relay.observe.ways import Undelivered
from tests.observe.peers import HOST, message

ENVIRON = {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": "/run/x", "LISTEN_FDS": "1", "SECRET": "s"}


def command(
    folder: Path, script: str, *words: str, limit: float = 20.0, clock: Clock | None = None
) -> Command:
    program = folder / "notify"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Command((str(program), *words), clock or SystemClock(), ENVIRON, limit)


class Standing(SystemClock):
    """Stands still until a file has something in it, however long a busy machine takes for it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def monotonic(self) -> float:
        is_there = self._file.exists() and self._file.read_text().strip()
        return super().monotonic() if is_there else 0.0


def test_json_on_stdin_and_the_environment(tmp_path: Path) -> None:
    script = f'cat > {tmp_path}/stdin; env > {tmp_path}/env; echo "told $1"'
    said = command(tmp_path, script, "ops; rm -rf $HOME").carry(message())
    assert said == "exit 0: told ops; rm -rf $HOME"
    shape = json.loads((tmp_path / "stdin").read_text())
    assert (shape["name"], shape["hostname"]) == ("pause:gmail", HOST)
    lines = (tmp_path / "env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines)
    assert given["LPSE_ALERT_NAME"] == "pause:gmail"
    assert given["LPSE_ALERT_SEVERITY"] == "warning"
    assert given["LPSE_ALERT_HOSTNAME"] == HOST
    assert given["LPSE_ALERT_DETAIL"] == "421 4.7.28 too fast"
    assert given["LPSE_ALERT_COUNT"] == "1"
    assert given["LPSE_ALERT_MEANING_ID"].startswith("gmail untuk sementara")
    assert given["PATH"] == ENVIRON["PATH"]
    assert not {"NOTIFY_SOCKET", "LISTEN_FDS", "SECRET"} & set(given)


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    detail = "$(touch pwned) `id` ; 'x' \"y\""
    script = 'printf "%s" "$LPSE_ALERT_DETAIL"'
    assert command(tmp_path, script).carry(message(detail=detail)) == f"exit 0: {detail}"


def test_a_failure_is_said_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(Undelivered, match=r"^exit 3: no such channel$") as caught:
        command(tmp_path, "echo no such channel >&2; exit 3").carry(message())
    assert not caught.value.is_lasting
    with pytest.raises(Undelivered, match="killed by signal 9"):
        command(tmp_path, "kill -9 $$").carry(message())


def test_what_is_no_program_is_a_lasting_fault(tmp_path: Path) -> None:
    for words in ((str(tmp_path / "gone"),), (str(tmp_path),)):
        with pytest.raises(Undelivered, match="cannot be run: ") as caught:
            Command(words, SystemClock(), ENVIRON).carry(message())
        assert caught.value.is_lasting


def test_past_its_time_it_is_killed_with_its_children(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/child; wait"
    clock = Standing(tmp_path / "child")
    with pytest.raises(Undelivered, match=r"did not end within 0\.5 s, and was killed"):
        command(tmp_path, script, limit=0.5, clock=clock).carry(message())
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while child.exists() and child.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "the child lives"


def test_output_without_end_is_neither_kept_nor_waited_for(tmp_path: Path) -> None:
    with pytest.raises(Undelivered, match="did not end"):
        command(tmp_path, "exec yes", limit=0.5).carry(message())
    said = command(tmp_path, "head -c 1000000 /dev/zero | tr '\\0' x").carry(message())
    assert said == "exit 0: " + "x" * SHOWN


def test_what_it_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    script = f"sleep 3600 & echo $! > {tmp_path}/child; echo done"
    assert command(tmp_path, script, limit=60.0).carry(message()) == "exit 0: done"
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)  # it lives


def test_stdin_need_not_be_read(tmp_path: Path) -> None:
    names = [f"pause:mx{n}.example.co.id" for n in range(100)]
    big = message(*names, detail="x" * 1000)
    assert command(tmp_path, "exit 0").carry(big) == "exit 0"
    assert command(tmp_path, "wc -c").carry(big) > "exit 0: 100000"
