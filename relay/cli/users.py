"""`lpse-relay users`: who may authenticate at the door."""

from __future__ import annotations

import getpass
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.moments import local
from relay.cli.site import ConfigOption, JsonOption, Site, StateOption
from relay.cli.terminal import USAGE, as_json, fail, say, table
from relay.config.places import word

app = typer.Typer(no_args_is_help=True, help="Users of SMTP AUTH; passwords are kept as argon2id.")

NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
SHORTEST = 12  # characters of a password

NameArgument = Annotated[str, typer.Argument(help="the user's name")]


@app.command("add")
def add(
    name: NameArgument,
    password_file: Annotated[
        Path | None, typer.Option(help="read the password from this file's first line")
    ] = None,
    i_know: Annotated[
        bool, typer.Option("--i-know", help=f"take a password under {SHORTEST} characters")
    ] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Add a user, or give one a new password; it is asked for, or read from standard input."""
    if not NAME.fullmatch(name):
        fail(f"users add: {name!r} is no name: 1–64 of A-Z a-z 0-9 . _ @ -", USAGE)
    site = Site.of(config, state_dir)
    password = _password(name, password_file)
    if not password:
        fail("users add: a password may not be empty", USAGE)
    if len(password) < SHORTEST and not i_know:
        many = f"{len(password)} character{'' if len(password) == 1 else 's'}"
        fail(f"users add: a password of {many} is guessed: {SHORTEST} or more, or --i-know", USAGE)
    changed = site.call("users.add", name=name, password=password).get("changed", False)
    if json:
        as_json({"name": name, "added": not changed} | ({"changed": True} if changed else {}))
        return
    is_enabled = word(site.file, "auth", "enabled") == "true"
    saved = f"password of {name} changed" if changed else f"user {name} is saved"
    if not is_enabled:
        say(f"{saved}; AUTH is not enabled yet: auth.enabled")
    else:
        say(saved if changed else f"{saved} and may authenticate now")


def _password(name: str, file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
        except OSError as error:
            fail(f"{file}: {error.strerror}", USAGE)
        except UnicodeDecodeError:
            fail(f"{file}: not UTF-8", USAGE)
    if not _is_asked():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"password for {name}: ")
    if password != getpass.getpass("again: "):
        fail("users add: the two are not the same", USAGE)
    return password


def _is_asked() -> bool:
    """A person sits there; otherwise the password is standard input's first line."""
    return sys.stdin.isatty()


@app.command("ls")
def ls(
    json: JsonOption = False, config: ConfigOption = None, state_dir: StateOption = None
) -> None:
    """List the users."""
    site = Site.of(config, state_dir)
    users = site.call("users.ls")["users"]
    if json:
        as_json(users)
    else:
        shown = local(site.file)
        rows = ([u["name"], u["role"], shown(u["changed_at"])] for u in users)
        table(["name", "role", "changed"], rows)


@app.command("rm")
def rm(
    name: NameArgument,
    json: JsonOption = False,
    config: ConfigOption = None,
    state_dir: StateOption = None,
) -> None:
    """Remove a user."""
    Site.of(config, state_dir).call("users.rm", name=name)
    if json:
        as_json({"name": name, "removed": True})
    else:
        say(f"user {name} is gone")
