"""Site: which relay a command speaks of — its configuration file, state directory and socket."""

from __future__ import annotations

import os
import stat
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from relay.cli.terminal import REFUSED, UNREACHABLE, USAGE, fail, note
from relay.config import SourceError
from relay.config.places import NOT_OURS, locate
from relay.control import ControlClient, ControlError, Denied, Unknown, Unreachable
from relay.strict_yaml import Problem

T = TypeVar("T")
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
    try:
        return find_config(given)
    except SourceError as error:
        fail(error, USAGE)


def find_config(given: Path | None) -> Path:
    """The configuration file to use. Raises SourceError where there is none."""
    found = look_for_config(given)
    if found is None:
        looked = " and ".join(map(str, CANDIDATES))
        raise _none("no configuration", f"--config FILE (looked for {looked})")
    return found


def look_for_config(given: Path | None) -> Path | None:
    """The same; but None where none was named, and none is at the usual places."""
    named = os.environ.get("RELAY_CONFIG")
    for path in [given] if given else [Path(named)] if named else CANDIDATES:
        try:
            mode = path.stat().st_mode
        except PermissionError:  # it may be there: another one would be the wrong one
            raise _none(str(path), "permission denied", NOT_OURS) from None
        except OSError:
            mode = 0
        if stat.S_ISREG(mode):
            return path
        if stat.S_ISDIR(mode):
            raise _none(str(path), "is a directory; name relay.yaml itself")
        if given or named:
            raise _none(str(path), "no such file")
    return None


def _none(file: str, message: str, suggestion: str = "") -> SourceError:
    return SourceError([Problem(file, 0, "", message, suggestion)])


@dataclass(frozen=True, slots=True)
class Site:
    """Paths of one relay, and a call to it."""

    file: Path
    state_dir: Path
    control: Path
    is_named: bool = False  # `--state` says where the state lies

    @classmethod
    def of(cls, config: Path | None, state: Path | None) -> Site:
        """Read no more of the file than where things lie. No YAML at all ends with code 2."""
        file = config_file(config)
        try:
            state_dir, control = locate(file, state)
        except SourceError as error:
            note("with --state DIR a running relay is reached also while its file is broken")
            fail(error, USAGE)
        return cls(file, state_dir, control, state is not None)

    @property
    def elsewhere(self) -> str:
        """What to say after an error where the state directory is not even there."""
        is_missing = False
        if not self.is_named:
            try:
                self.state_dir.stat()
            except FileNotFoundError:
                is_missing = True
            except OSError:
                is_missing = False  # perhaps it is there
        told = f"; {self.state_dir} does not exist: name the state directory with --state DIR"
        return told if is_missing else ""

    def call(self, command: str, **params: Any) -> dict[str, Any]:
        """Ask the running relay; ends with 3 where none answers, 1 where it refuses."""
        try:
            return ControlClient(self.control).call(command, **params)
        except ControlError as error:
            self.refused(error)

    def try_call(self, command: str, **params: Any) -> dict[str, Any] | None:
        """The same, but None where no relay answers: the caller then reads the store."""
        try:
            return ControlClient(self.control).call(command, **params)
        except Denied as error:  # nobody is told that no relay runs who may not know
            fail(error, UNREACHABLE)
        except Unreachable:
            return None
        except ControlError as error:
            self.refused(error)

    def at_rest(self, reading: Coroutine[Any, Any, T]) -> T:
        """What the store tells without a relay; ends with 2 for what was asked wrongly, 3 where no
        store ever was, 1 where it cannot be read."""
        from asyncio import run

        from relay.service.offline import NoStore
        from relay.store.base import StoreError

        try:
            return run(reading)
        except (SourceError, ValueError) as error:
            fail(error, USAGE)
        except NoStore as error:
            fail(f"{error}{self.elsewhere}", UNREACHABLE)
        except (StoreError, OSError) as error:
            fail(error, REFUSED)

    def refused(self, error: ControlError) -> NoReturn:
        """Turn an error of the control socket into a message and an exit code."""
        if isinstance(error, Denied):
            fail(error, UNREACHABLE)
        if isinstance(error, Unreachable):
            fail(f"{error}{self.elsewhere}", UNREACHABLE)
        fail(error, USAGE if isinstance(error, Unknown) else REFUSED)
