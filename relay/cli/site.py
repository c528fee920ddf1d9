"""Site: which relay a command speaks of — its configuration file, state directory and socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.cli.terminal import REFUSED, UNREACHABLE, USAGE, fail, note
from relay.config import SourceError
from relay.config.places import locate
from relay.control import ControlClient, ControlError, Denied, Unreachable

CANDIDATES = (Path("/etc/lpse-relay/relay.yaml"), Path("config/relay.yaml"))

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="relay.yaml (default: $RELAY_CONFIG, /etc/lpse-relay, ./config)"),
]
StateOption = Annotated[
    Path | None, typer.Option("--state", help="the state directory, instead of the file's")
]
JsonOption = Annotated[bool, typer.Option("--json", help="machine-readable, one document")]


def config_file(given: Path | None) -> Path:
    """The configuration file to use; ends with code 2 where there is none."""
    named = os.environ.get("RELAY_CONFIG")
    for path in [given] if given else [Path(named)] if named else CANDIDATES:
        if path.is_file():
            return path
        if path.is_dir():
            fail(f"{path}: is a directory; name relay.yaml itself", USAGE)
        if given or named:
            fail(f"{path}: no such file", USAGE)
    fail(f"no configuration: --config FILE (looked for {' and '.join(map(str, CANDIDATES))})", 2)


@dataclass(frozen=True, slots=True)
class Site:
    """Paths of one relay, and a call to it."""

    file: Path
    state_dir: Path
    control: Path

    @classmethod
    def of(cls, config: Path | None, state: Path | None) -> Site:
        """Read no more of the file than where things lie. No YAML at all ends with code 2."""
        file = config_file(config)
        try:
            state_dir, control = locate(file, state)
        except SourceError as error:
            note("with --state DIR a running relay is reached also while its file is broken")
            fail(error, USAGE)
        return cls(file, state_dir, control)

    def call(self, command: str, **params: Any) -> dict[str, Any]:
        """Ask the running relay; ends with 3 where none answers, 1 where it refuses."""
        with ending():
            return ControlClient(self.control).call(command, **params)
        raise AssertionError  # `ending` always ends

    def try_call(self, command: str, **params: Any) -> dict[str, Any] | None:
        """The same, but None where no relay answers: the caller then reads the store."""
        try:
            return ControlClient(self.control).call(command, **params)
        except Denied as error:  # nobody is told that no relay runs who may not know
            fail(error, UNREACHABLE)
        except Unreachable:
            return None
        except ControlError as error:
            fail(error, REFUSED)


@contextmanager
def ending() -> Iterator[None]:
    """Turn the control socket's errors into a message and an exit code."""
    try:
        yield
    except Unreachable as error:
        fail(error, UNREACHABLE)
    except ControlError as error:
        fail(error, REFUSED)
