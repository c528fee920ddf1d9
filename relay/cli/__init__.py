"""The command line: `lpse-relay …`, a file a command group; it prints what others compute.

Exit codes: 0 done; 1 refused, or done in part; 2 usage or configuration; 3 the relay cannot be
reached (and the command needs it).
"""

from __future__ import annotations

from typing import Annotated

import typer

from relay import __version__
from relay.cli import check, classify, inbox, keys, providers, queue, run, users
from relay.cli.terminal import console

app = typer.Typer(
    name="lpse-relay",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An SMTP relay for LPSE: no letter lost, each provider's pace kept.",
)
app.command()(run.run)
app.command()(check.check)
app.add_typer(queue.app, name="queue")
app.command()(providers.providers)
app.command()(providers.pause)
app.command()(providers.resume)
app.add_typer(inbox.app, name="inbox")
app.command()(classify.classify)
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="print the version and end")] = False,
) -> None:
    """An SMTP relay for LPSE: no letter lost, each provider's pace kept."""
    if show:
        console.print(f"lpse-relay {__version__}")
        raise typer.Exit


def main() -> None:
    """The entry of `lpse-relay` and of `python -m relay`."""
    app()
