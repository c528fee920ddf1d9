"""A peer's root: whether it is there, and how a command is run in it.

A root is an overlay of the machine's system directories: below the machine as it is (never
written), above it the layer that `install` filled with the peer's packages, on top a writable layer
in memory that is thrown away with the command. So a root starts the same every time, any number of
test processes may use it at once, and nothing that a peer does reaches the machine. The checkout,
the temporary directory and what `share` names are the machine's own, and everything written there
stays.

Standard library only (see `catalogue`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests.peers.catalogue import HERE, PEERS, Recipe

CHECKOUT = HERE.parent.parent
HOME = Path(os.environ.get("LPSE_PEERS") or CHECKOUT / ".peers")
"""Where the layers are kept; LPSE_PEERS moves them, so that several checkouts may share them."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENTER = HERE / "enter.py"


class PeerMissing(RuntimeError):
    """A peer's root is not there; the text says why and what brings it."""


def stamp_of(recipe: Recipe) -> str:
    """Says what a layer was made from: a layer with another stamp is made anew.

    The machine's own packages belong to it, for the layer lies on top of them.
    """
    machine = hashlib.sha256()
    for path in (Path("/etc/os-release"), Path("/var/lib/dpkg/status")):
        machine.update(path.read_bytes() if path.exists() else b"")
    contents = {
        inside: hashlib.sha256(outside.read_bytes()).hexdigest()
        for inside, outside in recipe.files.items()
    }
    described = asdict(recipe) | {"files": contents, "machine": machine.hexdigest()}
    return json.dumps(described, indent=1, sort_keys=True, default=str)


@functools.cache
def available(name: str) -> str | None:
    """Says why the peer cannot be used here (its packages named), or None if it can."""
    recipe = PEERS[name]
    packages = " ".join(recipe.wants())
    if os.geteuid() != 0:
        return f"only root can enter its root (packages: {packages})"
    stamp = HOME / name / "stamp.json"
    if not stamp.exists():
        return f"not fetched, run `make peers` as root (packages: {packages})"
    if stamp.read_text() != stamp_of(recipe):
        return f"out of date, run `make peers` as root (packages: {packages})"
    return None


def is_ci() -> bool:
    """Tells whether a missing peer is a failure rather than a skipped test."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"} and os.geteuid() == 0


def unshared(spec: Mapping[str, Any], command: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The command line that runs `command` as `enter` describes it."""
    unshare = shutil.which("unshare", path=PATH) or "unshare"
    return [
        *(unshare, "--mount", "--pid", "--fork", "--kill-child"),
        *(sys.executable, "-I", "-S", str(ENTER), json.dumps(spec)),
        *(os.fspath(word) for word in command),
    ]


class Peer:
    """A root to run commands in; a context that ends everything started in it.

    `share` names further directories that commands see as they are. Each command gets a fresh view
    and its own process namespace; files pass between commands through shared directories only.
    """

    def __init__(self, name: str, share: Sequence[Path] = ()) -> None:
        if (reason := available(name)) is not None:
            raise PeerMissing(f"{name}: {reason}")
        self.name = name
        self._share = sorted({str(CHECKOUT), tempfile.gettempdir(), *(str(p) for p in share)})
        self._processes: list[subprocess.Popen[bytes]] = []
        self._lifeline: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kills what was started with `popen` and everything that it started; idempotent."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        self._processes.clear()
        if self._lifeline is not None:
            for descriptor in self._lifeline:
                os.close(descriptor)
            self._lifeline = None

    def command_line(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        lifeline: int | None = None,
    ) -> list[str]:
        """What to execute on the machine so that `command` runs in this root."""
        place = HOME / self.name
        spec = {
            "mountpoint": str(place / "root"),
            "lower": [str((place / "layer").resolve())],
            "share": self._share,
            "directory": str(directory) if directory else "/",
            "environment": {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TZ": "UTC"}
            | dict(environment or {}),
            "lifeline": lifeline,
        }
        return unshared(spec, command)

    def wrapper(self, path: Path, command: Sequence[str | os.PathLike[str]]) -> Path:
        """Writes a program that runs `command` in this root, with its own arguments appended.

        For libraries that start a program by its path, and talk to it through descriptors.
        """
        path.write_text(f'#!/bin/sh\nexec {shlex.join(self.command_line(command))} "$@"\n')
        path.chmod(0o755)
        return path

    def popen(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Starts a command that lives until `close`; kill it with `kill`, not `terminate`."""
        if self._lifeline is None:
            self._lifeline = os.pipe()
        reading = self._lifeline[0]
        process = subprocess.Popen(
            self.command_line(
                command, environment=environment, directory=directory, lifeline=reading
            ),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(reading,),
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def run(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        content: bytes = b"",
        timeout: float = 60,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command to its end, its output caught; `content` is its standard input.

        `timeout` is in seconds; after it the command and all it started are killed and
        `subprocess.TimeoutExpired` is raised.
        """
        reading, writing = os.pipe()
        try:
            return subprocess.run(
                self.command_line(
                    command, environment=environment, directory=directory, lifeline=reading
                ),
                input=content,
                capture_output=True,
                timeout=timeout,
                pass_fds=(reading,),
                start_new_session=True,
                check=False,
            )
        finally:
            os.close(reading)
            os.close(writing)
