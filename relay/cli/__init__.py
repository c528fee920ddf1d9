"""The command line: `lpse-relay …`, a file a command group; it prints what others compute.

Exit codes: 0 done; 1 refused, done in part, or only shown; 2 usage or configuration; 3 the relay
cannot be reached (and the command needs it). What a command needs is imported when it runs: asking
a running relay takes neither the store nor the road with it.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from relay import __version__
from relay.cli import (
    alerts,
    check,
    classify,
    explain,
    fuse,
    inbox,
    keys,
    maillog,
    providers,
    queue,
    refused,
    rehearse,
    replies,
    report,
    requeue,
    returns,
    run,
    suppression,
    users,
)
from relay.cli.terminal import Program, say

app = typer.Typer(
    name="lpse-relay",
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="An SMTP relay for LPSE: no letter lost, each provider's pace kept.",
    epilog="Exit codes: 0 done; 1 refused, done in part, or only shown before --yes; "
    "2 usage or configuration; 3 the relay cannot be reached.",
)
app.command()(run.run)
app.command()(check.check)
queue.app.command("requeue", help=requeue.HELP)(requeue.requeue)
app.add_typer(queue.app, name="queue")
app.command()(providers.providers)
app.command()(providers.pause)
app.command()(providers.resume)
app.command()(explain.explain)
app.add_typer(fuse.app, name="fuse")
app.add_typer(inbox.app, name="inbox")
app.add_typer(refused.app, name="refused")
app.add_typer(returns.app, name="returns")
app.add_typer(suppression.app, name="suppression")
app.add_typer(report.app, name="report")
app.command()(alerts.alerts)
app.command()(classify.classify)
app.add_typer(replies.app, name="replies")
app.command()(maillog.maillog)
app.command()(rehearse.rehearse)
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")


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
