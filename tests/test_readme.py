"""The README gives a reason for each dependency."""

from __future__ import annotations

import re

from tests.test_locks import PROJECT, TOP, name_of


def first_cells(markdown: str) -> set[str]:
    """The normalised names in the first column of every table, several by commas, links undone."""
    names = set()
    for line in markdown.splitlines():
        cells = line.strip().strip("|").split("|")
        if line.lstrip().startswith("|") and len(cells) > 1 and "".join(cells[1:]).strip():
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cells[0]).replace("`", "")
            names |= {name_of(name) for name in re.split(r"[,\s]+", plain) if name_like(name)}
    return names


def name_like(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text) is not None


def test_the_table_is_read() -> None:
    table = "| what | why |\n|---|---|\n| `PyYAML` | reads |\n| [rich](https://x.example) | see |\n"
    assert first_cells(table) == {"what", "pyyaml", "rich"}
    assert first_cells("| `rich` | |\nrich, pyyaml\n") == set()


def test_every_dependency_has_its_reason() -> None:
    named = first_cells((TOP / "README.md").read_text())
    asked = {name_of(requirement) for requirement in PROJECT["project"]["dependencies"]}
    assert asked - named == set()
