"""A relay.yaml and its site.d, written and loaded, or their faults as they are printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config import Config, SourceError, load

GOOD = "hostname: relay.lpse.example.go.id\nallowed_senders: ['@lpse.example.go.id']\n"


def loaded(folder: Path, text: str = GOOD, **site: str) -> Config:
    (folder / "relay.yaml").write_text(text)
    (folder / "site.d").mkdir(exist_ok=True)
    for name, content in site.items():
        (folder / "site.d" / f"{name}.yaml").write_text(content)
    return load(folder / "relay.yaml", folder / "state")


def faults(folder: Path, text: str, **site: str) -> list[str]:
    """The problems as printed, without the folder's name."""
    with pytest.raises(SourceError) as caught:
        loaded(folder, text, **site)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]
