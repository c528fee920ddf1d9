"""The table of meanings holds every name that the code raises, in both languages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import relay
from relay.observe.meanings import MEANINGS, meaning_of, words
from relay.observe.severity import Severity, key_of, word_of

SOURCE = Path(relay.__file__).parent
FALLBACK = MEANINGS[-1]


def _texts(node: ast.expr) -> list[str]:
    """What a literal, an f-string or a choice between literals can begin with."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp():
            return [*_texts(node.body), *_texts(node.orelse)]
        case ast.FormattedValue():
            return _texts(node.value) or ["KEY"]
        case ast.JoinedStr():
            found = [""]
            for part in node.values:
                found = [text + more for text in found for more in _texts(part)]
            return found
        case _:
            return []


def _name_argument(call: ast.Call) -> ast.expr | None:
    """Where a call raises an alert: the expression of its name."""
    called = call.func
    word = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    if word in ("alert", "_call") and call.args:
        return call.args[0]
    if word == "Alert" and len(call.args) > 1:
        return call.args[1]
    return None


def _raised(tree: ast.Module) -> Iterator[tuple[int, list[str]]]:
    """Each place that raises an alert, with the names that it may have; none: not to be told."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        parameters = {argument.arg for argument in function.args.args}
        assigned = {
            target.id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(function):
            if not isinstance(call, ast.Call) or (name := _name_argument(call)) is None:
                continue
            if isinstance(name, ast.Name):
                if name.id in parameters:
                    continue  # what calls this function is looked at itself
                name = assigned.get(name.id, name)
            yield call.lineno, _texts(name)


def _found() -> list[tuple[str, list[str]]]:
    found = []
    for file in sorted(SOURCE.rglob("*.py")):
        for line, names in _raised(ast.parse(file.read_text())):
            found.append((f"{file.relative_to(SOURCE)}:{line}", names))
    return found


# They pass on what is raised elsewhere; the hatch, what its workers raise.
PASSED_ON = ("observe/", "shaping/directives", "ingress/hatch")
FOUND = [one for one in _found() if not one[0].startswith(PASSED_ON)]


def test_the_code_is_really_read() -> None:
    names = {name for _, names in FOUND for name in names}
    assert names >= {
        "reload_refused",
        "low_disk",
        "ingress_ceiling",
        "unreadable",
        "unsigned:KEY",
        "probe_refused:KEY",
        "blocked:KEY",
        "fix_config:KEY",
        "not_in_force:KEY",
        "warmup_frozen:KEY",
        "ourselves:KEY",
        "reaction:KEY",
    }


@pytest.mark.parametrize(("where", "names"), FOUND)
def test_every_alert_of_the_code_has_its_meaning(where: str, names: list[str]) -> None:
    assert names, f"{where}: no name can be read there"
    for name in names:
        assert meaning_of(name) is not FALLBACK, f"{where}: {name} has no meaning in the table"


@pytest.mark.parametrize(
    "name",
    [
        "pause:gmail",
        "recovered:gmail",
        "unreachable:mx.example.co.id",
        "reached:mx.example.co.id",
        "out_of_reach:yahoo",
        "fuse:gmail",
        "deadline_at_risk",
        "reaction:slow",
        "log_dropped",
        "test",
    ],
)
def test_what_is_made_here_has_its_meaning(name: str) -> None:
    assert meaning_of(name) is not FALLBACK


def test_an_unknown_name_has_one_too() -> None:
    assert meaning_of("of_a_filter_of_their_own:x") is FALLBACK
    assert meaning_of("") is FALLBACK


@pytest.mark.parametrize("meaning", MEANINGS, ids=lambda one: one.globs[0])
def test_both_languages_say_it_in_sentences(meaning: object) -> None:
    one = next(other for other in MEANINGS if other is meaning)
    for text in (one.en, one.id):
        assert text.endswith(".")
        assert 40 < len(text) < 420
        assert "  " not in text
    assert one.en != one.id
    assert one.en.count("{key}") == 0 or "{key}" in one.id


def test_the_key_is_set_in_and_nothing_else_is() -> None:
    said = meaning_of("blocked:gmail").said("gmail")
    assert said["en"].startswith("gmail blocks our server.")
    assert said["id"].startswith("gmail memblokir server kita.")
    assert meaning_of("blocked:x").said("{0.__class__}")["en"].startswith("{0.__class__} blocks")


def test_no_meaning_hides_a_later_one() -> None:
    for n, one in enumerate(MEANINGS):
        for glob in one.globs:
            assert meaning_of(glob.replace("*", "x") if glob != "*" else "zz") is MEANINGS[n]


def test_words() -> None:
    assert (word_of("pause:a:b"), key_of("pause:a:b"), key_of("low_disk")) == ("pause", "a:b", "")
    assert {"pause", "recovered", "fuse", "low_disk", "deadline_at_risk"} <= set(words())
    assert not [word for word in words() if "*" in word]
    assert [one.rank for one in Severity] == [0, 1, 2]


def test_the_document_has_every_word_with_its_severity() -> None:
    document = (SOURCE.parent / "docs" / "alerts.md").read_text()
    rows = [line.split("|")[1:3] for line in document.splitlines() if line.startswith("| `")]
    severities = {
        word_of(name.strip().strip("`")): severity.strip()
        for cell, severity in rows
        for name in cell.split(",")
    }
    assert severities == {word: meaning_of(word).severity.value for word in words()}
