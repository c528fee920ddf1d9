"""From YAML's tree to plain values for the models, and from a model's error back to its line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from relay.config import words
from relay.strict_yaml import Fields, Items, Node, Problem, Reader, Text, nearest


def at(root: Node, path: Sequence[str | int]) -> Node:
    """The deepest node that stands on the path."""
    node = root
    for step in path:
        if isinstance(node, Fields) and step in node.values:
            node = node.values[str(step)]
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.values):
            node = node.values[step]
    return node


def show(path: Iterable[str | int]) -> str:
    """`listen[0].tls`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def path_of(shown: str) -> tuple[str | int, ...]:
    """`filters[2].use` as a path; what `show` made of it."""
    steps: list[str | int] = []
    for word in shown.split("."):
        name, *numbers = word.replace("]", "").split("[")
        steps += [name, *map(int, numbers)]
    return tuple(steps)


def problems(
    error: ValidationError,
    root: Node,
    file: str,
    model: type[BaseModel],
    spoilt: Collection[tuple[str | int, ...]] = (),
) -> list[Problem]:
    """Each fault that pydantic found, with file, line, key and a suggestion; `spoilt`: where what
    stands was left out, so that it is not said to be missing."""
    found = []
    for item in error.errors(include_url=False):
        path = written(root, item["loc"])
        message, suggestion = words.of(item)
        if item["type"] == "extra_forbidden":
            message = "unknown key"
            suggestion = nearest(str(path[-1]), known_keys(model, path[:-1]))
        elif item["type"] == "missing":
            if path in spoilt:
                continue
            path, message = item["loc"], "this key is missing"
        node = at(root, path)
        found.append(Problem(file, node.line, show(path), message, suggestion))
    # A union says the same once for each of its members.
    return sorted(dict.fromkeys(found), key=lambda problem: problem.line)


def written(root: Any, loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """The part of pydantic's location that stands in the file (it adds names of union members).
    `root`: a tree, or the plain values of one."""
    path: list[str | int] = []
    node = root
    for step in loc:
        inside: Any = node.values if isinstance(node, Fields | Items) else node
        is_there = isinstance(inside, Mapping) and step in inside
        if isinstance(inside, list | tuple) and isinstance(step, int):
            is_there = step < len(inside)
        if is_there:
            node = inside[step]
            path.append(step)
    return tuple(path)


def known_keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The keys that the model knows at a path."""
    here: list[type[BaseModel]] = [model]
    for step in path:
        following = []
        for kind in here:
            field = kind.model_fields.get(str(step))
            following += _models(field.annotation) if field else []
        here = following or here
    return sorted({f.alias or name for kind in here for name, f in kind.model_fields.items()})


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Annotated, Union, UnionType, tuple, list, dict):
        return [kind for part in get_args(annotation) for kind in _models(part)]
    return []


def read(text: str, file: str) -> Node:
    """The tree of a file. Raises SourceError with every doubled key or broken line."""
    reader = Reader(file)
    root = reader.read(text)
    if not isinstance(root, Fields):
        reader.problem(Text("", root.line, ""), "the file must be a mapping of keys")
    reader.stop()
    return root
