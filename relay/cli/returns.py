"""`lpse-relay returns`: letters that came to the return address and that no program could read."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import typer

from relay.cli.moments import local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import REFUSED, UNREACHABLE, USAGE, as_json, fail, note, say, table
from relay.mail import ids

app = typer.Typer(
    no_args_is_help=True,
    help="Letters to the return address that no program could read: a person's, or a report in"
    " unknown words. Late bounces and complaints stand beside their letters: queue show, inbox ls.",
)

IdArgument = Annotated[str, typer.Argument(help="an id of `returns ls`")]
LISTED = ("id", "at", "from", "to", "subject", "octets", "why")
T = TypeVar("T")


@app.command("ls")
def ls(
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """List the letters that wait, the newest first; each is kept for 30 days."""
    site = Site.of(config, state_dir)
    from relay.service import offline

    rows = _read(site, offline.returns_ls(site.state_dir, limit))
    if json:
        as_json(rows)
        return
    if not rows:
        say("nothing waits")
        return
    shown = local(site.file)
    table(
        LISTED, ([shown(row[key]) if key == "at" else row[key] for key in LISTED] for row in rows)
    )


@app.command("show")
def show(id: IdArgument, config: ConfigOption = None, state_dir: StateOption = None) -> None:
    """Show a letter as text, everything escaped for the terminal."""
    octets = _octets(id, Site.of(config, state_dir))
    from relay.service import legible

    letter = legible.letter(octets)
    for key in ("from", "to", "subject"):
        say(f"{key.capitalize():8} {letter[key]}")
    say()
    for line in str(letter["text"]).split("\n"):
        say(line.replace("\t", "    ").rstrip("\r"))
    if letter["is_cut"]:
        note("not all of it could be shown: see `lpse-relay returns raw`")


@app.command("raw")
def raw(id: IdArgument, config: ConfigOption = None, state_dir: StateOption = None) -> None:
    """Write a letter's octets as they were received to standard output."""
    sys.stdout.buffer.write(_octets(id, Site.of(config, state_dir)))
    sys.stdout.buffer.flush()


@app.command("rm")
def rm(
    given: Annotated[list[str], typer.Argument(metavar="ID…", help="ids of `returns ls`")],
    yes: Annotated[bool, typer.Option("--yes", help="do it; without it nothing changes")] = False,
    reason: Annotated[str, typer.Option("--reason", help="kept in the audit trail")] = "",
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Remove letters that were dealt with."""
    named = [_id(one) for one in given]
    if not yes:
        say(f"would remove {len(set(named))}; nothing was changed yet: say it again with --yes")
        raise typer.Exit(REFUSED)
    if not reason.strip():
        fail("returns rm: --reason is needed: it is kept in the audit trail", USAGE)
    answer = Site.of(config, state_dir).call("returns.rm", ids=given, reason=reason)
    if json:
        as_json(answer)
    else:
        say(f"{answer['removed']} removed")
    raise typer.Exit(0 if answer["removed"] == len(set(named)) else REFUSED)


def _id(text: str) -> int:
    try:
        number, n = ids.read(text)
    except ValueError as error:
        fail(error, USAGE)
    if n is not None:
        fail(f"{text!r} names a delivery: `returns ls` has ids without a dot", USAGE)
    return number


def _octets(id: str, site: Site) -> bytes:
    number = _id(id)
    from relay.service import offline

    return _read(site, offline.returns_raw(site.state_dir, number))


def _read(site: Site, reading: Coroutine[Any, Any, T]) -> T:
    """What the store tells; it is read whether a relay runs or not."""
    from relay.service.offline import NoLetter, NoStore
    from relay.store.base import StoreError

    try:
        return asyncio.run(reading)
    except NoStore as error:
        fail(f"{error}{site.elsewhere}", UNREACHABLE)
    except (NoLetter, StoreError, OSError) as error:
        fail(error, REFUSED)
