"""`lpse-relay check`: every fault of the configuration at once, before anything starts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.cli.site import ConfigOption, JsonOption, StateOption, find_config
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, say
from relay.config import Problem, SourceError


def shape(problem: Problem) -> dict[str, Any]:
    """One row of `check --json`."""
    return {
        "file": problem.file,
        "line": problem.line,
        "key": problem.key,
        "message": problem.message,
        "suggestion": problem.suggestion,
    }


def check(
    live: Annotated[
        bool, typer.Option("--live", help="ask DNS too: name, PTR, SPF, DKIM, DMARC; port 25")
    ] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Check relay.yaml and site.d: exit 2 and every fault with file, line, key and suggestion.

    Warnings are printed (and are rows of --json, their message begins with `warning:`), but do not
    fail: exit 0. With --live, exit 1 where the world does not see the relay as it should.
    """
    from relay.config import load, warnings_of

    file = _found(config, json)
    try:
        loaded = load(file, state_dir)
    except SourceError as error:
        _tell(error.problems, json)
        many = "1 fault" if len(error.problems) == 1 else f"{len(error.problems)} faults"
        note(f"{many}: nothing would start with this")
        raise typer.Exit(USAGE) from None
    from relay.service.history import warnings_of_history

    found: list[Problem] = []
    if live:
        from relay.service.live import examine

        found = asyncio.run(examine(loaded))
    warned = [*warnings_of(loaded), *asyncio.run(warnings_of_history(loaded))]
    _tell([*warned, *found], json)
    if found:
        note(f"{file}: read without a fault; seen from outside: {len(found)} to look at")
        raise typer.Exit(REFUSED)
    if not json:
        many = {0: "", 1: "; 1 warning"}.get(len(warned), f"; {len(warned)} warnings")
        say(f"{file}: read without a fault{many}")


def _found(config: Path | None, json: bool) -> Path:
    """The file to check; one that is not there is a row as any other fault."""
    try:
        return find_config(config)
    except SourceError as error:
        if not json:
            fail(error, USAGE)
        _tell(error.problems, json)
        raise typer.Exit(USAGE) from None


def _tell(problems: Iterable[Problem], json: bool) -> None:
    if json:
        as_json([shape(problem) for problem in problems])
        return
    for problem in problems:
        say(problem)
