"""Terminal: how the commands print — tables for people, JSON for scripts, foreign text escaped."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3

console: Final = Console(highlight=False, soft_wrap=True)
errors: Final = Console(stderr=True, highlight=False, soft_wrap=True)

_DANGEROUS: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: object) -> str:
    """Foreign text for a terminal: control, bidi and unassigned characters as escapes."""
    return "".join(
        character
        if character.isprintable() and unicodedata.category(character) not in _DANGEROUS
        else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )


def cell(text: object) -> Text:
    """The same as a table's cell; `[link=…]` and other markup stays what it is: text."""
    return Text(safe("" if text is None else text))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table; cells are escaped."""
    grid = Table(*columns, title=Text(title) if title else None, box=None, header_style="bold")
    for row in rows:
        grid.add_row(*(cell(value) for value in row))
    console.print(grid)


def say(text: object) -> None:
    """A line to standard output, escaped, without markup."""
    console.print(Text(safe(text)))


def note(text: object) -> None:
    """A line to standard error, escaped, without markup."""
    errors.print(Text(safe(text)))


def as_json(value: Any) -> None:
    """One JSON document on standard output, ASCII, so that no terminal is talked to."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def fail(message: object, code: int = REFUSED) -> NoReturn:
    """Say why on standard error, and end with the code."""
    errors.print(Text(f"lpse-relay: {safe(message)}", style="red"))
    raise typer.Exit(code)
