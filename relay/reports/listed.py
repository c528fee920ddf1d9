"""Listed: a file of addresses for the suppression list, as CSV or JSON, row by row; a row that
cannot be read is named by its number and keeps no other from being read.

A column that nobody knows is named, for what stands there is not read; where it looks like one that
is known the whole file is refused, so that no row gets a default in the place of what was written.
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

COLUMNS: Final = (
    "address",
    "reason",
    "rule",
    "count",
    "first_at",
    "last_at",
    "until_at",
    "note",
)
TAKEN: Final = frozenset(COLUMNS) - {"count"}
LONGEST: Final = 1_000  # characters of a cell
LONGEST_NAME: Final = 40  # characters of a column's name that are looked at and shown
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class NoList(ValueError):
    """The whole file is none; the message says why."""


@dataclass(frozen=True, slots=True)
class Given:
    """A row that can be asked about; `number` is its line in the file, or its place in the list."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be read."""

    number: int
    error: str


@dataclass(frozen=True, slots=True)
class Unread:
    """Columns that are not read, as they are written in the file; it comes before the rows."""

    names: tuple[str, ...]


def from_csv(lines: Iterable[str]) -> Iterator[Given | Broken | Unread]:
    """Rows of a CSV with a line of names, a row a line; commas or semicolons. Raises NoList."""
    source = iter(lines)
    first = next(source, "").removeprefix("\ufeff")
    mark = ";" if first.count(";") > first.count(",") else ","
    names = [name.strip().lower() for name in next(csv.reader([first], delimiter=mark), [])]
    if "address" not in names:
        known = ", ".join(sorted(TAKEN))
        raise NoList(f"line 1 names no column `address`: columns are {known}")
    if len(set(names)) != len(names):
        raise NoList("line 1 names a column twice")
    yield from _unread(names)
    for number, line in enumerate(source, 2):  # a row a line: an open quote swallows no other
        try:
            cells = next(csv.reader([line], delimiter=mark, strict=True), [])
        except csv.Error as error:
            yield Broken(number, f"no CSV: {error}")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            yield Broken(number, f"{len(cells)} cells, where line 1 names {len(names)} columns")
            continue
        yield _row(number, dict(zip(names, map(_plain, cells), strict=True)))


def from_json(text: str) -> Iterator[Given | Broken | Unread]:
    """Rows of a JSON list of objects; a key of any of them is a column. Raises NoList."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoList(f"no JSON: {error}") from None
    if not isinstance(found, list):
        raise NoList("no JSON list of objects")
    yield from _unread(dict.fromkeys(key for one in found if isinstance(one, dict) for key in one))
    for number, one in enumerate(found, 1):
        if not isinstance(one, dict):
            yield Broken(number, "no JSON object")
            continue
        cells = {key: value for key, value in one.items() if key in TAKEN and value is not None}
        wrong = next((key for key, value in cells.items() if not isinstance(value, str)), None)
        if wrong is not None:
            yield Broken(number, f"{wrong}: a text is needed")
        else:
            yield _row(number, cells)


def _unread(names: Iterable[str]) -> Iterator[Unread]:
    """What is not read of these columns. Raises NoList where one was perhaps meant otherwise."""
    unknown = [name for name in names if name not in COLUMNS]
    hints = [
        f"column {name[:LONGEST_NAME]!r} is unknown: did you mean {close[0]}?"
        for name in unknown
        if (close := difflib.get_close_matches(name[:LONGEST_NAME].lower(), COLUMNS, n=1))
    ]
    if hints:
        raise NoList(f"{'; '.join(hints)} Rename it or take it out; nothing was read")
    if unknown:
        yield Unread(tuple(name[:LONGEST_NAME] for name in unknown))


def _row(number: int, cells: dict[str, Any]) -> Given | Broken:
    kept = {key: value for key, value in cells.items() if key in TAKEN}
    for key, value in kept.items():
        if len(value) > LONGEST:
            return Broken(number, f"{key}: longer than {LONGEST} characters")
        if not _is_text(value):
            return Broken(number, f"{key}: not UTF-8")
    return Given(number, kept)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(cell: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from running it."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
