"""`lpse-relay check`: every fault of the configuration at once, before anything starts."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from relay.cli.site import ConfigOption, JsonOption, StateOption, config_file
from relay.cli.terminal import REFUSED, USAGE, as_json, note, say
from relay.config import Problem, SourceError, load
from relay.service.live import examine


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
    """Check relay.yaml and site.d: exit 2 and every fault with file, line, key and suggestion."""
    file = config_file(config)
    try:
        loaded = load(file, state_dir)
    except SourceError as error:
        if json:
            as_json([shape(problem) for problem in error.problems])
        else:
            for problem in error.problems:
                say(problem)
            note(f"{len(error.problems)} problems: nothing would start with this")
        raise typer.Exit(USAGE) from None
    found = asyncio.run(examine(loaded)) if live else []
    if json:
        as_json([shape(problem) for problem in found])
    else:
        for problem in found:
            say(problem)
        say(f"{file}: {'read without a fault' if not found else f'{len(found)} to look at'}")
    if found:
        raise typer.Exit(REFUSED)
