"""`lpse-relay inbox`: what a vendor's inbox holds, a letter, and a link for the vendor."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer

from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, as_json, fail, note, say, table
from relay.service import offline
from relay.store.base import StoreError

app = typer.Typer(no_args_is_help=True, help="A vendor's inbox: letters, states, a signed link.")

AddressArgument = Annotated[str, typer.Argument(help="the vendor's address")]
IdArgument = Annotated[str, typer.Argument(help="ID, or ID.n")]


@app.command("ls")
def ls(
    address: AddressArgument,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 25,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """List the letters in the inbox of an address, the newest first."""
    site = Site.of(config, state_dir)
    rows = _read(site, offline.inbox_ls(site.state_dir, address, limit))
    if json:
        as_json(rows)
        return
    keys = ("id", "received_at", "subject", "class", "state", "category", "read_at")
    table([key.replace("_at", "") for key in keys], ([row[key] for key in keys] for row in rows))


@app.command("show")
def show(id: IdArgument, config: ConfigOption = None, state_dir: StateOption = None) -> None:
    """Show a letter as text, escaped for the terminal."""
    site = Site.of(config, state_dir)
    for line in (
        _read(site, offline.inbox_raw(site.state_dir, id)).decode("utf-8", "replace").split("\n")
    ):
        say(line.rstrip("\r"))


@app.command("raw")
def raw(id: IdArgument, config: ConfigOption = None, state_dir: StateOption = None) -> None:
    """Write a letter's octets as they were received to standard output."""
    site = Site.of(config, state_dir)
    sys.stdout.buffer.write(_read(site, offline.inbox_raw(site.state_dir, id)))


@app.command("link")
def link(
    address: AddressArgument,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Print a signed link to the inbox of an address; it is good once, and for some minutes."""
    answer = Site.of(config, state_dir).call("inbox.link", address=address)
    if json:
        as_json(answer)
    else:
        sys.stdout.write(answer["url"] + "\n")
        note(f"good once, until {answer['until']}")


def _read(site: Site, reading: Any) -> Any:
    try:
        return asyncio.run(reading)
    except (StoreError, KeyError, ValueError, OSError) as error:
        fail(error.args[0] if error.args else error, REFUSED)
