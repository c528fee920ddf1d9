"""Mending: a file with faulty values, read as if those were left out, so that what lies between its
other keys is checked in the same go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from relay.config import source
from relay.settings import Settings
from relay.strict_yaml import Node, Problem, plain

ROUNDS: Final = 20  # a validator over several keys runs only once each of them is sound


@dataclass(slots=True)
class Mended:
    """What stands, what is wrong with the rest, and where in the file that is."""

    settings: Settings | None = None
    problems: list[Problem] = field(default_factory=list)
    spoilt: set[tuple[str | int, ...]] = field(default_factory=set)


def mended(root: Node, file: str, model: type[Settings]) -> Mended:
    """Validate; leave out what is faulty, and validate again, until it stands.

    An unknown key is a fault and spoils nothing. `settings` is None where nothing can be left out.
    """
    found = Mended()
    values = plain(root)
    for _ in range(ROUNDS):
        try:
            found.settings = model.model_validate(values)
            return found
        except ValidationError as error:
            fresh = source.problems(error, root, file, model, found.spoilt)
            found.problems += (one for one in fresh if one not in found.problems)
            items = error.errors(include_url=False)
            faulty = [(source.written(values, item["loc"]), item["type"]) for item in items]
            if not isinstance(values, dict) or not all(path for path, _ in faulty):
                return found
            for path, kind in faulty:
                if kind != "extra_forbidden":
                    found.spoilt.add(path)
                _leave_out(values, path)
    return found


def _leave_out(values: dict[str, Any], path: Sequence[str | int]) -> None:
    """Remove the key that the path ends at; of a list, the whole, so that no number shifts. It may
    be gone already, with a list that held another fault."""
    nodes: list[Any] = [values]
    for step in path[:-1]:
        try:
            nodes.append(nodes[-1][step])
        except (KeyError, IndexError):
            return
    for node, step in reversed(list(zip(nodes, path, strict=True))):
        if isinstance(node, dict):
            node.pop(step, None)
            return
