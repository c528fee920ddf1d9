"""Terminal: how the commands print — tables for people, JSON for scripts, foreign text escaped.

No markup is ever interpreted: a subject or a remote reply that holds `[link=…]` or an escape
sequence stays text. A table in a pipe is never cut, so that `grep` finds what is there.

Errors, of every command alike: a line a fault on standard error and an exit code. Where `--json`
was given, standard output holds one object as well, `{"error": "…"}`, the lines of a longer error
joined by LF; the exit code is the same. Two commands have rows for it: `check --json` prints each
fault as a row of its list, a configuration that is missing too, and `classify --json` of several
replies says `error` in the row of the one that it is about.
"""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn, cast

import typer
from typer.core import TyperGroup

from relay.strict_yaml import SourceError

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3

WIDEST: Final = 48  # columns of a cell on a screen, but for prose and the last cell of a line
NARROWEST: Final = 12  # columns that are left to prose, however narrow the screen is
PROSE: Final = ("why", "why, or its last reply", "subject", "recipient")  # gives way, in order
# click's UsageError, of whichever click typer is built on
_USAGE_ERROR: Final = cast("type[Exception]", typer.BadParameter.__bases__[0])
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
    """Print a table; cells are escaped. On a screen a row is one line: what is prose is shortened
    to the width, and `--json` tells all of it."""
    lines = [list(columns)]
    lines += [[safe("" if value is None else value) for value in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    if sys.stdout.isatty():
        widths = _fitted(columns, widths, shutil.get_terminal_size().columns)
        lines = [list(map(_shortened, line, widths)) for line in lines]
    for line in lines:
        padded = (
            cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
        )
        typer.echo("  ".join(padded).rstrip())


def _fitted(columns: Sequence[str], widths: Sequence[int], screen: int) -> list[int]:
    """The widths with which a line fits the screen, as far as prose can give way."""
    last = len(columns) - 1  # what is no prose there is to be copied, a DNS record for instance
    fitted = [
        width if name in PROSE or n == last else min(width, WIDEST)
        for n, (name, width) in enumerate(zip(columns, widths, strict=True))
    ]
    over = sum(fitted) + 2 * (len(fitted) - 1) - screen
    for name in PROSE:
        if name in columns and over > 0:
            at = columns.index(name)
            given = max(0, min(over, fitted[at] - max(NARROWEST, len(name))))
            fitted[at] -= given
            over -= given
    return fitted


def _shortened(cell: str, widest: int) -> str:
    if _width(cell) <= widest:
        return cell
    kept, used = 0, 1  # the column of the …
    for character in cell:
        used += _width(character)
        if used > widest:
            break
        kept += 1
    return cell[:kept] + "…"


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


class Program(TyperGroup):
    """The root of the commands: it knows whether `--json` was given before anything is read."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does it. Words after `--` are no options."""
        _Wanted.json = "--json" in (args[: args.index("--")] if "--" in args else args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Bad usage is said by click on standard error, and here where JSON is wanted. An answer of
        a relay of another version is no traceback."""
        try:
            return super().invoke(ctx)
        except _USAGE_ERROR as error:
            _error_as_json([error.format_message() if hasattr(error, "format_message") else error])
            raise
        except Exception as error:
            _told_if_mismatched(error)
            raise


class _Wanted:
    """What the command that runs was asked for; one runs in a process."""

    json = False


def fail(message: object, code: int = REFUSED) -> NoReturn:
    """Say why on standard error, a line a fault, and end with the code; with `--json` on standard
    output too, see above."""
    lines = message.problems if isinstance(message, SourceError) else (message,)
    for line in lines:
        typer.secho(f"lpse-relay: {safe(line)}", err=True, fg=typer.colors.RED)
    _error_as_json(lines)
    raise typer.Exit(code)


def _told_if_mismatched(error: Exception) -> None:
    """End with code 1 where the relay that runs does not fit this command."""
    from relay.control.client import Mismatched  # only now: few commands ask a relay

    if isinstance(error, Mismatched):
        fail(error, REFUSED)


def _error_as_json(lines: Iterable[object]) -> None:
    if _Wanted.json:
        as_json({"error": "\n".join(map(str, lines))})
