"""`lpse-relay inbox`: what a vendor's inbox holds, a letter, and a link for the vendor."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from relay.cli.late import LATE
from relay.cli.moments import local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, UNREACHABLE, USAGE, as_json, fail, note, say, table
from relay.control import ControlClient, ControlError, Unreachable
from relay.mail import ids
from relay.mail.address import AddressError, parse

app = typer.Typer(no_args_is_help=True, help="A vendor's inbox: letters, states, a signed link.")

AddressArgument = Annotated[str, typer.Argument(help="the vendor's address")]
IdArgument = Annotated[str, typer.Argument(help="ID, or ID.n")]

LISTED = ("id", "received_at", "class", "state", "category", "read_at", "subject")
T = TypeVar("T")


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
    from relay.service import offline

    rows = read(site, offline.inbox_ls(site.state_dir, address, limit), address)
    if json:
        as_json(rows)
        return
    shown = local(site.file)
    for row in rows:
        if "returned_at" in row:
            row["state"] = "delivered, later returned"
    table(
        [key.removesuffix("_at") for key in LISTED],
        ([shown(row[key]) if key.endswith("_at") else row[key] for key in LISTED] for row in rows),
    )


@app.command("show")
def show(
    id: IdArgument,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Show a letter as text: HTML without its marks, everything escaped for the terminal."""
    site = Site.of(config, state_dir)
    octets = _octets(id, site)
    from relay.service import legible, offline

    letter = {"id": id.strip().upper()} | legible.letter(octets)
    late = read(site, offline.late_of(site.state_dir, id))
    if late:
        letter["late"] = late
    if json:
        as_json(letter)
        return
    for key in ("from", "to", "subject"):
        say(f"{key.capitalize():8} {letter[key]}")
    for one in late:
        said = " ".join(one["text"].split())
        say(f"{'State':8} {LATE[one['kind']]} ({local(site.file)(one['at'])}) {said}".rstrip())
    say()
    for line in str(letter["text"]).split("\n"):
        say(line.replace("\t", "    ").rstrip("\r"))
    for one in letter["attachments"]:
        say(f"[attached: {one['name']}, {one['type']}, {one['octets']} octets]")
    if letter["is_cut"]:
        note("not all of it could be shown: see `lpse-relay inbox raw`")


@app.command("raw")
def raw(id: IdArgument, config: ConfigOption = None, state_dir: StateOption = None) -> None:
    """Write a letter's octets as they were received to standard output."""
    octets = _octets(id, Site.of(config, state_dir))
    sys.stdout.buffer.write(octets)
    sys.stdout.buffer.flush()


@app.command("link")
def link(
    address: AddressArgument,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Print a signed link to the inbox of an address; it is good once, and for some minutes."""
    site = Site.of(config, state_dir)
    try:
        answer = ControlClient(site.control).call("inbox.link", address=address)
    except Unreachable as error:
        site.refused(error)
    except ControlError as error:
        _no_inbox(error, address)
    if json:
        as_json(answer)
    else:
        say(answer["url"])
        note(f"good once, until {local(site.file)(answer['until'])}")


def _octets(id: str, site: Site) -> bytes:
    try:
        ids.read(id)
    except ValueError as error:
        fail(error, USAGE)
    from relay.service import offline

    return read(site, offline.inbox_raw(site.state_dir, id))


def _no_inbox(error: Exception, text: str) -> NoReturn:
    """An inbox that is not there. Letters to what is no address have one too, if any came."""
    try:
        parse(text)
    except AddressError:
        fail(f"not an address: {text!r}", USAGE)
    fail(error, REFUSED)


def read(site: Site, reading: Coroutine[Any, Any, T], address: str | None = None) -> T:
    """What the store tells; it is read whether a relay runs or not."""
    from relay.service.offline import NoLetter, NoStore
    from relay.store.base import StoreError

    try:
        return asyncio.run(reading)
    except NoLetter as error:
        if address is not None:
            _no_inbox(error, address)
        fail(error, REFUSED)
    except NoStore as error:
        fail(f"{error}{site.elsewhere}", UNREACHABLE)
    except (StoreError, OSError) as error:
        fail(error, REFUSED)
