"""What is told of a relay that does not start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from relay.control import ControlError
from relay.lab import running
from relay.lab.running import Relay


def _relay(tmp_path: Path, script: str) -> Relay:
    """A program that is no relay."""
    return Relay(tmp_path / "relay.yaml", tmp_path, (sys.executable, "-c", script))


async def test_one_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    made = _relay(tmp_path, "import sys; sys.exit('relay.yaml:3: no')")
    with pytest.raises(ControlError, match=r"^the relay did not start: relay\.yaml:3: no$"):
        await made.start()


async def test_one_that_never_answers_is_told_with_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "START", 0.2)
    made = _relay(tmp_path, "import signal; signal.pause()")
    with pytest.raises(ControlError) as told:
        await made.start()
    assert str(told.value) == f"the relay did not start: no answer at {made.control} in 0.2 s"
    assert made.process is not None
    assert await made.process.wait() == -9
