"""Cells: CSV that a spreadsheet shows and never runs.

A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return is a formula to
Excel and LibreOffice; text that does gets an apostrophe in front. A number stays a number. What
talks to a terminal (control characters but LF and tab, marks that turn the reading direction) is
escaped, since a CSV is also looked at there.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TextIO

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_TALKS: Final = re.compile(
    r"[\x01-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


def safe(value: object) -> str:
    """A value as a cell; None is an empty one."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("\0", "")
    made = "'" + text if text.startswith(_FORMULA) else text
    lines = made.replace("\r\n", "\n").replace("\r", "\n")
    return _TALKS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), lines)


def writer(out: TextIO, columns: Sequence[str]) -> Callable[[Mapping[str, object]], None]:
    """Writes the line of names; then a line each time that it is called (RFC 4180, LF)."""
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(columns)

    def write_row(row: Mapping[str, object]) -> None:
        lines.writerow([safe(row.get(name)) for name in columns])

    return write_row


def write(out: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """All of it."""
    write_row = writer(out, columns)
    for row in rows:
        write_row(row)
