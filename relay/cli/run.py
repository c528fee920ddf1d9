"""`lpse-relay run`: the relay itself, in the foreground."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.site import ConfigOption, StateOption, config_file
from relay.cli.terminal import REFUSED, USAGE, fail, note
from relay.config import SourceError


def run(
    config: ConfigOption = None,
    state_dir: StateOption = None,
    make_keys: Annotated[
        bool, typer.Option("--make-keys", help="make DKIM keys that are missing, then run")
    ] = False,
) -> None:
    """Run the relay until TERM or INT; HUP reads the configuration anew."""
    from relay.config import blamed, keys, load, read_all, warnings_of
    from relay.service import serve
    from relay.store.base import StoreError

    file = config_file(config)
    try:
        if make_keys:
            for made in keys.make_missing(file, read_all(file).settings):
                note(f"made {made}; `lpse-relay keys check` prints the record to publish")
        loaded = load(file, state_dir)
    except SourceError as error:
        fail(error, USAGE)
    except OSError as error:
        fail(f"--make-keys: {error.filename or ''}: {error.strerror}", USAGE)
    for warning in warnings_of(loaded):
        note(warning)
    try:
        serve(loaded, lambda: note(f"to look around: {_looking(file, state_dir)}"))
    except SourceError as error:
        fail(error, USAGE)
    except OSError as error:
        fail(blamed(loaded, error) or error, REFUSED)
    except StoreError as error:
        fail(error, REFUSED)


def _looking(file: Path, state_dir: Path | None) -> str:
    """The command that shows this relay's queue, from whatever folder it is typed in."""
    words = ["lpse-relay", "queue", "ls", "--config", str(file.absolute())]
    if state_dir is not None:
        words += ["--state", str(state_dir.absolute())]
    return shlex.join(words)
