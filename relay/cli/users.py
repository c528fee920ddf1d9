"""`lpse-relay users`: who may authenticate at the door."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import USAGE, as_json, fail, say, table

app = typer.Typer(no_args_is_help=True, help="Users of SMTP AUTH; passwords are kept as argon2id.")

NameArgument = Annotated[str, typer.Argument(help="the user's name")]


@app.command("add")
def add(
    name: NameArgument,
    password_file: Annotated[
        Path | None, typer.Option(help="read the password from this file's first line")
    ] = None,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Add a user, or give one a new password; it is asked for, or read from standard input."""
    site = Site.of(config, state_dir)
    if password_file is not None:
        try:
            password = password_file.read_text().split("\n", 1)[0]
        except OSError as error:
            fail(f"{password_file}: {error.strerror}", USAGE)
    elif sys.stdin.isatty():
        password = getpass.getpass(f"password for {name}: ")
        if password != getpass.getpass("again: "):
            fail("the two are not the same", USAGE)
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        fail("a password may not be empty", USAGE)
    site.call("users.add", name=name, password=password)
    say(f"user {name} may authenticate now")


@app.command("ls")
def ls(
    json: JsonOption = False, config: ConfigOption = None, state_dir: StateOption = None
) -> None:
    """List the users."""
    users = Site.of(config, state_dir).call("users.ls")["users"]
    if json:
        as_json(users)
    else:
        table(["name", "role", "changed"], ([u["name"], u["role"], u["changed_at"]] for u in users))


@app.command("rm")
def rm(name: NameArgument, config: ConfigOption = None, state_dir: StateOption = None) -> None:
    """Remove a user."""
    Site.of(config, state_dir).call("users.rm", name=name)
    say(f"user {name} is gone")
