"""Cells: CSV that a spreadsheet shows and never runs.

A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return is a formula to
Excel and LibreOffice; text that does gets an apostrophe in front. A number stays a number.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TextIO

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe(value: object) -> str:
    """A value as a cell; None is an empty one."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("\0", "")
    made = "'" + text if text.startswith(_FORMULA) else text
    return made.replace("\r\n", "\n").replace("\r", "\n")


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
