"""Ranges: from what a model's numbers are drawn, read from a YAML file that is handed in as text.

A value is one number or `a..b`; its unit follows from the key: a count (`60`), a length of time
(`30m`), a share (`5%`) or a factor (`1.5`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

from relay.lab.quotas.chance import chance
from relay.mail.instant import millis
from relay.settings import duration
from relay.strict_yaml import Fields, Problem, Reader, SourceError, Text, nearest

MODEL: Final = "model"


class Unit(Enum):
    """What a number counts, and how it is written."""

    COUNT = "a whole number such as 60"
    SPAN = "a length of time such as 30s, 10m or 4h"
    SHARE = "a share such as 5%"
    FACTOR = "a number such as 1.5"


Keys = Mapping[str, Unit]
COUNT, SPAN, SHARE, FACTOR = Unit


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, both in the unit's own measure (spans in milliseconds)."""

    low: float
    high: float
    unit: Unit

    def drawn(self, seed: int, *names: object) -> float:
        """An even draw; a count may be either end."""
        if self.low == self.high:
            return self.low
        at = chance(seed, *names)
        if self.unit is Unit.COUNT:
            return int(self.low + (self.high - self.low + 1) * at)
        return self.low + (self.high - self.low) * at


@dataclass(frozen=True, slots=True)
class Ranges:
    """One model's file."""

    model: str
    values: Mapping[str, Range]

    def count(self, key: str, seed: int, *names: object) -> int:
        """A count or a span, drawn for the seed and the names."""
        return int(self.number(key, seed, *names))

    def number(self, key: str, seed: int, *names: object) -> float:
        """A share or a factor, drawn for the seed and the names."""
        return self.values[key].drawn(seed, self.model, key, *names)


def parse(text: str, where: str, models: Mapping[str, Keys]) -> Ranges:
    """Read one model's file. Raises SourceError naming file, line, key, and what was meant."""
    reader = Reader(where)
    root = reader.read(text)
    if not isinstance(root, Fields):
        message = "a model's file is a list of `key: value`"
        raise SourceError([Problem(where, root.line, "(file)", message)])
    model = reader.text(root, MODEL)
    keys = models.get(model)
    if keys is None:
        if MODEL in root.values:
            reader.problem(root, f"no model: {model!r}", nearest(model, models), key=MODEL)
        reader.stop()
        raise AssertionError  # a file without a model has stopped already
    reader.known(root, (MODEL, *keys))
    values = {}
    for key, unit in keys.items():
        written = reader.text(root, key)
        node = root.values.get(key)
        if isinstance(node, Text) and not node.is_null:
            found = _range(reader, node, written, unit)
            if found is not None:
                values[key] = found
    reader.stop()
    return Ranges(model, values)


def _range(reader: Reader, node: Text, written: str, unit: Unit) -> Range | None:
    first, dots, second = written.partition("..")
    ends = []
    for part in (first, second) if dots else (first,):
        number = _number(part.strip(), unit)
        if number is None:
            hint = f"write {unit.value}, or two of them as a..b"
            reader.problem(node, f"{part.strip()!r} is no value here", hint)
            return None
        ends.append(number)
    low, high = ends[0], ends[-1]
    if low > high:
        swapped = f"write {second.strip()}..{first.strip()}"
        reader.problem(node, f"the range {written!r} runs backwards", swapped)
        return None
    return Range(low, high, unit)


def _number(text: str, unit: Unit) -> float | None:
    """One end of a range in the unit's measure; None where it is no such thing."""
    if unit is Unit.SPAN:
        return _span(text)
    if unit is Unit.SHARE:
        number = _decimal(text.removesuffix("%")) if text.endswith("%") else None
        return number / 100 if number is not None and number <= 100 else None
    number = _decimal(text)
    if unit is Unit.COUNT and number is not None and (number < 1 or number % 1):
        return None
    return number


def _span(text: str) -> float | None:
    try:
        length = duration(text)
    except ValueError:
        return None
    return float(millis(length)) if isinstance(length, timedelta) else None


def _decimal(text: str) -> float | None:
    """A plain decimal number: no sign, no exponent, no `nan`."""
    digits = text.replace(".", "", 1)
    return float(text) if digits.isascii() and digits.isdigit() else None
