"""YAML text read strictly: every value a text with its line, so that errors can point.

Nothing is guessed: no value becomes a number, a date or a boolean by its looks (``5.10`` stays
``5.10``, ``off`` stays ``off``), a doubled key is an error, and aliases are refused, so that a
small file cannot unfold into a large one. Pure: the text is handed in.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MAX_SUGGESTION_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a file: ``line`` counts from 1, 0 where the fault is
    no line's; ``key`` is its path (``rules[3].scope``), empty where it is the whole file's."""

    file: str
    line: int
    key: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        hint = f" ({self.suggestion})" if self.suggestion else ""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (where, self.key, self.message) if part) + hint


class SourceError(ValueError):
    """A file that cannot be used; ``problems`` holds every fault found, in the file's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar and where it stands; ``is_null`` for an empty or ``null`` plain value."""

    value: str
    line: int
    key: str
    is_null: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence and where it stands."""

    values: tuple[Node, ...]
    line: int
    key: str


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping and where it stands; its keys are texts."""

    values: dict[str, Node]
    line: int
    key: str


Node = Text | Items | Fields


@dataclass(slots=True)
class Reader:
    """Reads one file and gathers its problems; ``stop`` raises when there are any."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def problem(self, at: Node, message: str, suggestion: str = "", key: str = "") -> None:
        """Note a fault at a node, or at the ``key`` below it."""
        path = ".".join(part for part in (at.key, key) if part)
        named = at.values.get(key) if isinstance(at, Fields) else None
        line = named.line if named else at.line
        self.problems.append(Problem(self.file, line, path, message, suggestion))

    def stop(self) -> None:
        """Raise SourceError if anything was found."""
        if self.problems:
            raise SourceError(sorted(self.problems, key=lambda p: p.line))

    def read(self, text: str) -> Node:
        """The tree of one YAML document. Raises SourceError where it is no YAML at all."""
        try:
            root = _composed(text)
        except yaml.YAMLError as error:
            raise SourceError([_unread(self.file, text, error)]) from None
        except (RecursionError, ValueError) as error:
            message = f"not YAML: {type(error).__name__}"
            raise SourceError([Problem(self.file, 1, "", message)]) from None
        if root is None:
            return Fields({}, 1, "")
        return self._node(root, "", set())

    def _node(self, node: yaml.Node, key: str, seen: set[int], at: int | None = None) -> Node:
        line = at or node.start_mark.line + 1
        if id(node) in seen:
            self.problem(Text("", line, key), "aliases (*name) are not read", "write it out")
            return Text("", line, key, is_null=True)
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._fields(node, key, line, seen)
        if isinstance(node, yaml.SequenceNode):
            parts = (self._node(part, f"{key}[{n}]", seen) for n, part in enumerate(node.value))
            return Items(tuple(parts), line, key)
        is_null = not getattr(node, "style", None) and node.value in ("", "~", "null")
        return Text(str(node.value), line, key, is_null)

    def _fields(self, node: yaml.MappingNode, key: str, line: int, seen: set[int]) -> Fields:
        values: dict[str, Node] = {}
        for name, value in node.value:
            here = Text("", name.start_mark.line + 1, key)
            if not isinstance(name, yaml.ScalarNode):
                self.problem(here, "a key must be a plain word")
                continue
            if name.value in values:
                self.problem(here, "this key stands twice", "keep one of them", key=name.value)
                continue
            path = f"{key}.{name.value}" if key else name.value
            values[name.value] = self._node(value, path, seen, here.line)
        return Fields(values, line, key)

    # --- what a rules file is made of

    def known(self, node: Fields, allowed: Iterable[str]) -> None:
        """Note every key that is not among ``allowed``, with the nearest one as suggestion."""
        names = tuple(allowed)
        for name, value in node.values.items():
            if name not in names:
                self.problem(value, "unknown key", nearest(name, names))

    def text(self, node: Fields, name: str, default: str | None = None) -> str:
        """The text under a key; without a default the key is required."""
        value = node.values.get(name)
        if value is None or (isinstance(value, Text) and value.is_null):
            if default is None:
                self.problem(node, "this key is missing", key=name)
            return default or ""
        if not isinstance(value, Text):
            self.problem(value, "one text is expected here, not a list or a mapping")
            return default or ""
        return value.value

    def texts(self, node: Fields, name: str) -> tuple[Text, ...]:
        """The texts under a key: one, a list, or none."""
        value = node.values.get(name)
        if value is None or (isinstance(value, Text) and value.is_null):
            return ()
        if isinstance(value, Text):
            return (value,)
        if isinstance(value, Items):
            for part in value.values:
                if not isinstance(part, Text):
                    self.problem(part, "a text is expected here")
            return tuple(part for part in value.values if isinstance(part, Text))
        self.problem(value, "a text or a list of texts is expected here")
        return ()


def _composed(text: str) -> yaml.Node | None:
    """By libyaml where PyYAML was built with it: six times as fast. What it refuses is read again
    by PyYAML's own parser, for whose words we have plain ones, and so is a text that holds a tab:
    libyaml bears some that are refused here."""
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is not None and "\t" not in text:
        with suppress(yaml.YAMLError, ValueError):
            return yaml.compose(text, Loader=fast)
    return yaml.compose(text, Loader=yaml.SafeLoader)


# What PyYAML says, in plain words; the first that is found counts.
_PLAIN: Final = (
    ("found character '\\t'", "a tab stands there", "indent with spaces"),
    ("expected ',' or '}'", "a comma is missing before this, or a } that closes", ""),
    ("expected ',' or ']'", "a comma is missing before this, or a ] that closes", ""),
    ("expected <block end>", "this belongs to nothing above it", "mind indentation and brackets"),
    ("expected '<document start>'", "this belongs to nothing above it", "mind the brackets"),
    ("mapping values are not", "a colon cannot stand here", "mind the indentation, or quote it"),
    ("could not find expected ':'", "this key has no colon", "write KEY: VALUE"),
    ("sequence entries are not allowed", "a list's - stands where no list can begin", ""),
    ("that cannot start any token", "a value cannot begin with this character", "quote it"),
    ("expected alphabetic or numeric", "a value cannot begin with this character", "quote it"),
    ("undefined alias", "aliases (*name) are not read", "write it out"),
    ("unknown escape character", "in double quotes a \\ has a meaning", "use single quotes"),
    ("expected escape sequence", "in double quotes a \\ has a meaning", "use single quotes"),
    ("another document", "a second document begins here", "leave out the ---"),
    ("special characters are not allowed", "a control character stands there", "leave it out"),
    ("content, but found '<stream end>'", "the file ends within a [ or a {", "close it"),
    ("expected the node content", "a value is missing before this", ""),
    ("expected chomping", "a text after | begins on the next line", ""),
)
_UNCLOSED: Final = ("<stream end>", "unexpected end of stream", "unexpected document separator")


def _unread(file: str, text: str, error: yaml.YAMLError) -> Problem:
    """What keeps a text from being YAML, with its line and column."""
    told = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    begin, here = getattr(error, "context_mark", None), getattr(error, "problem_mark", None)
    what, hint = told, ""
    if begin not in (None, here) and any(word in told for word in _UNCLOSED):
        what, here = "what begins here is never closed", begin
    else:
        known = (plainly for plainly in _PLAIN if plainly[0] in told)
        _, what, hint = next(known, ("", told, ""))
        if "expected ':'" in told:  # found missing only after the key
            here = begin or here
    if here is not None:
        line, column = here.line, here.column
    else:
        before = text[: getattr(error, "position", 0) or 0]
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
    return Problem(file, line + 1, "", f"not YAML: {what}, column {column + 1}", hint)


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean X?`` for a misspelt word, else the list of what is known."""
    names = tuple(known)
    close = difflib.get_close_matches(word[:MAX_SUGGESTION_LENGTH], names, n=1)
    return f"did you mean {close[0]}?" if close else f"one of {', '.join(names)}"


def plain(node: Node) -> Any:
    """The tree as dicts, lists and texts. Only `true` and `false` become booleans; numbers stay
    texts, since only a model knows whether `2024` is a number or a selector's name."""
    if isinstance(node, Fields):
        return {name: plain(value) for name, value in node.values.items()}
    if isinstance(node, Items):
        return [plain(value) for value in node.values]
    if node.is_null:
        return None
    return {"true": True, "false": False}.get(node.value, node.value)
