"""`lpse-relay fuse`: what was held instead of bounced in masses, and what becomes of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from relay.cli.moments import local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, say, table

app = typer.Typer(
    help="What was held instead of bounced, because far too much was refused at once: a provider's"
    " bad hour, or one bad letter. Without a command it is listed."
)

COLUMNS = ("fuse", "state", "since", "held", "bounced before", "addresses", "why")

NameArgument = Annotated[str, typer.Argument(metavar="FUSE", help="gmail, gmail:content, …")]
YesOption = Annotated[bool, typer.Option("--yes", help="do it; without it only a preview is shown")]
ReasonOption = Annotated[str, typer.Option("--reason", help="kept in the audit trail")]
PREVIEW = (
    "Without --yes it is only shown what would be done: nothing changes, and the exit code is 1."
)


@app.callback(invoke_without_command=True)
def fuse(
    context: typer.Context,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """List what there is to decide, where no command follows."""
    if context.invoked_subcommand is None:
        ls(json, config, state_dir)
    elif json or config or state_dir:
        fail(f"fuse: options go behind the command: fuse {context.invoked_subcommand} …", USAGE)


@app.command("ls")
def ls(
    json: JsonOption = False, config: ConfigOption = None, state_dir: StateOption = None
) -> None:
    """List the fuses that are blown, or that left something to decide."""
    site = Site.of(config, state_dir)
    answer = site.call("fuse.ls")["fuses"]
    if json:
        as_json(answer)
        return
    if not answer:
        say("no fuse is blown, and nothing waits to be decided")
        return
    shown = local(site.file)
    table(
        COLUMNS,
        (
            [
                one["fuse"],
                one["state"],
                shown(one["blown_at"]),
                one["held"],
                one["pending"],
                one["addresses"],
                one["why"],
            ]
            for one in answer
        ),
    )


@app.command(
    "confirm",
    help="The refusals were right: what is held bounces, and its senders are told.\n\n" + PREVIEW,
)
def confirm(
    name: NameArgument,
    yes: YesOption = False,
    reason: ReasonOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """See the help."""
    _decide("confirm", name, yes, reason, json, Site.of(config, state_dir))


@app.command(
    "requeue",
    help="The refusals were wrong: what is held goes again, and so do the bounces of the hour"
    " before.\n\n" + PREVIEW,
)
def requeue(
    name: NameArgument,
    yes: YesOption = False,
    reason: ReasonOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """See the help."""
    _decide("requeue", name, yes, reason, json, Site.of(config, state_dir))


def _decide(what: str, name: str, yes: bool, reason: str, json: bool, site: Site) -> None:
    if not name.strip():
        fail(f"{what}: the fuse's name is empty", USAGE)
    if yes and not reason.strip():
        fail(f"{what}: --reason is needed: it is kept in the audit trail", USAGE)
    if not yes:
        _preview(what, name.strip().removeprefix("fuse:"), json, site)
    answer = site.call(f"fuse.{what}", fuse=name, reason=reason)
    if json:
        as_json(answer | {"done": True})
    elif what == "confirm":
        say(f"{answer['held']} held bounced; {answer['pending']} bounced before stay so")
    else:
        say(f"{answer['held']} held and {answer['pending']} bounced go again")


def _preview(what: str, name: str, json: bool, site: Site) -> None:
    answer: list[dict[str, Any]] = site.call("fuse.ls")["fuses"]
    found = next((one for one in answer if one["fuse"] == name), None)
    if found is None:
        names = ", ".join(one["fuse"] for one in answer) or "none"
        fail(f"no fuse {name!r} has anything to decide; those that have: {names}", USAGE)
    if json:
        as_json({"held": found["held"], "pending": found["pending"], "done": False})
    else:
        before = f"{found['pending']} bounced before"
        does = (
            f"bounce {found['held']} held"
            if what == "confirm"
            else (f"send {found['held']} held and {before} again")
        )
        say(f"would {does}")
        say(f"nothing was changed yet: say {what} again with --yes --reason '…'")
    raise typer.Exit(REFUSED)
