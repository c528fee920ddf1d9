"""`lpse-relay refused`: letters that the application was refused after DATA, kept for a while."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.cli.inbox import IdArgument, read
from relay.cli.moments import local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, USAGE, as_json, fail, note, say, table
from relay.mail import ids

app = typer.Typer(
    no_args_is_help=True,
    help="Letters that a trusted client was refused after DATA: kept for `refused.keep`, to be seen"
    " and handed in again.",
)

LISTED = ("id", "last_at", "times", "sender", "to", "reason", "subject")
SHOWN = ("at", "last_at", "times", "client", "sender", "subject", "code", "reply", "reason", "size")


@app.command("ls")
def ls(
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """List them, the latest first."""
    site = Site.of(config, state_dir)
    from relay.service import turned_away

    rows = read(site, turned_away.listed(site.state_dir, limit))
    if json:
        as_json(rows)
        return
    if not rows:
        say("no refused letter is kept")
        return
    shown = local(site.file)
    for row in rows:
        row["last_at"], row["to"] = shown(row["last_at"]), row["recipient_count"]
    table([key.removesuffix("_at") for key in LISTED], ([r[key] for key in LISTED] for r in rows))


@app.command("show")
def show(
    id: IdArgument,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Show who handed one in, for whom, and what it was answered."""
    site = Site.of(config, state_dir)
    row, _ = _kept(site, id)
    if json:
        as_json(row)
        return
    shown = local(site.file)
    for key in SHOWN:
        say(f"{key.removesuffix('_at'):9} {shown(row[key]) if key.endswith('_at') else row[key]}")
    for recipient in row["recipients"]:
        say(f"to        {recipient}")
    more = row["recipient_count"] - len(row["recipients"])
    if more > 0:
        say(f"          and {more} more")
    if not row["is_whole"]:
        note("only its beginning is kept: it was too large")


@app.command("export")
def export(
    id: IdArgument,
    out: Annotated[
        Path | None, typer.Option("--out", help="a new file (.eml); without it standard output")
    ] = None,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Write the octets of one as they were received, to be looked at or handed in again."""
    site = Site.of(config, state_dir)
    row, octets = _kept(site, id)
    if not row["is_whole"]:
        note("only its beginning is kept: it was too large")
    if out is None:
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
        return
    try:
        with out.open("xb") as file:
            file.write(octets)
    except OSError as error:
        fail(f"{out}: {error.strerror}", REFUSED)
    say(f"{len(octets)} octets written to {out}")


def _kept(site: Site, id: str) -> tuple[dict[str, Any], bytes]:
    try:
        ids.read(id)
    except ValueError as error:
        fail(error, USAGE)
    from relay.service import turned_away

    return read(site, turned_away.kept(site.state_dir, id))
