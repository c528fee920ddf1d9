"""Each rule of the door as a transcript."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ingress import dialog


@pytest.mark.parametrize("file", dialog.files(), ids=lambda file: file.stem)
async def test_the_dialog_is_as_written(file: Path) -> None:
    await dialog.play(file)


def test_there_are_dialogs() -> None:
    assert len(dialog.files()) > 30
