"""What is no YAML is said in plain words, with line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config.shipped import profile_texts, rule_texts
from relay.strict_yaml import Fields, Problem, Reader, SourceError, Text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "f:1: not YAML: the file ends within a [ or a {, column 5 (close it)"),
        ("a: [b", "f:1: not YAML: what begins here is never closed, column 4"),
        ("a: {b: 1 c: 2}", "f:1: not YAML: a comma is missing before this, or a } that closes, "),
        ("a: {b: 'x' c: 2}", "f:1: not YAML: a comma is missing before this, or a } that closes, "),
        ("a: ['x' 'y']", "f:1: not YAML: a comma is missing before this, or a ] that closes, c"),
        ("a: {b: c", "f:1: not YAML: what begins here is never closed, column 4"),
        ("a: 1\nb: 'x\nc: 1\n", "f:2: not YAML: what begins here is never closed, column 4"),
        ("a: b: c", "f:1: not YAML: a colon cannot stand here, column 5 (mind the indentation, or"),
        ("a: 1\n  b: 2", "f:2: not YAML: a colon cannot stand here, column 4"),
        (
            'a: "x\\d"',
            "f:1: not YAML: in double quotes a \\ has a meaning, column 7 (use single qu",
        ),
        ("a: @x", "f:1: not YAML: a value cannot begin with this character, column 4 (quote it)"),
        ("a: *x", "f:1: not YAML: aliases (*name) are not read, column 4 (write it out)"),
        ("a:\n\t- b", "f:2: not YAML: a tab stands there, column 1 (indent with spaces)"),
        ("a: 1\nb\nc: 1", "f:2: not YAML: this key has no colon, column 1 (write KEY: VALUE)"),
        ("a:\n  - 1\n - 2", "f:3: not YAML: this belongs to nothing above it, column 2 (mind inde"),
        ("a: - b", "f:1: not YAML: a list's - stands where no list can begin, column 4"),
        (
            "a: 1\n---\nb: 2",
            "f:2: not YAML: a second document begins here, column 1 (leave out the",
        ),
        ("a: 1\n...\nb", "f:3: not YAML: this belongs to nothing above it, column 1"),
        (
            "a: 1\nb: x\0",
            "f:2: not YAML: a control character stands there, column 5 (leave it out)",
        ),
        ("a: ]", "f:1: not YAML: a value is missing before this, column 4"),
        ("a: |x\n b", "f:1: not YAML: a text after | begins on the next line, column 5"),
    ],
)
def test_what_is_no_yaml_is_said_in_plain_words(text: str, says: str) -> None:
    with pytest.raises(SourceError) as caught:
        Reader("f").read(text)
    (problem,) = caught.value.problems
    assert str(problem).startswith(says)
    assert problem.key == ""
    assert "<" not in problem.message


def test_where_no_key_is_meant_none_is_named() -> None:
    assert str(Problem("f", 0, "", "no such file")) == "f: no such file"
    assert str(Problem("f", 2, "a.b", "x", "y")) == "f:2: a.b: x (y)"


def test_both_parsers_read_what_is_shipped_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = rule_texts() | profile_texts() | {"relay.yaml": Path("config/relay.yaml").read_text()}
    found = {where: Reader(where).read(text) for where, text in texts.items()}
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    assert found == {where: Reader(where).read(text) for where, text in texts.items()}


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize(
    ("text", "is_null"),
    [("a:", True), ("a: ~", True), ("a: null", True), ("a: ''", False), ('a: "null"', False)],
)
def test_nothing_is_told_from_an_empty_text(
    text: str, is_null: bool, is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_fast:
        monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    root = Reader("f").read(text)
    assert isinstance(root, Fields)
    value = root.values["a"]
    assert isinstance(value, Text)
    assert value.is_null is is_null


@pytest.mark.parametrize("text", ["a: b\t", "a: [b\tc]", 'a:\tb"c'])
def test_a_tab_is_read_alike_with_and_without_libyaml(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> object:
        try:
            return Reader("f").read(text)
        except SourceError as error:
            return error.problems

    found = read()
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    assert read() == found
