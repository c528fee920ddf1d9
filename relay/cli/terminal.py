"""Terminal: how the commands print — tables for people, JSON for scripts, foreign text escaped.

No markup is ever interpreted: a subject or a remote reply that holds `[link=…]` or an escape
sequence stays text. A table in a pipe is never cut, so that `grep` finds what is there.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn

import typer

from relay.strict_yaml import SourceError

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3

WIDEST: Final = 48  # columns of a cell on a screen, but for the last cell of a line
_DANGEROUS: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: object) -> str:
    """Foreign text for a terminal: control, bidi and unassigned characters as escapes."""
    return "".join(
        character
        if character.isprintable() and unicodedata.category(character) not in _DANGEROUS
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in str(text)
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; cells are escaped, and shortened only on a screen."""
    widest = WIDEST if sys.stdout.isatty() else None
    lines = [list(columns)]
    for row in rows:
        cells = [safe("" if value is None else value) for value in row]
        lines.append([_shortened(cell, widest) for cell in cells[:-1]] + cells[-1:])
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (
            cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
        )
        typer.echo("  ".join(padded).rstrip())


def _shortened(cell: str, widest: int | None) -> str:
    return cell if widest is None or len(cell) <= widest else cell[: widest - 1] + "…"


def _width(text: str) -> int:
    """Columns that a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def say(text: object = "") -> None:
    """A line to standard output, escaped."""
    typer.echo(safe(text))


def note(text: object) -> None:
    """A line to standard error, escaped."""
    typer.echo(safe(text), err=True)


def as_json(value: Any) -> None:
    """One JSON document on standard output, ASCII, so that no terminal is talked to."""
    typer.echo(json.dumps(value, indent=2))


def fail(message: object, code: int = REFUSED) -> NoReturn:
    """Say why on standard error, a line a fault, and end with the code."""
    lines = message.problems if isinstance(message, SourceError) else (message,)
    for line in lines:
        typer.secho(f"lpse-relay: {safe(line)}", err=True, fg=typer.colors.RED)
    raise typer.Exit(code)
