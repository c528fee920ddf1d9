"""The command line: `lpse-relay …`, a file a command group; it prints what others compute.

Exit codes: 0 done; 1 refused, done in part, or only shown; 2 usage or configuration; 3 the relay
cannot be reached (and the command needs it). A command's file is imported when the command is given
(only the help of all needs all), and what it needs when it runs: asking a running relay takes
neither the store nor the road with it, nor an event loop.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer

from relay import __version__
from relay.cli.given import read_plainly
from relay.cli.terminal import Program, say

HOMES: Final = {  # the commands, in the order of the help: file and name, a Typer or a function
    "run": "run:run",
    "check": "check:check",
    "providers": "providers:providers",
    "pause": "providers:pause",
    "resume": "providers:resume",
    "explain": "explain:explain",
    "alerts": "alerts:alerts",
    "classify": "classify:classify",
    "maillog": "maillog:maillog",
    "rehearse": "rehearse:rehearse",
    "queue": "requeue:app",  # queue's own, with requeue in it
    "fuse": "fuse:app",
    "inbox": "inbox:app",
    "refused": "refused:app",
    "returns": "returns:app",
    "suppression": "suppression:app",
    "report": "report:app",
    "replies": "replies:app",
    "keys": "keys:app",
    "users": "users:app",
}


class Commands(Program):
    """The root of the commands; each is imported and built when it is asked for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does it."""
        read_plainly(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """All of them."""
        return list(HOMES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The one of that name; None where there is none."""
        names = HOMES if cmd_name not in HOMES else (cmd_name,)  # one of all may have been meant
        for name in names:
            if name not in self.commands:
                self.commands[name] = _built(name, ctx)
        return self.commands.get(cmd_name)


def _built(name: str, ctx: Any) -> Any:
    file, _, member = HOMES[name].partition(":")
    found = getattr(import_module(f"relay.cli.{file}"), member)
    around = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=name)
    else:
        around.command(name)(found)
    made = typer.main.get_group(around).commands[name]
    for command in (made, *getattr(made, "commands", {}).values()):
        read_plainly(command.get_params(ctx))
    return made


app = typer.Typer(
    name="lpse-relay",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="An SMTP relay for LPSE: no letter lost, each provider's pace kept.",
    epilog="Exit codes: 0 done; 1 refused, done in part, or only shown before --yes; "
    "2 usage or configuration; 3 the relay cannot be reached.",
)


def _version(asked: bool) -> None:
    if asked:
        say(f"lpse-relay {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="print the version and end"
        ),
    ] = False,
) -> None:
    """An SMTP relay for LPSE: no letter lost, each provider's pace kept."""


def main() -> None:
    """The entry of `lpse-relay` and of `python -m relay`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal of another encoding is no reason
            stream.reconfigure(errors="backslashreplace")  # to die over a letter's subject
    app()
