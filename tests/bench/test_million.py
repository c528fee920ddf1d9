"""A bench of a million letters that fails leaves no relay behind, which would take a core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench import million


class Failed(Exception):
    """What goes wrong."""


class Fake:
    """A relay, or who watches it: whether it was ended."""

    def __init__(self, state: Path) -> None:
        self.state, self.is_ended = state, False

    async def stop(self) -> None:
        self.is_ended = True

    async def end(self) -> None:
        self.is_ended = True
        raise Failed


@pytest.mark.parametrize("fails", ["started", "drained", "end"])
@pytest.mark.parametrize("kind", ["few", "million"])
async def test_whatever_fails_the_relay_is_ended(
    fails: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, watch = Fake(tmp_path), Fake(tmp_path)

    async def works(*given: Any) -> Any:
        return {}

    async def begun(*given: Any) -> Any:
        return relay

    async def started(*given: Any) -> Any:
        if fails == "started":
            raise Failed
        return watch, {}

    async def drained(*given: Any) -> Any:
        if fails == "drained":
            raise Failed
        return {"a_second": 1.0}

    for name, fake in {"begun": begun, "started": started, "drained": drained}.items():
        monkeypatch.setattr(million, name, fake)
    monkeypatch.setattr(million, "fill", works)
    monkeypatch.setattr(million, "listed", works)
    monkeypatch.setattr(relay, "call", works, raising=False)
    around: Any = None
    with pytest.raises(Failed):
        if kind == "few":
            await million.small(tmp_path, around, "own")
        else:
            await million.measured(tmp_path, around, 10, "own", None)
    assert relay.is_ended
    assert watch.is_ended is (fails != "started")
