"""A text that counts, read again where only the door's part of it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config import SourceError, load
from relay.config.again import settings_of

TEXT = "hostname: relay.lpse.example.go.id\nworkers: 3\ningress: {idle_timeout: 7m}\n"


def test_it_says_the_same_whatever_became_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "relay.yaml"
    file.write_text(TEXT)
    config = load(file)
    file.write_text("nonsense: true\n")
    again = settings_of(config.main.text, file)
    assert again == config.settings
    assert again.workers == 3


def test_a_fault_has_its_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as raised:
        settings_of(f"{TEXT}nonsense: true\n", tmp_path / "relay.yaml")
    [problem] = raised.value.problems
    assert (problem.line, problem.key) == (4, "nonsense")
